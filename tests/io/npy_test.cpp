#include "genvinci/io/npy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "core/temp_folder.h"
#include "genvinci/core/error.h"

namespace genvinci {
namespace npy_test {

using testing::ElementsAre;

// A file of version 1 as the format's specification says.
template <typename T>
std::string Npy(const std::string& header, const std::vector<T>& values) {
  std::string text = std::string("\x93NUMPY\x01\x00", 8);
  const auto size = static_cast<uint16_t>(header.size());
  text += {static_cast<char>(size & 255), static_cast<char>(size >> 8)};
  return text + header + std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

class NpyFile : public testing::Test {
 protected:
  DenseArray Read(const std::string& bytes) {
    std::ofstream(folder_ / "a.npy", std::ios::binary) << bytes;
    return ReadNpy(folder_ / "a.npy");
  }
  void ExpectError(const std::string& bytes, const std::string& code) {
    CatchError(code, [&] { Read(bytes); });
  }
  TempFolder folder_;
};

TEST_F(NpyFile, RowsAndColumns) {
  const DenseArray array =
      Read(Npy<float>("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", {1, 2, 3, 4, 5, 6.5}));
  EXPECT_EQ(array.rows, 2);
  EXPECT_EQ(array.columns, 3);
  EXPECT_THAT(array.values, ElementsAre(1, 2, 3, 4, 5, 6.5));
}

TEST_F(NpyFile, ColumnMajorAndOtherTypes) {
  EXPECT_THAT(Read(Npy<double>("{'descr': '<f8', 'fortran_order': True, 'shape': (2, 2), }\n", {1, 3, 2, 4})).values,
              ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(Read(Npy<int16_t>("{'descr': '<i2', 'fortran_order': False, 'shape': (1, 2), }\n", {-7, 9})).values,
              ElementsAre(-7, 9));
  // 1, -2, the smallest subnormal and 65504 in binary16.
  EXPECT_THAT(Read(Npy<uint16_t>("{'descr': '<f2', 'fortran_order': False, 'shape': (2, 2), }\n",
                                 {0x3c00, 0xc000, 0x0001, 0x7bff}))
                  .values,
              ElementsAre(1, -2, std::ldexp(1.0, -24), 65504));
}

TEST_F(NpyFile, RefusesWhatItCannotRead) {
  const std::string good = Npy<float>("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }\n", {1, 2, 3, 4});
  for (size_t size = 0; size < good.size(); ++size) EXPECT_THROW(Read(good.substr(0, size)), DataError) << size;
  const auto header = [](const std::string& type, const std::string& shape) {
    return Npy<float>("{'descr': '" + type + "', 'fortran_order': False, 'shape': " + shape + ", }\n", {1, 2, 3, 4});
  };
  ExpectError("PK\x03\x04 and more than twelve bytes", "NPY_FORMAT");
  ExpectError(header("|O", "(2, 2)"), "NPY_TYPE");
  ExpectError(header(">f4", "(2, 2)"), "NPY_TYPE");
  ExpectError(header("<f4", "(4,)"), "NPY_SHAPE");
  ExpectError(header("<f4", "(1, 2, 2)"), "NPY_SHAPE");
  ExpectError(header("<f4", "(999999999999, 999999999999)"), "NPY_FORMAT");
}

}  // namespace npy_test
}  // namespace genvinci
