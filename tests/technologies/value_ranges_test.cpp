#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/temp_folder.h"
#include "genvinci/data/dataset.h"
#include "genvinci/technologies/prepare.h"
#include "technologies/st_fixture.h"

namespace genvinci {
namespace value_ranges_test {

// Value of 12 bits at (x, y) of section `index`.
uint16_t Value(int64_t x, int64_t y, int64_t channel, int64_t index) {
  return static_cast<uint16_t>(100 + 9 * x + y % 7 + channel * 50 + index * 200);
}

// The fake sections with images of 16 bits.
class ValueRanges : public testing::Test {
 protected:
  ValueRanges() : options_(FakeOptions(folder_)) { WriteFakeSt(folder_ / "st"); }

  void WriteDeep(int64_t channels) {
    for (const int64_t index : {0, 1}) WriteDeepSection(index, channels);
  }

  void WriteDeepSection(int64_t index, int64_t channels) {
    Image image(kFakeSide, kFakeSide, channels, 16);
    for (int64_t y = 0; y < kFakeSide; ++y)
      for (int64_t x = 0; x < kFakeSide; ++x)
        for (int64_t c = 0; c < channels; ++c) {
          const uint16_t value = Value(x, y, c, index);
          std::memcpy(image.At(x, y) + 2 * c, &value, sizeof(value));
        }
    WritePng(folder_ / "st" / (index == 0 ? "A1.png" : "B1.png"), image);
  }

  Dataset Prepared() {
    fs::remove_all(folder_ / "out");
    Prepare(options_);
    return Dataset::Open((folder_ / "out").string());
  }

  int64_t IndexOf(const Dataset& dataset, const std::string& name) {
    int64_t i = 0;
    while (i < dataset.size() && dataset.obs_name(i) != name) ++i;
    return i;
  }

  // The pixel at the left upper corner of the patch of A1_2x4, which is (150, 270) of the image, and of B1_2x4.
  void ExpectStored(const Dataset& dataset, const std::vector<ValueRange>& ranges) {
    for (const int64_t index : {0, 1}) {
      const Image patch = dataset.LoadPatch(IndexOf(dataset, index == 0 ? "A1_2x4" : "B1_2x4"));
      for (const int64_t at : {0, 13, 39})
        for (size_t c = 0; c < ranges.size(); ++c) {
          const double value = Value(150 + at, 270, static_cast<int64_t>(c), index);
          const double share = (value - ranges[c].low) / (ranges[c].high - ranges[c].low);
          EXPECT_EQ(patch.At(at, 0)[c], std::lround(255 * std::clamp(share, 0.0, 1.0))) << index << " " << at;
        }
    }
  }

  TestFolder folder_;
  PrepareOptions options_;
};

// Twelve bits in sixteen, which came out nearly black when all sixteen were taken for used.
TEST_F(ValueRanges, OfOneChannelAreTheTrainingPartsPercentiles) {
  WriteDeep(1);
  const Dataset dataset = Prepared();
  std::vector<uint16_t> values;  // of the training patches: section A1
  for (int64_t i = 0; i < kFakeSpots * kFakeSpots; ++i)
    for (int64_t y = 0; y < 40; ++y)
      for (int64_t x = 0; x < 40; ++x)
        values.push_back(Value(30 + 60 * (i / kFakeSpots) + x, 30 + 60 * (i % kFakeSpots) + y, 0, 0));
  std::sort(values.begin(), values.end());
  const auto percentile = [&](double share) {
    return values[static_cast<size_t>(std::ceil(share * static_cast<double>(values.size()))) - 1];
  };
  ASSERT_EQ(dataset.info().value_ranges.size(), 1u);
  EXPECT_EQ(dataset.info().value_ranges[0].low, percentile(0.001));
  EXPECT_EQ(dataset.info().value_ranges[0].high, percentile(0.999));
  ExpectStored(dataset, dataset.info().value_ranges);
  const Image patch = dataset.LoadPatch(IndexOf(dataset, "A1_2x4"));
  EXPECT_GT(patch.At(39, 0)[0], 80);
}

TEST_F(ValueRanges, OfColourKeepItsBalance) {
  WriteDeep(3);
  const Dataset dataset = Prepared();
  ExpectStored(dataset, {{0, 4095}, {0, 4095}, {0, 4095}});
  ASSERT_EQ(dataset.info().value_ranges.size(), 3u);
  EXPECT_EQ(dataset.info().value_ranges[2].high, 4095);
}

TEST_F(ValueRanges, MayBeGiven) {
  WriteDeep(3);
  options_.value_range = {500, 2500};
  ExpectStored(Prepared(), {{500, 2500}, {500, 2500}, {500, 2500}});
  options_.value_range = {0, 4000, 100, 3000, 200, 2000};
  ExpectStored(Prepared(), {{0, 4000}, {100, 3000}, {200, 2000}});
  for (const std::vector<double>& wrong : std::vector<std::vector<double>>{{1}, {1, 2, 3}, {5, 5}, {9, 2}}) {
    options_.value_range = wrong;
    CatchError("VALUE_RANGE", [&] { Prepared(); });
  }
}

TEST_F(ValueRanges, OfEightBitsAreAsTheyAre) {
  EXPECT_TRUE(Prepared().info().value_ranges.empty());
  options_.value_range = {0, 100};
  CatchError("VALUE_RANGE", [&] { Prepared(); });
}

TEST_F(ValueRanges, AreOneForAllSectionsSoDepthsMustAgree) {
  WriteDeepSection(1, 3);
  CatchError("IMAGE_DEPTH", [&] { Prepared(); });
}

TEST_F(ValueRanges, AFlatImageIsBlackAndNoDivisionByZero) {
  for (const char* name : {"A1.png", "B1.png"}) WritePng(folder_ / "st" / name, Image(kFakeSide, kFakeSide, 1, 16));
  EXPECT_EQ(Prepared().LoadPatch(0).At(3, 3)[0], 0);
}

TEST_F(ValueRanges, APatchOfSixteenBitsInADatasetIsRefused) {
  const Dataset dataset = Prepared();
  WritePng(dataset.PatchPath(0), Image(40, 40, 3, 16));
  CatchError("PATCH_DEPTH", [&] { dataset.LoadPatch(0); });
}

}  // namespace value_ranges_test
}  // namespace genvinci
