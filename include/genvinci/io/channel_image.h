#pragma once

#include <memory>
#include <vector>

#include "genvinci/io/image_source.h"

namespace genvinci {

// One channel of an image file, from 0.
struct ChannelPlace {
  fs::path file;
  int64_t channel = 0;
};

// An image made of channels of one file or several, in their order: stains that come in a file each, or some of the
// channels of one. Size, bits and levels are those of the files; levels that not all have are left out.
// UsageError CHANNELS for a channel that a file does not have; DataError IMAGE_CHANNELS when the files differ in size
// or bits; else the errors of OpenImageSource.
std::unique_ptr<ImageSource> OpenChannels(const std::vector<ChannelPlace>& channels);

}  // namespace genvinci
