#include "hdf5_output.h"

#include <unistd.h>

#include <atomic>
#include <cstring>

#include "genvinci/core/error.h"
#include "genvinci/core/files.h"

namespace genvinci {
namespace {

constexpr hsize_t kListChunk = 65536;
constexpr unsigned kGzipLevel = 4;

fs::path PartialName(const fs::path& target) {
  static std::atomic<int> counter{0};
  const fs::path folder = target.has_parent_path() ? target.parent_path() : fs::path(".");
  return folder / fmt::format(".tmp-{}-h5-{}-{}", ::getpid(), counter++, target.filename().string());
}

Hdf5Handle NumpyBool() {
  Hdf5Handle type(H5Tenum_create(H5T_NATIVE_INT8));
  const int8_t no = 0, yes = 1;
  H5Tenum_insert(type.get(), "FALSE", &no);
  H5Tenum_insert(type.get(), "TRUE", &yes);
  return type;
}

Hdf5Handle Utf8Text() {
  Hdf5Handle type(H5Tcopy(H5T_C_S1));
  H5Tset_size(type.get(), H5T_VARIABLE);
  H5Tset_cset(type.get(), H5T_CSET_UTF8);
  return type;
}

std::vector<const char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<const char*> pointers;
  pointers.reserve(texts.size());
  for (const std::string& text : texts) pointers.push_back(text.c_str());
  return pointers;
}

}  // namespace

Hdf5Output::Hdf5Output(fs::path target) : target_(std::move(target)), partial_(PartialName(target_)) {
  PrepareHdf5();
  const Hdf5Handle access(H5Pcreate(H5P_FILE_ACCESS));
  H5Pset_fclose_degree(access.get(), H5F_CLOSE_STRONG);
  H5Pset_file_locking(access.get(), /*use_file_locking=*/true, /*ignore_when_disabled=*/true);
  file_ = Hdf5Handle(H5Fcreate(partial_.c_str(), H5F_ACC_EXCL, H5P_DEFAULT, access.get()));
  Require(file_.valid(), "/");
  link_plist_ = Hdf5Handle(H5Pcreate(H5P_LINK_CREATE));
  H5Pset_create_intermediate_group(link_plist_.get(), 1);
  H5Pset_char_encoding(link_plist_.get(), H5T_CSET_UTF8);
  text_type_ = Utf8Text();
  bool_type_ = NumpyBool();
}

Hdf5Output::~Hdf5Output() {
  file_.Reset();
  std::error_code ignored;
  fs::remove(partial_, ignored);
}

void Hdf5Output::Require(bool ok, const std::string& element) const {
  if (ok) return;
  throw IoError("FILE_WRITE", "{}: {}: cannot be written ({}): free some space or choose another place",
                target_.string(), element, Hdf5Reason());
}

void Hdf5Output::Commit() {
  Require(H5Fflush(file_.get(), H5F_SCOPE_GLOBAL) >= 0, "/");
  Require(file_.Reset(), "/");
  WriteFileAtomic(target_, [this](const fs::path& staged) {
    std::error_code error;
    fs::rename(partial_, staged, error);
    if (error) throw IoError("FILE_WRITE", "{}: {}: choose another place", target_.string(), error.message());
  });
}

void Hdf5Output::Encoding(const std::string& element, const std::string& type, const std::string& version) {
  TextAttribute(element, "encoding-type", type);
  TextAttribute(element, "encoding-version", version);
}

void Hdf5Output::Group(const std::string& element, const std::string& type, const std::string& version) {
  const Hdf5Handle group(H5Gcreate2(file_.get(), element.c_str(), link_plist_.get(), H5P_DEFAULT, H5P_DEFAULT));
  Require(group.valid(), element);
  Encoding(element, type, version);
}

Hdf5Handle Hdf5Output::Create(const std::string& element, hid_t type, const Hdf5Handle& space,
                              const Hdf5Handle& plist) {
  H5Pset_obj_track_times(plist.get(), /*track_times=*/false);
  Hdf5Handle dataset(
      H5Dcreate2(file_.get(), element.c_str(), type, space.get(), link_plist_.get(), plist.get(), H5P_DEFAULT));
  Require(dataset.valid(), element);
  return dataset;
}

void Hdf5Output::WriteArray(const std::string& element, hid_t stored_as, hid_t memory_type,
                            const std::vector<hsize_t>& shape, const void* values) {
  const Hdf5Handle space(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr));
  const Hdf5Handle plist(H5Pcreate(H5P_DATASET_CREATE));
  const Hdf5Handle dataset = Create(element, stored_as, space, plist);
  hsize_t items = 1;
  for (const hsize_t extent : shape) items *= extent;
  if (items > 0) {
    Require(H5Dwrite(dataset.get(), memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0, element);
  }
}

void Hdf5Output::Texts(const std::string& element, const std::vector<std::string>& values) {
  WriteArray(element, text_type_.get(), text_type_.get(), {values.size()}, Pointers(values).data());
  Encoding(element, "string-array", "0.2.0");
}

void Hdf5Output::Doubles(const std::string& element, const std::vector<double>& values, std::vector<hsize_t> shape) {
  WriteArray(element, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, shape, values.data());
  Encoding(element, "array", "0.2.0");
}

void Hdf5Output::Integers(const std::string& element, const std::vector<int64_t>& values, hid_t stored_as) {
  WriteArray(element, stored_as, H5T_NATIVE_INT64, {values.size()}, values.data());
  Encoding(element, "array", "0.2.0");
}

void Hdf5Output::Bools(const std::string& element, const std::vector<bool>& values) {
  const std::vector<int8_t> bytes(values.begin(), values.end());
  WriteArray(element, bool_type_.get(), bool_type_.get(), {values.size()}, bytes.data());
  Encoding(element, "array", "0.2.0");
}

Hdf5Handle Hdf5Output::GrowingList(const std::string& element, hid_t stored_as) {
  const hsize_t none = 0, most = H5S_UNLIMITED, chunk = kListChunk;
  const Hdf5Handle space(H5Screate_simple(1, &none, &most));
  const Hdf5Handle plist(H5Pcreate(H5P_DATASET_CREATE));
  H5Pset_chunk(plist.get(), 1, &chunk);
  H5Pset_shuffle(plist.get());
  H5Pset_deflate(plist.get(), kGzipLevel);
  Hdf5Handle list = Create(element, stored_as, space, plist);
  Encoding(element, "array", "0.2.0");
  return list;
}

void Hdf5Output::Extend(const Hdf5Handle& list, hid_t memory_type, int64_t held, int64_t count, const void* values) {
  const hsize_t start = held, extent = count, total = held + count;
  Require(H5Dset_extent(list.get(), &total) >= 0, "X");
  const Hdf5Handle space(H5Dget_space(list.get())), memory(H5Screate_simple(1, &extent, nullptr));
  H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, &start, nullptr, &extent, nullptr);
  Require(H5Dwrite(list.get(), memory_type, memory.get(), space.get(), H5P_DEFAULT, values) >= 0, "X");
}

void Hdf5Output::WriteAttribute(const std::string& element, const std::string& name, hid_t type,
                                const Hdf5Handle& space, const void* values) {
  const Hdf5Handle object(H5Oopen(file_.get(), element.c_str(), H5P_DEFAULT));
  Require(object.valid(), element);
  const Hdf5Handle attribute(H5Acreate2(object.get(), name.c_str(), type, space.get(), H5P_DEFAULT, H5P_DEFAULT));
  Require(attribute.valid(), element);
  if (H5Sget_simple_extent_npoints(space.get()) > 0) {
    Require(H5Awrite(attribute.get(), type, values) >= 0, element);
  }
}

void Hdf5Output::TextAttribute(const std::string& element, const std::string& name, const std::string& value) {
  const char* text = value.c_str();
  WriteAttribute(element, name, text_type_.get(), Hdf5Handle(H5Screate(H5S_SCALAR)), &text);
}

void Hdf5Output::TextListAttribute(const std::string& element, const std::string& name,
                                   const std::vector<std::string>& values) {
  const hsize_t count = values.size();
  WriteAttribute(element, name, text_type_.get(), Hdf5Handle(H5Screate_simple(1, &count, nullptr)),
                 Pointers(values).data());
}

void Hdf5Output::IntegersAttribute(const std::string& element, const std::string& name,
                                   const std::vector<int64_t>& values) {
  const hsize_t count = values.size();
  WriteAttribute(element, name, H5T_NATIVE_INT64, Hdf5Handle(H5Screate_simple(1, &count, nullptr)), values.data());
}

void Hdf5Output::BoolAttribute(const std::string& element, const std::string& name, bool value) {
  const int8_t byte = value;
  WriteAttribute(element, name, bool_type_.get(), Hdf5Handle(H5Screate(H5S_SCALAR)), &byte);
}

}  // namespace genvinci
