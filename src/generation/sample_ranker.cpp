#include "sample_ranker.h"

#include "genvinci/data/tokens.h"
#include "genvinci/tensor/byte_scale.h"

namespace genvinci {

SampleRanker::SampleRanker(LoadedAligner aligner, const Dataset& dataset)
    : aligner_(std::move(aligner)),
      profiles_(
          aligner_.aligner->transformer,
          TokenizeDataset(dataset, aligner_.vocabulary, aligner_.aligner->config().transformer.max_tokens).tokens) {}

torch::Tensor SampleRanker::Score(const torch::Tensor& images_BCHW, const std::vector<int64_t>& observations) const {
  const torch::NoGradGuard no_grad;
  Aligner network = aligner_.aligner;
  const EncodedProfiles profiles = profiles_.Encode(observations);
  const torch::Tensor profiles_BE = network->EmbedProfiles(profiles.hidden_BLD, profiles.tokens_BL);
  const torch::Tensor bytes_BCHW = ToByteScale(images_BCHW).to(torch::kUInt8);
  const torch::Tensor features_BF = aligner_.Features(bytes_BCHW).to(profiles_.device(), torch::kFloat32);
  return (network->EmbedFeatures(features_BF) * profiles_BE).sum(1).to(torch::kCPU, torch::kFloat64);
}

torch::Tensor RanksOf(const torch::Tensor& scores_NS) {
  const torch::Tensor order_NS = scores_NS.argsort(/*stable=*/true, /*dim=*/1, /*descending=*/true);
  return order_NS.argsort(/*stable=*/true, /*dim=*/1, /*descending=*/false) + 1;
}

}  // namespace genvinci
