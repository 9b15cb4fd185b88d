#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "genvinci/data/dataset.h"
#include "genvinci/data/leak_report.h"
#include "genvinci/technologies/prepare_options.h"
#include "genvinci/technologies/section_reader.h"

namespace genvinci {

// Sizes of the patches of a dataset.
struct PatchPlan {
  std::vector<int64_t> sides;           // px of each section's image, or of ready patches; empty: no patches
  int64_t stored = 0;                   // px as stored
  double um_per_px = 0;                 // of the stored patches; 0: unknown
  std::vector<ValueRange> ranges = {};  // of each channel, where images have more than 8 bits: what becomes 0 and 255

  bool has_patches() const { return !sides.empty(); }
  int64_t largest_side() const { return has_patches() ? *std::max_element(sides.begin(), sides.end()) : 0; }
};

// --patch_size, or --patch_um by each image's um per px; neither: for cut patches the pitch of the spots, which is
// logged. Without `ranges`. UsageError PATCH_SIZE; DataError IMAGE_DEPTH for images of 8 bits and of more.
PatchPlan PlanPatches(const PrepareOptions& options, const SourceData& data);

// Whether the patch of observation i lies in its section's image. Ready patches always do.
bool PatchFits(const SourceData& data, const PatchPlan& plan, int64_t i);

// What is kept of a source, and where it goes.
struct KeptRows {
  std::vector<int64_t> rows;  // ascending, of the source
  std::vector<Split> splits;  // an entry a kept row
};

// The values that become 0 and 255, where images have more than 8 bits (none otherwise): --value_range, or of a sample
// of the training part's patches (of all, where nothing trains) in colour 0 and the largest value of as few bits as
// hold the sample's, so that colours keep their balance, and for each other channel the 0.1th and the 99.9th
// percentile. UsageError VALUE_RANGE.
std::vector<ValueRange> ChooseRanges(const PrepareOptions& options, const SectionReader& reader, const PatchPlan& plan,
                                     const KeptRows& kept);

// As patches are stored: 8 bits, and no alpha where the dataset has colour.
Image StoredPixels(Image image, const SourceData& data, const PatchPlan& plan);

// Writes patches/<escaped obs_name>.png (.tif for channel counts that PNG lacks) and registration/<section>.png under
// `folder`, a section at a time.
void WritePatches(const SectionReader& reader, const PatchPlan& plan, const KeptRows& kept, const fs::path& folder);

}  // namespace genvinci
