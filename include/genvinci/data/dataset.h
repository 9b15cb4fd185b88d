#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "genvinci/core/files.h"
#include "genvinci/core/json.h"
#include "genvinci/data/content_sums.h"
#include "genvinci/genes/gene_mapping.h"
#include "genvinci/io/h5ad.h"
#include "genvinci/io/image.h"

namespace genvinci {

enum class Split { kTrain, kVal, kTest };
std::string_view Name(Split split);  // "train", "val", "test"

// Names of the channels of images that name none: {"grey"}, {"red", "green", "blue"}, {"channel_0", ...}.
std::vector<std::string> DefaultChannels(int64_t count);

// dataset.json.
struct DatasetInfo {
  std::string name;
  std::string technology;                       // "st", "h5ad", "virtual"
  std::vector<std::string> channels;            // {"red", "green", "blue"}, {"DAPI"}, ...; empty without images
  double um_per_px = 0;                         // of the stored patches; 0: unknown
  int64_t patch_size = 0;                       // px cut from the section image
  int64_t img_size = 0;                         // px stored
  std::vector<ValueRange> value_ranges = {};    // of each channel, where the images had more than 8 bits: 0 and 255
  std::string split_kind;                       // "section", "patient", "block", "obs:<column>", "prefix", "none"
  bool same_patient = false;                    // a patient is in the training part and in val or test: scores say so
  std::string label_column;                     // obs column with labels, may be empty
  std::vector<std::string> proportion_columns;  // obs columns "proportion:<type>"
  Json provenance = Json::object();             // source files, options, versions, coverage, counts of what was dropped
  Json leak_report = Json::object();
  std::optional<ContentSums> content = {};  // of the files as they were prepared; nothing: by an earlier version

  Json ToJson() const;
  static DatasetInfo FromJson(const Json& json, const std::string& source);
};

// Whether each observation is in a part.
struct SplitMasks {
  std::vector<int8_t> train, val, test;
};

// kKeepCaches: what takes long to make is kept under <dataset>/cache/. kWriteNothing: it is not.
enum class DatasetUse { kKeepCaches, kWriteNothing };

// A dataset folder: dataset.json, expression.h5ad, patches/<escaped obs_name>.png. The reference's layout (demo.h5ad
// and spot_224/<obs_name>.jpg) opens as it stands, with its split (obs_names starting with BC23377 are val and test)
// when the folder is named he_st.
class Dataset {
 public:
  // DataError DATASET_* (an obs without a patch, a split column missing, ...), MissingFileError.
  static Dataset Open(const std::string& name_or_path, DatasetUse use = DatasetUse::kKeepCaches);

  bool keeps_caches() const { return use_ == DatasetUse::kKeepCaches; }
  const DatasetInfo& info() const { return info_; }
  const fs::path& path() const { return path_; }
  int64_t size() const { return file_->n_obs(); }
  const DataFrame& obs() const { return file_->obs(); }
  std::vector<std::string> obsm_names() const { return file_->obsm_names(); }
  DenseArray Obsm(const std::string& name) const { return file_->Obsm(name); }
  const std::string& obs_name(int64_t i) const { return file_->obs().index[i]; }
  bool has_images() const { return !info_.channels.empty(); }
  // Gene ids for the vocabulary: var["ensg_id"] where it is there, else the index.
  std::vector<std::string> gene_names() const;
  // Observations of a split, ascending. The reference's he_st has the same ones in val and test.
  std::vector<int64_t> Indices(Split split) const;

  // The same files with training and val parts of at most so many observations, evenly spread: for a quick look.
  Dataset Excerpt(int64_t train, int64_t val) const;

  // Calls use(i, column indices, counts) for every observation in order, reading in batches.
  using ProfileUser = std::function<void(int64_t, std::span<const int32_t>, std::span<const float>)>;
  void ForEachProfile(const ProfileUser& use) const;

  fs::path PatchPath(int64_t i) const;
  // The stored patch: the channels of info(), 8 bits. DataError PATCH_* naming the observation.
  Image LoadPatch(int64_t i) const;

  // Of its files as they are now.
  ContentSums content() const;
  // sha256 over what dataset.json says, the names, and what the files hold: a copy has the same, in any folder and with
  // any times. Caches and runs are keyed by it. Warns where files have changed since they were prepared.
  std::string fingerprint() const;
  // The same as earlier versions made it, of the files' sizes and times: runs of theirs are known by it.
  std::string earlier_fingerprint() const;
  // Whether a run that was trained on the dataset of this fingerprint was trained on this one.
  bool Is(const std::string& fingerprint) const;

 private:
  fs::path Hint() const;

  fs::path path_;
  DatasetUse use_ = DatasetUse::kKeepCaches;
  DatasetInfo info_;
  std::shared_ptr<H5adFile> file_;
  SplitMasks masks_;
  mutable std::string fingerprint_;  // once it is known
  std::vector<fs::path> patches_;
};

}  // namespace genvinci
