#include "genvinci/data/leak_report.h"

#include <gmock/gmock.h>

#include <random>

#include "testing/test_folder.h"

namespace genvinci {
namespace leak_report_test {

struct Spots {
  std::vector<std::string> names, patients;
  std::vector<int32_t> sections;
  std::vector<double> x, y;
  std::vector<ProfileHash> profiles;
  std::vector<Split> splits;

  void Add(int32_t section, double x_px, double y_px, Split split, const std::string& patient = "P") {
    names.push_back("o" + std::to_string(names.size()));
    patients.push_back(patient);
    sections.push_back(section);
    x.push_back(x_px);
    y.push_back(y_px);
    profiles.push_back({names.size(), 0});
    splits.push_back(split);
  }
  LeakSubjects subjects(double side) const { return {names, patients, sections, x, y, profiles, splits, side}; }
};

TEST(LeakReport, EqualProfilesAndOnlyThoseHashAlike) {
  const std::vector<int32_t> columns{1, 5, 9};
  const std::vector<float> counts{1, 2, 3};
  EXPECT_EQ(HashProfile(columns, counts), HashProfile(columns, counts));
  EXPECT_NE(HashProfile(columns, counts), HashProfile(columns, std::vector<float>{1, 3, 2}));
  EXPECT_NE(HashProfile(columns, counts), HashProfile(std::vector<int32_t>{1, 5, 8}, counts));
  EXPECT_NE(HashProfile(columns, counts), HashProfile(std::vector<int32_t>{1, 5}, std::vector<float>{1, 2}));
}

TEST(LeakReport, PatchesThatTouchDoNotOverlapAndThoseThatShareAPixelDo) {
  Spots spots;
  spots.Add(0, 100, 100, Split::kTrain);
  spots.Add(0, 140, 100, Split::kTest);
  EXPECT_TRUE(OverlapsAcrossSplits(spots.subjects(40)).empty());
  EXPECT_EQ(OverlapsAcrossSplits(spots.subjects(41)).size(), 1u);
  spots.splits[1] = Split::kTrain;
  EXPECT_TRUE(OverlapsAcrossSplits(spots.subjects(41)).empty());
  spots.splits[1] = Split::kVal;
  spots.sections[1] = 1;  // another image
  EXPECT_TRUE(OverlapsAcrossSplits(spots.subjects(41)).empty());
}

TEST(LeakReport, AgreesWithComparingAllPairs) {
  std::mt19937 random(5);
  Spots spots;
  for (int i = 0; i < 300; ++i)
    spots.Add(static_cast<int32_t>(random() % 2), static_cast<double>(random() % 500) - 100,
              static_cast<double>(random() % 500) - 100, static_cast<Split>(random() % 3));
  size_t expected = 0;
  for (size_t a = 0; a < 300; ++a)
    for (size_t b = 0; b < a; ++b)
      expected += spots.sections[a] == spots.sections[b] && spots.splits[a] != spots.splits[b] &&
                  std::abs(spots.x[a] - spots.x[b]) < 30 && std::abs(spots.y[a] - spots.y[b]) < 30;
  EXPECT_GT(expected, 100u);
  EXPECT_EQ(OverlapsAcrossSplits(spots.subjects(30)).size(), expected);
}

TEST(LeakReport, RepeatsAcrossTheSplitLeakAndWithinItDoNot) {
  Spots spots;
  spots.Add(0, 0, 0, Split::kTrain);
  spots.Add(0, 0, 0, Split::kTrain);
  spots.Add(1, 0, 0, Split::kTest);
  spots.profiles[1] = spots.profiles[0];
  EXPECT_FALSE(FindLeaks(spots.subjects(0)).leaks());
  spots.profiles[2] = spots.profiles[0];
  LeakReport report = FindLeaks(spots.subjects(0));
  EXPECT_EQ(report.repeated_profiles, 1);
  EXPECT_EQ(report.repeat_examples[0], "o0 (train) and o2 (test)");
  const Caught refused = Catch([&] { RefuseLeaks(report, /*allow=*/false, "file"); });
  EXPECT_EQ(refused.name, "SPLIT_LEAK");
  EXPECT_EQ(refused.code, ExitCode::kBadData);
  RefuseLeaks(report, /*allow=*/true, "file");
  EXPECT_TRUE(report.ToJson()["allowed"].get<bool>());
}

TEST(LeakReport, ValAndTestMayNotShareEither) {
  Spots spots;
  spots.Add(0, 100, 100, Split::kVal);
  spots.Add(0, 100, 100, Split::kTest);
  spots.profiles[1] = spots.profiles[0];
  const LeakReport report = FindLeaks(spots.subjects(10));
  EXPECT_EQ(report.overlapping_pairs, 1);
  EXPECT_EQ(report.repeated_profiles, 1);
}

TEST(LeakReport, SamePatientIsToldAndAllowed) {
  Spots spots;
  spots.Add(0, 0, 0, Split::kTrain, "P");
  spots.Add(1, 0, 0, Split::kTest, "P");
  LeakReport report = FindLeaks(spots.subjects(10));
  EXPECT_TRUE(report.same_patient());
  RefuseLeaks(report, /*allow=*/false, "file");
  spots.patients[1] = "Q";
  EXPECT_FALSE(FindLeaks(spots.subjects(10)).same_patient());
  spots.patients[1] = "";
  EXPECT_TRUE(FindLeaks(spots.subjects(10)).same_patient());
}

}  // namespace leak_report_test
}  // namespace genvinci
