#include <algorithm>
#include <optional>

#include "genvinci/core/log.h"
#include "genvinci/core/progress.h"
#include "genvinci/core/signals.h"
#include "genvinci/core/version.h"
#include "genvinci/io/h5ad.h"
#include "job.h"

namespace genvinci {
namespace {

// The reference averages over all positions, padded ones too; where nothing is padded to the full length, padding
// depends on the batch, so only the profile's own tokens count.
torch::Tensor MeanOverPositions(const EncodedProfiles& profiles, bool full_length) {
  return full_length ? profiles.hidden_BLD.mean(1) : MeanOverTokens(profiles.hidden_BLD, profiles.tokens_BL);
}

struct Embeddings {
  DenseArray gene, text, time;  // gene: empty where the condition reads no genes
};

// (N, D) of all ranks, from the batches of this one, whose first `count` rows are its share.
DenseArray GatherBatches(const std::vector<torch::Tensor>& batches, int64_t count, RankGroup& ranks) {
  if (batches.empty()) return {};
  const torch::Tensor mine_ND = torch::cat(batches).narrow(0, 0, count).cpu().to(torch::kFloat64);
  const torch::Tensor all_ND = ranks.GatherRows(mine_ND).contiguous();
  const double* values = all_ND.const_data_ptr<double>();
  return {all_ND.size(0), all_ND.size(1), {values, values + all_ND.numel()}};
}

Embeddings Embed(const GenerationJob& job, const std::vector<int64_t>& observations) {
  const torch::NoGradGuard no_grad;
  Pipeline pipeline = job.loaded.pipeline;
  const RankGroup::Share share = job.ranks.ShareOf(static_cast<int64_t>(observations.size()));
  // A rank without a share embeds one, so that the sizes are known.
  const int64_t end = std::max(share.end, share.first + 1);
  std::vector<torch::Tensor> gene, text, time;
  Progress progress("embedding profiles", end - share.first, "profiles");
  for (int64_t first = share.first; first < end; first += job.options.batch_size) {
    ThrowIfStopped("stopped before all profiles were embedded; nothing was written");
    const int64_t last = std::min(first + job.options.batch_size, end);
    const std::vector<int64_t> rows(observations.begin() + first, observations.begin() + last);
    const EncodedProfiles profiles = job.ProfilesOf(rows);
    if (profiles.hidden_BLD.defined())
      gene.push_back(MeanOverPositions(profiles, pipeline->conditioner->needs_full_length()));
    const Condition condition = pipeline->Read(profiles, job.table->Extra(rows));
    text.push_back(condition.context_BLD.mean(1));
    time.push_back(condition.time_BT);
    progress.Add(last - first);
  }
  return {GatherBatches(gene, share.size(), job.ranks), GatherBatches(text, share.size(), job.ranks),
          GatherBatches(time, share.size(), job.ranks)};
}

DataFrame ObsOf(const Dataset& dataset, const std::vector<int64_t>& observations, Split split) {
  DataFrame obs;
  std::vector<std::string> labels;
  const std::string& column = dataset.info().label_column;
  const FrameColumn* label = column.empty() ? nullptr : dataset.obs().Find(column);
  for (const int64_t i : observations) {
    obs.index.push_back(dataset.obs_name(i));
    if (label) labels.push_back(label->Text(static_cast<size_t>(i)));
  }
  obs.Set("split", FrameColumn::Strings(std::vector<std::string>(observations.size(), std::string(Name(split)))));
  if (label) obs.Set(column, FrameColumn::Strings(labels));
  return obs;
}

}  // namespace

Json ExtractSplit(const GenerationJob& job, Split split, const fs::path& folder) {
  const std::vector<int64_t> observations = job.ObservationsOf(split);
  std::optional<StagedFolder> staged;
  if (job.ranks.is_main()) staged.emplace(folder);
  if (!job.loaded.pipeline->denoiser->shape().reads_context)
    Warn("text_embs: this checkpoint's UNet has no attention, so they are as they were before training; use time_embs");
  const Embeddings embeddings = Embed(job, observations);
  job.ranks.OnMain([&] {
    H5adWriter writer(staged->path() / "embeddings.h5ad", ObsOf(job.dataset, observations, split), DataFrame());
    if (embeddings.gene.rows > 0) writer.SetObsm("gf_embs", embeddings.gene);
    writer.SetObsm("text_embs", embeddings.text);
    writer.SetObsm("time_embs", embeddings.time);
    for (size_t i = 0; i < observations.size(); ++i) writer.AppendDense({});
    writer.Finish();
    WriteJson(staged->path() / "extraction.json", {{"version", kVersion},
                                                   {"command_line", CommandLine()},
                                                   {"options", ToJson(job.options)},
                                                   {"checkpoint", job.loaded.path.string()},
                                                   {"dataset", job.dataset.path().string()},
                                                   {"split", Name(split)},
                                                   {"n", observations.size()}});
    staged->Commit();
  });
  return {{"output", folder.string()}, {"split", Name(split)}, {"n", observations.size()}};
}

}  // namespace genvinci
