#include "genvinci/io/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>

#include "core/temp_folder.h"
#include "genvinci/io/gzip.h"

namespace genvinci {
namespace table_test {

using testing::ElementsAre;
using testing::HasSubstr;

using Rows = std::vector<std::vector<std::string>>;

class Table : public testing::Test {
 protected:
  fs::path File(const std::string& text) {
    Spill(folder_ / "t.tsv", text);
    return folder_ / "t.tsv";
  }
  Rows Read(const std::string& text) {
    TableReader table(File(text));
    Rows rows = {table.header()};
    std::vector<std::string_view> fields;
    while (table.Next(fields)) rows.emplace_back(fields.begin(), fields.end());
    return rows;
  }
  Error Fails(const std::string& name, const std::string& text) {
    return CatchError(name, [&] { Read(text); });
  }

  TempFolder folder_;
};

TEST_F(Table, ReadsTabsAndCommas) {
  const Rows expected = {{"id", "a", "b"}, {"x", "1", ""}, {"y", "", "2"}};
  EXPECT_EQ(Read("id\ta\tb\nx\t1\t\ny\t\t2\n"), expected);
  EXPECT_EQ(Read("id,a,b\nx,1,\ny,,2"), expected);
  EXPECT_EQ(Read("a, b\tc\n1, 2\t3\n"), (Rows{{"a, b", "c"}, {"1, 2", "3"}}));
}

TEST_F(Table, AcceptsBomCrlfAndBlankLinesAtTheEnd) {
  EXPECT_EQ(Read("\xEF\xBB\xBFid,a\r\nx,1\r\n\r\n\n"), (Rows{{"id", "a"}, {"x", "1"}}));
  EXPECT_EQ(Read("id,a\r\r\nx,1\r\r\n"), (Rows{{"id", "a"}, {"x", "1"}}));
}

TEST_F(Table, GivesAnIndexWithoutANameAnEmptyOne) {
  EXPECT_EQ(Read("A\tB\nx\t1\t2\n"), (Rows{{"", "A", "B"}, {"x", "1", "2"}}));
}

TEST_F(Table, TakesQuotesOff) {
  EXPECT_EQ(Read("\"\",\"A,1\",\"say \"\"B\"\"\"\n\"x\",1,\"\"\n\"y,z\",\"2\",3\n"),
            (Rows{{"", "A,1", "say \"B\""}, {"x", "1", ""}, {"y,z", "2", "3"}}));
  EXPECT_EQ(Read("a,b\n\"x\"\"1\",5' 3\"\n"), (Rows{{"a", "b"}, {"x\"1", "5' 3\""}}));
  Fails("TABLE_QUOTE", "a,b\n\"x,1\n");
  Fails("TABLE_QUOTE", "a,b\n\"x\"y,1\n");
}

TEST_F(Table, ReadsGzipOfSeveralMembersAndAcrossChunks) {
  std::string text = "id\tvalue\n";
  for (int64_t i = 0; i < 300'000; ++i)
    text += "row" + std::to_string(i) + "\t" + std::to_string(i * 7919 % 1000) + "\n";
  const std::string packed = Gzip(text.substr(0, 1'000'003)) + Gzip(text.substr(1'000'003));
  const Rows rows = Read(packed);
  ASSERT_EQ(rows.size(), 300'001u);
  for (int64_t i = 0; i < 300'000; i += 977) {
    EXPECT_THAT(rows[i + 1], ElementsAre("row" + std::to_string(i), std::to_string(i * 7919 % 1000)));
  }
}

TEST_F(Table, RefusesACutOrCorruptGzip) {
  std::string text = "a\tb\n";
  for (int i = 0; i < 5000; ++i) text += std::to_string(i * 2654435761u) + "\t1\n";
  const std::string packed = Gzip(text);
  EXPECT_THAT(Fails("TABLE_GZIP", packed.substr(0, packed.size() / 2)).what(), HasSubstr("cut short"));
  EXPECT_THAT(Fails("TABLE_GZIP", packed.substr(0, packed.size() - 1)).what(), HasSubstr("cut short"));
  std::string wrong_crc = packed;
  wrong_crc[packed.size() - 6] ^= 1;
  EXPECT_THAT(Fails("TABLE_GZIP", wrong_crc).what(), HasSubstr("t.tsv: line 5002: corrupt"));
  EXPECT_THAT(Fails("TABLE_GZIP", packed + "garbage").what(), HasSubstr("other bytes follow"));
}

TEST_F(Table, RefusesABomb) {
  EXPECT_THAT(Fails("TABLE_GZIP", Gzip(std::string(20'000'000, 'a'))).what(), HasSubstr("1000:1"));
}

TEST_F(Table, RefusesARaggedRow) {
  EXPECT_THAT(Fails("TABLE_RAGGED", "a\tb\n1\t2\n3\n").what(), HasSubstr("line 3 has 1 fields and the header 2"));
  EXPECT_THAT(Fails("TABLE_RAGGED", "a\tb\n1\t2\n3\t4\t5\n").what(), HasSubstr("line 3"));
  EXPECT_THAT(Fails("TABLE_RAGGED", "a\tb\n1\t2\n\n3\t4\n").what(), HasSubstr("line 3 is blank"));
}

TEST_F(Table, NumberTakesOnlyFiniteNumbers) {
  TableReader table(File("a\tb\tc\n7\t-1.5e3\t0012\n"));
  std::vector<std::string_view> fields;
  ASSERT_TRUE(table.Next(fields));
  EXPECT_EQ(table.Number(fields, 0), 7);
  EXPECT_EQ(table.Number(fields, 1), -1500);
  EXPECT_EQ(table.Number(fields, 2), 12);
  for (const char* text : {"x", "", "NaN", "inf", "1e999", "1,5", "1 ", "0x10", "1.5.2"}) {
    TableReader bad(File(std::string("a\tb\nx\t1\ny\t") + text + "\n"));
    bad.Next(fields);
    bad.Next(fields);
    const Error error = CatchError("TABLE_NUMBER", [&] { bad.Number(fields, 1); });
    EXPECT_THAT(error.what(), HasSubstr("line 3, column 'b'")) << text;
  }
}

TEST_F(Table, RefusesAnEndlessLine) {
  const fs::path path = File("a\tb\n1\t" + std::string(5000, '2') + "\n");
  std::vector<std::string_view> fields;
  EXPECT_TRUE(TableReader(path).Next(fields));
  const Error error = CatchError("TABLE_LINE", [&] { TableReader(path, /*max_line=*/4000).Next(fields); });
  EXPECT_THAT(error.what(), HasSubstr("line 2 is longer than 4000 bytes"));
}

TEST_F(Table, RefusesNulAndNothing) {
  EXPECT_THAT(Fails("TABLE_NUL", std::string("a\tb\n1\t\0\n", 8)).what(), HasSubstr("line 2"));
  Fails("TABLE_EMPTY", "");
  Fails("TABLE_EMPTY", "\n\n");
  EXPECT_EQ(CatchError("FILE_MISSING", [&] { TableReader(folder_ / "none.tsv"); }).exit_code(), ExitCode::kMissingFile);
}

TEST_F(Table, FindsColumnsByName) {
  TableReader table(File("spot\tpixel_x\tpixel_y\tn\tn\n"));
  EXPECT_EQ(table.Column("pixel_y"), 2u);
  EXPECT_TRUE(table.HasColumn("spot"));
  EXPECT_FALSE(table.HasColumn("Spot"));
  EXPECT_THAT(CatchError("TABLE_COLUMN", [&] { table.Column("pixelx"); }).what(), HasSubstr("'pixel_x'"));
  CatchError("TABLE_COLUMN", [&] { table.Column("n"); });
}

TEST(GzipText, ComesBackAndRefusesRubbish) {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += static_cast<char>(i * 31 >> 3);
  const std::string packed = Gzip(text);
  EXPECT_LT(packed.size(), text.size());
  EXPECT_EQ(Gunzip(std::as_bytes(std::span(packed)), "x"), text);
  CatchError("GZIP_SIZE", [&] { Gunzip(std::as_bytes(std::span(packed)), "x", /*limit=*/99'999); });
  CatchError("GZIP_CORRUPT", [&] { Gunzip(std::as_bytes(std::span(packed).first(500)), "x"); });
  CatchError("GZIP_CORRUPT", [&] { Gunzip({}, "x"); });
}

TEST(RealTable, ReadsASectionOfHer2st) {
  const char* folder = std::getenv("GENVINCI_REAL_DATA");
  const fs::path data = folder ? folder : GENVINCI_SOURCE_DIR "/../shared/data";
  const fs::path path = data / "her2st/C2.tsv.gz";
  if (!fs::exists(path)) GTEST_SKIP() << path << " is missing: set GENVINCI_REAL_DATA";
  const auto start = std::chrono::steady_clock::now();
  TableReader table(path);
  ASSERT_EQ(table.header()[0], "");
  EXPECT_EQ(table.header()[1], "FO538757.1");
  std::vector<std::string_view> fields;
  double sum = 0, weighted = 0;
  int64_t rows = 0;
  while (table.Next(fields)) {
    ++rows;
    for (size_t column = 1; column < fields.size(); ++column) {
      const double count = table.Number(fields, column);
      sum += count;
      weighted += count * static_cast<double>(column);
    }
  }
  // By Python's gzip and csv modules.
  EXPECT_EQ(table.header().size(), 15707u);
  EXPECT_EQ(rows, 187);
  EXPECT_EQ(sum, 1926633);
  EXPECT_EQ(weighted, 14309636928);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  RecordProperty("seconds", std::to_string(seconds.count()));
  EXPECT_LT(seconds.count(), 5.0);
}

}  // namespace table_test
}  // namespace genvinci
