#include "genvinci/data/dataset.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/run_folder.h"
#include "genvinci/core/sha256.h"

namespace genvinci {
namespace {

constexpr int64_t kBatchRows = 256;
constexpr const char* kReferenceName = "he_st";
constexpr const char* kReferenceHeldOut = "BC23377";
constexpr const char* kReferencePatches = "spot_224";
constexpr int64_t kReferencePatchSize = 224;

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

std::string ReferenceName(const fs::path& folder) { return fs::canonical(folder).filename().string(); }

DatasetInfo ReferenceInfo(const fs::path& folder) {
  DatasetInfo info;
  info.name = ReferenceName(folder);
  info.technology = "st";
  if (fs::is_directory(folder / kReferencePatches)) {
    info.channels = DefaultChannels(3);
    info.patch_size = info.img_size = kReferencePatchSize;
  }
  info.split_kind = info.name == kReferenceName ? "prefix" : "none";
  info.provenance["layout"] = "reference";
  return info;
}

struct SplitMasks {
  std::vector<int8_t> train, val, test;
};

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

SplitMasks ReferenceSplits(const DataFrame& obs, const std::string& name) {
  const size_t n = obs.index.size();
  SplitMasks masks{std::vector<int8_t>(n, 1), std::vector<int8_t>(n), std::vector<int8_t>(n)};
  if (name != kReferenceName) return masks;
  for (size_t i = 0; i < n; ++i) {
    const bool held_out = obs.index[i].starts_with(kReferenceHeldOut);
    masks.train[i] = !held_out;
    masks.val[i] = masks.test[i] = held_out;
  }
  return masks;
}

std::string FileState(const fs::path& path) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  const auto time = fs::last_write_time(path, error).time_since_epoch().count();
  return fmt::format("{} {} {}\n", path.filename().string(), error ? 0 : size, error ? 0 : time);
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
  json["split_kind"] = split_kind;
  json["same_patient"] = same_patient;
  json["label_column"] = label_column;
  json["proportion_columns"] = proportion_columns;
  json["leak_report"] = leak_report;
  json["provenance"] = provenance;
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
  info.split_kind = Field<std::string>(json, "split_kind", source);
  info.same_patient = Field<bool>(json, "same_patient", source);
  info.label_column = Field<std::string>(json, "label_column", source);
  info.proportion_columns = Field<std::vector<std::string>>(json, "proportion_columns", source);
  info.leak_report = Field<Json>(json, "leak_report", source);
  info.provenance = Field<Json>(json, "provenance", source);
  return info;
}

Dataset Dataset::Open(const std::string& name_or_path) {
  Dataset dataset;
  dataset.path_ = ResolveDataset(name_or_path);
  const fs::path description = dataset.path_ / "dataset.json";
  const bool is_reference = !fs::exists(description) && fs::exists(dataset.path_ / "demo.h5ad");
  if (!is_reference) RequireFile(description, "this is no dataset folder: make one with genvinci prepare");
  dataset.info_ =
      is_reference ? ReferenceInfo(dataset.path_) : DatasetInfo::FromJson(ReadJson(description), description.string());
  const fs::path expression = dataset.path_ / (is_reference ? "demo.h5ad" : "expression.h5ad");
  dataset.file_ = std::make_shared<H5adFile>(expression);
  if (dataset.size() == 0) throw DataError("DATASET_EMPTY", "{}: holds no observation", expression.string());
  SplitMasks masks = is_reference && (dataset.info_.name == kReferenceName || !dataset.obs().Find("split"))
                         ? ReferenceSplits(dataset.obs(), dataset.info_.name)
                         : ReadSplits(dataset.obs(), expression);
  dataset.in_train_ = std::move(masks.train);
  dataset.in_val_ = std::move(masks.val);
  dataset.in_test_ = std::move(masks.test);
  if (dataset.has_images())
    dataset.patches_ = JoinPatches(dataset.obs(), dataset.path_ / (is_reference ? kReferencePatches : "patches"));
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
  const std::vector<int8_t>& mask = split == Split::kTrain ? in_train_ : split == Split::kVal ? in_val_ : in_test_;
  std::vector<int64_t> indices;
  for (size_t i = 0; i < mask.size(); ++i)
    if (mask[i]) indices.push_back(static_cast<int64_t>(i));
  return indices;
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
  Image patch = ToEightBits(ReadImage(path));
  if (patch.channels == 4 && info_.channels.size() == 3) patch = DropAlpha(patch);
  if (patch.channels != static_cast<int64_t>(info_.channels.size()))
    throw DataError("PATCH_CHANNELS", "{}: {} channels, the dataset has {} (observation '{}'): prepare it again",
                    path.string(), patch.channels, info_.channels.size(), obs_name(i));
  if (patch.width != info_.img_size || patch.height != info_.img_size)
    throw DataError("PATCH_SIZE", "{}: {} x {} px, the dataset says {} (observation '{}'): prepare it again",
                    path.string(), patch.width, patch.height, info_.img_size, obs_name(i));
  return patch;
}

std::string Dataset::fingerprint() const {
  std::string state = DumpJson(info_.ToJson()) + "\n" + FileState(file_->path());
  for (const std::string& name : obs().index) state += name + "\n";
  for (const fs::path& patch : patches_) state += FileState(patch);
  return Sha256(state);
}

}  // namespace genvinci
