#include "genvinci/simulation/virtual_tissue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <thread>

#include "genvinci/core/error.h"
#include "genvinci/genes/vocabulary.h"

namespace genvinci {
namespace virtual_tissue_test {

constexpr int64_t kTypes = 8;
enum Type : int64_t {
  kTumour,
  kLymphocyte,
  kFibroblast,
  kAdipocyte,
  kEndothelium,
  kPlasmaCell,
  kNecrosis,
  kMacrophage
};

VirtualTissueOptions Small() {
  VirtualTissueOptions options;
  options.seed = 5;
  options.sections = 6;
  options.spots_per_section = 60;
  return options;
}

int64_t TypeOf(const VirtualSpot& spot) {
  const std::vector<std::string> types = VirtualCellTypes();
  return std::find(types.begin(), types.end(), spot.label) - types.begin();
}

double Sum(const std::vector<float>& values) { return std::accumulate(values.begin(), values.end(), 0.0); }

double Correlation(const std::vector<double>& a, const std::vector<double>& b) {
  const double n = static_cast<double>(a.size());
  const double mean_a = std::accumulate(a.begin(), a.end(), 0.0) / n;
  const double mean_b = std::accumulate(b.begin(), b.end(), 0.0) / n;
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - mean_a) * (b[i] - mean_b);
    aa += (a[i] - mean_a) * (a[i] - mean_a);
    bb += (b[i] - mean_b) * (b[i] - mean_b);
  }
  return ab / std::sqrt(aa * bb);
}

// Share of the counts that fall on `columns`.
double ShareOf(const VirtualSpot& spot, const std::vector<int32_t>& columns) {
  double sum = 0;
  for (size_t i = 0; i < spot.counts.size(); ++i) {
    if (std::binary_search(columns.begin(), columns.end(), spot.gene_columns[i])) sum += spot.counts[i];
  }
  return sum / Sum(spot.counts);
}

std::vector<VirtualSpot> AllProfiles(const VirtualTissue& tissue) {
  std::vector<VirtualSpot> spots;
  for (int64_t i = 0; i < tissue.size(); ++i) spots.push_back(tissue.Profile(i));
  return spots;
}

void ExpectSame(const VirtualSpot& a, const VirtualSpot& b) {
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.composition, b.composition);
  EXPECT_EQ(a.gene_columns, b.gene_columns);
  EXPECT_EQ(a.counts, b.counts);
  EXPECT_EQ(a.nuclei_by_type, b.nuclei_by_type);
  EXPECT_EQ(a.image.bytes, b.image.bytes);
}

TEST(VirtualGenesTest, AllAreInTheVocabularyOnce) {
  const std::vector<std::string> ids = VirtualGenes(), symbols = VirtualGeneSymbols();
  ASSERT_EQ(ids.size(), symbols.size());
  EXPECT_GT(ids.size(), 300u);
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), ids.size());
  for (size_t i = 0; i < ids.size(); ++i) {
    const Vocabulary::Gene* gene = Vocabulary::GeneformerV1().ById(ids[i]);
    ASSERT_NE(gene, nullptr) << ids[i];
    EXPECT_EQ(gene->symbol, symbols[i]);
  }
  EXPECT_THAT(symbols,
              ::testing::IsSupersetOf({"ERBB2", "CD3D", "COL1A1", "ADIPOQ", "PECAM1", "JCHAIN", "CA9", "CD68"}));
}

TEST(VirtualTissueTest, ASpotDependsOnSeedAndIndexAlone) {
  const VirtualTissue tissue(Small()), again(Small());
  const VirtualSpot late = again.Spot(200), early = again.Spot(3);
  ExpectSame(tissue.Spot(3), early);
  ExpectSame(tissue.Spot(200), late);
  VirtualTissueOptions other = Small();
  other.seed = 6;
  EXPECT_NE(VirtualTissue(other).Spot(3).image.bytes, early.image.bytes);
  EXPECT_NE(tissue.Spot(4).counts, early.counts);
}

TEST(VirtualTissueTest, ThreadsDoNotMatter) {
  const VirtualTissue tissue(Small());
  std::vector<VirtualSpot> spots(8);
  std::vector<std::thread> threads;
  for (int64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int64_t i = 7 - t; i >= 0; i -= 4) spots[i] = tissue.Spot(i);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int64_t i = 0; i < 8; ++i) ExpectSame(spots[i], tissue.Spot(i));
}

TEST(VirtualTissueTest, AProfileIsTheSpotWithoutItsPicture) {
  const VirtualTissue tissue(Small());
  VirtualSpot spot = tissue.Spot(17);
  spot.image = Image();
  spot.nuclei_by_type.clear();
  ExpectSame(tissue.Profile(17), spot);
}

TEST(VirtualTissueTest, CompositionsAreShares) {
  const VirtualTissue tissue(Small());
  std::map<std::string, int> labels;
  std::set<std::string> names;
  for (const VirtualSpot& spot : AllProfiles(tissue)) {
    ASSERT_EQ(spot.composition.size(), static_cast<size_t>(kTypes));
    EXPECT_NEAR(std::accumulate(spot.composition.begin(), spot.composition.end(), 0.0), 1, 1e-12);
    EXPECT_GE(*std::min_element(spot.composition.begin(), spot.composition.end()), 0);
    EXPECT_EQ(spot.composition[TypeOf(spot)], *std::max_element(spot.composition.begin(), spot.composition.end()));
    ++labels[spot.label];
    names.insert(spot.name);
  }
  EXPECT_EQ(names.size(), static_cast<size_t>(tissue.size()));
  ASSERT_EQ(labels.size(), static_cast<size_t>(kTypes));
  for (const auto& [label, count] : labels) EXPECT_GT(count, tissue.size() / 40) << label;
}

TEST(VirtualTissueTest, SpotsLieApartInTheirSection) {
  const VirtualTissue tissue(Small());
  std::map<std::string, std::vector<std::pair<double, double>>> by_section;
  for (const VirtualSpot& spot : AllProfiles(tissue)) by_section[spot.section].emplace_back(spot.x, spot.y);
  EXPECT_EQ(by_section.size(), 6u);
  for (const auto& [section, places] : by_section) {
    for (size_t i = 0; i < places.size(); ++i) {
      EXPECT_LT(places[i].first, static_cast<double>(tissue.section_px()));
      for (size_t j = 0; j < i; ++j) {
        const double apart =
            std::max(std::abs(places[i].first - places[j].first), std::abs(places[i].second - places[j].second));
        EXPECT_GE(apart, 64) << section;
      }
    }
  }
}

TEST(VirtualTissueTest, UnseenPairsAreTheLastPatientsAlone) {
  const VirtualTissue tissue(Small());
  int unseen = 0, last = 0;
  for (const VirtualSpot& spot : AllProfiles(tissue)) {
    double held_out = 0;
    for (int64_t a = 0; a < kTypes; ++a) {
      for (int64_t b = 0; b < a; ++b) {
        if (IsHeldOutPair(a, b)) held_out = std::max(held_out, std::min(spot.composition[a], spot.composition[b]));
      }
    }
    EXPECT_EQ(held_out > 0, spot.unseen_mixture) << spot.name;
    EXPECT_TRUE(!spot.unseen_mixture || spot.patient == tissue.test_patient()) << spot.name;
    unseen += spot.unseen_mixture;
    last += spot.patient == tissue.test_patient();
  }
  EXPECT_EQ(last, 120);
  EXPECT_NEAR(unseen, 60, 22);  // four standard deviations
}

TEST(VirtualTissueTest, CountsHaveTheMomentsOfTheirModel) {
  // Every gene of a spot has its own mean; standardised, all of them together must have mean 0 and variance 1.
  VirtualTissueOptions options = Small();
  options.dropout = 0.2;
  options.dispersion = 3;
  const VirtualTissue tissue(options);
  double sum = 0, square = 0, n = 0;
  for (int64_t i = 0; i < 120; ++i) {
    const std::vector<double> means = tissue.MeanCounts(i);
    const VirtualSpot spot = tissue.Profile(i);
    std::vector<double> counts(means.size());
    for (size_t k = 0; k < spot.counts.size(); ++k) counts[spot.gene_columns[k]] = spot.counts[k];
    for (size_t g = 0; g < means.size(); ++g) {
      if (means[g] < 2) continue;
      const double mean = 0.8 * means[g];
      const double variance = 0.8 * (means[g] + means[g] * means[g] / 3) + 0.8 * 0.2 * means[g] * means[g];
      const double z = (counts[g] - mean) / std::sqrt(variance);
      sum += z, square += z * z, ++n;
    }
  }
  ASSERT_GT(n, 20000);
  EXPECT_NEAR(sum / n, 0, 0.02);
  EXPECT_NEAR(square / n, 1, 0.05);
}

TEST(VirtualTissueTest, MeansAreTheMixtureOfTheProfiles) {
  const VirtualTissue tissue(Small());
  for (const int64_t i : {0, 77, 359}) {
    const std::vector<double> means = tissue.MeanCounts(i);
    const double library = std::accumulate(means.begin(), means.end(), 0.0);
    EXPECT_GE(library, 1000);
    EXPECT_LE(library, 10000);
    const VirtualSpot spot = tissue.Profile(i);
    // A type's markers are 30 % of its own profile and about 1 % of another's.
    for (int64_t type = 0; type < kTypes; ++type) {
      double share = 0;
      for (const int32_t column : VirtualMarkers(type)) share += means[column] / library;
      EXPECT_NEAR(share, 0.29 * spot.composition[type] + 0.007, 0.05) << type;
    }
  }
}

TEST(VirtualTissueTest, CountsAreSortedWholeNumbers) {
  const VirtualSpot spot = VirtualTissue(Small()).Profile(9);
  EXPECT_TRUE(std::is_sorted(spot.gene_columns.begin(), spot.gene_columns.end()));
  for (const float count : spot.counts) {
    EXPECT_GE(count, 1);
    EXPECT_EQ(count, std::floor(count));
  }
  EXPECT_LT(spot.gene_columns.back(), static_cast<int32_t>(VirtualGenes().size()));
}

TEST(VirtualTissueTest, MarkersFollowTheComposition) {
  const std::vector<VirtualSpot> spots = AllProfiles(VirtualTissue(Small()));
  for (int64_t type = 0; type < kTypes; ++type) {
    std::vector<double> shares, markers;
    for (const VirtualSpot& spot : spots) {
      shares.push_back(spot.composition[type]);
      markers.push_back(ShareOf(spot, VirtualMarkers(type)));
    }
    EXPECT_GT(Correlation(shares, markers), 0.95) << VirtualCellTypes()[type];
  }
}

// Spots of a type's own, drawn once for the tests of the picture.
const std::vector<VirtualSpot>& DrawnSpots() {
  static const std::vector<VirtualSpot> spots = [] {
    const VirtualTissue tissue(Small());
    std::vector<VirtualSpot> drawn;
    for (int64_t i = 0; i < tissue.size(); i += 5) drawn.push_back(tissue.Spot(i));
    return drawn;
  }();
  return spots;
}

TEST(VirtualPictureTest, NucleiFollowTheComposition) {
  std::map<int64_t, std::pair<double, double>> density;  // nuclei and share where the type dominates
  for (const VirtualSpot& spot : DrawnSpots()) {
    for (int64_t type = 0; type < kTypes; ++type) {
      EXPECT_TRUE(spot.composition[type] > 0 || spot.nuclei_by_type[type] == 0) << spot.name << " " << type;
    }
    const int64_t type = TypeOf(spot);
    density[type].first += static_cast<double>(spot.nuclei_by_type[type]);
    density[type].second += spot.composition[type];
  }
  const auto per_patch = [&](Type type) { return density[type].first / density[type].second; };
  // 80 um x 80 um: lymphocytes are packed, tumour cells large, fat and debris nearly empty.
  EXPECT_NEAR(per_patch(kLymphocyte), 75, 20);
  EXPECT_NEAR(per_patch(kTumour), 45, 14);
  EXPECT_GT(per_patch(kLymphocyte), 1.3 * per_patch(kTumour));
  EXPECT_LT(per_patch(kAdipocyte), 16);
  EXPECT_LT(per_patch(kNecrosis), 24);
  EXPECT_GT(per_patch(kFibroblast), 15);
}

TEST(VirtualPictureTest, MoreOfATypeMeansMoreOfItsNuclei) {
  for (const Type type : {kTumour, kLymphocyte, kFibroblast, kPlasmaCell, kMacrophage}) {
    std::vector<double> shares, nuclei;
    for (const VirtualSpot& spot : DrawnSpots()) {
      shares.push_back(spot.composition[type]);
      nuclei.push_back(static_cast<double>(spot.nuclei_by_type[type]));
    }
    EXPECT_GT(Correlation(shares, nuclei), 0.85) << VirtualCellTypes()[type];
  }
}

TEST(VirtualPictureTest, FatIsWhiteAndNoPatchIsConstant) {
  double fat = 0, fat_pixels = 0, other = 0, other_pixels = 0;
  for (const VirtualSpot& spot : DrawnSpots()) {
    ASSERT_EQ(spot.image.width, 64);
    ASSERT_EQ(spot.image.channels, 3);
    double sum = 0, square = 0;
    int64_t white = 0;
    for (int64_t i = 0; i < 64 * 64; ++i) {
      const double green = spot.image.bytes[i * 3 + 1];
      sum += green, square += green * green;
      white += green > 205;
    }
    EXPECT_GT(std::sqrt(square / 4096 - sum * sum / 4096 / 4096), 8) << spot.name;
    const bool is_fat = TypeOf(spot) == kAdipocyte;
    (is_fat ? fat : other) += static_cast<double>(white);
    (is_fat ? fat_pixels : other_pixels) += 4096;
  }
  EXPECT_GT(fat / fat_pixels, 2.5 * other / other_pixels);
}

TEST(VirtualPictureTest, MarkerChannelsShowTheirTypes) {
  VirtualTissueOptions options = Small();
  options.style = "fluorescence";
  const VirtualTissue tissue(options);
  std::vector<double> tumour, keratin, nuclei, dapi;
  for (int64_t i = 0; i < tissue.size(); i += 9) {
    const VirtualSpot spot = tissue.Spot(i);
    ASSERT_EQ(spot.image.channels, 4);
    std::array<double, 4> sums{};
    for (size_t k = 0; k < spot.image.bytes.size(); ++k) sums[k % 4] += spot.image.bytes[k];
    tumour.push_back(spot.composition[kTumour]);
    keratin.push_back(sums[1]);
    nuclei.push_back(static_cast<double>(spot.nuclei_by_type[kLymphocyte] + 2 * spot.nuclei_by_type[kTumour]));
    dapi.push_back(sums[0]);
  }
  EXPECT_GT(Correlation(tumour, keratin), 0.9);
  EXPECT_GT(Correlation(nuclei, dapi), 0.6);
}

TEST(VirtualPictureTest, StylesDifferInThePictureAlone) {
  VirtualTissueOptions options = Small();
  const VirtualSpot stained = VirtualTissue(options).Spot(11);
  options.style = "dapi";
  const VirtualSpot dapi = VirtualTissue(options).Spot(11);
  EXPECT_EQ(dapi.image.channels, 1);
  EXPECT_EQ(dapi.counts, stained.counts);
  EXPECT_EQ(dapi.nuclei_by_type, stained.nuclei_by_type);
  EXPECT_EQ(VirtualChannels("dapi").size(), 1u);
  options.style = "sepia";
  EXPECT_THROW(VirtualTissue{options}, ConfigError);
}

TEST(VirtualPictureTest, ResolutionLeavesTheTissueAsItIs) {
  VirtualTissueOptions options = Small();
  const VirtualSpot coarse = VirtualTissue(options).Spot(23);
  options.patch_px = 192;
  const VirtualTissue fine_tissue(options);
  const VirtualSpot fine = fine_tissue.Spot(23);
  EXPECT_EQ(fine.image.width, 192);
  EXPECT_EQ(fine.nuclei_by_type, coarse.nuclei_by_type);
  EXPECT_EQ(fine.counts, coarse.counts);
  EXPECT_NEAR(fine_tissue.um_per_px(), 80.0 / 192, 1e-12);
  // The same picture, three times as fine: its averages are the coarse pixels but for blur and noise.
  const Image small = Resize(fine.image, 64, 64);
  std::vector<double> a(small.bytes.begin(), small.bytes.end()),
      b(coarse.image.bytes.begin(), coarse.image.bytes.end());
  EXPECT_GT(Correlation(a, b), 0.95);
}

TEST(VirtualTissueTest, OnePatientHasNothingUnseen) {
  VirtualTissueOptions options = Small();
  options.sections = 2;
  for (const VirtualSpot& spot : AllProfiles(VirtualTissue(options))) EXPECT_FALSE(spot.unseen_mixture);
}

}  // namespace virtual_tissue_test
}  // namespace genvinci
