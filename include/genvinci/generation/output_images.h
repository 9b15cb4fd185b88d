#pragma once

#include <string>
#include <utility>
#include <vector>

#include "genvinci/core/files.h"
#include "genvinci/io/image.h"

namespace genvinci {

// How images lie in a generation folder: one or three channels as <stem>.png; any other number as <stem>.tif with every
// channel, and <stem>.png, a composite to look at.
using PngText = std::vector<std::pair<std::string, std::string>>;

void WriteOutputImage(const fs::path& folder, const std::string& stem, const Image& image,
                      const std::vector<std::string>& channels, const PngText& text);
// All channels of what WriteOutputImage wrote.
Image ReadOutputImage(const fs::path& folder, const std::string& stem, int64_t channels);

// Three channels to look at: grey is repeated, RGB stays; other images are the sum of their channels, each in a colour
// of its own: DAPI blue, the others green, red, cyan, magenta, yellow, orange, white in order, and again.
Image DisplayImage(const Image& image, const std::vector<std::string>& channels);

}  // namespace genvinci
