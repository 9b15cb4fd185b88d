#include "hdf5_util.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "genvinci/core/error.h"
#include "genvinci/core/files.h"

namespace genvinci {
namespace {

constexpr uint64_t kFreeArrayBytes = uint64_t{64} << 20;  // whole arrays up to this need no storage behind them
constexpr int64_t kTextBatch = 65536;
constexpr uint64_t kTextBatchBytes = uint64_t{16} << 20;
constexpr int64_t kMostAttributeItems = 1 << 20;

// Memory of the texts of one batch; refuses more than `limit`, as many rows may name one large text.
struct TextArena {
  uint64_t left;
  std::vector<std::unique_ptr<char[]>> pieces;

  static void* Allocate(size_t bytes, void* self) {
    auto& arena = *static_cast<TextArena*>(self);
    if (bytes > arena.left) return nullptr;
    arena.left -= bytes;
    return arena.pieces.emplace_back(new char[bytes]).get();
  }
  static void Free(void*, void*) {}
};

std::string FixedText(const char* bytes, size_t width, H5T_str_t padding) {
  size_t length = strnlen(bytes, width);
  if (padding == H5T_STR_SPACEPAD) {
    while (length > 0 && bytes[length - 1] == ' ') --length;
  }
  return std::string(bytes, length);
}

// The memory type that reads `array`: `native` itself, or a compound of the one field.
Hdf5Handle MemoryType(const Hdf5Array& array, hid_t native) {
  if (array.field.empty()) return Hdf5Handle(H5Tcopy(native));
  Hdf5Handle compound(H5Tcreate(H5T_COMPOUND, H5Tget_size(native)));
  H5Tinsert(compound.get(), array.field.c_str(), 0, native);
  return compound;
}

Hdf5Handle RowsOf(const Hdf5Array& array, int64_t first, int64_t count, Hdf5Handle& memory) {
  Hdf5Handle space(H5Dget_space(array.dataset.get()));
  const size_t rank = array.shape.size();
  if (rank == 0) {
    memory = Hdf5Handle(H5Screate(H5S_SCALAR));
    return space;
  }
  hsize_t start[H5S_MAX_RANK] = {}, extent[H5S_MAX_RANK] = {};
  std::copy(array.shape.begin(), array.shape.end(), extent);
  start[0] = first;
  extent[0] = count;
  H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start, nullptr, extent, nullptr);
  memory = Hdf5Handle(H5Screate_simple(static_cast<int>(rank), extent, nullptr));
  return space;
}

}  // namespace

bool Hdf5Array::IsNumber() const {
  const H5T_class_t kind = type_class();
  const size_t bytes = H5Tget_size(type.get());
  if (kind == H5T_FLOAT) return bytes == 2 || bytes == 4 || bytes == 8;
  return (kind == H5T_INTEGER || kind == H5T_ENUM) && (bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8);
}

bool Hdf5Array::IsBool() const {
  if (type_class() != H5T_ENUM || H5Tget_nmembers(type.get()) != 2) return false;
  return H5Tget_member_index(type.get(), "FALSE") >= 0 && H5Tget_member_index(type.get(), "TRUE") >= 0;
}

std::string Hdf5Array::TypeName() const {
  if (IsText()) return "string";
  if (IsBool()) return "bool";
  if (!IsNumber()) return "other";
  const size_t bits = 8 * H5Tget_size(type.get());
  if (type_class() == H5T_FLOAT) return fmt::format("float{}", bits);
  const Hdf5Handle base(type_class() == H5T_ENUM ? H5Tget_super(type.get()) : H5Tcopy(type.get()));
  return fmt::format("{}int{}", H5Tget_sign(base.get()) == H5T_SGN_NONE ? "u" : "", bits);
}

int64_t Hdf5Array::size() const {
  int64_t product = 1;
  for (const int64_t extent : shape) product *= extent;
  return null ? 0 : product;
}

Hdf5File::Hdf5File(const std::filesystem::path& path, Trust trust) : path_(path) {
  RequireFile(path);
  PrepareHdf5();
  if (trust == Trust::kForeign) ProbeHdf5(path);
  const Hdf5Handle access(H5Pcreate(H5P_FILE_ACCESS));
  H5Pset_file_locking(access.get(), /*use_file_locking=*/true, /*ignore_when_disabled=*/true);
  H5Pset_fclose_degree(access.get(), H5F_CLOSE_STRONG);
  std::error_code ignored;
  file_bytes_ = std::filesystem::file_size(path, ignored);
  file_ = Hdf5Handle(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.get()));
  if (!file_.valid()) {
    throw DataError("H5_OPEN", "{}: not an HDF5 file, or one that was cut short ({}): get it again", path.string(),
                    Hdf5Reason());
  }
  CheckHdf5Safety(file_.get(), path.string());
}

void Hdf5File::FailRead(const std::string& element) const {
  throw DataError("H5_READ", "{}: {}: cannot be read ({}): the file is damaged, get it again", path_.string(), element,
                  Hdf5Reason());
}

bool Hdf5File::Exists(const std::string& element) const {
  for (size_t end = element.find('/'); end != std::string::npos; end = element.find('/', end + 1)) {
    if (end > 0 && H5Lexists(file_.get(), element.substr(0, end).c_str(), H5P_DEFAULT) <= 0) return false;
  }
  return H5Lexists(file_.get(), element.c_str(), H5P_DEFAULT) > 0;
}

Hdf5Handle Hdf5File::OpenObject(const std::string& element) const {
  if (element != "/" && !Exists(element)) {
    throw DataError("H5_MISSING", "{}: {}: is not there: write the file again", path_.string(), element);
  }
  Hdf5Handle object(H5Oopen(file_.get(), element.c_str(), H5P_DEFAULT));
  if (!object.valid()) FailRead(element);
  return object;
}

bool Hdf5File::IsGroup(const std::string& element) const {
  return Exists(element) && H5Iget_type(OpenObject(element).get()) == H5I_GROUP;
}

bool Hdf5File::IsDataset(const std::string& element) const {
  return Exists(element) && H5Iget_type(OpenObject(element).get()) == H5I_DATASET;
}

std::vector<std::string> Hdf5File::Members(const std::string& group) const {
  std::vector<std::string> names;
  if (!IsGroup(group)) return names;
  const Hdf5Handle object = OpenObject(group);
  const auto add = [](hid_t, const char* name, const H5L_info_t*, void* out) -> herr_t {
    static_cast<std::vector<std::string>*>(out)->emplace_back(name);
    return 0;
  };
  hsize_t position = 0;
  if (H5Literate(object.get(), H5_INDEX_NAME, H5_ITER_INC, &position, add, &names) < 0) FailRead(group);
  return names;
}

Hdf5Array Hdf5File::OpenArray(const std::string& element) const {
  Hdf5Array array;
  array.element = element;
  array.dataset = OpenObject(element);
  if (H5Iget_type(array.dataset.get()) != H5I_DATASET) {
    throw DataError("H5_TYPE", "{}: {}: a group where values were expected: write the file again", path_.string(),
                    element);
  }
  array.type = Hdf5Handle(H5Dget_type(array.dataset.get()));
  const Hdf5Handle space(H5Dget_space(array.dataset.get()));
  if (!array.type.valid() || !space.valid()) FailRead(element);
  array.null = H5Sget_simple_extent_type(space.get()) == H5S_NULL;
  hsize_t extent[H5S_MAX_RANK];
  const int rank = array.null ? 0 : H5Sget_simple_extent_dims(space.get(), extent, nullptr);
  if (rank < 0) FailRead(element);
  array.shape.assign(extent, extent + rank);
  return array;
}

std::vector<std::string> Hdf5File::Fields(const Hdf5Array& compound) const {
  std::vector<std::string> names;
  if (compound.type_class() != H5T_COMPOUND) return names;
  const int count = H5Tget_nmembers(compound.type.get());
  for (int i = 0; i < count; ++i) {
    char* name = H5Tget_member_name(compound.type.get(), i);
    names.emplace_back(name == nullptr ? "" : name);
    H5free_memory(name);
  }
  return names;
}

Hdf5Array Hdf5File::OpenField(const std::string& element, const std::string& field) const {
  Hdf5Array array = OpenArray(element);
  const int index = H5Tget_member_index(array.type.get(), field.c_str());
  Hdf5Handle type(index < 0 ? -1 : H5Tget_member_type(array.type.get(), index));
  if (!type.valid()) FailRead(element + "/" + field);
  array.type = std::move(type);
  array.element = element + "/" + field;
  array.field = field;
  return array;
}

void Hdf5File::RequireLoadable(const Hdf5Array& array) const {
  const uint64_t bytes = static_cast<uint64_t>(array.size()) * H5Tget_size(array.type.get());
  const uint64_t stored = H5Dget_storage_size(array.dataset.get());
  if (bytes > kFreeArrayBytes && bytes / kMostRatio > stored) {
    throw DataError("H5_SIZE",
                    "{}: {}: declares {} bytes but stores {} (limit: {} times as many): the file is damaged "
                    "or was made to harm",
                    path_.string(), array.element, bytes, stored, kMostRatio);
  }
}

void Hdf5File::Read(const Hdf5Array& array, hid_t native, int64_t first, int64_t count, void* out) const {
  if (array.null || count == 0) return;
  const Hdf5Handle type = MemoryType(array, native);
  Hdf5Handle memory;
  const Hdf5Handle rows = RowsOf(array, first, count, memory);
  if (H5Dread(array.dataset.get(), type.get(), memory.get(), rows.get(), H5P_DEFAULT, out) < 0) {
    FailRead(array.element);
  }
}

namespace {

int64_t RowSize(const Hdf5Array& array) {
  int64_t size = 1;
  for (size_t axis = 1; axis < array.shape.size(); ++axis) size *= array.shape[axis];
  return size;
}

}  // namespace

void Hdf5File::ReadRows(const Hdf5Array& array, int64_t first, int64_t count, std::vector<float>& out) const {
  out.resize(count * RowSize(array));
  Read(array, H5T_NATIVE_FLOAT, first, count, out.data());
}

void Hdf5File::ReadRows(const Hdf5Array& array, int64_t first, int64_t count, std::vector<double>& out) const {
  out.resize(count * RowSize(array));
  Read(array, H5T_NATIVE_DOUBLE, first, count, out.data());
}

void Hdf5File::ReadRows(const Hdf5Array& array, int64_t first, int64_t count, std::vector<int64_t>& out) const {
  out.resize(count * RowSize(array));
  Read(array, H5T_NATIVE_INT64, first, count, out.data());
}

std::vector<double> Hdf5File::ReadDoubles(const Hdf5Array& array) const {
  RequireLoadable(array);
  // An array field (obsm before 0.7) holds several numbers a row.
  const bool nested = array.type_class() == H5T_ARRAY;
  const size_t each =
      nested ? H5Tget_size(array.type.get()) / H5Tget_size(Hdf5Handle(H5Tget_super(array.type.get())).get()) : 1;
  std::vector<double> values(array.size() * each);
  hsize_t extent = each;
  const Hdf5Handle native(nested ? H5Tarray_create2(H5T_NATIVE_DOUBLE, 1, &extent) : H5Tcopy(H5T_NATIVE_DOUBLE));
  Read(array, native.get(), 0, array.shape.empty() ? 1 : array.shape[0], values.data());
  return values;
}

std::vector<int64_t> Hdf5File::ReadIntegers(const Hdf5Array& array) const {
  RequireLoadable(array);
  std::vector<int64_t> values(array.size());
  Read(array, H5T_NATIVE_INT64, 0, array.shape.empty() ? 1 : array.shape[0], values.data());
  return values;
}

std::vector<std::string> Hdf5File::ReadStrings(const Hdf5Array& array) const {
  RequireLoadable(array);
  std::vector<std::string> texts;
  if (array.null) return texts;
  const int64_t rows = array.shape.empty() ? 1 : array.shape[0];
  const bool variable = H5Tis_variable_str(array.type.get()) > 0;
  const size_t width = H5Tget_size(array.type.get());
  const H5T_str_t padding = H5Tget_strpad(array.type.get());
  if (!variable && width > kTextBatchBytes) {
    throw DataError("H5_SIZE", "{}: {}: texts of {} bytes each (limit: {})", path_.string(), array.element, width,
                    kTextBatchBytes);
  }
  const int64_t batch = variable ? kTextBatch : std::clamp<int64_t>(kTextBatchBytes / width, 1, kTextBatch);
  const Hdf5Handle type = MemoryType(array, array.type.get());
  TextArena arena{std::max(kFreeArrayBytes, 4 * file_bytes_), {}};
  const Hdf5Handle transfer(H5Pcreate(H5P_DATASET_XFER));
  H5Pset_vlen_mem_manager(transfer.get(), TextArena::Allocate, &arena, TextArena::Free, nullptr);
  for (int64_t first = 0; first < rows; first += batch) {
    const int64_t count = std::min(batch, rows - first);
    Hdf5Handle memory;
    const Hdf5Handle selected = RowsOf(array, first, count, memory);
    const int64_t items = count * RowSize(array);
    std::vector<char> bytes(items * width);
    if (items > 0 &&
        H5Dread(array.dataset.get(), type.get(), memory.get(), selected.get(), transfer.get(), bytes.data()) < 0) {
      FailRead(array.element);
    }
    for (int64_t i = 0; i < items; ++i) {
      const char* text = bytes.data() + i * width;
      if (variable) std::memcpy(&text, bytes.data() + i * width, sizeof(text));
      texts.push_back(!variable ? FixedText(text, width, padding) : text == nullptr ? "" : text);
    }
    arena.pieces.clear();
  }
  return texts;
}

Hdf5Handle Hdf5File::OpenAttribute(const std::string& element, const std::string& name) const {
  const Hdf5Handle object = OpenObject(element);
  if (H5Aexists(object.get(), name.c_str()) <= 0) return {};
  Hdf5Handle attribute(H5Aopen(object.get(), name.c_str(), H5P_DEFAULT));
  if (!attribute.valid()) FailRead(element + "@" + name);
  return attribute;
}

bool Hdf5File::HasAttribute(const std::string& element, const std::string& name) const {
  return OpenAttribute(element, name).valid();
}

namespace {

// Items of an attribute, or -1 when they are too many to be what AnnData writes.
int64_t AttributeItems(hid_t attribute) {
  const Hdf5Handle space(H5Aget_space(attribute));
  const int64_t items = space.valid() ? H5Sget_simple_extent_npoints(space.get()) : -1;
  return items > kMostAttributeItems ? -1 : items;
}

}  // namespace

std::vector<std::string> Hdf5File::TextListAttribute(const std::string& element, const std::string& name) const {
  std::vector<std::string> texts;
  const Hdf5Handle attribute = OpenAttribute(element, name);
  if (!attribute.valid()) return texts;
  const Hdf5Handle type(H5Aget_type(attribute.get()));
  const int64_t items = AttributeItems(attribute.get());
  if (!type.valid() || items < 0) FailRead(element + "@" + name);
  if (items == 0 || H5Tget_class(type.get()) != H5T_STRING) return texts;
  const size_t width = H5Tget_size(type.get());
  const H5T_str_t padding = H5Tget_strpad(type.get());
  const bool variable = H5Tis_variable_str(type.get()) > 0;
  if (!variable && width * items > kTextBatchBytes) FailRead(element + "@" + name);
  std::vector<char> bytes(items * width);
  if (H5Aread(attribute.get(), type.get(), bytes.data()) < 0) FailRead(element + "@" + name);
  for (int64_t i = 0; i < items; ++i) {
    const char* text = bytes.data() + i * width;
    if (variable) std::memcpy(&text, bytes.data() + i * width, sizeof(text));
    texts.push_back(!variable ? FixedText(text, width, padding) : text == nullptr ? "" : text);
  }
  if (variable) {
    const Hdf5Handle space(H5Aget_space(attribute.get()));
    H5Dvlen_reclaim(type.get(), space.get(), H5P_DEFAULT, bytes.data());
  }
  return texts;
}

std::string Hdf5File::TextAttribute(const std::string& element, const std::string& name) const {
  const std::vector<std::string> texts = TextListAttribute(element, name);
  return texts.empty() ? "" : texts.front();
}

std::vector<int64_t> Hdf5File::IntegersAttribute(const std::string& element, const std::string& name) const {
  std::vector<int64_t> values;
  const Hdf5Handle attribute = OpenAttribute(element, name);
  if (!attribute.valid()) return values;
  const Hdf5Handle type(H5Aget_type(attribute.get()));
  const int64_t items = AttributeItems(attribute.get());
  if (!type.valid() || items < 0 || H5Tget_class(type.get()) != H5T_INTEGER) FailRead(element + "@" + name);
  values.resize(items);
  if (items > 0 && H5Aread(attribute.get(), H5T_NATIVE_INT64, values.data()) < 0) FailRead(element + "@" + name);
  return values;
}

}  // namespace genvinci
