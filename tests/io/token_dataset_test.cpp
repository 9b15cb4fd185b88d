#include "genvinci/io/token_dataset.h"

#include <arrow/api.h>
#include <arrow/io/api.h>
#include <arrow/ipc/api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/temp_folder.h"
#include "genvinci/core/json.h"

namespace genvinci {
namespace token_dataset_test {

using testing::ElementsAre;
using testing::HasSubstr;

const fs::path kData = GENVINCI_SOURCE_DIR "/tests/io/data";

// A dataset folder of one file with the columns given.
class TokenDataset : public testing::Test {
 protected:
  void Write(const std::vector<std::pair<std::string, std::shared_ptr<arrow::Array>>>& columns) {
    std::vector<std::shared_ptr<arrow::Field>> fields;
    std::vector<std::shared_ptr<arrow::Array>> arrays;
    for (const auto& [name, array] : columns) {
      fields.push_back(arrow::field(name, array->type()));
      arrays.push_back(array);
    }
    const auto schema = arrow::schema(fields);
    const auto file = arrow::io::FileOutputStream::Open((folder_ / "data.arrow").string()).ValueOrDie();
    const auto writer = arrow::ipc::MakeStreamWriter(file, schema).ValueOrDie();
    ASSERT_TRUE(writer->WriteRecordBatch(*arrow::RecordBatch::Make(schema, arrays[0]->length(), arrays)).ok());
    ASSERT_TRUE(writer->Close().ok() && file->Close().ok());
    Spill(folder_ / "state.json", R"({"_data_files": [{"filename": "data.arrow"}]})");
  }
  template <typename Builder>
  std::shared_ptr<arrow::Array> Lists(const std::vector<std::vector<int64_t>>& rows, bool null_token = false) {
    const auto values = std::make_shared<Builder>();
    arrow::ListBuilder builder(arrow::default_memory_pool(), values);
    for (const auto& row : rows) {
      EXPECT_TRUE(builder.Append().ok());
      for (const int64_t value : row) EXPECT_TRUE(values->Append(value).ok());
    }
    if (null_token) {
      EXPECT_TRUE(values->AppendNull().ok());
    }
    return builder.Finish().ValueOrDie();
  }
  std::shared_ptr<arrow::Array> Integers(const std::vector<int64_t>& values) {
    arrow::Int64Builder builder;
    EXPECT_TRUE(builder.AppendValues(values).ok());
    return builder.Finish().ValueOrDie();
  }
  Error Fails(const std::string& name) {
    return CatchError(name, [&] { ReadTokenDataset(folder_.path(), 100); });
  }

  TempFolder folder_;
};

TEST_F(TokenDataset, ReadsWhatDatasetsSaved) {
  const TokenLists lists = ReadTokenDataset(kData / "tokens.dataset", 25'426);
  ASSERT_EQ(lists.size(), 23);
  for (int row = 0; row < 23; ++row) {
    ASSERT_EQ(lists[row].size(), static_cast<size_t>(row % 5 + 1));
    for (int i = 0; i <= row % 5; ++i) EXPECT_EQ(lists[row][i], 2 + 7919 * (row * 5 + i) % 25424);
  }
}

TEST_F(TokenDataset, ReadsEveryWidthAndChecksLength) {
  Write({{"input_ids", Lists<arrow::Int16Builder>({{3, 2}, {}, {99}})}, {"length", Integers({2, 0, 1})}});
  const TokenLists lists = ReadTokenDataset(folder_.path(), 100);
  EXPECT_THAT(lists.tokens, ElementsAre(3, 2, 99));
  EXPECT_THAT(lists.offsets, ElementsAre(0, 2, 2, 3));
  Write({{"input_ids", Lists<arrow::Int64Builder>({{3, 2}})}});
  EXPECT_THAT(ReadTokenDataset(folder_.path(), 100)[0], ElementsAre(3, 2));
  Write({{"input_ids", Lists<arrow::Int64Builder>({{3, 2}})}, {"length", Integers({3})}});
  EXPECT_THAT(Fails("ARROW_LENGTH").what(), HasSubstr("row 0 says length 3 and has 2 tokens"));
}

TEST_F(TokenDataset, RefusesTokensOutsideTheVocabulary) {
  Write({{"input_ids", Lists<arrow::Int32Builder>({{3}, {100}})}});
  EXPECT_THAT(Fails("ARROW_TOKEN").what(), HasSubstr("row 1 has token 100, the vocabulary has 100"));
  Write({{"input_ids", Lists<arrow::Int64Builder>({{3}, {(int64_t{1} << 32) + 5}})}});
  Fails("ARROW_TOKEN");
  Write({{"input_ids", Lists<arrow::Int32Builder>({{-1}})}});
  Fails("ARROW_TOKEN");
}

TEST_F(TokenDataset, RefusesOtherColumnsAndNulls) {
  Write({{"ids", Lists<arrow::Int32Builder>({{3}})}});
  Fails("ARROW_COLUMN");
  Write({{"input_ids", Integers({3})}});
  Fails("ARROW_TYPE");
  Write({{"input_ids", Lists<arrow::UInt8Builder>({{3}})}});
  Fails("ARROW_TYPE");
  Write({{"input_ids", Lists<arrow::Int32Builder>({{3}}, /*null_token=*/true)}});
  Fails("ARROW_NULL");
}

TEST_F(TokenDataset, RefusesBrokenFolders) {
  CatchError("FILE_MISSING", [&] { ReadTokenDataset(folder_.path(), 100); });
  Write({{"input_ids", Lists<arrow::Int32Builder>({{3}, {4}})}});
  const std::string good = Slurp(folder_ / "data.arrow");
  for (const size_t size : {size_t{0}, size_t{7}, good.size() / 3, good.size() / 2}) {
    Spill(folder_ / "data.arrow", good.substr(0, size));
    EXPECT_THAT(Fails("ARROW_FILE").what(), HasSubstr("data.arrow"));
  }
  fs::remove(folder_ / "data.arrow");
  Fails("FILE_MISSING");
  for (const char* state : {R"({})", R"({"_data_files": []})", R"({"_data_files": [{"filename": "../data.arrow"}]})",
                            R"({"_data_files": [{"filename": 3}]})",
                            R"({"_data_files": [{"filename": "d"}], "_indices_data_files": [{"filename": "i"}]})"}) {
    Spill(folder_ / "state.json", state);
    Fails("ARROW_STATE");
  }
}

TEST(Lengths, AreReadFromAPickle) {
  const std::vector<int64_t> lengths = ReadLengths(kData / "lengths.pkl");
  ASSERT_EQ(lengths.size(), 23u);
  for (int row = 0; row < 23; ++row) EXPECT_EQ(lengths[row], row % 5 + 1);
  const TempFolder folder;
  for (const char* bytes : {"}.", "]Va\na.", "]I-3\na.", "]F1.5\na."}) {
    Spill(folder / "l.pkl", bytes);
    CatchError("LENGTHS_FILE", [&] { ReadLengths(folder / "l.pkl"); });
  }
}

}  // namespace token_dataset_test
}  // namespace genvinci
