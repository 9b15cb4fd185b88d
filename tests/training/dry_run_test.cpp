#include "genvinci/training/engine/dry_run.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>

#include "training/tiny_training.h"

namespace genvinci {
namespace dry_run_test {

// Every file and folder with its size and time.
std::map<std::string, std::string> Tree(const fs::path& folder) {
  std::map<std::string, std::string> tree;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
    const auto time = fs::last_write_time(entry.path()).time_since_epoch().count();
    tree[fs::relative(entry.path(), folder).string()] =
        fmt::format("{} {}", entry.is_directory() ? 0 : entry.file_size(), time);
  }
  return tree;
}

class E2eDryRun : public testing::Test {
 protected:
  E2eDryRun() : tiny_(folder_.path()) { MakeTinyDataset(folder_ / "tiny"); }

  // Runs it dry where no cache is yet.
  template <typename Options, typename Command>
  Json Dry(Options options, const Command& command) {
    options.training.dry_run = true;
    fs::remove_all(folder_ / "tiny" / "cache");
    const auto before = Tree(folder_.path());
    const Json result = command(options);
    EXPECT_EQ(Tree(folder_.path()), before);
    EXPECT_TRUE(result.at("dry_run").get<bool>());
    EXPECT_EQ(result.at("options"), ToJson(options));
    EXPECT_GT(result.at("seconds_per_step").get<double>(), 0);
    EXPECT_GT(result.at("parameters").get<int64_t>(), 1000);
    EXPECT_GT(result.at("memory").get<int64_t>(), 50 << 20);
    return result;
  }

  TempFolder folder_;
  TinyTraining tiny_;
};

TEST_F(E2eDryRun, WritesNothing) {
  PretrainOptions pretrain = tiny_.PretrainSetup("dry");
  EXPECT_EQ(Dry(pretrain, Pretrain).at("steps"), 12);
  Dry(tiny_.AutoencoderSetup("dry"), TrainAutoencoder);
  Dry(tiny_.AlignSetup("dry"), TrainAligner);
  Dry(tiny_.FinetuneSetup("dry"), Finetune);
  EXPECT_FALSE(fs::exists(folder_ / "dry"));
}

// 12 items train: 3 batches of 5 an epoch, which make 2 steps of 2 batches.
TEST_F(E2eDryRun, CountsTheStepsOfTheWholeTrainingPart) {
  PretrainOptions options = tiny_.PretrainSetup("dry");
  options.training.max_steps = 0;
  options.training.epochs = 7;
  options.training.accumulate = 2;
  const Json dry = Dry(options, Pretrain);
  EXPECT_EQ(dry.at("items"), 12);
  EXPECT_EQ(dry.at("steps_per_epoch"), 2);
  EXPECT_EQ(dry.at("steps"), 14);
  options.common.output = (folder_ / "real").string();
  EXPECT_EQ(Pretrain(options).at("step"), 14);
  options.training.max_minutes = 1e-4;
  options.common.output = (folder_ / "dry").string();
  EXPECT_LE(Dry(options, Pretrain).at("minutes").get<double>(), 1e-4);
}

TEST_F(E2eDryRun, RefusesWhatTrainingWouldRefuse) {
  AutoencoderOptions options = tiny_.AutoencoderSetup("dry");
  options.training.dry_run = true;
  options.img_size = 15;
  CatchError("AUTOENCODER_IMG_SIZE", [&] { TrainAutoencoder(options); });
  options.img_size = 0;
  options.training.max_steps = 0;
  CatchError("TRAIN_LENGTH", [&] { TrainAutoencoder(options); });
}

TEST(Excerpt, SpreadsOverTheWholePart) {
  const TempFolder folder;
  const Dataset whole = Dataset::Open(MakeTinyDataset(folder / "tiny").string());
  const Dataset part = whole.Excerpt(3, 100);
  EXPECT_EQ(part.Indices(Split::kTrain).size(), 3u);
  EXPECT_EQ(part.Indices(Split::kVal), whole.Indices(Split::kVal));
  EXPECT_EQ(part.size(), whole.size());
  for (const int64_t i : part.Indices(Split::kTrain)) {
    const auto train = whole.Indices(Split::kTrain);
    EXPECT_NE(std::find(train.begin(), train.end(), i), train.end());
  }
}

}  // namespace dry_run_test
}  // namespace genvinci
