#include "genvinci/simulation/virtual_tissue.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "genvinci/core/error.h"
#include "virtual_genes.h"
#include "virtual_picture.h"
#include "virtual_random.h"

namespace genvinci {

using internal::kVirtualTypes;
using internal::VirtualRandom;

namespace {

constexpr int64_t kSectionsPerPatient = 2;
constexpr double kPitchInPatches = 2;
constexpr double kDomainSpots = 3;      // spots across a domain
constexpr double kUnseenShare = 0.5;    // of the last patient's spots
constexpr double kConcentration = 60;   // of the Dirichlet distribution
constexpr double kPatientSigma = 0.12;  // log of a patient's effect on a gene

// What separates the random streams of one seed.
enum Stream : uint64_t { kFields, kSpot, kPatient, kStain, kPicture, kCounts };

// The fields of one section at one spot.
std::array<double, kVirtualTypes> FieldsAt(uint64_t seed, int64_t section, int64_t column, int64_t row) {
  std::array<double, kVirtualTypes> fields;
  for (int64_t type = 0; type < kVirtualTypes; ++type) {
    VirtualRandom random{seed, kFields, static_cast<uint64_t>(section), static_cast<uint64_t>(type)};
    fields[type] =
        internal::SmoothNoise(static_cast<uint32_t>(random.Next()), static_cast<float>(column / kDomainSpots),
                              static_cast<float>(row / kDomainSpots));
  }
  return fields;
}

// The types of a spot, dominant first.
std::vector<int64_t> ChooseTypes(const std::array<double, kVirtualTypes>& fields, size_t count, bool unseen) {
  std::vector<int64_t> order(kVirtualTypes);
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return fields[a] > fields[b]; });
  std::vector<int64_t> chosen{order[0]};
  if (unseen) {
    chosen.push_back(
        *std::find_if(order.begin() + 1, order.end(), [&](int64_t type) { return IsHeldOutPair(order[0], type); }));
  }
  for (const int64_t type : order) {
    const auto fits = [&](int64_t other) { return type != other && !IsHeldOutPair(type, other); };
    if (chosen.size() < count && std::all_of(chosen.begin(), chosen.end(), fits)) chosen.push_back(type);
  }
  return chosen;
}

std::vector<double> DrawShares(const std::vector<int64_t>& types, bool unseen, VirtualRandom& random) {
  std::vector<double> composition(kVirtualTypes);
  // A pair that makes a spot an unseen mixture must show.
  const double dominant = types.size() == 1 ? 1 : random.Uniform(0.55, unseen ? 0.75 : 0.92);
  std::vector<double> alpha{kConcentration * dominant};
  double rest = 1 - dominant;
  for (size_t i = 1; i < types.size(); ++i) {
    const double part = i + 1 == types.size() ? rest : rest * 0.7;
    alpha.push_back(kConcentration * part);
    rest -= part;
  }
  const std::vector<double> shares = random.Dirichlet(alpha);
  for (size_t i = 0; i < types.size(); ++i) composition[types[i]] = shares[i];
  return composition;
}

}  // namespace

struct VirtualTissue::State {
  VirtualTissueOptions options;
  uint64_t seed = 0;
  int64_t side = 0;  // spots along a section's side
  std::vector<std::vector<double>> patient_effect;

  int64_t PatientOf(int64_t section) const { return section / kSectionsPerPatient; }
  int64_t patients() const { return PatientOf(options.sections - 1) + 1; }
  double pitch_px() const { return kPitchInPatches * static_cast<double>(options.patch_px); }

  VirtualSpot Describe(int64_t i) const {
    const int64_t section = i / options.spots_per_section, place = i % options.spots_per_section;
    const int64_t column = place % side, row = place / side, patient = PatientOf(section);
    VirtualRandom random{seed, kSpot, static_cast<uint64_t>(i)};
    VirtualSpot spot;
    spot.section = SectionName(section);
    spot.patient = fmt::format("P{}", patient + 1);
    spot.name = fmt::format("{}_{}x{}", spot.section, column + 1, row + 1);
    spot.x = (static_cast<double>(column) + 0.5) * pitch_px();
    spot.y = (static_cast<double>(row) + 0.5) * pitch_px();
    spot.unseen_mixture = patients() > 1 && patient == patients() - 1 && random.Chance(kUnseenShare);
    const double draw = random.Uniform();
    const size_t count = draw < 0.1 && !spot.unseen_mixture ? 1 : draw < 0.6 ? 2 : 3;
    const std::vector<int64_t> types = ChooseTypes(FieldsAt(seed, section, column, row), count, spot.unseen_mixture);
    spot.composition = DrawShares(types, spot.unseen_mixture, random);
    const auto top = std::max_element(spot.composition.begin(), spot.composition.end());
    spot.label = VirtualCellTypes()[top - spot.composition.begin()];
    spot.proliferation = random.Uniform();
    return spot;
  }

  std::string SectionName(int64_t section) const { return fmt::format("S{:02}", section + 1); }

  std::vector<double> Means(const VirtualSpot& spot, int64_t i) const {
    VirtualRandom random{seed, kCounts, static_cast<uint64_t>(i), 1};
    const double library = std::clamp(random.LogNormal(4000, 0.45), 1000.0, 10000.0);
    std::vector<double> means = internal::MixProfiles(spot.composition, spot.proliferation);
    const std::vector<double>& effect = patient_effect[PatientOf(i / options.spots_per_section)];
    double sum = 0;
    for (size_t g = 0; g < means.size(); ++g) sum += means[g] *= effect[g];
    for (double& mean : means) mean *= library / sum;
    return means;
  }

  void DrawCounts(VirtualSpot& spot, int64_t i) const {
    const std::vector<double> means = Means(spot, i);
    VirtualRandom random{seed, kCounts, static_cast<uint64_t>(i), 2};
    for (size_t g = 0; g < means.size(); ++g) {
      const double rate = means[g] * random.Gamma(options.dispersion) / options.dispersion;
      const int64_t count = random.Poisson(rate);
      const bool missed = random.Chance(options.dropout);
      if (count == 0 || missed) continue;
      spot.gene_columns.push_back(static_cast<int32_t>(g));
      spot.counts.push_back(static_cast<float>(count));
    }
  }

  void DrawPicture(VirtualSpot& spot, int64_t i) const {
    internal::PatchCause cause;
    cause.seed = VirtualRandom{seed, kPicture, static_cast<uint64_t>(i)}.Next();
    cause.section_seed = VirtualRandom{seed, kStain, static_cast<uint64_t>(i / options.spots_per_section)}.Next();
    cause.composition = spot.composition;
    cause.proliferation = spot.proliferation;
    cause.field_um = static_cast<float>(options.field_um);
    const internal::Layout layout(cause);
    spot.nuclei_by_type.assign(kVirtualTypes, 0);
    for (const internal::Nucleus& nucleus : layout.nuclei) ++spot.nuclei_by_type[nucleus.type];
    spot.image = internal::Photograph(internal::PaintLayout(layout, options.patch_px, options.style != "he"), cause,
                                      options.style);
  }
};

VirtualTissue::VirtualTissue(const VirtualTissueOptions& options) {
  if (VirtualChannels(options.style).empty()) {
    throw ConfigError("VIRTUAL_STYLE", "style '{}' is unknown: give he, dapi or fluorescence", options.style);
  }
  GENVINCI_CHECK(options.sections > 0 && options.spots_per_section > 0 && options.patch_px > 0 && options.field_um > 0,
                 "an empty virtual tissue");
  auto state = std::make_unique<State>();
  state->options = options;
  state->seed = static_cast<uint64_t>(options.seed);
  state->side = static_cast<int64_t>(std::ceil(std::sqrt(static_cast<double>(options.spots_per_section))));
  const size_t genes = internal::VirtualExpression::Get().ids.size();
  for (int64_t patient = 0; patient < state->patients(); ++patient) {
    VirtualRandom random{state->seed, kPatient, static_cast<uint64_t>(patient)};
    std::vector<double>& effect = state->patient_effect.emplace_back(genes);
    for (double& factor : effect) factor = random.LogNormal(1, kPatientSigma);
  }
  state_ = std::move(state);
}

VirtualTissue::~VirtualTissue() = default;

int64_t VirtualTissue::size() const { return state_->options.sections * state_->options.spots_per_section; }
double VirtualTissue::um_per_px() const {
  return state_->options.field_um / static_cast<double>(state_->options.patch_px);
}
double VirtualTissue::pitch_px() const { return state_->pitch_px(); }
int64_t VirtualTissue::section_px() const {
  return static_cast<int64_t>(std::ceil(static_cast<double>(state_->side) * state_->pitch_px()));
}
std::string VirtualTissue::test_patient() const { return fmt::format("P{}", state_->patients()); }

std::vector<std::string> VirtualTissue::section_names() const {
  std::vector<std::string> names;
  for (int64_t i = 0; i < state_->options.sections; ++i) names.push_back(state_->SectionName(i));
  return names;
}

VirtualSpot VirtualTissue::Profile(int64_t i) const {
  GENVINCI_CHECK(i >= 0 && i < size(), "spot {} of {}", i, size());
  VirtualSpot spot = state_->Describe(i);
  state_->DrawCounts(spot, i);
  return spot;
}

VirtualSpot VirtualTissue::Spot(int64_t i) const {
  VirtualSpot spot = Profile(i);
  state_->DrawPicture(spot, i);
  return spot;
}

std::vector<double> VirtualTissue::MeanCounts(int64_t i) const {
  GENVINCI_CHECK(i >= 0 && i < size(), "spot {} of {}", i, size());
  return state_->Means(state_->Describe(i), i);
}

std::vector<std::string> VirtualChannels(const std::string& style) {
  if (style == "he") return {"red", "green", "blue"};
  if (style == "dapi") return {"DAPI"};
  if (style == "fluorescence") return {"DAPI", "keratin", "CD45", "vimentin"};
  return {};
}

bool IsHeldOutPair(int64_t type, int64_t other) {
  const int64_t distance = std::abs(type - other);
  return distance == 3 || distance == kVirtualTypes - 3;
}

}  // namespace genvinci
