#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "genvinci/io/image.h"
#include "genvinci/io/image_source.h"
#include "genvinci/technologies/prepare_options.h"
#include "genvinci/technologies/section.h"

namespace genvinci {

// One technology's files. Counts and images come in pieces, so that no more than a section is in memory.
class SectionReader {
 public:
  using BatchUser = std::function<void(const SparseRows&)>;

  virtual ~SectionReader() = default;
  const SourceData& data() const { return data_; }
  // Raw counts: rows in the order of obs, columns in that of var.
  virtual void ForEachBatch(const BatchUser& use) const = 0;
  // The first image of a section, to cut from; only where it has one.
  std::unique_ptr<ImageSource> OpenSection(size_t section) const;
  // The ready patch of an observation, as its file has it; only where there are ready patches.
  virtual Image Patch(int64_t i) const;

 protected:
  SourceData data_;
};

// The first of kTechnologies that recognizes the input, "" when none does.
std::string RecognizedTechnology(const fs::path& input);

// The technology that options.input is laid out as, where options.technology is "auto"; else that. UsageError INPUT
// when there is no input to tell it by, TECHNOLOGY when none recognizes it.
std::string TechnologyOf(const PrepareOptions& options);

// The reader for options.technology, from kTechnologies (prepare_options.h). UsageError TECHNOLOGY for an unknown one,
// UNIT and OPTION_TECHNOLOGY for options that it does not know. With options.unit "tile" it gives squares of
// options.tile_um in place of the cells.
//
// - visium: spaceranger's outs (or a folder of several, or a download with the dataset's name before each file): a
//   matrix (options.matrix; HDF5 or MatrixMarket), spatial/ with positions and scale factors, and the image that
//   spaceranger was run on (options.images, or beside it), else its reduced copies. obs_names are <section>_<barcode>.
// - visium-hd: the same with binned_outputs/ (options.bin_um), or the cells of segmented_outputs/ (options.unit), which
//   are where barcode_mappings.parquet puts their squares.
// - merscope: region folders of cell_by_gene.csv, cell_metadata.csv (or boundaries as Parquet), mosaics and the matrix
//   that maps um to their px; obs_names are <region>_<cell>.
// - xenium: bundles with experiment.xenium, cells and cell_feature_matrix; morphology_focus, or an image of
// options.images
//   with the matrix that Xenium Explorer exports. obs_names are <bundle>_<cell_id>.
// - cosmx: slides of <slide>_exprMat_file.csv, <slide>_metadata_file.csv and an image an FOV, which is a section of its
//   own; whether y counts up- or downwards is found from the data. obs_names are <slide>_<fov>_<cell_ID>.
// - patchseq: a table of counts (a row a gene, a column a cell), metadata, and SWC files named by the cell or its
//   specimen, each drawn as a ready patch (options.um_per_px, patch_size, orient, swc_um_per_unit).
// - st: a folder (or one count table) with, for each section S, S.tsv[.gz] (rows XxY or X_Y, a column a gene),
//   S_selection.tsv[.gz] (x, y, pixel_x, pixel_y, selected), S.jpg|png|tif, and optionally
//   S-cluster-annotation.tsv[.gz] (x, y, label, patient_id) and S-proportion.tsv[.gz]. Images may be in options.images
//   or in a sub-folder or sibling folder whose name says so ("images", "ST-imgs"), selections likewise
//   ("ST-spotfiles"). obs_names are <S>_<row name>; neighbouring spots are 200 um apart.
// - h5ad: an h5ad and a folder of ready patches named by obs_name, or one image of the section, on which positions
//   (obsm["spatial"], or obs["x"] and obs["y"]) lie as they are or through options.image_alignment.
// - virtual: the simulated tissue.
std::unique_ptr<SectionReader> OpenReader(const PrepareOptions& options);

// A categorical column in which "" is missing.
FrameColumn LabelColumn(const std::vector<std::string>& values);

// A source file for the provenance: path and bytes.
Json FileFacts(const fs::path& path);

}  // namespace genvinci
