#include <cerrno>
#include <cstring>
#include <fstream>

#include "genvinci/core/error.h"
#include "genvinci/io/torch_checkpoint.h"
#include "zip_writer.h"

namespace genvinci {
namespace {

// Pickle protocol 2 (PEP 307), the opcodes that torch.save uses.
std::string Text(const std::string& text) {
  const auto size = static_cast<uint32_t>(text.size());
  return "X" + std::string(reinterpret_cast<const char*>(&size), sizeof(size)) + text;
}

std::string Integer(int64_t value) {
  return "\x8a\x08" + std::string(reinterpret_cast<const char*>(&value), sizeof(value));
}

std::string Tuple(const std::vector<int64_t>& values) {
  std::string text = "(";
  for (const int64_t value : values) text += Integer(value);
  return text + "t";
}

std::string StorageType(DType dtype) {
  switch (dtype) {
    case DType::kF64:
      return "Double";
    case DType::kF32:
      return "Float";
    case DType::kF16:
      return "Half";
    case DType::kBF16:
      return "BFloat16";
    case DType::kI64:
      return "Long";
    case DType::kI32:
      return "Int";
    case DType::kI16:
      return "Short";
    case DType::kI8:
      return "Char";
    case DType::kU8:
      return "Byte";
    case DType::kBool:
      return "Bool";
  }
  throw InternalError("TENSOR_DTYPE", "a type that PyTorch has no storage for");
}

std::string TensorPickle(const TensorView& view, const std::string& key) {
  std::vector<int64_t> strides(view.shape.size());
  int64_t items = 1;
  for (size_t axis = view.shape.size(); axis-- > 0;) {
    strides[axis] = items;
    items *= view.shape[axis];
  }
  return "ctorch._utils\n_rebuild_tensor_v2\n((" + Text("storage") + "ctorch\n" + StorageType(view.dtype) +
         "Storage\n" + Text(key) + Text("cpu") + Integer(items) + "tQ" + Integer(0) + Tuple(view.shape) +
         Tuple(strides) + "\x89" + "ccollections\nOrderedDict\n)RtR";
}

std::span<const std::byte> BytesOf(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace

void WriteTorchCheckpoint(const fs::path& path, const std::vector<std::pair<std::string, TensorView>>& tensors) {
  std::string pickle = "\x80\x02}" + Text("state_dict") + "}(";
  for (size_t i = 0; i < tensors.size(); ++i)
    pickle += Text(tensors[i].first) + TensorPickle(tensors[i].second, std::to_string(i));
  pickle += "us.";
  WriteFileAtomic(path, [&](const fs::path& temporary) {
    std::ofstream out(temporary, std::ios::binary);
    internal::ZipWriter zip(out);
    zip.Add("archive/data.pkl", BytesOf(pickle));
    zip.Add("archive/byteorder", BytesOf("little"));
    for (size_t i = 0; i < tensors.size(); ++i) zip.Add("archive/data/" + std::to_string(i), tensors[i].second.bytes);
    zip.Add("archive/version", BytesOf("3\n"));
    zip.Finish();
    out.close();
    if (!out) throw IoError("FILE_WRITE", "{}: cannot write: {}", path.string(), std::strerror(errno));
  });
}

}  // namespace genvinci
