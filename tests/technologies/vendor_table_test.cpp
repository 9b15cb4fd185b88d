#include "../../src/technologies/vendor_table.h"

#include <gmock/gmock.h>

#include <cmath>

#include "testing/test_folder.h"

namespace genvinci {
namespace vendor_table_test {

using ::testing::ElementsAre;

// Parquet and text give the same: ids as texts, numbers, and NaN where one is missing.
TEST(VendorTable, ReadsParquetAndTextAlike) {
  const TestFolder folder;
  WriteText(folder / "cells.csv.gz", "x,id\n0,2305843009213693951\n,2305843009213693952\n0.5,b3\n");
  const fs::path parquet = fs::path(GENVINCI_SOURCE_DIR) / "tests/io/data/parquet_types.parquet";
  std::vector<std::string> ids;
  std::vector<double> numbers;
  const VendorTable text(folder / "cells.csv.gz");
  EXPECT_TRUE(text.HasColumn("x"));
  EXPECT_FALSE(text.HasColumn("y"));
  text.ForEachRow({"id", "x"}, [&](const VendorRow& row) {
    ids.push_back(row.Text(0));
    numbers.push_back(row.Number(1));
  });
  EXPECT_THAT(ids, ElementsAre("2305843009213693951", "2305843009213693952", "b3"));
  EXPECT_EQ(numbers[2], 0.5);
  EXPECT_TRUE(std::isnan(numbers[1]));
  ids.clear();
  numbers.clear();
  VendorTable(parquet).ForEachRow({"id", "x"}, [&](const VendorRow& row) {
    ids.push_back(row.Text(0));
    numbers.push_back(row.Number(1));
  });
  ASSERT_EQ(ids.size(), 9u);
  EXPECT_EQ(ids[1], "2305843009213693952");
  EXPECT_EQ(numbers[1], 1.0 / 3);
  EXPECT_TRUE(std::isnan(numbers[4]));
  EXPECT_EQ(Catch([&] { text.ForEachRow({"idd"}, [](const VendorRow&) {}); }).name, "TABLE_COLUMN");
  EXPECT_EQ(Catch([&] { text.ForEachRow({"id"}, [](const VendorRow& row) { row.Number(0); }); }).name, "TABLE_NUMBER");
}

}  // namespace vendor_table_test
}  // namespace genvinci
