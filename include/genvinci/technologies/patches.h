#pragma once

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
  int64_t side = 0;      // px of the section image; 0: no patches
  int64_t stored = 0;    // px as stored
  double um_per_px = 0;  // of the stored patches; 0: unknown
};

// --patch_size, or --patch_um by the um per px; neither: for cut patches the pitch of the spots, which is logged.
// UsageError PATCH_SIZE.
PatchPlan PlanPatches(const PrepareOptions& options, const SourceData& data);

// Whether the patch of observation i lies in its section's image. Ready patches always do.
bool PatchFits(const SourceData& data, const PatchPlan& plan, int64_t i);

// What is kept of a source, and where it goes.
struct KeptRows {
  std::vector<int64_t> rows;  // ascending, of the source
  std::vector<Split> splits;  // an entry a kept row
};

// Writes patches/<escaped obs_name>.png (.tif for channel counts that PNG lacks) and registration/<section>.png under
// `folder`, a section at a time.
void WritePatches(const SectionReader& reader, const PatchPlan& plan, const KeptRows& kept, const fs::path& folder);

// A thumbnail of a section with its spots' patches and centres, coloured by split, and a legend.
Image DrawRegistration(ImageSource& section, const SourceData& data, const PatchPlan& plan, const KeptRows& kept,
                       int32_t section_index);

}  // namespace genvinci
