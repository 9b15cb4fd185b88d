#include "genvinci/io/torch_checkpoint.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <fstream>
#include <map>
#include <optional>
#include <set>

#include "genvinci/core/error.h"
#include "genvinci/core/text.h"
#include "genvinci/io/pickle.h"
#include "zip_directory.h"

namespace genvinci {
namespace {

static_assert(std::endian::native == std::endian::little, "checkpoints are read in place");

constexpr std::string_view kZipStart = "PK\x03\x04";
// The older stream begins with a pickle of this number (0x1950a86a20f9469cfc6c), protocol 2.
constexpr std::string_view kLegacyMagic = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
constexpr int64_t kStreamProtocol = 1001;
constexpr int kMaxDepth = 32;
constexpr size_t kMaxVisited = 2'000'000;
constexpr size_t kMaxAxes = 64;

std::optional<DType> TypeOfStorage(std::string_view name) {
  static const std::map<std::string_view, DType> types = {
      {"DoubleStorage", DType::kF64},    {"FloatStorage", DType::kF32}, {"HalfStorage", DType::kF16},
      {"BFloat16Storage", DType::kBF16}, {"LongStorage", DType::kI64},  {"IntStorage", DType::kI32},
      {"ShortStorage", DType::kI16},     {"CharStorage", DType::kI8},   {"ByteStorage", DType::kU8},
      {"BoolStorage", DType::kBool}};
  const auto found = types.find(name);
  return found == types.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace

// Where the storages' bytes are.
struct TorchCheckpoint::Storages {
  struct Storage {
    std::span<const std::byte> bytes;
    const internal::ZipEntry* entry = nullptr;  // to be verified; none in a stream
  };

  std::vector<internal::ZipEntry> entries;
  std::map<std::string, Storage> by_key;
  std::map<std::string, const internal::ZipEntry*> entry_of;  // by tensor
  std::vector<std::vector<std::byte>> copies;
  std::set<const internal::ZipEntry*> verified;
};

namespace {

using StreamStorages = std::map<std::string, std::span<const std::byte>>;

struct FoundTensor {
  std::string name, storage;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape, strides;
  int64_t offset = 0;  // in items
};

// Walks what ParsePickle gave to the tensors in it.
class TensorFinder {
 public:
  explicit TensorFinder(std::string source) : source_(std::move(source)) {}

  std::vector<FoundTensor> Find(PickleRef root) {
    Walk(root, "", 0);
    return std::move(found_);
  }

 private:
  template <typename... Args>
  [[noreturn]] void Fail(const std::string& name, fmt::format_string<Args...> format, Args&&... args) const {
    throw DataError("TORCH_TENSOR", "{}: tensor '{}': {}", source_, name,
                    fmt::format(format, std::forward<Args>(args)...));
  }

  void Walk(PickleRef value, const std::string& name, int depth) {
    if (depth > kMaxDepth || ++visited_ > kMaxVisited)
      throw DataError("TORCH_NESTING", "{}: its dictionaries are nested without end", source_);
    if (const auto* dict = value->As<PickleDict>()) return WalkDict(dict->items, name, depth);
    if (const auto* list = value->As<PickleList>()) return WalkList(list->items, name, depth);
    if (const auto* tuple = value->As<PickleTuple>()) return WalkList(tuple->items, name, depth);
    if (const auto* object = value->As<PickleObject>()) Keep(*object, name, depth);
  }

  void WalkDict(const std::vector<std::pair<PickleRef, PickleRef>>& items, const std::string& name, int depth) {
    for (const auto& [key, value] : items) {
      const std::string* text = key->As<std::string>();
      const int64_t* number = key->As<int64_t>();
      if (text) Walk(value, Below(name, *text), depth + 1);
      if (number) Walk(value, Below(name, std::to_string(*number)), depth + 1);
    }
  }

  void WalkList(const std::vector<PickleRef>& items, const std::string& name, int depth) {
    for (size_t i = 0; i < items.size(); ++i) Walk(items[i], Below(name, std::to_string(i)), depth + 1);
  }

  static std::string Below(const std::string& name, const std::string& key) {
    return name.empty() ? key : name + "." + key;
  }

  void Keep(const PickleObject& object, const std::string& name, int depth) {
    const auto* arguments = object.arguments->As<PickleTuple>();
    if (!arguments || arguments->items.empty() || object.type->module != "torch._utils") return;
    const std::string& maker = object.type->name;
    if (maker == "_rebuild_parameter" || maker == "_rebuild_parameter_with_state")
      return Walk(arguments->items[0], name, depth + 1);
    if (maker != "_rebuild_tensor" && maker != "_rebuild_tensor_v2") return;
    if (arguments->items.size() < 4) Fail(name, "it is made of {} parts", arguments->items.size());
    FoundTensor tensor;
    tensor.name = name;
    ReadStorage(*arguments->items[0], tensor);
    const int64_t* offset = arguments->items[1]->As<int64_t>();
    if (!offset || *offset < 0) Fail(name, "no offset");
    tensor.offset = *offset;
    tensor.shape = Sizes(*arguments->items[2], name);
    tensor.strides = Sizes(*arguments->items[3], name);
    if (tensor.shape.size() != tensor.strides.size()) Fail(name, "sizes and strides differ in number");
    if (!names_.insert(name).second) throw DataError("TORCH_NAME", "{}: two tensors '{}'", source_, name);
    found_.push_back(std::move(tensor));
  }

  // persistent id ("storage", type, key, location, items, ...)
  void ReadStorage(const PickleValue& value, FoundTensor& tensor) const {
    const auto* object = value.As<PickleObject>();
    const auto* wrapped =
        object && object->type->module == "persistent" ? object->arguments->As<PickleTuple>() : nullptr;
    const auto* id = wrapped && wrapped->items.size() == 1 ? wrapped->items[0]->As<PickleTuple>() : nullptr;
    if (!id || id->items.size() < 5) Fail(tensor.name, "it has no storage");
    const auto* type = id->items[1]->As<PickleGlobal>();
    const auto* key = id->items[2]->As<std::string>();
    if (!type || !key) Fail(tensor.name, "its storage has no type or key");
    const auto dtype = TypeOfStorage(type->name);
    if (type->module != "torch" || !dtype) Fail(tensor.name, "its type {}.{} is not read", type->module, type->name);
    tensor.dtype = *dtype;
    tensor.storage = *key;
  }

  std::vector<int64_t> Sizes(const PickleValue& value, const std::string& name) const {
    const PickleValue* inner = &value;
    if (const auto* object = value.As<PickleObject>()) {  // torch.Size((2, 3))
      const auto* arguments = object->arguments->As<PickleTuple>();
      if (object->type->name == "Size" && arguments && arguments->items.size() == 1) inner = arguments->items[0];
    }
    const auto* tuple = inner->As<PickleTuple>();
    if (!tuple || tuple->items.size() > kMaxAxes) Fail(name, "its sizes are {}", Describe(value));
    std::vector<int64_t> sizes;
    for (const PickleRef item : tuple->items) {
      const int64_t* size = item->As<int64_t>();
      if (!size || *size < 0) Fail(name, "a size is {}", Describe(*item));
      sizes.push_back(*size);
    }
    return sizes;
  }

  std::string source_;
  std::vector<FoundTensor> found_;
  std::set<std::string> names_;
  size_t visited_ = 0;
};

// The bytes of a tensor: inside its storage, or copied into rows where its strides ask for it.
class TensorReader {
 public:
  TensorReader(std::string source, uint64_t budget) : source_(std::move(source)), budget_(budget) {}

  TensorView Read(const FoundTensor& tensor, std::span<const std::byte> storage,
                  std::vector<std::vector<std::byte>>& copies) {
    const uint64_t item = SizeOf(tensor.dtype);
    const uint64_t items = Product(tensor), last = LastItem(tensor);
    const auto offset = static_cast<uint64_t>(tensor.offset);
    if (items > 0 && (last >= storage.size() / item || offset > storage.size() / item - 1 - last)) {
      throw DataError("TORCH_STORAGE",
                      "{}: tensor '{}' reaches to item {} of a storage of {}: it is cut short or damaged", source_,
                      tensor.name, offset + last, storage.size() / item);
    }
    if (items == 0) return {tensor.dtype, tensor.shape, {}};
    if (IsContiguous(tensor)) return {tensor.dtype, tensor.shape, storage.subspan(offset * item, items * item)};
    return {tensor.dtype, tensor.shape, Copy(tensor, storage.subspan(offset * item), items, copies)};
  }

 private:
  uint64_t Product(const FoundTensor& tensor) const {
    uint64_t items = 1;
    for (const int64_t side : tensor.shape) {
      if (__builtin_mul_overflow(items, static_cast<uint64_t>(side), &items) || items > (uint64_t{1} << 48))
        throw DataError("TORCH_SHAPE", "{}: tensor '{}' has too many items", source_, tensor.name);
    }
    return items;
  }

  uint64_t LastItem(const FoundTensor& tensor) const {
    uint64_t last = 0;
    for (size_t axis = 0; axis < tensor.shape.size(); ++axis) {
      if (tensor.shape[axis] == 0) return 0;
      uint64_t reach = 0;
      if (__builtin_mul_overflow(static_cast<uint64_t>(tensor.shape[axis] - 1),
                                 static_cast<uint64_t>(tensor.strides[axis]), &reach) ||
          __builtin_add_overflow(last, reach, &last))
        throw DataError("TORCH_SHAPE", "{}: tensor '{}' has strides beyond all bounds", source_, tensor.name);
    }
    return last;
  }

  static bool IsContiguous(const FoundTensor& tensor) {
    int64_t expected = 1;
    for (size_t axis = tensor.shape.size(); axis-- > 0;) {
      if (tensor.shape[axis] != 1 && tensor.strides[axis] != expected) return false;
      expected *= tensor.shape[axis];
    }
    return true;
  }

  std::span<const std::byte> Copy(const FoundTensor& tensor, std::span<const std::byte> from, uint64_t items,
                                  std::vector<std::vector<std::byte>>& copies) {
    const uint64_t item = SizeOf(tensor.dtype);
    if (items > budget_ / item) {
      throw DataError("TORCH_STORAGE", "{}: tensor '{}' repeats its storage: {} items would take more than the file",
                      source_, tensor.name, items);
    }
    budget_ -= items * item;
    std::vector<std::byte>& copy = copies.emplace_back(items * item);
    std::vector<int64_t> index(tensor.shape.size(), 0);
    uint64_t at = 0;
    for (uint64_t i = 0; i < items; ++i) {
      std::memcpy(copy.data() + i * item, from.data() + at * item, item);
      for (size_t axis = index.size(); axis-- > 0;) {
        at += static_cast<uint64_t>(tensor.strides[axis]);
        if (++index[axis] < tensor.shape[axis]) break;
        at -= static_cast<uint64_t>(tensor.strides[axis]) * static_cast<uint64_t>(tensor.shape[axis]);
        index[axis] = 0;
      }
    }
    return copy;
  }

  std::string source_;
  uint64_t budget_;
};

std::string_view TextOf(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The pickle of a zip file: the only entry <root>/data.pkl.
const internal::ZipEntry& DataPickle(const std::vector<internal::ZipEntry>& entries, const std::string& source) {
  const internal::ZipEntry* found = nullptr;
  for (const internal::ZipEntry& entry : entries) {
    if (entry.name != "data.pkl" && !entry.name.ends_with("/data.pkl")) continue;
    if (found) throw DataError("TORCH_ZIP", "{}: both '{}' and '{}': which counts?", source, found->name, entry.name);
    found = &entry;
  }
  if (!found) throw DataError("TORCH_ZIP", "{}: a zip file without data.pkl is no PyTorch checkpoint", source);
  return *found;
}

std::string RootOf(const internal::ZipEntry& pickle) {
  return pickle.name.substr(0, pickle.name.size() - std::string_view("data.pkl").size());
}

// The pieces of the older stream: four pickles, the storages' keys, and for each its number of items and its bytes.
class StreamReader {
 public:
  StreamReader(std::string_view bytes, std::string source) : bytes_(bytes), source_(std::move(source)) {}

  PicklePointer ReadPickles() {
    Next();  // the magic number, by which the file was chosen
    const PicklePointer protocol = Next();
    const int64_t* number = protocol->As<int64_t>();
    if (!number || *number != kStreamProtocol) Fail("it is of another protocol than {}", kStreamProtocol);
    Next();  // about the machine that wrote it
    return Next();
  }

  // The storages follow in the order of their keys; their types are known from the tensors.
  StreamStorages ReadStorages(const std::map<std::string, DType>& types) {
    const PicklePointer keys = Next();
    const auto* list = keys->As<PickleList>();
    if (!list) Fail("it has no list of storages");
    StreamStorages storages;
    for (const PickleRef key : list->items) {
      const std::string* text = key->As<std::string>();
      const auto type = text ? types.find(*text) : types.end();
      if (type == types.end()) Fail("a storage that no tensor uses");
      uint64_t items = 0;
      std::memcpy(&items, Take(sizeof(items)).data(), sizeof(items));
      const uint64_t size = SizeOf(type->second);
      if (items > bytes_.size() / size) Fail("a storage of {} items", items);
      const std::string_view bytes = Take(items * size);
      storages[*text] = std::as_bytes(std::span(bytes.data(), bytes.size()));
    }
    if (at_ != bytes_.size()) Fail("{} bytes behind its end", bytes_.size() - at_);
    return storages;
  }

 private:
  template <typename... Args>
  [[noreturn]] void Fail(fmt::format_string<Args...> format, Args&&... args) const {
    throw DataError("TORCH_STREAM", "{}: {}: it is damaged or of another kind", source_,
                    fmt::format(format, std::forward<Args>(args)...));
  }

  PicklePointer Next() {
    size_t consumed = 0;
    PicklePointer value = ParsePickle(bytes_.substr(at_), source_, &consumed);
    at_ += consumed;
    return value;
  }

  std::string_view Take(uint64_t size) {
    if (size > bytes_.size() - at_) Fail("{} bytes are missing", size - (bytes_.size() - at_));
    const std::string_view taken = bytes_.substr(at_, size);
    at_ += size;
    return taken;
  }

  std::string_view bytes_;
  std::string source_;
  size_t at_ = 0;
};

}  // namespace

bool TorchCheckpoint::Looks(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::string start(kLegacyMagic.size(), '\0');
  in.read(start.data(), static_cast<std::streamsize>(start.size()));
  start.resize(static_cast<size_t>(std::max<std::streamsize>(0, in.gcount())));
  return start.starts_with(kZipStart) || start == kLegacyMagic;
}

TorchCheckpoint::TorchCheckpoint(const fs::path& path) : TensorFile(path), storages_(std::make_unique<Storages>()) {
  Storages& own = *storages_;
  const std::string source = path.string();
  const auto bytes = Map();
  TensorReader reader(source, bytes.size());
  const auto keep = [&](const FoundTensor& tensor) {
    const auto storage = own.by_key.find(tensor.storage);
    if (storage == own.by_key.end())
      throw DataError("TORCH_STORAGE", "{}: tensor '{}' lies in storage '{}', which is not there", source, tensor.name,
                      tensor.storage);
    Add(tensor.name, reader.Read(tensor, storage->second.bytes, own.copies));
    if (storage->second.entry) own.entry_of[tensor.name] = storage->second.entry;
  };
  if (TextOf(bytes).starts_with(kLegacyMagic)) {
    StreamReader stream(TextOf(bytes), source);
    const PicklePointer root = stream.ReadPickles();
    const std::vector<FoundTensor> tensors = TensorFinder(source).Find(root.get());
    std::map<std::string, DType> types;
    for (const FoundTensor& tensor : tensors) {
      const auto [type, is_new] = types.emplace(tensor.storage, tensor.dtype);
      if (!is_new && type->second != tensor.dtype)
        throw DataError("TORCH_STREAM", "{}: storage '{}' is of two types", source, tensor.storage);
    }
    for (const auto& [key, span] : stream.ReadStorages(types)) own.by_key[key] = {span, nullptr};
    for (const FoundTensor& tensor : tensors) keep(tensor);
    return;
  }
  own.entries = internal::ReadZipDirectory(bytes, source);
  const internal::ZipEntry& pickle = DataPickle(own.entries, source);
  CheckCrc(pickle, source);
  const std::string data = RootOf(pickle) + "data/";
  for (const internal::ZipEntry& entry : own.entries) {
    if (entry.name == RootOf(pickle) + "byteorder" && TextOf(entry.bytes) != "little")
      throw DataError("TORCH_BYTEORDER", "{}: it was written on a big-endian machine, which is not read", source);
    if (entry.name.starts_with(data)) own.by_key[entry.name.substr(data.size())] = {entry.bytes, &entry};
  }
  const PicklePointer root = ParsePickle(TextOf(pickle.bytes), source + ": data.pkl");
  for (const FoundTensor& tensor : TensorFinder(source).Find(root.get())) keep(tensor);
}

TorchCheckpoint::~TorchCheckpoint() = default;

const TensorView& TorchCheckpoint::View(const std::string& name) const {
  const TensorView& view = Find(name);
  const auto entry = storages_->entry_of.find(name);
  if (entry != storages_->entry_of.end() && storages_->verified.insert(entry->second).second)
    CheckCrc(*entry->second, path().string());
  return view;
}

}  // namespace genvinci
