#include <algorithm>

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

void AppendRows(const torch::Tensor& rows_BD, DenseArray& array) {
  const torch::Tensor values = rows_BD.cpu().to(torch::kFloat64).contiguous();
  array.rows += values.size(0);
  array.columns = values.size(1);
  array.values.insert(array.values.end(), values.const_data_ptr<double>(),
                      values.const_data_ptr<double>() + values.numel());
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
  StagedFolder staged(folder);
  Pipeline pipeline = job.loaded.pipeline;
  if (!pipeline->unet->config().HasAttention())
    Warn("text_embs: this checkpoint's UNet has no attention, so they are as they were before training; use time_embs");
  DenseArray gene_embeddings, text_embeddings, time_embeddings;
  const torch::NoGradGuard no_grad;
  Progress progress("embedding profiles", static_cast<int64_t>(observations.size()), "profiles");
  const auto batch = static_cast<size_t>(job.options.batch_size);
  for (size_t first = 0; first < observations.size(); first += batch) {
    ThrowIfStopped("stopped before all profiles were embedded; nothing was written");
    const size_t end = std::min(first + batch, observations.size());
    const std::vector<int64_t> batch_rows(observations.begin() + static_cast<int64_t>(first),
                                          observations.begin() + static_cast<int64_t>(end));
    const EncodedProfiles profiles = job.ProfilesOf(batch_rows);
    if (profiles.hidden_BLD.defined())
      AppendRows(MeanOverPositions(profiles, pipeline->conditioner->needs_full_length()), gene_embeddings);
    const Condition condition = pipeline->Read(profiles, job.table->Second(batch_rows));
    AppendRows(condition.context_BLD.mean(1), text_embeddings);
    AppendRows(condition.time_BT, time_embeddings);
    progress.Add(static_cast<int64_t>(end - first));
  }
  H5adWriter writer(staged.path() / "embeddings.h5ad", ObsOf(job.dataset, observations, split), DataFrame());
  if (gene_embeddings.rows > 0) writer.SetObsm("gf_embs", gene_embeddings);
  writer.SetObsm("text_embs", text_embeddings);
  writer.SetObsm("time_embs", time_embeddings);
  for (size_t i = 0; i < observations.size(); ++i) writer.AppendDense({});
  writer.Finish();
  const Json description = {{"version", kVersion},
                            {"command_line", CommandLine()},
                            {"options", ToJson(job.options)},
                            {"checkpoint", job.loaded.path.string()},
                            {"dataset", job.dataset.path().string()},
                            {"split", Name(split)},
                            {"n", observations.size()}};
  WriteJson(staged.path() / "extraction.json", description);
  staged.Commit();
  return {{"output", folder.string()}, {"split", Name(split)}, {"n", observations.size()}};
}

}  // namespace genvinci
