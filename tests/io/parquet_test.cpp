#include "genvinci/io/parquet.h"

#include <gmock/gmock.h>

#include <cmath>
#include <random>
#include <stdexcept>

#include "genvinci/core/json.h"
#include "testing/test_folder.h"

namespace genvinci {
namespace parquet_test {

using ::testing::HasSubstr;

const fs::path kParquetGolden = fs::path(GENVINCI_SOURCE_DIR) / "tests/io/data";

class Parquet : public ::testing::Test {
 protected:
  Json expected_ = ReadJson(kParquetGolden / "parquet.json");
  ParquetTable types_{kParquetGolden / "parquet_types.parquet"};
  ParquetTable texts_{kParquetGolden / "parquet_texts.parquet"};
};

TEST_F(Parquet, HoldsWhatPyarrowWrote) {
  EXPECT_EQ(types_.rows(), 9);
  EXPECT_EQ(types_.columns().size(), 10u);
  EXPECT_TRUE(types_.HasColumn("list"));
  const std::vector<std::string> numbers = {"x", "f", "u8", "i16", "inside", "id"};
  int64_t seen = 0;
  types_.ForEachBatch(numbers, [&](const ParquetBatch& batch) {
    EXPECT_EQ(batch.first_row(), seen);
    for (int64_t row = 0; row < batch.rows(); ++row, ++seen)
      for (size_t c = 0; c < numbers.size(); ++c) {
        const Json& value = expected_[numbers[c]][static_cast<size_t>(seen)];
        EXPECT_EQ(batch.IsNull(c, row), value.is_null());
        if (value.is_null()) {
          EXPECT_TRUE(std::isnan(batch.Number(c, row)));
        } else {
          EXPECT_EQ(batch.Number(c, row), value.is_boolean() ? value.get<bool>() : value.get<double>()) << numbers[c];
        }
      }
  });
  EXPECT_EQ(seen, 9);
}

TEST_F(Parquet, KeepsIdsWhole) {
  types_.ForEachBatch({"id", "u8", "i16", "inside"}, [&](const ParquetBatch& batch) {
    for (int64_t row = 0; row < batch.rows(); ++row) {
      const auto at = static_cast<size_t>(batch.first_row() + row);
      EXPECT_EQ(batch.Integer(0, row), expected_["id"][at].get<int64_t>());
      EXPECT_EQ(batch.Text(0, row), std::to_string(expected_["id"][at].get<int64_t>()));
      EXPECT_EQ(batch.Integer(1, row), expected_["u8"][at].get<int64_t>());
      EXPECT_EQ(batch.Integer(2, row), expected_["i16"][at].get<int64_t>());
      EXPECT_EQ(batch.Integer(3, row), expected_["inside"][at].get<bool>());
    }
  });
  // 2^63 and more would turn negative.
  const Caught caught = Catch([&] {
    types_.ForEachBatch({"u64"}, [](const ParquetBatch& batch) {
      for (int64_t row = 0; row < batch.rows(); ++row) batch.Integer(0, row);
    });
  });
  EXPECT_EQ(caught.name, "PARQUET_VALUE");
  EXPECT_THAT(caught.text, HasSubstr("column 'u64', row 2: 9223372036854775808 is beyond"));
}

TEST_F(Parquet, ReadsTextsOfEveryStorage) {
  const auto check = [&](const ParquetTable& table, const std::vector<std::string>& names) {
    table.ForEachBatch(names, [&](const ParquetBatch& batch) {
      for (int64_t row = 0; row < batch.rows(); ++row)
        for (size_t c = 0; c < names.size(); ++c) {
          const Json& value = expected_[names[c]][static_cast<size_t>(batch.first_row() + row)];
          EXPECT_EQ(batch.IsNull(c, row), value.is_null()) << names[c];
          if (value.is_null()) continue;
          EXPECT_EQ(batch.Text(c, row), value.get<std::string>());
        }
    });
  };
  check(types_, {"large", "name"});
  check(texts_, {"kind", "bytes"});
  texts_.ForEachBatch({"wkb"}, [](const ParquetBatch& batch) { EXPECT_EQ(batch.Text(0, 3), "\x03\x04\x05\x06"); });
}

TEST_F(Parquet, RefusesValuesOfAnotherKind) {
  const auto name = [&](const std::string& column, auto&& read) {
    return Catch([&] { types_.ForEachBatch({column}, [&](const ParquetBatch& batch) { read(batch); }); }).name;
  };
  EXPECT_EQ(name("x", [](const ParquetBatch& batch) { batch.Integer(0, 0); }), "PARQUET_VALUE");
  EXPECT_EQ(name("x", [](const ParquetBatch& batch) { batch.Text(0, 0); }), "PARQUET_VALUE");
  EXPECT_EQ(name("name", [](const ParquetBatch& batch) { batch.Number(0, 0); }), "PARQUET_VALUE");
  EXPECT_EQ(name("name", [](const ParquetBatch& batch) { batch.Text(0, 2); }), "PARQUET_VALUE");
  EXPECT_EQ(name("list", [](const ParquetBatch&) {}), "PARQUET_TYPE");
  EXPECT_EQ(name("Name", [](const ParquetBatch&) {}), "PARQUET_COLUMN");
  EXPECT_EQ(Catch([] { ParquetTable table(kParquetGolden / "none.parquet"); }).name, "FILE_MISSING");
}

void ReadAll(const fs::path& path) {
  const ParquetTable table(path);
  table.ForEachBatch({"id", "x", "name", "inside"}, [](const ParquetBatch& batch) {
    for (int64_t row = 0; row < batch.rows(); ++row)
      for (size_t c = 0; c < 4; ++c)
        if (!batch.IsNull(c, row))
          c == 1 ? static_cast<void>(batch.Number(c, row)) : static_cast<void>(batch.Text(c, row));
  });
}

TEST_F(Parquet, EndsWellOnWhatIsCutOrDamaged) {
  const TestFolder folder;
  const std::string whole = ReadFile(kParquetGolden / "parquet_types.parquet");
  const fs::path path = folder / "damaged.parquet";
  for (size_t size = 0; size < whole.size(); size += 7) {
    WriteText(path, whole.substr(0, size));
    EXPECT_EQ(Catch([&] { ReadAll(path); }).name, "PARQUET_READ") << size;
  }
  std::mt19937 random(5);
  int refused = 0;
  for (int i = 0; i < 400; ++i) {
    std::string bytes = whole;
    bytes[random() % bytes.size()] ^= static_cast<char>(1 << random() % 8);
    WriteText(path, bytes);
    const std::string name = Catch([&] { ReadAll(path); }).name;
    EXPECT_TRUE(name.empty() || name.starts_with("PARQUET_")) << name;
    refused += !name.empty();
  }
  EXPECT_GT(refused, 40);
}

TEST_F(Parquet, RefusesWhatIsNotInTheDictionary) {
  const TestFolder folder;
  const std::string whole = ReadFile(kParquetGolden / "parquet_texts.parquet");
  const fs::path path = folder / "damaged.parquet";
  int refused = 0;
  // The pages of `kind`, by pyarrow; where its indices are, 0x18 makes them wider.
  for (size_t at = 112; at < 179; ++at) {
    std::string bytes = whole;
    bytes[at] = '\x18';
    WriteText(path, bytes);
    const Caught caught = Catch([&] {
      ParquetTable(path).ForEachBatch({"kind"}, [](const ParquetBatch& batch) {
        for (int64_t row = 0; row < batch.rows(); ++row)
          if (!batch.IsNull(0, row)) batch.Text(0, row);
      });
    });
    EXPECT_TRUE(caught.name.empty() || caught.name == "PARQUET_READ") << at << ": " << caught.text;
    refused += caught.text.find("of a dictionary of 2") != std::string::npos;
  }
  EXPECT_GT(refused, 0);
}

TEST_F(Parquet, LeavesTheErrorsOfItsUserAlone) {
  const auto read = [&] { types_.ForEachBatch({"id"}, [](const ParquetBatch&) { throw std::range_error("own"); }); };
  EXPECT_THROW(read(), std::range_error);
}

}  // namespace parquet_test
}  // namespace genvinci
