#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "hdf5_util.h"

namespace genvinci {

// A new HDF5 file beside `target`, removed by the destructor unless Commit() renamed it over the target. Elements get
// AnnData's attributes encoding-type and encoding-version; times are not stored, so equal content is equal bytes.
class Hdf5Output {
 public:
  explicit Hdf5Output(std::filesystem::path target);
  ~Hdf5Output();
  Hdf5Output(const Hdf5Output&) = delete;
  Hdf5Output& operator=(const Hdf5Output&) = delete;

  void Commit();  // closes, syncs and renames; IoError FILE_WRITE

  void Encoding(const std::string& element, const std::string& type, const std::string& version);
  void Group(const std::string& element, const std::string& type, const std::string& version);
  void Texts(const std::string& element, const std::vector<std::string>& values);
  void Doubles(const std::string& element, const std::vector<double>& values, std::vector<hsize_t> shape);
  void Integers(const std::string& element, const std::vector<int64_t>& values, hid_t stored_as);
  void Bools(const std::string& element, const std::vector<bool>& values);

  // A list that grows: gzip-compressed chunks, filled by Extend.
  Hdf5Handle GrowingList(const std::string& element, hid_t stored_as);
  void Extend(const Hdf5Handle& list, hid_t memory_type, int64_t held, int64_t count, const void* values);

  void TextAttribute(const std::string& element, const std::string& name, const std::string& value);
  void TextListAttribute(const std::string& element, const std::string& name, const std::vector<std::string>& values);
  void IntegersAttribute(const std::string& element, const std::string& name, const std::vector<int64_t>& values);
  void BoolAttribute(const std::string& element, const std::string& name, bool value);

 private:
  void WriteArray(const std::string& element, hid_t stored_as, hid_t memory_type, const std::vector<hsize_t>& shape,
                  const void* values);
  void WriteAttribute(const std::string& element, const std::string& name, hid_t type, const Hdf5Handle& space,
                      const void* values);
  Hdf5Handle Create(const std::string& element, hid_t type, const Hdf5Handle& space, const Hdf5Handle& plist);
  void Require(bool ok, const std::string& element) const;

  std::filesystem::path target_, partial_;
  Hdf5Handle file_, link_plist_, text_type_, bool_type_;
};

}  // namespace genvinci
