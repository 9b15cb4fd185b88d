#include "genvinci/io/token_dataset.h"

#include <arrow/api.h>
#include <arrow/io/api.h>
#include <arrow/ipc/api.h>

#include "genvinci/core/error.h"
#include "genvinci/core/json.h"
#include "genvinci/io/pickle.h"

namespace genvinci {
namespace {

// One column `input_ids` of a batch: where each list is, and its integers, of any width.
class TokenReader {
 public:
  TokenReader(std::string source, int64_t vocabulary_size, TokenLists& out)
      : source_(std::move(source)), vocabulary_size_(vocabulary_size), out_(out) {}

  void Read(const arrow::RecordBatch& batch) {
    const std::shared_ptr<arrow::Array> column = batch.GetColumnByName("input_ids");
    if (!column) throw DataError("ARROW_COLUMN", "{}: has no column 'input_ids': is this a token dataset?", source_);
    const int64_t first = out_.size();
    if (column->type_id() == arrow::Type::LIST) {
      ReadLists(static_cast<const arrow::ListArray&>(*column));
    } else if (column->type_id() == arrow::Type::LARGE_LIST) {
      ReadLists(static_cast<const arrow::LargeListArray&>(*column));
    } else {
      throw DataError("ARROW_TYPE", "{}: 'input_ids' is {}, not lists of integers", source_,
                      column->type()->ToString());
    }
    if (const auto lengths = batch.GetColumnByName("length")) CheckLengths(*lengths, first);
  }

 private:
  template <typename Lists>
  void ReadLists(const Lists& lists) {
    if (lists.null_count() > 0) throw DataError("ARROW_NULL", "{}: 'input_ids' has rows without a list", source_);
    const arrow::Array& values = *lists.values();
    if (values.null_count() > 0) throw DataError("ARROW_NULL", "{}: 'input_ids' has empty tokens", source_);
    switch (values.type_id()) {
      case arrow::Type::INT16:
        return Append(lists, static_cast<const arrow::Int16Array&>(values));
      case arrow::Type::INT32:
        return Append(lists, static_cast<const arrow::Int32Array&>(values));
      case arrow::Type::INT64:
        return Append(lists, static_cast<const arrow::Int64Array&>(values));
      default:
        throw DataError("ARROW_TYPE", "{}: 'input_ids' holds {}, not int16, int32 or int64", source_,
                        values.type()->ToString());
    }
  }

  template <typename Lists, typename Integers>
  void Append(const Lists& lists, const Integers& values) {
    for (int64_t row = 0; row < lists.length(); ++row) {
      for (int64_t i = lists.value_offset(row); i < lists.value_offset(row + 1); ++i) {
        const int64_t token = values.Value(i);
        if (token < 0 || token >= vocabulary_size_) {
          throw DataError("ARROW_TOKEN", "{}: row {} has token {}, the vocabulary has {}: use the one it was made with",
                          source_, out_.size(), token, vocabulary_size_);
        }
        out_.tokens.push_back(static_cast<int32_t>(token));
      }
      out_.offsets.push_back(static_cast<int64_t>(out_.tokens.size()));
    }
  }

  void CheckLengths(const arrow::Array& lengths, int64_t first) {
    for (int64_t row = 0; row < lengths.length(); ++row) {
      const auto scalar = lengths.GetScalar(row);
      const auto length = scalar.ok() ? (*scalar)->CastTo(arrow::int64()) : scalar;
      const int64_t actual = static_cast<int64_t>(out_[first + row].size());
      if (!length.ok() || !(*length)->is_valid || static_cast<const arrow::Int64Scalar&>(**length).value != actual) {
        throw DataError("ARROW_LENGTH", "{}: row {} says length {} and has {} tokens", source_, first + row,
                        scalar.ok() ? (*scalar)->ToString() : "?", actual);
      }
    }
  }

  std::string source_;
  int64_t vocabulary_size_;
  TokenLists& out_;
};

template <typename T>
T Value(arrow::Result<T> result, const std::string& source) {
  if (!result.ok()) {
    throw DataError("ARROW_FILE", "{}: {}: fetch or write the file again", source, result.status().message());
  }
  return std::move(result).ValueUnsafe();
}

void ReadArrowStream(const fs::path& path, int64_t vocabulary_size, TokenLists& out) {
  RequireFile(path, "state.json names it: the dataset is not complete");
  const std::string source = path.string();
  const auto file = Value(arrow::io::MemoryMappedFile::Open(source, arrow::io::FileMode::READ), source);
  const auto reader = Value(arrow::ipc::RecordBatchStreamReader::Open(file), source);
  TokenReader tokens(source, vocabulary_size, out);
  while (const auto batch = Value(reader->Next(), source)) {
    const arrow::Status valid = batch->ValidateFull();
    if (!valid.ok()) throw DataError("ARROW_FILE", "{}: {}", source, valid.message());
    tokens.Read(*batch);
  }
}

}  // namespace

std::span<const int32_t> TokenLists::operator[](int64_t i) const {
  const auto first = offsets.at(static_cast<size_t>(i)), end = offsets.at(static_cast<size_t>(i) + 1);
  return std::span(tokens).subspan(static_cast<size_t>(first), static_cast<size_t>(end - first));
}

void TokenLists::Add(std::span<const int32_t> list) {
  tokens.insert(tokens.end(), list.begin(), list.end());
  offsets.push_back(static_cast<int64_t>(tokens.size()));
}

TokenLists ReadTokenDataset(const fs::path& folder, int64_t vocabulary_size) {
  const fs::path state_path = folder / "state.json";
  RequireFile(state_path, "give a folder as the Python package datasets saves one");
  const Json state = ReadJson(state_path);
  const auto files = state.find("_data_files");
  if (files == state.end() || !files->is_array() || files->empty()) {
    throw DataError("ARROW_STATE", "{}: has no list '_data_files'", state_path.string());
  }
  if (const auto rows = state.find("_indices_data_files"); rows != state.end() && !rows->empty()) {
    throw DataError("ARROW_STATE", "{}: its rows are picked by a file of indices: save it after flatten_indices()",
                    state_path.string());
  }
  TokenLists lists;
  for (const Json& file : *files) {
    const bool is_named = file.is_object() && file.contains("filename") && file["filename"].is_string();
    const fs::path name = is_named ? file["filename"].get<std::string>() : "";
    if (name.empty() || name != name.filename() || name == "..") {
      throw DataError("ARROW_STATE", "{}: {} is no file of this folder", state_path.string(), file.dump());
    }
    ReadArrowStream(folder / name, vocabulary_size, lists);
  }
  if (lists.size() == 0) throw DataError("ARROW_EMPTY", "{}: has no rows", folder.string());
  return lists;
}

std::vector<int64_t> ReadLengths(const fs::path& path) {
  const PicklePointer root = ReadPickle(path);
  const PickleList* list = root->As<PickleList>();
  if (!list) throw DataError("LENGTHS_FILE", "{}: holds {}, not a list of lengths", path.string(), Describe(*root));
  std::vector<int64_t> lengths;
  lengths.reserve(list->items.size());
  for (const PickleRef item : list->items) {
    const int64_t* length = item->As<int64_t>();
    if (!length || *length < 0) {
      throw DataError("LENGTHS_FILE", "{}: item {} is {}, not a length", path.string(), lengths.size(),
                      length ? std::to_string(*length) : Describe(*item));
    }
    lengths.push_back(*length);
  }
  return lengths;
}

}  // namespace genvinci
