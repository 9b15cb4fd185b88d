#include "genvinci/checkpoint/background_writer.h"

#include <gtest/gtest.h>

#include <fstream>

#include "core/temp_folder.h"
#include "genvinci/checkpoint/checkpoint.h"

namespace genvinci {
namespace background_writer_test {

// A run whose model is full(step), beside a frozen part that is always 7.
class BackgroundWriterTest : public testing::Test {
 protected:
  CheckpointContent At(int64_t step) const {
    CheckpointContent content{step, /*best=*/false, keep_last_};
    content.tensors.emplace_back("model", NamedTensors{{"w", torch::full({3}, static_cast<double>(step))}});
    content.frozen = {{"f", frozen_}};
    content.state = {{"kind", "mlm"}};
    return content;
  }
  void Save(int64_t step) {
    writer_.Write(At(step));
    writer_.Wait();
  }
  fs::path Frozen(int64_t step) const { return run_ / fmt::format("checkpoints/step-{}/frozen.safetensors", step); }
  bool Share(int64_t a, int64_t b) const { return fs::equivalent(Frozen(a), Frozen(b)); }
  void ExpectWhole(int64_t step) const {
    const Checkpoint checkpoint = Checkpoint::Open(run_ / fmt::format("checkpoints/step-{}", step));
    const auto weights = checkpoint.Weights();
    EXPECT_EQ(weights->names(), (std::vector<std::string>{"w", "f"}));
    EXPECT_EQ(ToTensor(weights->View("w"))[0].item<double>(), static_cast<double>(step));
    EXPECT_TRUE(ToTensor(weights->View("f")).equal(frozen_));
  }

  TempFolder run_;
  int64_t keep_last_ = 2;
  torch::Tensor frozen_ = torch::full({5}, 7.0);
  BackgroundWriter writer_{run_.path()};
};

TEST_F(BackgroundWriterTest, KeepsWhatWasThereWhenItWasAsked) {
  const CheckpointContent content = At(1);
  const torch::Tensor model = content.tensors[0].second[0].second;
  writer_.Write(content);
  model.fill_(99);
  writer_.Wait();
  ExpectWhole(1);
}

TEST_F(BackgroundWriterTest, SharesWhatIsFrozenWithTheOneBeforeTheLast) {
  keep_last_ = 3;
  for (int64_t step = 1; step <= 6; ++step) {
    Save(step);
    ExpectWhole(step);
    if (step > 1) {
      EXPECT_FALSE(Share(step, step - 1)) << step;
    }
    if (step > 2) {
      EXPECT_TRUE(Share(step, step - 2)) << step;
    }
  }
  // Damage to the last leaves the one before.
  std::string bytes = Slurp(Frozen(6));
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  std::ofstream(Frozen(6), std::ios::binary | std::ios::in | std::ios::out) << bytes;  // in place: in all that share it
  testing::internal::CaptureStderr();
  EXPECT_EQ(Checkpoint::Open(run_.path(), "latest").step(), 5);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("step-6"), std::string::npos);
}

TEST_F(BackgroundWriterTest, WritesAnewWhereThereIsNothingToShare) {
  keep_last_ = 1;
  for (int64_t step = 1; step <= 4; ++step) {
    Save(step);
    ExpectWhole(step);
    EXPECT_EQ(fs::hard_link_count(Frozen(step)), 1u) << step;
  }
}

TEST_F(BackgroundWriterTest, AStepThatIsSavedAgainSharesNothingWithItsNeighbour) {
  for (const int64_t step : {1, 2, 3, 3}) Save(step);
  ExpectWhole(3);
  EXPECT_FALSE(Share(3, 2));
}

TEST_F(BackgroundWriterTest, SaysWhatWritingThrew) {
  Spill(run_ / "checkpoints", "a file");
  writer_.Write(At(1));
  EXPECT_THROW(writer_.Wait(), IoError);
}

}  // namespace background_writer_test
}  // namespace genvinci
