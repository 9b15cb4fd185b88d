#include "genvinci/models/gene_transformer.h"

#include <algorithm>

#include "genvinci/core/error.h"
#include "genvinci/nn/attention.h"
#include "genvinci/nn/registry.h"

namespace genvinci {
namespace {

constexpr double kLayerNormEps = 1e-12;
constexpr double kInitStd = 0.02;
constexpr int64_t kTypes = 2;

torch::nn::LayerNorm MakeLayerNorm(int64_t width) {
  return torch::nn::LayerNorm(torch::nn::LayerNormOptions({width}).eps(kLayerNormEps));
}

torch::Tensor Activate(const torch::Tensor& x, bool gelu) { return gelu ? torch::gelu(x) : torch::relu(x); }

}  // namespace

// Attention and feed-forward part, each followed by drop-out, residual and LayerNorm.
class BertLayerImpl : public torch::nn::Module {
 public:
  explicit BertLayerImpl(const GeneTransformerConfig& config)
      : heads_(config.heads), gelu_(config.activation == "gelu"), dropout_(config.dropout) {
    const int64_t width = config.hidden;
    query_ = RegisterAt(*this, "attention.self.query", torch::nn::Linear(width, width));
    key_ = RegisterAt(*this, "attention.self.key", torch::nn::Linear(width, width));
    value_ = RegisterAt(*this, "attention.self.value", torch::nn::Linear(width, width));
    attention_out_ = RegisterAt(*this, "attention.output.dense", torch::nn::Linear(width, width));
    attention_norm_ = RegisterAt(*this, "attention.output.LayerNorm", MakeLayerNorm(width));
    feed_in_ = RegisterAt(*this, "intermediate.dense", torch::nn::Linear(width, config.feed_forward));
    feed_out_ = RegisterAt(*this, "output.dense", torch::nn::Linear(config.feed_forward, width));
    feed_norm_ = RegisterAt(*this, "output.LayerNorm", MakeLayerNorm(width));
  }

  torch::Tensor forward(const torch::Tensor& x_BLD, const torch::Tensor& mask_B11L) {
    const AttentionSettings settings{heads_, mask_B11L, is_training() ? dropout_ : 0.0};
    const torch::Tensor attended = Attend(query_(x_BLD), key_(x_BLD), value_(x_BLD), settings);
    const torch::Tensor x = attention_norm_(Drop(attention_out_(attended)) + x_BLD);
    return feed_norm_(Drop(feed_out_(Activate(feed_in_(x), gelu_))) + x);
  }

 private:
  torch::Tensor Drop(const torch::Tensor& x) const { return torch::dropout(x, dropout_, is_training()); }

  int64_t heads_;
  bool gelu_;
  double dropout_;
  torch::nn::Linear query_{nullptr}, key_{nullptr}, value_{nullptr}, attention_out_{nullptr};
  torch::nn::Linear feed_in_{nullptr}, feed_out_{nullptr};
  torch::nn::LayerNorm attention_norm_{nullptr}, feed_norm_{nullptr};
};

GeneTransformerImpl::GeneTransformerImpl(const GeneTransformerConfig& config) : config_(config) {
  AddEmbeddings();
  for (int64_t i = 0; i < config.layers; ++i) {
    auto layer = std::make_shared<BertLayerImpl>(config);
    layers_.push_back(RegisterAt(*this, "bert.encoder.layer." + std::to_string(i), layer));
  }
  AddHead();
  Initialise();
}

void GeneTransformerImpl::AddEmbeddings() {
  const auto words = torch::nn::EmbeddingOptions(config_.vocabulary_size, config_.hidden).padding_idx(0);
  words_ = RegisterAt(*this, "bert.embeddings.word_embeddings", torch::nn::Embedding(words));
  positions_ = RegisterAt(*this, "bert.embeddings.position_embeddings",
                          torch::nn::Embedding(config_.max_tokens, config_.hidden));
  types_ = RegisterAt(*this, "bert.embeddings.token_type_embeddings", torch::nn::Embedding(kTypes, config_.hidden));
  embeddings_norm_ = RegisterAt(*this, "bert.embeddings.LayerNorm", MakeLayerNorm(config_.hidden));
}

void GeneTransformerImpl::AddHead() {
  const std::string scope = "cls.predictions";
  head_bias_ = ScopeAt(*this, scope).register_parameter("bias", torch::zeros({config_.vocabulary_size}));
  head_dense_ = RegisterAt(*this, scope + ".transform.dense", torch::nn::Linear(config_.hidden, config_.hidden));
  head_norm_ = RegisterAt(*this, scope + ".transform.LayerNorm", MakeLayerNorm(config_.hidden));
}

void GeneTransformerImpl::Initialise() {
  const torch::NoGradGuard no_grad;
  for (const auto& item : named_parameters()) {
    torch::Tensor parameter = item.value();
    const bool is_norm = item.key().find("LayerNorm") != std::string::npos;
    if (parameter.dim() == 2) {
      parameter.normal_(0, kInitStd);
    } else if (!is_norm) {
      parameter.zero_();
    }
  }
  words_->weight[0].zero_();
}

torch::Tensor GeneTransformerImpl::forward(const torch::Tensor& tokens_BL) {
  return ForwardMasked(tokens_BL, (tokens_BL != 0).to(torch::kInt64));
}

torch::Tensor GeneTransformerImpl::ForwardMasked(const torch::Tensor& tokens_BL, const torch::Tensor& mask_BL) {
  const int64_t length = tokens_BL.size(1);
  GENVINCI_CHECK(length <= config_.max_tokens, "{} tokens, the model has {} positions", length, config_.max_tokens);
  const torch::Tensor positions_LD = positions_->weight.slice(0, 0, length);
  const torch::Tensor summed_BLD = words_(tokens_BL) + (positions_LD + types_->weight[0]);
  torch::Tensor x_BLD = torch::dropout(embeddings_norm_(summed_BLD), config_.dropout, is_training());
  const torch::Tensor mask_B11L = PaddingMask(mask_BL, x_BLD.scalar_type());
  for (const auto& layer : layers_)
    x_BLD = RunLayer(*layer, {x_BLD, mask_B11L},
                     [layer](const auto& inputs) { return layer->forward(inputs[0], inputs[1]); });
  return x_BLD;
}

torch::Tensor GeneTransformerImpl::MlmLogits(const torch::Tensor& hidden_ND) {
  return torch::linear(head_norm_(Activate(head_dense_(hidden_ND), config_.activation == "gelu")), words_->weight,
                       head_bias_);
}

torch::Tensor MeanOverTokens(const torch::Tensor& hidden_BLD, const torch::Tensor& tokens_BL) {
  const torch::Tensor mask_BL1 = (tokens_BL != 0).unsqueeze(-1).to(hidden_BLD.scalar_type());
  return (hidden_BLD * mask_BL1).sum(1) / mask_BL1.sum(1).clamp_min(1);
}

}  // namespace genvinci
