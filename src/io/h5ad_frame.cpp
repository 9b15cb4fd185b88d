#include "h5ad_frame.h"

#include <algorithm>
#include <limits>

#include "genvinci/core/error.h"
#include "genvinci/core/log.h"

namespace genvinci {
namespace {

using Kind = FrameColumn::Kind;

// A column that is one array of numbers or texts; nothing for other types.
std::optional<FrameColumn> PlainColumn(const Hdf5File& file, const Hdf5Array& array) {
  FrameColumn column;
  if (array.null || array.shape.size() != 1) return std::nullopt;
  if (array.IsText()) {
    column.strings = file.ReadStrings(array);
  } else if (!array.IsNumber()) {
    return std::nullopt;
  } else if (array.type_class() == H5T_FLOAT) {
    column.kind = Kind::kFloat;
    column.floats = file.ReadDoubles(array);
  } else {
    column.kind = array.IsBool() ? Kind::kBool : Kind::kInteger;
    column.integers = file.ReadIntegers(array);
    // HDF5 clips what does not fit.
    if (array.TypeName() == "uint64" &&
        std::count(column.integers.begin(), column.integers.end(), std::numeric_limits<int64_t>::max()) > 0) {
      throw DataError("H5_VALUE", "{}: {}: a number over 2^63 - 1: store this column as text", file.path().string(),
                      array.element);
    }
  }
  return column;
}

std::vector<std::string> AsTexts(const FrameColumn& column) {
  std::vector<std::string> texts(column.size());
  for (size_t i = 0; i < texts.size(); ++i) texts[i] = column.Text(i);
  return texts;
}

FrameColumn FromCodes(const Hdf5File& file, const std::string& element, std::vector<int64_t> codes,
                      std::vector<std::string> categories) {
  const auto limit = static_cast<int64_t>(categories.size());
  for (size_t row = 0; row < codes.size(); ++row) {
    if (codes[row] < -1 || codes[row] >= limit) {
      throw DataError("H5_CODE", "{}: {}: row {} has category {}, of {} categories: the file is damaged",
                      file.path().string(), element, row, codes[row], limit);
    }
  }
  FrameColumn column;
  column.kind = Kind::kCategorical;
  column.strings = std::move(categories);
  column.integers = std::move(codes);
  return column;
}

std::optional<FrameColumn> ReadColumn(const Hdf5File& file, const std::string& element);

std::optional<FrameColumn> CategoricalColumn(const Hdf5File& file, const std::string& codes_element,
                                             const std::string& categories_element) {
  const Hdf5Array codes = file.OpenArray(codes_element);
  const std::optional<FrameColumn> categories = ReadColumn(file, categories_element);
  if (!categories || codes.null || codes.type_class() != H5T_INTEGER || codes.shape.size() != 1) return std::nullopt;
  return FromCodes(file, codes_element, file.ReadIntegers(codes), AsTexts(*categories));
}

// Pandas' nullable arrays: `values`, and `mask` that is true where one is missing.
std::optional<FrameColumn> MaskedColumn(const Hdf5File& file, const std::string& element) {
  std::optional<FrameColumn> column = PlainColumn(file, file.OpenArray(element + "/values"));
  if (!column) return std::nullopt;
  const Hdf5Array mask_array = file.OpenArray(element + "/mask");
  if (!mask_array.IsNumber()) return std::nullopt;
  const std::vector<int64_t> mask = file.ReadIntegers(mask_array);
  if (mask.size() != column->size()) {
    throw DataError("H5_LENGTH", "{}: {}: {} values but {} in the mask: the file is damaged", file.path().string(),
                    element, column->size(), mask.size());
  }
  if (std::count(mask.begin(), mask.end(), 0) == static_cast<int64_t>(mask.size())) return column;
  column->missing.assign(mask.begin(), mask.end());
  for (size_t i = 0; i < mask.size(); ++i) {
    if (!mask[i]) continue;
    if (column->kind == Kind::kFloat) column->floats[i] = std::numeric_limits<double>::quiet_NaN();
    if (column->kind == Kind::kString) column->strings[i].clear();
  }
  if (column->kind == Kind::kFloat) column->missing.clear();
  return column;
}

std::optional<FrameColumn> ReadColumn(const Hdf5File& file, const std::string& element) {
  if (!file.IsGroup(element)) return PlainColumn(file, file.OpenArray(element));
  if (file.Exists(element + "/codes") && file.Exists(element + "/categories")) {
    return CategoricalColumn(file, element + "/codes", element + "/categories");
  }
  if (file.Exists(element + "/values") && file.Exists(element + "/mask")) return MaskedColumn(file, element);
  return std::nullopt;
}

void AddColumn(const Hdf5File& file, const std::string& element, const std::string& name,
               std::optional<FrameColumn> column, DataFrame& frame) {
  if (!column) {
    Warn("{}: {}/{}: a column of a kind that is not known: skipped", file.path().string(), element, name);
    return;
  }
  if (column->size() != frame.index.size()) {
    throw DataError("H5_LENGTH", "{}: {}/{}: {} values for {} rows: the file is damaged", file.path().string(), element,
                    name, column->size(), frame.index.size());
  }
  frame.Set(name, std::move(*column));
}

DataFrame ReadGroup(const Hdf5File& file, const std::string& element) {
  std::string index = file.TextAttribute(element, "_index");
  if (index.empty()) index = file.Exists(element + "/_index") ? "_index" : "index";
  const std::optional<FrameColumn> names = ReadColumn(file, element + "/" + index);
  if (!names) {
    throw DataError("H5_TYPE", "{}: {}/{}: the names are neither texts nor numbers: write the file again",
                    file.path().string(), element, index);
  }
  DataFrame frame;
  frame.index = AsTexts(*names);
  std::vector<std::string> columns = file.TextListAttribute(element, "column-order");
  if (!file.HasAttribute(element, "column-order")) {
    columns = file.Members(element);
    std::erase(columns, index);
    std::erase(columns, "__categories");
  }
  for (const std::string& name : columns) {
    const std::string path = element + "/" + name, categories = element + "/__categories/" + name;
    const bool legacy = file.IsDataset(path) && file.IsDataset(categories);
    AddColumn(file, element, name, legacy ? CategoricalColumn(file, path, categories) : ReadColumn(file, path), frame);
  }
  return frame;
}

DataFrame ReadCompound(const Hdf5File& file, const std::string& element) {
  const std::vector<std::string> fields = file.Fields(file.OpenArray(element));
  std::optional<FrameColumn> names;
  if (!fields.empty()) names = PlainColumn(file, file.OpenField(element, fields.front()));
  if (!names) {
    throw DataError("H5_TYPE",
                    "{}: {}: neither a group nor a table with names in its first column: write the file "
                    "again with a newer anndata",
                    file.path().string(), element);
  }
  DataFrame frame;
  frame.index = AsTexts(*names);
  for (size_t i = 1; i < fields.size(); ++i) {
    std::optional<FrameColumn> column = PlainColumn(file, file.OpenField(element, fields[i]));
    const std::string categories = "uns/" + fields[i] + "_categories";
    if (column && column->kind == Kind::kInteger && file.IsDataset(categories)) {
      const Hdf5Array array = file.OpenArray(categories);
      const std::optional<FrameColumn> listed = PlainColumn(file, array);
      std::vector<std::string> texts;  // a single category is stored as a scalar
      if (listed) texts = AsTexts(*listed);
      if (!listed && array.shape.empty() && array.IsText()) texts = file.ReadStrings(array);
      if (!texts.empty()) column = FromCodes(file, element + "/" + fields[i], column->integers, std::move(texts));
    }
    AddColumn(file, element, fields[i], std::move(column), frame);
  }
  return frame;
}

}  // namespace

DataFrame ReadFrame(const Hdf5File& file, const std::string& element) {
  return file.IsGroup(element) ? ReadGroup(file, element) : ReadCompound(file, element);
}

}  // namespace genvinci
