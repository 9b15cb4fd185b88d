#pragma once

#define H5_USE_110_API
#include <hdf5.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "genvinci/io/h5ad.h"

// A small layer over HDF5's C API: handles that close themselves, and reads that fail with a DataError naming file and
// element. HDF5's own printing of errors is off and no filter plugin is ever loaded. It stands against files that lead
// out of themselves (external links and storage, plugins) and that claim far more than they store; against those that
// crash or hang the library stands the probe in a child process (hdf5_probe.cpp).

namespace genvinci {

// Declared sizes beyond what is free may be this many times what is stored.
inline constexpr uint64_t kMostRatio = 1000;

// Owns one HDF5 identifier of any kind.
class Hdf5Handle {
 public:
  Hdf5Handle() = default;
  explicit Hdf5Handle(hid_t id) : id_(id) {}
  ~Hdf5Handle() { Reset(); }
  Hdf5Handle(Hdf5Handle&& other) noexcept : id_(std::exchange(other.id_, -1)) {}
  Hdf5Handle& operator=(Hdf5Handle&& other) noexcept {
    std::swap(id_, other.id_);
    return *this;
  }

  hid_t get() const { return id_; }
  bool valid() const { return id_ >= 0; }
  bool Reset() { return id_ < 0 || H5Idec_ref(std::exchange(id_, -1)) >= 0; }  // false: closing failed

 private:
  hid_t id_ = -1;
};

// Turns printing and plugins off and registers h5py's lzf filter; called by all that open a file.
void PrepareHdf5();
// HDF5's own words for what failed last: the innermost message.
std::string Hdf5Reason();

// A dataset, or one field of a compound dataset.
struct Hdf5Array {
  Hdf5Handle dataset;
  Hdf5Handle type;      // as stored; the field's own type for a field
  std::string element;  // its path in the file, for messages
  std::string field;    // of a compound
  std::vector<int64_t> shape;
  bool null = false;  // has no dataspace

  H5T_class_t type_class() const { return H5Tget_class(type.get()); }
  bool IsNumber() const;  // integer, float, or an enum over integers
  bool IsBool() const;    // an enum of FALSE and TRUE, as numpy's bool is stored
  bool IsText() const { return type_class() == H5T_STRING; }
  std::string TypeName() const;  // "float32", "uint16", "bool", "string", "other"
  int64_t size() const;          // of all axes
};

// A file opened read-only after CheckHdf5Safety. Element paths are such as "obs/_index".
class Hdf5File {
 public:
  explicit Hdf5File(const std::filesystem::path& path, Trust trust = Trust::kForeign);

  const std::filesystem::path& path() const { return path_; }
  bool Exists(const std::string& element) const;
  bool IsGroup(const std::string& element) const;                    // false where nothing is
  bool IsDataset(const std::string& element) const;                  // false where nothing is
  std::vector<std::string> Members(const std::string& group) const;  // sorted; none where there is no such group

  Hdf5Array OpenArray(const std::string& element) const;  // H5_MISSING, H5_TYPE (a group)
  std::vector<std::string> Fields(const Hdf5Array& compound) const;
  Hdf5Array OpenField(const std::string& element, const std::string& field) const;

  // Whole arrays, row-major. H5_SIZE when the declared size is out of proportion to what is stored.
  std::vector<double> ReadDoubles(const Hdf5Array& array) const;
  std::vector<int64_t> ReadIntegers(const Hdf5Array& array) const;
  std::vector<std::string> ReadStrings(const Hdf5Array& array) const;
  // Entries [first, first + count) of the first axis, all of the other axes.
  void ReadRows(const Hdf5Array& array, int64_t first, int64_t count, std::vector<float>& out) const;
  void ReadRows(const Hdf5Array& array, int64_t first, int64_t count, std::vector<double>& out) const;
  void ReadRows(const Hdf5Array& array, int64_t first, int64_t count, std::vector<int64_t>& out) const;

  bool HasAttribute(const std::string& element, const std::string& name) const;
  std::string TextAttribute(const std::string& element, const std::string& name) const;  // "" where there is none
  std::vector<std::string> TextListAttribute(const std::string& element, const std::string& name) const;
  std::vector<int64_t> IntegersAttribute(const std::string& element, const std::string& name) const;

 private:
  Hdf5Handle OpenObject(const std::string& element) const;
  Hdf5Handle OpenAttribute(const std::string& element, const std::string& name) const;
  void RequireLoadable(const Hdf5Array& array) const;
  void Read(const Hdf5Array& array, hid_t native, int64_t first, int64_t count, void* out) const;
  [[noreturn]] void FailRead(const std::string& element) const;

  std::filesystem::path path_;
  uint64_t file_bytes_ = 0;
  Hdf5Handle file_;
};

// Walks every link and dataset. DataError: H5_EXTERNAL_LINK, H5_LINK (a soft link that loops or points nowhere, a
// group within itself), H5_EXTERNAL (external storage), H5_VIRTUAL, H5_FILTER (other than gzip, shuffle, fletcher32
// and lzf), H5_SIZE (over 4 GiB declared and over 1,000 times what is stored, or such a chunk), H5_DEPTH.
void CheckHdf5Safety(hid_t file, const std::string& path);

// Reads all of the file (of large datasets only their lists of chunks) in a child process, as HDF5 itself crashes or
// hangs on some damaged files. DataError H5_DAMAGED when the child did.
void ProbeHdf5(const std::filesystem::path& path);

}  // namespace genvinci
