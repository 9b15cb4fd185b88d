#pragma once

#include <string>
#include <utility>
#include <vector>

#include "image_header.h"

namespace genvinci::internal {

// Keyword and text, as UTF-8, of a tEXt, zTXt or iTXt chunk. DataError (IMAGE_TEXT): malformed, or over 1 MiB inflated.
std::pair<std::string, std::string> ParsePngText(const PngChunk& chunk, const std::string& name);
// A whole chunk: tEXt where the text is ASCII, iTXt otherwise.
std::vector<uint8_t> MakePngText(const std::string& keyword, const std::string& text);

}  // namespace genvinci::internal
