#include <gmock/gmock.h>

#include <cstdlib>

#include "genvinci/core/json.h"
#include "genvinci/core/sha256.h"
#include "genvinci/data/leak_report.h"
#include "genvinci/technologies/section_reader.h"
#include "testing/test_folder.h"

namespace genvinci {
namespace real_test {

fs::path Technologies() {
  const char* given = std::getenv("GENVINCI_REAL_DATA");
  return (given ? fs::path(given) : fs::path(GENVINCI_SOURCE_DIR) / ".." / "shared" / "data") / "technologies";
}

struct RowSums {
  double counts = 0;
  int64_t genes = 0;
};

std::vector<RowSums> SumsOf(const SectionReader& reader) {
  std::vector<RowSums> sums;
  reader.ForEachBatch([&](const SparseRows& rows) {
    for (int64_t r = 0; r < rows.rows(); ++r) {
      RowSums& sum = sums.emplace_back();
      for (const float value : rows.RowValues(r)) sum.counts += value;
      sum.genes = static_cast<int64_t>(rows.RowValues(r).size());
    }
  });
  return sums;
}

// Observations, counts, positions, um per px and pixels as h5py, pandas, shapely and tifffile read the same files
// (scripts/golden/technologies.py).
TEST(RealTechnologies, AreReadAsPythonReadsThem) {
  SetQuiet(/*quiet=*/true);
  const Json golden = ReadJson(fs::path(GENVINCI_SOURCE_DIR) / "tests/technologies/data/real.json");
  int64_t samples = 0, patches = 0;
  for (const auto& [name, facts] : golden.items()) {
    PrepareOptions options;
    options.input = (Technologies() / facts["path"].get<std::string>()).string();
    if (!fs::exists(options.input)) continue;
    ++samples;
    options.technology = TechnologyOf(options);
    const auto reader = OpenReader(options);
    const SourceData& data = reader->data();
    EXPECT_EQ(data.observations.size(), facts["observations"].get<size_t>()) << name;
    EXPECT_EQ(data.var.index.size(), facts["columns"].get<size_t>()) << name;
    ASSERT_EQ(data.sections.size(), 1u);
    EXPECT_NEAR(data.sections[0].images[0].um_per_px, facts["um_per_px"].get<double>(), 1e-9) << name;
    const std::vector<RowSums> sums = SumsOf(*reader);
    double all = 0;
    for (const RowSums& sum : sums) all += sum.counts;
    EXPECT_EQ(all, facts["counts"].get<double>()) << name;
    const auto source = reader->OpenSection(0);
    const auto side = facts["side"].get<int64_t>();
    for (const auto& [observation, expected] : facts["kept"].items()) {
      const auto i = expected["row"].get<size_t>();
      EXPECT_EQ(data.obs.index[i], observation);
      EXPECT_EQ(sums[i].counts, expected["counts"].get<double>()) << observation;
      EXPECT_EQ(sums[i].genes, expected["genes"].get<int64_t>()) << observation;
      const Point centre = data.PixelCentre(static_cast<int64_t>(i));
      EXPECT_NEAR(centre.x, expected["x"].get<double>(), 1e-6) << observation;
      EXPECT_NEAR(centre.y, expected["y"].get<double>(), 1e-6) << observation;
      if (expected["patch"].is_null()) continue;
      Image patch = source->Region({PatchStart(centre.x, side), PatchStart(centre.y, side), side, side});
      if (patch.channels == 4) patch = DropAlpha(patch);
      EXPECT_EQ(Sha256({reinterpret_cast<const char*>(patch.bytes.data()), patch.bytes.size()}),
                expected["patch"].get<std::string>())
          << observation;
      ++patches;
    }
  }
  if (samples == 0) GTEST_SKIP() << Technologies() << " is missing: set GENVINCI_REAL_DATA";
  EXPECT_GT(patches, 0);
}

// What cannot be read says why.
TEST(RealTechnologies, SamplesThatLackPartsAreRefusedByName) {
  SetQuiet(/*quiet=*/true);
  if (!fs::exists(Technologies())) GTEST_SKIP() << Technologies() << " is missing: set GENVINCI_REAL_DATA";
  const auto name = [](const std::string& path) {
    return Catch([&] {
             PrepareOptions options;
             options.input = (Technologies() / path).string();
             options.technology = TechnologyOf(options);
             OpenReader(options);
           })
        .name;
  };
  EXPECT_EQ(name("visium/cytassist_CoexpressDeconvolve"), "TENX_FILE");  // its matrix was left out for size
  EXPECT_EQ(name("visium/spaceranger-2_cytassistlike_SFE"), "");
  EXPECT_EQ(name("visium_hd/spaceranger-3_seurat"), "");
  EXPECT_EQ(name("cosmx/legacy-lung12_GiottoData"), "COSMX_COUNTS");  // transcripts alone
  EXPECT_EQ(name("xenium/toy_slide_pyXenium"), "TECHNOLOGY");         // not the vendor's layout
}

}  // namespace real_test
}  // namespace genvinci
