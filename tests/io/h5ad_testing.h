#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "genvinci/core/error.h"
#include "genvinci/io/h5ad.h"

namespace genvinci {

// A folder of its own for each test.
class H5adFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "genvinci_h5ad_XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path folder_;
};

inline std::vector<std::vector<double>> ReadAll(const H5adFile& file, const std::string& layer,
                                                int64_t batch_rows = 4) {
  std::vector<std::vector<double>> rows;
  file.ForEachBatch(layer, batch_rows, [&](const SparseRows& batch) {
    EXPECT_EQ(batch.first_row, static_cast<int64_t>(rows.size()));
    EXPECT_LE(batch.rows(), batch_rows);
    for (int64_t row = 0; row < batch.rows(); ++row) {
      std::vector<double>& values = rows.emplace_back(batch.columns, 0.0);
      const auto indices = batch.RowIndices(row);
      for (size_t i = 0; i < indices.size(); ++i) {
        EXPECT_TRUE(i == 0 || indices[i] > indices[i - 1]);
        EXPECT_NE(batch.RowValues(row)[i], 0);
        values.at(indices[i]) = batch.RowValues(row)[i];
      }
    }
  });
  return rows;
}

// The name of the Error that `work` throws, with its text in `text`; "" when it throws none.
template <typename Work>
std::string ErrorName(const Work& work, std::string* text = nullptr) {
  try {
    work();
  } catch (const Error& error) {
    if (text != nullptr) *text = error.what();
    return error.name();
  }
  return "";
}

// Three spots of two genes: [[1, 0], [0, 2], [3, 4]].
inline void WriteSmall(const fs::path& path) {
  H5adWriter writer(path, {{"a", "b", "c"}, {{"n", FrameColumn::Integers({1, 2, 3})}}}, {{"g0", "g1"}, {}});
  for (const std::vector<float>& row : {std::vector<float>{1, 0}, {0, 2}, {3, 4}}) writer.AppendDense(row);
  writer.Finish();
}

}  // namespace genvinci
