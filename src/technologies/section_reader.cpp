#include "genvinci/technologies/section_reader.h"

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

}  // namespace genvinci
