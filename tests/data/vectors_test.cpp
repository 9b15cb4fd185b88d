#include "genvinci/data/vectors.h"

#include <gtest/gtest.h>

#include "core/temp_folder.h"
#include "genvinci/core/error.h"
#include "genvinci/io/h5ad.h"
#include "testing/tiny_dataset.h"

namespace genvinci {
namespace vectors_test {

TEST(Vectors, AreThoseOfObsm) {
  const TempFolder folder;
  const Dataset dataset = Dataset::Open(MakeTinyDataset(folder / "tiny", {.channels = 0}).string());
  const DenseArray vectors = LoadVectors(dataset, "obsm:X_pca");
  EXPECT_EQ(vectors.rows, 20);
  EXPECT_EQ(vectors.columns, 3);
  EXPECT_EQ(vectors.values[0], 1);
  EXPECT_EQ(vectors.values[3], -1);
  CatchError("H5_MISSING", [&] { LoadVectors(dataset, "obsm:X_scgpt"); });
  CatchError("FILE_MISSING", [&] { LoadVectors(dataset, (folder / "none.npy").string()); });
}

TEST(Vectors, MustFitTheDataset) {
  const TempFolder folder;
  const Dataset dataset = Dataset::Open(MakeTinyDataset(folder / "tiny", {.channels = 0}).string());
  const std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (20, 1), }\n";
  std::vector<float> values(20, 1);
  values[7] = NAN;
  const auto write = [&](const std::string& text) {
    Spill(folder / "a.npy",
          std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(text.size()) + '\0' + text +
              std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)));
  };
  write(header);
  const Error error = CatchError("VECTOR_VALUE", [&] { LoadVectors(dataset, (folder / "a.npy").string()); });
  EXPECT_NE(std::string(error.what()).find("spot_7"), std::string::npos);
  write("{'descr': '<f4', 'fortran_order': False, 'shape': (19, 1), }\n");
  CatchError("VECTOR_ROWS", [&] { LoadVectors(dataset, (folder / "a.npy").string()); });
}

}  // namespace vectors_test
}  // namespace genvinci
