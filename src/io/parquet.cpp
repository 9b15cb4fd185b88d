#include "genvinci/io/parquet.h"

#include <arrow/api.h>
#include <arrow/io/api.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/exception.h>

#include <algorithm>
#include <limits>

#include "genvinci/core/error.h"
#include "genvinci/core/text.h"

namespace genvinci {
namespace {

constexpr int64_t kBatchRows = 65536;

[[noreturn]] void FailParquet(const fs::path& path, const std::string& reason) {
  throw DataError("PARQUET_READ", "{}: {}: the file is damaged, cut or no Parquet: fetch it again", path.string(),
                  reason.substr(0, reason.find('\n')));
}

void RequireOk(const arrow::Status& status, const fs::path& path) {
  if (!status.ok()) FailParquet(path, status.ToString());
}

// What Arrow and Parquet throw becomes ours.
template <typename Work>
auto Guarded(const fs::path& path, const Work& work) {
  try {
    return work();
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    FailParquet(path, "its sizes need more memory than there is");
  } catch (const std::exception& error) {
    FailParquet(path, error.what());
  }
}

bool IsReadable(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::DICTIONARY:
      return IsReadable(*static_cast<const arrow::DictionaryType&>(type).value_type());
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::STRING_VIEW:
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_BINARY:
    case arrow::Type::BINARY_VIEW:
    case arrow::Type::FIXED_SIZE_BINARY:
    case arrow::Type::BOOL:
    case arrow::Type::FLOAT:
    case arrow::Type::DOUBLE:
    case arrow::Type::NA:
      return true;
    default:
      return arrow::is_integer(type.id());
  }
}

// A value's place once dictionaries are followed.
struct Cell {
  const arrow::Array* array;
  int64_t row;
};

Cell Follow(const arrow::Array& array, int64_t row) {
  if (array.type_id() != arrow::Type::DICTIONARY) return {&array, row};
  const auto& encoded = static_cast<const arrow::DictionaryArray&>(array);
  return Follow(*encoded.dictionary(), encoded.GetValueIndex(row));
}

// Parquet's decoder hands the indices of a dictionary over unchecked.
void CheckIndices(const arrow::Array& array, const fs::path& path) {
  if (array.type_id() != arrow::Type::DICTIONARY) return;
  const auto& encoded = static_cast<const arrow::DictionaryArray&>(array);
  const int64_t size = encoded.dictionary()->length();
  for (int64_t row = 0; row < array.length(); ++row) {
    if (array.IsNull(row)) continue;
    const int64_t index = encoded.GetValueIndex(row);
    if (index < 0 || index >= size) FailParquet(path, fmt::format("value {} of a dictionary of {}", index, size));
  }
}

template <typename Type>
auto ValueOf(const Cell& cell) {
  return static_cast<const typename arrow::TypeTraits<Type>::ArrayType&>(*cell.array).Value(cell.row);
}

}  // namespace

struct ParquetBatch::Impl {
  const fs::path& path;
  const std::vector<std::string>& names;
  std::vector<std::shared_ptr<arrow::Array>> arrays;
  int64_t first_row = 0, rows = 0;

  Cell At(size_t column, int64_t row) const {
    GENVINCI_CHECK(row >= 0 && row < rows, "row {} of {}", row, rows);
    return Follow(*arrays.at(column), row);
  }
  [[noreturn]] void Fail(size_t column, int64_t row, const std::string& what) const {
    throw DataError("PARQUET_VALUE", "{}: column '{}', row {}: {}", path.string(), names[column], first_row + row,
                    what);
  }
  // False: it is of another type.
  bool ReadInteger(size_t column, int64_t row, int64_t& value) const;
  std::string_view Bytes(size_t column, int64_t row) const;
};

bool ParquetBatch::Impl::ReadInteger(size_t column, int64_t row, int64_t& value) const {
  const Cell cell = At(column, row);
  switch (cell.array->type_id()) {
    case arrow::Type::BOOL:
      value = ValueOf<arrow::BooleanType>(cell) ? 1 : 0;
      return true;
    case arrow::Type::INT8:
      value = ValueOf<arrow::Int8Type>(cell);
      return true;
    case arrow::Type::INT16:
      value = ValueOf<arrow::Int16Type>(cell);
      return true;
    case arrow::Type::INT32:
      value = ValueOf<arrow::Int32Type>(cell);
      return true;
    case arrow::Type::INT64:
      value = ValueOf<arrow::Int64Type>(cell);
      return true;
    case arrow::Type::UINT8:
      value = ValueOf<arrow::UInt8Type>(cell);
      return true;
    case arrow::Type::UINT16:
      value = ValueOf<arrow::UInt16Type>(cell);
      return true;
    case arrow::Type::UINT32:
      value = ValueOf<arrow::UInt32Type>(cell);
      return true;
    case arrow::Type::UINT64: {
      const uint64_t wide = ValueOf<arrow::UInt64Type>(cell);
      if (wide > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
        Fail(column, row, fmt::format("{} is beyond 2^63 - 1", wide));
      value = static_cast<int64_t>(wide);
      return true;
    }
    default:
      return false;
  }
}

std::string_view ParquetBatch::Impl::Bytes(size_t column, int64_t row) const {
  const Cell cell = At(column, row);
  const auto view = [&](const auto& array) { return array.GetView(cell.row); };
  switch (cell.array->type_id()) {
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      return view(static_cast<const arrow::BinaryArray&>(*cell.array));
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
      return view(static_cast<const arrow::LargeBinaryArray&>(*cell.array));
    case arrow::Type::STRING_VIEW:
    case arrow::Type::BINARY_VIEW:
      return view(static_cast<const arrow::BinaryViewArray&>(*cell.array));
    case arrow::Type::FIXED_SIZE_BINARY:
      return view(static_cast<const arrow::FixedSizeBinaryArray&>(*cell.array));
    default:
      Fail(column, row, "is " + cell.array->type()->ToString() + ", a text or whole number is needed");
  }
}

int64_t ParquetBatch::first_row() const { return impl_.first_row; }
int64_t ParquetBatch::rows() const { return impl_.rows; }

bool ParquetBatch::IsNull(size_t column, int64_t row) const {
  GENVINCI_CHECK(row >= 0 && row < impl_.rows, "row {} of {}", row, impl_.rows);
  const arrow::Array& array = *impl_.arrays.at(column);
  if (array.IsNull(row)) return true;
  const Cell cell = Follow(array, row);
  return cell.array->IsNull(cell.row);
}

double ParquetBatch::Number(size_t column, int64_t row) const {
  if (IsNull(column, row)) return std::numeric_limits<double>::quiet_NaN();
  const Cell cell = impl_.At(column, row);
  if (cell.array->type_id() == arrow::Type::DOUBLE) return ValueOf<arrow::DoubleType>(cell);
  if (cell.array->type_id() == arrow::Type::FLOAT) return ValueOf<arrow::FloatType>(cell);
  int64_t value = 0;
  if (impl_.ReadInteger(column, row, value)) return static_cast<double>(value);
  impl_.Fail(column, row, "is " + cell.array->type()->ToString() + ", a number is needed");
}

int64_t ParquetBatch::Integer(size_t column, int64_t row) const {
  if (IsNull(column, row)) impl_.Fail(column, row, "is missing, a whole number is needed");
  int64_t value = 0;
  if (impl_.ReadInteger(column, row, value)) return value;
  impl_.Fail(column, row, "is " + impl_.At(column, row).array->type()->ToString() + ", a whole number is needed");
}

std::string ParquetBatch::Text(size_t column, int64_t row) const {
  if (IsNull(column, row)) impl_.Fail(column, row, "is missing, a text is needed");
  int64_t value = 0;
  if (impl_.ReadInteger(column, row, value)) return std::to_string(value);
  return std::string(impl_.Bytes(column, row));
}

struct ParquetTable::Impl {
  explicit Impl(const fs::path& path) : path(path) {
    auto file = arrow::io::ReadableFile::Open(path.string());
    RequireOk(file.status(), path);
    parquet::arrow::FileReaderBuilder builder;
    // Else a whole column of a row group is read at once, and a file may be one row group.
    parquet::ReaderProperties reading = parquet::default_reader_properties();
    reading.enable_buffered_stream();
    RequireOk(builder.Open(*file, reading), path);
    parquet::ArrowReaderProperties properties;
    properties.set_batch_size(kBatchRows);
    properties.set_pre_buffer(false);
    RequireOk(builder.properties(properties)->Build(&reader), path);
    std::shared_ptr<arrow::Schema> schema;
    RequireOk(reader->GetSchema(&schema), path);
    for (const auto& field : schema->fields()) names.push_back(field->name());
    rows = reader->parquet_reader()->metadata()->num_rows();
  }

  // The leaf column of each that is asked for.
  std::vector<int> Leaves(const std::vector<std::string>& columns) const {
    std::shared_ptr<arrow::Schema> schema;
    RequireOk(reader->GetSchema(&schema), path);
    std::vector<int> leaves;
    for (const std::string& name : columns) {
      const auto found = std::find(names.begin(), names.end(), name);
      if (found == names.end())
        throw DataError("PARQUET_COLUMN", "{}: has no column '{}'{}: the columns are {}", path.string(), name,
                        DidYouMean(name, names), JoinText(names, ", "));
      const auto& field = *schema->field(static_cast<int>(found - names.begin()));
      if (!IsReadable(*field.type()))
        throw DataError("PARQUET_TYPE", "{}: column '{}' is {}: a number, bool, text or bytes are needed",
                        path.string(), name, field.type()->ToString());
      leaves.push_back(reader->manifest().schema_fields[static_cast<size_t>(found - names.begin())].column_index);
    }
    return leaves;
  }

  std::shared_ptr<arrow::RecordBatch> NextBatch(arrow::RecordBatchReader& batches) const {
    std::shared_ptr<arrow::RecordBatch> batch;
    RequireOk(batches.ReadNext(&batch), path);
    if (!batch) return nullptr;
    RequireOk(batch->Validate(), path);
    for (const auto& array : batch->columns()) CheckIndices(*array, path);
    return batch;
  }

  fs::path path;
  std::unique_ptr<parquet::arrow::FileReader> reader;
  std::vector<std::string> names;
  int64_t rows = 0;
};

ParquetTable::ParquetTable(const fs::path& path) {
  RequireFile(path);
  impl_ = Guarded(path, [&] { return std::make_unique<Impl>(path); });
}

ParquetTable::~ParquetTable() = default;

const fs::path& ParquetTable::path() const { return impl_->path; }
int64_t ParquetTable::rows() const { return impl_->rows; }
const std::vector<std::string>& ParquetTable::columns() const { return impl_->names; }

bool ParquetTable::HasColumn(const std::string& name) const {
  return std::find(impl_->names.begin(), impl_->names.end(), name) != impl_->names.end();
}

void ParquetTable::ForEachBatch(const std::vector<std::string>& columns,
                                const std::function<void(const ParquetBatch&)>& use) const {
  const std::vector<int> leaves = Guarded(impl_->path, [&] { return impl_->Leaves(columns); });
  std::vector<int> groups(static_cast<size_t>(impl_->reader->num_row_groups()));
  for (size_t g = 0; g < groups.size(); ++g) groups[g] = static_cast<int>(g);
  const auto batches = Guarded(impl_->path, [&] {
    auto opened = impl_->reader->GetRecordBatchReader(groups, leaves);
    RequireOk(opened.status(), impl_->path);
    return std::move(opened).ValueUnsafe();
  });
  int64_t first_row = 0;
  // What `use` throws is its own, not the file's.
  while (const auto batch = Guarded(impl_->path, [&] { return impl_->NextBatch(*batches); })) {
    ParquetBatch::Impl part{impl_->path, columns, {}, first_row, batch->num_rows()};
    for (const std::string& name : columns) part.arrays.push_back(batch->GetColumnByName(name));
    use(ParquetBatch(part));
    first_row += batch->num_rows();
  }
  if (first_row != impl_->rows)
    FailParquet(impl_->path, fmt::format("holds {} of the {} rows it states", first_row, impl_->rows));
}

}  // namespace genvinci
