#include "sample_ranker.h"

#include "genvinci/tensor/device.h"

namespace genvinci {

SampleRanker::SampleRanker(LoadedAligner aligner, const Dataset& dataset)
    : aligner_(std::move(aligner)),
      tokenized_(TokenizeDataset(dataset, aligner_.vocabulary, aligner_.aligner->config().transformer.max_tokens)) {}

torch::Tensor SampleRanker::Score(const torch::Tensor& images_BCHW, const std::vector<int64_t>& observations) const {
  const torch::NoGradGuard no_grad;
  Aligner network = aligner_.aligner;
  const torch::Device device = network->logit_scale.device();
  std::vector<std::vector<int32_t>> lists;
  for (const int64_t i : observations) lists.push_back(tokenized_.tokens[static_cast<size_t>(i)]);
  const torch::Tensor tokens_BL =
      ToDevice(PadTokens(lists, network->config().transformer.max_tokens, /*full=*/false), device);
  const torch::Tensor profiles_BE = network->EmbedProfiles(network->transformer->forward(tokens_BL), tokens_BL);
  const torch::Tensor bytes_BCHW = images_BCHW.add(1).mul(127.5).round().clamp(0, 255).to(torch::kUInt8);
  const torch::Tensor features_BF = aligner_.Features(bytes_BCHW).to(device, torch::kFloat32);
  return (network->EmbedFeatures(features_BF) * profiles_BE).sum(1).to(torch::kCPU, torch::kFloat64);
}

torch::Tensor RanksOf(const torch::Tensor& scores_NS) {
  const torch::Tensor order_NS = scores_NS.argsort(/*stable=*/true, /*dim=*/1, /*descending=*/true);
  return order_NS.argsort(/*stable=*/true, /*dim=*/1, /*descending=*/false) + 1;
}

}  // namespace genvinci
