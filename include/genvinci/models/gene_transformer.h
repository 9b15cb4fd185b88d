#pragma once

#include <torch/torch.h>

#include <memory>
#include <vector>

#include "genvinci/models/model_options.h"
#include "genvinci/nn/checkpointed_layers.h"

namespace genvinci {

class BertLayerImpl;

// BERT, post-norm, ReLU, learned absolute positions, type vocabulary 2 (all zero), LayerNorm eps 1e-12, tied decoder.
// Parameters are called as in Hugging Face's BertForMaskedLM (bert.embeddings.word_embeddings.weight, ...,
// cls.predictions.bias), less the decoder's, which is the word embedding.
class GeneTransformerImpl : public torch::nn::Module, public CheckpointedLayers {
 public:
  explicit GeneTransformerImpl(const GeneTransformerConfig& config);

  // tokens_BL int64 (0 = <pad>), L <= max_tokens; mask is tokens != 0. Returns the last hidden state (B, L, hidden).
  torch::Tensor forward(const torch::Tensor& tokens_BL);
  // The same with a mask of its own (B, L): 0 at positions that are not looked at.
  torch::Tensor ForwardMasked(const torch::Tensor& tokens_BL, const torch::Tensor& mask_BL);
  // Masked-language head (dense, ReLU, LayerNorm, tied decoder with bias) of the hidden states at some positions.
  torch::Tensor MlmLogits(const torch::Tensor& hidden_ND);  // (N, vocabulary)

  const GeneTransformerConfig& config() const { return config_; }

 private:
  void AddEmbeddings();
  void AddHead();
  void Initialise();

  GeneTransformerConfig config_;
  torch::nn::Embedding words_{nullptr}, positions_{nullptr}, types_{nullptr};
  torch::nn::LayerNorm embeddings_norm_{nullptr}, head_norm_{nullptr};
  std::vector<std::shared_ptr<BertLayerImpl>> layers_;
  torch::nn::Linear head_dense_{nullptr};
  torch::Tensor head_bias_;
};
TORCH_MODULE(GeneTransformer);

// The mean hidden state over a profile's own tokens (B, D); padding changes nothing.
torch::Tensor MeanOverTokens(const torch::Tensor& hidden_BLD, const torch::Tensor& tokens_BL);

}  // namespace genvinci
