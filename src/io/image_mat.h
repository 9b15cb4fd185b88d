#pragma once

#include <opencv2/core.hpp>

#include "genvinci/io/image.h"

namespace genvinci::internal {

// The image's own pixels, not a copy, in its own channel order.
inline cv::Mat AsMat(const Image& image) {
  return cv::Mat(static_cast<int>(image.height), static_cast<int>(image.width),
                 CV_MAKETYPE(image.bits == 16 ? CV_16U : CV_8U, static_cast<int>(image.channels)),
                 const_cast<uint8_t*>(image.bytes.data()));
}

}  // namespace genvinci::internal
