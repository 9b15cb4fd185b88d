#pragma once

#include <string>
#include <vector>

#include "genvinci/core/options.h"
#include "genvinci/core/run_folder.h"

namespace genvinci {

struct PrepareOptions {
  CommonOptions common;
  std::string technology = "st";
  std::string input;
  std::vector<std::string> sections;
  int64_t patch_size = 0;
  double patch_um = 0;
  double um_per_px = 0;
  int64_t img_size = 0;
  std::string split;
  std::vector<std::string> test_values, val_values;
  double val_fraction = 0;
  int64_t block_size = 0;
  bool allow_leak = false;
  bool no_images = false;
  std::string layer = "X";
  double min_counts = 0;
  int64_t min_genes = 0;
  std::string vocabulary;
  std::string ortholog_table;
  std::string images;
  std::string style = "he";
  int64_t spots = 0;

  template <typename Visitor>
  void Fields(Visitor& v) {
    v("common", common, "");
    v("technology", technology, "st, h5ad or virtual", Choices{{"st", "h5ad", "virtual"}});
    v("input", input, "folder or file of the vendor's data");
    v("sections", sections, "only these sections of the input");
    v("patch_size", patch_size, "px of the section image around a spot", Range{0, 65536});
    v("patch_um", patch_um, "the same in um; needs the image's um per px", Range{0, 1e6});
    v("um_per_px", um_per_px, "um per px of the section image where no file tells", Range{0, 1e4});
    v("img_size", img_size, "px of the stored patch (0: as cut)", Range{0, 65536});
    v("split", split, "patient, section, block, prefix or obs:COLUMN (default: section; virtual: patient)");
    v("test_values", test_values, "values of the split column (or prefixes) that test; block: none takes a fifth");
    v("val_values", val_values, "values that validate");
    v("val_fraction", val_fraction, "share of the training part that validates, as spatial blocks", Range{0, 0.9});
    v("block_size", block_size,
      "px of a side of a spatial block (0: eight patches; without pixels: array positions, 0: eight)", Range{0, 1e9});
    v("allow_leak", allow_leak, "keep a split that leaks");
    v("no_images", no_images, "expression alone, for pretraining");
    v("layer", layer, "matrix with the raw counts: X, raw or a layer's name");
    v("min_counts", min_counts, "drop observations with fewer counts", Range{0, 1e12});
    v("min_genes", min_genes, "drop observations with fewer genes", Range{0, 1e9});
    v("vocabulary", vocabulary, "Geneformer's pickles (folder) or JSON; default: the built-in V1 table");
    v("ortholog_table", ortholog_table, "table of two columns: this species' gene, human Ensembl id");
    v("images", images, "h5ad: folder with <obs_name>.png, .jpg or .tif");
    v("style", style, "virtual: he, dapi or fluorescence", Choices{{"he", "dapi", "fluorescence"}});
    v("spots", spots, "virtual: number of spots (0: 3,000)", Range{0, 1e7});
  }
};

}  // namespace genvinci
