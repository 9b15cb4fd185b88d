#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "genvinci/core/json.h"
#include "genvinci/io/h5ad.h"
#include "genvinci/io/image.h"
#include "genvinci/io/image_source.h"
#include "genvinci/technologies/prepare_options.h"

namespace genvinci {

// A piece of tissue that was imaged as one.
struct SectionInfo {
  std::string name;
  fs::path image;                 // empty: none to cut from
  int64_t width = 0, height = 0;  // of the image, px
};

// What a vendor's files hold, less the counts and the pixels.
struct SourceData {
  std::string name;                   // of the dataset, where the user gives none
  std::vector<std::string> channels;  // of the images; empty: none
  std::vector<SectionInfo> sections;
  std::vector<int32_t> section_of;         // an entry an observation
  std::vector<std::string> patients;       // likewise; "" is unknown
  std::vector<double> x, y;                // centres; NaN: unknown
  bool positions_are_pixels = false;       // else x and y count positions of the array
  DataFrame obs, var;                      // obs: the vendor's own columns
  std::map<std::string, DenseArray> obsm;  // embeddings that come with the file, less "spatial"
  std::vector<std::string> gene_names;     // an entry a column: what to look up in the vocabulary
  std::string label_column;                // "" : none
  std::string default_split = "section";
  std::vector<std::string> default_test, default_val;  // for the default split when the user names no value
  double pitch_px = 0;                                 // distance of neighbouring spots; 0: unknown
  double um_per_px = 0;                                // of the section images, or of ready patches; 0: unknown
  int64_t ready_patch_size = 0;            // px of a ready patch; 0: patches are cut from the section images
  std::map<std::string, int64_t> dropped;  // rows of the files that are no observation here, by reason
  std::vector<std::string> unusable;       // empty, or an entry an observation: why it cannot be used, "": it can
  Json provenance = Json::object();
};

// One technology's files. Counts and images come in pieces, so that no more than a section is in memory.
class SectionReader {
 public:
  using BatchUser = std::function<void(const SparseRows&)>;

  virtual ~SectionReader() = default;
  const SourceData& data() const { return data_; }
  // Raw counts: rows in the order of obs, columns in that of var.
  virtual void ForEachBatch(const BatchUser& use) const = 0;
  // The image of a section, to cut from; only where it has one.
  std::unique_ptr<ImageSource> OpenSection(size_t section) const;
  // The ready patch of an observation; only where ready_patch_size is set.
  virtual Image Patch(int64_t i) const;

 protected:
  SourceData data_;
};

// The reader for options.technology, from kTechnologies (prepare_options.h). UsageError TECHNOLOGY for an unknown one.
//
// st: a folder (or one count table) with, for each section S, S.tsv[.gz] (rows XxY or X_Y, a column a gene),
// S_selection.tsv[.gz] (x, y, pixel_x, pixel_y, selected), S.jpg|png|tif, and optionally S-cluster-annotation.tsv[.gz]
// (x, y, label, patient_id) and S-proportion.tsv[.gz]. Images may be in options.images or in a sub-folder or sibling
// folder whose name says so ("images", "ST-imgs"), selections likewise ("ST-spotfiles"). obs_names are <S>_<row name>;
// neighbouring spots are 200 um apart.
// h5ad: an h5ad and a folder of ready patches named by obs_name.
// virtual: the simulated tissue.
std::unique_ptr<SectionReader> OpenReader(const PrepareOptions& options);

// A categorical column in which "" is missing.
FrameColumn LabelColumn(const std::vector<std::string>& values);

// A source file for the provenance: path and bytes.
Json FileFacts(const fs::path& path);

}  // namespace genvinci
