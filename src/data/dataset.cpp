#include "genvinci/data/dataset.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/run_folder.h"
#include "genvinci/core/sha256.h"
#include "genvinci/data/file_state.h"
#include "reference_layout.h"

namespace genvinci {
namespace {

constexpr int64_t kBatchRows = 256;

// JSON fields of dataset.json by their types; a field that is missing or of another type names the file.
template <typename T>
T Field(const Json& json, const char* key, const std::string& source) {
  const auto found = json.find(key);
  if (found == json.end())
    throw DataError("DATASET_FIELD", "{}: '{}' is missing: prepare the dataset again", source, key);
  try {
    return found->get<T>();
  } catch (const Json::exception&) {
    throw DataError("DATASET_FIELD", "{}: '{}' is {}: prepare the dataset again", source, key,
                    found->dump().substr(0, 60));
  }
}

// Patch files of a folder by name without the ending.
std::unordered_map<std::string, fs::path> ListPatches(const fs::path& folder) {
  std::unordered_map<std::string, fs::path> patches;
  if (!fs::is_directory(folder))
    throw MissingFileError("DATASET_PATCHES",
                           "{}: no such folder, dataset.json says there are images: prepare the dataset again",
                           folder.string());
  for (const fs::directory_entry& entry : fs::directory_iterator(folder))
    patches[entry.path().stem().string()] = entry.path();
  return patches;
}

std::vector<fs::path> JoinPatches(const DataFrame& obs, const fs::path& folder) {
  const auto files = ListPatches(folder);
  std::vector<fs::path> patches;
  int64_t missing = 0;
  std::string first;
  for (const std::string& name : obs.index) {
    auto found = files.find(EscapeFileName(name));
    if (found == files.end()) found = files.find(name);
    if (found == files.end() && missing++ == 0) first = name;
    patches.push_back(found == files.end() ? fs::path() : found->second);
  }
  if (missing > 0)
    throw DataError("DATASET_PATCH", "{}: {} of {} observations have no image, such as '{}': prepare the dataset again",
                    folder.string(), missing, obs.index.size(), first);
  return patches;
}

SplitMasks ReadSplits(const DataFrame& obs, const fs::path& path) {
  const size_t n = obs.index.size();
  SplitMasks masks{std::vector<int8_t>(n), std::vector<int8_t>(n), std::vector<int8_t>(n)};
  const FrameColumn* column = obs.Find("split");
  if (!column)
    throw DataError("DATASET_SPLIT", "{}: obs has no column 'split': prepare the dataset again", path.string());
  for (size_t i = 0; i < n; ++i) {
    const std::string split = column->Text(i);
    masks.train[i] = split == Name(Split::kTrain);
    masks.val[i] = split == Name(Split::kVal);
    masks.test[i] = split == Name(Split::kTest);
    if (masks.train[i] + masks.val[i] + masks.test[i] != 1)
      throw DataError("DATASET_SPLIT", "{}: obs['split'] of '{}' is '{}': expected train, val or test", path.string(),
                      obs.index[i], split);
  }
  return masks;
}

// Leaves so many of the ones in a mask, evenly spread.
std::vector<int8_t> Thinned(const std::vector<int8_t>& mask, int64_t count) {
  const auto all = static_cast<int64_t>(std::count(mask.begin(), mask.end(), 1));
  if (all <= count) return mask;
  std::vector<int8_t> thinned(mask.size());
  int64_t at = 0;
  for (size_t i = 0; i < mask.size(); ++i)
    if (mask[i]) {
      thinned[i] = at * count / all != (at + 1) * count / all;
      ++at;
    }
  return thinned;
}

}  // namespace

std::vector<std::string> DefaultChannels(int64_t count) {
  if (count == 1) return {"grey"};
  if (count == 3) return {"red", "green", "blue"};
  std::vector<std::string> names;
  for (int64_t k = 0; k < count; ++k) names.push_back("channel_" + std::to_string(k));
  return names;
}

std::string_view Name(Split split) {
  switch (split) {
    case Split::kTrain:
      return "train";
    case Split::kVal:
      return "val";
    case Split::kTest:
      return "test";
  }
  throw InternalError("BUG", "split {}", static_cast<int>(split));
}

Json DatasetInfo::ToJson() const {
  Json json;
  json["name"] = name;
  json["technology"] = technology;
  json["channels"] = channels;
  json["um_per_px"] = um_per_px;
  json["patch_size"] = patch_size;
  json["img_size"] = img_size;
  for (const ValueRange& range : value_ranges) json["value_ranges"].push_back({range.low, range.high});
  json["split_kind"] = split_kind;
  json["same_patient"] = same_patient;
  json["label_column"] = label_column;
  json["proportion_columns"] = proportion_columns;
  json["leak_report"] = leak_report;
  json["provenance"] = provenance;
  if (content) json["content"] = content->ToJson();
  return json;
}

DatasetInfo DatasetInfo::FromJson(const Json& json, const std::string& source) {
  if (!json.is_object()) throw DataError("DATASET_FIELD", "{}: is no object: prepare the dataset again", source);
  DatasetInfo info;
  info.name = Field<std::string>(json, "name", source);
  info.technology = Field<std::string>(json, "technology", source);
  info.channels = Field<std::vector<std::string>>(json, "channels", source);
  info.um_per_px = Field<double>(json, "um_per_px", source);
  info.patch_size = Field<int64_t>(json, "patch_size", source);
  info.img_size = Field<int64_t>(json, "img_size", source);
  if (json.contains("value_ranges"))
    for (const auto& [low, high] : Field<std::vector<std::pair<double, double>>>(json, "value_ranges", source))
      info.value_ranges.push_back({low, high});
  info.split_kind = Field<std::string>(json, "split_kind", source);
  info.same_patient = Field<bool>(json, "same_patient", source);
  info.label_column = Field<std::string>(json, "label_column", source);
  info.proportion_columns = Field<std::vector<std::string>>(json, "proportion_columns", source);
  info.leak_report = Field<Json>(json, "leak_report", source);
  info.provenance = Field<Json>(json, "provenance", source);
  if (json.contains("content")) info.content = ContentSums::FromJson(json["content"], source);
  return info;
}

// Where nothing may be written the sums are not remembered.
fs::path Dataset::Hint() const { return keeps_caches() ? path_ / "cache" / "content.json" : fs::path(); }

Dataset Dataset::Open(const std::string& name_or_path, DatasetUse use) {
  Dataset dataset;
  dataset.use_ = use;
  dataset.path_ = ResolveDataset(name_or_path);
  const bool is_reference = ReferenceLayout::IsAt(dataset.path_);
  const fs::path description = dataset.path_ / "dataset.json";
  if (!is_reference) RequireFile(description, "this is no dataset folder: make one with genvinci prepare");
  dataset.info_ = is_reference ? ReferenceLayout::Info(dataset.path_)
                               : DatasetInfo::FromJson(ReadJson(description), description.string());
  const fs::path expression =
      is_reference ? ReferenceLayout::Expression(dataset.path_) : dataset.path_ / "expression.h5ad";
  RequireFile(expression, "prepare the dataset again");
  const bool is_own =
      dataset.info_.content && ExpressionSum(expression, dataset.Hint()) == dataset.info_.content->expression;
  dataset.file_ = std::make_shared<H5adFile>(expression, H5adLimits{}, is_own ? Trust::kOwn : Trust::kForeign);
  if (dataset.size() == 0) throw DataError("DATASET_EMPTY", "{}: holds no observation", expression.string());
  const auto given = is_reference ? ReferenceLayout::Splits(dataset.info_, dataset.obs()) : std::nullopt;
  dataset.masks_ = given ? *given : ReadSplits(dataset.obs(), expression);
  const fs::path patches = is_reference ? ReferenceLayout::Patches(dataset.path_) : dataset.path_ / "patches";
  if (dataset.has_images()) dataset.patches_ = JoinPatches(dataset.obs(), patches);
  return dataset;
}

std::vector<std::string> Dataset::gene_names() const {
  std::vector<std::string> names = file_->var().index;
  const FrameColumn* ids = file_->var().Find("ensg_id");
  for (size_t k = 0; ids && k < names.size(); ++k)
    if (std::string id = ids->Text(k); !id.empty()) names[k] = std::move(id);
  return names;
}

std::vector<int64_t> Dataset::Indices(Split split) const {
  const std::vector<int8_t>& mask = split == Split::kTrain ? masks_.train
                                    : split == Split::kVal ? masks_.val
                                                           : masks_.test;
  std::vector<int64_t> indices;
  for (size_t i = 0; i < mask.size(); ++i)
    if (mask[i]) indices.push_back(static_cast<int64_t>(i));
  return indices;
}

Dataset Dataset::Excerpt(int64_t train, int64_t val) const {
  Dataset part = *this;
  part.masks_.train = Thinned(masks_.train, train);
  part.masks_.val = Thinned(masks_.val, val);
  return part;
}

void Dataset::ForEachProfile(const ProfileUser& use) const {
  file_->ForEachBatch("X", kBatchRows, [&](const SparseRows& rows) {
    for (int64_t r = 0; r < rows.rows(); ++r) {
      const int64_t i = rows.first_row + r;
      for (const float value : rows.RowValues(r))
        if (value != std::floor(value))
          throw DataError(
              "LAYER_NOT_COUNTS",
              "{}: X holds {} in observation {}: raw counts are whole numbers; prepare the file with --layer",
              file_->path().string(), value, obs_name(i));
      use(i, rows.RowIndices(r), rows.RowValues(r));
    }
  });
}

fs::path Dataset::PatchPath(int64_t i) const {
  if (!has_images())
    throw DataError("DATASET_NO_IMAGES", "{}: has no images: prepare it without --no_images", path_.string());
  return patches_.at(static_cast<size_t>(i));
}

Image Dataset::LoadPatch(int64_t i) const {
  const fs::path path = PatchPath(i);
  Image patch = ReadImage(path);
  if (patch.bits != 8)
    throw DataError("PATCH_DEPTH", "{}: {} bits a channel (observation '{}'): patches have 8: prepare it again",
                    path.string(), patch.bits, obs_name(i));
  if (patch.channels == 4 && info_.channels.size() == 3) patch = DropAlpha(patch);
  if (patch.channels != static_cast<int64_t>(info_.channels.size()))
    throw DataError("PATCH_CHANNELS", "{}: {} channels, the dataset has {} (observation '{}'): prepare it again",
                    path.string(), patch.channels, info_.channels.size(), obs_name(i));
  if (patch.width != info_.img_size || patch.height != info_.img_size)
    throw DataError("PATCH_SIZE", "{}: {} x {} px, the dataset says {} (observation '{}'): prepare it again",
                    path.string(), patch.width, patch.height, info_.img_size, obs_name(i));
  return patch;
}

ContentSums Dataset::content() const { return {ExpressionSum(file_->path(), Hint()), PatchesSum(patches_, Hint())}; }

std::string Dataset::fingerprint() const {
  if (!fingerprint_.empty()) return fingerprint_;
  const ContentSums sums = content();
  if (info_.content && sums != *info_.content)
    Warn("{}: its files have changed since they were prepared: runs of the dataset before will not fit",
         path_.string());
  DatasetInfo info = info_;
  info.content = sums;
  std::string text = DumpJson(info.ToJson()) + "\n";
  for (const std::string& name : obs().index) text += name + "\n";
  return fingerprint_ = Sha256(text);
}

std::string Dataset::earlier_fingerprint() const {
  DatasetInfo info = info_;
  info.content.reset();
  std::string state = DumpJson(info.ToJson()) + "\n" + FileState(file_->path());
  for (const std::string& name : obs().index) state += name + "\n";
  for (const fs::path& patch : patches_) state += FileState(patch);
  return Sha256(state);
}

bool Dataset::Is(const std::string& other) const { return other == fingerprint() || other == earlier_fingerprint(); }

}  // namespace genvinci
