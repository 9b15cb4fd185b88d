#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "genvinci/core/json.h"
#include "genvinci/io/channel_image.h"
#include "genvinci/io/h5ad.h"

namespace genvinci {

struct Point {
  double x = 0, y = 0;
};

// (x, y) -> (xx x + xy y + x0, yx x + yy y + y0).
struct Affine {
  double xx = 1, xy = 0, x0 = 0, yx = 0, yy = 1, y0 = 0;
  Point Of(const Point& point) const { return {xx * point.x + xy * point.y + x0, yx * point.x + yy * point.y + y0}; }
};

// An image of a section.
struct SectionImage {
  fs::path path;
  std::vector<std::string> channels;
  int64_t width = 0, height = 0;  // px
  int bits = 8;
  double um_per_px = 0;            // 0: unknown
  Affine pixel_from_section = {};  // from what its observations' centres count
  // Where each channel is, for those that are not the channels of one file in its order; empty: they are.
  std::vector<ChannelPlace> places = {};
};

// A piece of tissue that was imaged as one.
struct Section {
  std::string name;
  std::vector<SectionImage> images = {};  // patches are cut from the first
};

// What is measured: a spot, a bin, a cell.
struct Observation {
  size_t section = 0;
  Point centre = {};          // in the section's coordinates; NaN: unknown
  std::string patient = {};   // "": unknown
  std::string unusable = {};  // why it cannot be used; "": it can
};

// Patches that come ready, one an observation, in place of section images.
struct ReadyPatches {
  int64_t size = 0;  // px
  std::vector<std::string> channels;
  int bits = 8;
  double um_per_px = 0;  // 0: unknown
};

// What a vendor's files hold, less the counts and the pixels.
struct SourceData {
  std::string name;  // of the dataset, where the user gives none
  std::vector<Section> sections;
  std::vector<Observation> observations;
  std::optional<ReadyPatches> ready_patches;
  bool centres_are_on_array = false;       // they count positions of an array, which is no place in an image
  double pitch = 0;                        // between neighbouring spots, as centres count; 0: unknown
  double pitch_um = 0;                     // the same where it is known in um; 0: unknown
  double default_patch_um = 0;             // side of a patch where the user names none; 0: the pitch
  DataFrame obs, var;                      // obs: the vendor's own columns, a row an observation
  std::map<std::string, DenseArray> obsm;  // embeddings that come with the file, less "spatial"
  std::vector<std::string> gene_names;     // an entry a column: what to look up in the vocabulary
  std::string label_column;                // "": none
  std::string default_split = "section";
  std::vector<std::string> default_test, default_val;  // for the default split when the user names no value
  std::map<std::string, int64_t> dropped;              // rows of the files that are no observation here, by reason
  std::string version = {};               // of the vendor's software, as the files state it; "": not stated
  std::vector<std::string> missing = {};  // what is not there and would make the dataset better, a line each
  Json provenance = Json::object();

  // Of the ready patches, or of the first image that there is; empty: no images.
  const std::vector<std::string>& channels() const;
  const Section& section_of(int64_t observation) const {
    return sections[observations[static_cast<size_t>(observation)].section];
  }
  // In px of the section's first image where there is one; else as centres count.
  Point PixelCentre(int64_t observation) const;
};

}  // namespace genvinci
