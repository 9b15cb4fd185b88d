#pragma once

#include <memory>
#include <string>
#include <vector>

#include "genvinci/core/options.h"
#include "genvinci/core/run_folder.h"

namespace genvinci {

class SectionReader;
struct PrepareOptions;

// Opens the files that options.input leads to. Each reader is defined in a source file of its own in src/technologies.
using ReaderFactory = std::unique_ptr<SectionReader>(const PrepareOptions& options);
ReaderFactory OpenVisiumHdReader, OpenVisiumReader, OpenMerscopeReader, OpenCosmxReader, OpenXeniumReader,
    OpenPatchseqReader, OpenStReader, OpenH5adReader, OpenVirtualReader;
// Whether a file or folder is laid out as that technology's; a look at names and headers, not at what they hold.
using Recognizer = bool(const fs::path& input);
Recognizer LooksLikeVisiumHd, LooksLikeVisium, LooksLikeMerscope, LooksLikeCosmx, LooksLikeXenium, LooksLikePatchseq,
    LooksLikeSt, LooksLikeH5ad, LooksLikeNothing;

// The visible registry of technologies: the choices of --technology, its errors, `auto` (which takes the first that
// recognizes the input) and OpenReader all come from it.
struct TechnologyEntry {
  const char* name;
  ReaderFactory* open;
  Recognizer* recognizes;
  const char* units;  // what --unit may be, the usual one first
};
inline constexpr TechnologyEntry kTechnologies[] = {
    {"visium-hd", OpenVisiumHdReader, LooksLikeVisiumHd, "bin cell nucleus tile"},  // 10x Visium HD: bins and cells
    {"visium", OpenVisiumReader, LooksLikeVisium, "spot"},                          // 10x Visium: spaceranger's outs
    {"xenium", OpenXeniumReader, LooksLikeXenium, "cell nucleus tile"},             // 10x Xenium 1 to 4
    {"merscope", OpenMerscopeReader, LooksLikeMerscope, "cell tile"},               // Vizgen MERSCOPE and vpt's output
    {"cosmx", OpenCosmxReader, LooksLikeCosmx, "cell tile"},      // CosMx SMI: lung release and AtoMx flat files
    {"st", OpenStReader, LooksLikeSt, "spot"},                    // legacy Spatial Transcriptomics
    {"patchseq", OpenPatchseqReader, LooksLikePatchseq, "cell"},  // counts and traced neurons (SWC)
    {"h5ad", OpenH5adReader, LooksLikeH5ad, "spot cell"},         // AnnData and a folder of ready patches
    {"virtual", OpenVirtualReader, LooksLikeNothing, "spot"},     // the simulated tissue
};
inline constexpr auto kTechnologyNames = NamesIn(kTechnologies);

// The choices of --technology.
inline std::vector<std::string> TechnologyChoices() {
  std::vector<std::string> choices = Listed(kTechnologyNames);
  choices.insert(choices.begin(), "auto");
  return choices;
}

struct PrepareOptions {
  CommonOptions common;
  std::string technology = "auto";
  std::string input;
  std::vector<std::string> sections;
  int64_t patch_size = 0;
  double patch_um = 0;
  double um_per_px = 0;
  int64_t img_size = 0;
  std::vector<double> value_range;
  std::string split;
  std::vector<std::string> test_values, val_values;
  double val_fraction = 0;
  int64_t block_size = 0;
  bool allow_leak = false;
  bool no_images = false;
  bool keep_orientation = false;
  std::string layer = "X";
  std::string matrix = "auto";
  std::string unit = "auto";
  int64_t bin_um = 0;
  double tile_um = 50;
  double min_counts = 0;
  int64_t min_genes = 0;
  std::string vocabulary;
  std::string ortholog_table;
  std::string images;
  std::string image_alignment;
  std::string orient = "as_is";
  double swc_um_per_unit = 1;
  std::vector<std::string> channels;
  int64_t z_plane = -1;
  std::string style = "he";
  int64_t spots = 0;

  template <typename Visitor>
  void Fields(Visitor& v) {
    v("common", common, "");
    v.Group("Input");
    v("technology", technology, "kind of data; auto tells it by the files", Choices{TechnologyChoices()});
    v("input", input, "folder or file of the data, as the vendor ships it");
    v("unit", unit, "what one observation is (auto: the technology's usual; visium-hd: bin)",
      Choices{{"auto", "spot", "bin", "cell", "nucleus", "tile"}});
    v("tile_um", tile_um, "side of a tile, which has the sum of the counts of its cells", Range{1, 10000});
    v("bin_um", bin_um, "visium-hd: side of a bin (0: 8, or the only one that is there)", Range{0, 10000});
    v("sections", sections, "use only these sections");
    v.Group("Images");
    v("patch_size", patch_size, "side of the patch around a spot, in px of the section image", Range{0, 65536});
    v("patch_um", patch_um, "the same in um; needs the um per px of the image", Range{0, 1e6});
    v("um_per_px", um_per_px, "um per px of the section image, where no file says it", Range{0, 1e4});
    v("img_size", img_size, "side of the stored patch in px (0: as cut)", Range{0, 65536});
    v("value_range", value_range,
      "of images of more than 8 bits: the values that become 0 and 255, two for all channels or two a channel "
      "(default: chosen by the training patches)");
    v.Group("Split");
    v("split", split,
      "what is held out as a whole: patient, section, block, prefix (of obs_names) or obs:COLUMN; none: nothing "
      "trains, "
      "for tissue that a trained model draws (default: section; block where a vendor's folder holds one; for virtual "
      "tissue: patient)");
    v("test_values", test_values,
      "values of the split column (or prefixes) that make the test part; with block and none given, a fifth of the "
      "blocks");
    v("val_values", val_values, "values that make the validation part");
    v("val_fraction", val_fraction,
      "instead of --val_values: share of the training part that validates, in whole blocks of tissue", Range{0, 0.9});
    v("block_size", block_size,
      "side of a block in px of the section image (0: eight patches); without images in array positions (0: eight)",
      Range{0, 1e9});
    v("allow_leak", allow_leak, "keep a split that leaks");
    v.Group("Images");
    v("no_images", no_images, "keep only the expression, for pretraining");
    v("keep_orientation", keep_orientation,
      "keep an image as it is though the observations fit its tissue better when it is flipped or turned");
    v.Group("Expression");
    v("layer", layer, "matrix with the raw counts: X, raw or the name of a layer");
    v("matrix", matrix,
      "visium and visium-hd: which of spaceranger's matrices; auto: filtered, or raw where there is no other",
      Choices{{"auto", "filtered", "raw", "probe"}});
    v("min_counts", min_counts, "drop observations with fewer counts", Range{0, 1e12});
    v("min_genes", min_genes, "drop observations with fewer genes", Range{0, 1e9});
    v("vocabulary", vocabulary, "folder of Geneformer's pickles, or JSON (default: the built-in table of V1)");
    v("ortholog_table", ortholog_table, "table with two columns: a gene of this species, its human Ensembl id");
    v.Group("Images");
    v("images", images,
      "folder of ready patches <obs_name>.png, .jpg or .tif (h5ad), or of section images (st, visium); one image where "
      "there is one section");
    v("image_alignment", image_alignment,
      "3 x 3 matrix, from um to px of --images (h5ad), or from px of --images to px of the instrument's image (xenium; "
      "default: found beside either)");
    v("channels", channels, "keep only these channels or stains, by name (merscope, xenium)");
    v("orient", orient,
      "patchseq: whether y of the morphologies counts as rows do, or towards the pia, which is drawn up",
      Choices{{"as_is", "upright"}});
    v("swc_um_per_unit", swc_um_per_unit, "patchseq: um of the morphologies' unit", Range{1e-6, 1e6});
    v("z_plane", z_plane, "plane of the images (merscope; -1: the middle one)", Range{-1, 1000});
    v.Group("Virtual tissue");
    v("style", style, "how it is stained", Choices{{"he", "dapi", "fluorescence"}});
    v("spots", spots, "number of spots (0: 3,000)", Range{0, 1e7});
  }
};

}  // namespace genvinci
