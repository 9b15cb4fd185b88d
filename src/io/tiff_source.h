#pragma once

#include <memory>
#include <vector>

#include "genvinci/io/image_source.h"

namespace genvinci::internal {

// For a TIFF whose header and structure were checked. `pages` are those of full size. Null where the pixels are not
// plain samples (palette, alpha, inverted).
std::unique_ptr<ImageSource> OpenTiffSource(const fs::path& path, const ImageInfo& info, const std::vector<int>& pages,
                                            int64_t pixel_cap);

}  // namespace genvinci::internal
