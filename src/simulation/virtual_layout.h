#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "virtual_genes.h"
#include "virtual_random.h"

// What lies where in a patch, in um, whatever its resolution.
namespace genvinci::internal {

struct PatchCause {
  uint64_t seed = 0, section_seed = 0;
  std::vector<double> composition;
  double proliferation = 0;
  float field_um = 80;
};

// Divides the field among the types of a patch, in proportion to their shares.
class Territory {
 public:
  Territory() = default;
  Territory(const PatchCause& cause, VirtualRandom& random);

  size_t count() const { return types_.size(); }
  VirtualType type(size_t i) const { return types_[i]; }
  double share(size_t i) const { return shares_[i]; }
  // How much each of the types holds at a point: sum 1, soft within about 2 um of a border.
  void Weights(float x, float y, float* weights) const;
  size_t Owner(float x, float y) const;

 private:
  float Field(size_t i, float x, float y) const;
  void FitOffsets(float field_um);

  std::vector<VirtualType> types_;
  std::vector<double> shares_;
  std::vector<uint32_t> seeds_;
  std::vector<float> offsets_;
};

struct Nucleus {
  VirtualType type = kTumour;
  float x = 0, y = 0;
  float a = 3, b = 3;     // semi-axes
  float angle = 0;        // of the first axis
  float wobble = 0;       // of the outline
  float tone = 1;         // of the chromatin
  float softness = 0.8f;  // um over which the outline fades: how far out of focus it lies
  uint32_t seed = 0;
  bool mitosis = false;
};

struct Disc {
  float x = 0, y = 0, radius = 0;
};

struct Vessel {
  float x = 0, y = 0, a = 6, b = 6, angle = 0;  // of the lumen
  bool blood = false;
};

struct Layout {
  explicit Layout(const PatchCause& cause);

  // Along and across the fibres, in um.
  std::array<float, 2> FibreCoordinates(float x, float y) const;
  float FibreAngle(float x, float y) const;
  // How much of a point is a cleft or lies beside the tissue: 0 to 1.
  float Gap(float x, float y) const { return GapAt(x, y, FibreCoordinates(x, y)); }
  float GapAt(float x, float y, const std::array<float, 2>& fibre) const;
  // Signed distance to the nearest vacuole's border, negative inside; and that of the second nearest minus it.
  std::array<float, 2> VacuoleDistance(float x, float y) const;
  bool IsVoid(float x, float y) const;

  float field_um;
  uint32_t seed;
  float proliferation;
  Territory territory;
  float fibre_angle, fibre_wave;
  float gap_level, edge_angle, edge_offset;  // a level over 1: no clefts
  std::vector<Disc> vacuoles, lumens, red_cells, dust;
  std::vector<Vessel> vessels;
  std::vector<Nucleus> nuclei;

 private:
  void PlaceVacuoles(VirtualRandom& random);
  void PlaceVessels(double share, size_t owner, VirtualRandom& random);
  void PlaceRedCells(const Vessel& vessel, VirtualRandom& random);
  void PlaceSpiltCells(VirtualRandom& random);
  void PlaceLumens(double share, size_t owner, VirtualRandom& random);
  void PlaceNuclei(size_t owner, VirtualRandom& random);
  void PlaceRimNuclei(size_t owner, VirtualRandom& random);
  void PlaceDust(size_t owner, VirtualRandom& random);
  bool FindPlace(size_t owner, float reach, VirtualRandom& random, float& x, float& y) const;
};

}  // namespace genvinci::internal
