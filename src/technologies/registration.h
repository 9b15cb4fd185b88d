#pragma once

#include "genvinci/technologies/patches.h"

namespace genvinci {

// A thumbnail of a section with its spots' patches and centres, coloured by split, and a legend.
Image DrawRegistration(ImageSource& section, const SourceData& data, const PatchPlan& plan, const KeptRows& kept,
                       size_t section_index);

}  // namespace genvinci
