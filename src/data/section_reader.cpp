#include "genvinci/data/section_reader.h"

#include <cstring>

#include "genvinci/core/error.h"

namespace genvinci {

Image SectionReader::Section(size_t section) const {
  throw InternalError("BUG", "{}: section {} has no image to cut from", data_.name, section);
}

Image SectionReader::Patch(int64_t i) const {
  throw InternalError("BUG", "{}: observation {} has no ready patch", data_.name, i);
}

std::unique_ptr<SectionReader> OpenReader(const PrepareOptions& options) {
  if (options.technology == "st") return OpenStReader(options);
  if (options.technology == "h5ad") return OpenH5adReader(options);
  if (options.technology == "virtual") return OpenVirtualReader(options);
  throw UsageError("TECHNOLOGY", "--technology {}: unknown: give st, h5ad or virtual", options.technology);
}

FrameColumn LabelColumn(const std::vector<std::string>& values) {
  std::map<std::string, int64_t> codes;
  for (const std::string& value : values)
    if (!value.empty()) codes[value] = 0;
  FrameColumn column;
  column.kind = FrameColumn::Kind::kCategorical;
  for (auto& [category, code] : codes) {
    code = static_cast<int64_t>(column.strings.size());
    column.strings.push_back(category);
  }
  for (const std::string& value : values) column.integers.push_back(value.empty() ? -1 : codes[value]);
  return column;
}

Json FileFacts(const fs::path& path) {
  std::error_code error;
  const auto bytes = fs::file_size(path, error);
  return {{"path", path.string()}, {"bytes", error ? 0 : bytes}};
}

Image ToEightBits(Image image) {
  if (image.bits == 8) return image;
  Image result(image.width, image.height, image.channels);
  for (size_t i = 0; i < result.bytes.size(); ++i) {
    uint16_t value = 0;
    std::memcpy(&value, image.bytes.data() + 2 * i, sizeof(value));
    result.bytes[i] = static_cast<uint8_t>((uint32_t{value} * 255 + 32767) / 65535);
  }
  return result;
}

Image DropAlpha(const Image& image) {
  GENVINCI_CHECK(image.channels == 4 && image.bits == 8, "{} channels of {} bits", image.channels, image.bits);
  Image result(image.width, image.height, 3);
  for (size_t from = 0, to = 0; from < image.bytes.size(); from += 4, to += 3)
    for (size_t k = 0; k < 3; ++k) result.bytes[to + k] = image.bytes[from + k];
  return result;
}

std::vector<std::string> DefaultChannels(int64_t count) {
  if (count == 1) return {"grey"};
  if (count == 3) return {"red", "green", "blue"};
  std::vector<std::string> names;
  for (int64_t k = 0; k < count; ++k) names.push_back("channel_" + std::to_string(k));
  return names;
}

}  // namespace genvinci
