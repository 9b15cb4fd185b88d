#pragma once

#include <string>

#include "genvinci/io/image.h"
#include "virtual_canvas.h"
#include "virtual_layout.h"

namespace genvinci::internal {

// The layout in inks: H&E, or fluorescence.
Canvas PaintLayout(const Layout& layout, int64_t px, bool fluorescence);

// What a scanner or microscope makes of it: stain, focus and noise vary with section and patch.
Image Photograph(Canvas canvas, const PatchCause& cause, const std::string& style);

}  // namespace genvinci::internal
