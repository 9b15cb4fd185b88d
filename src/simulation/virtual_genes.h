#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace genvinci::internal {

// In the order of VirtualCellTypes().
enum VirtualType : int64_t {
  kTumour,
  kLymphocyte,
  kFibroblast,
  kAdipocyte,
  kEndothelium,
  kPlasmaCell,
  kNecrosis,
  kMacrophage,
  kVirtualTypes,
};

// Genes and what each type expresses of them.
struct VirtualExpression {
  std::vector<std::string> ids, symbols;
  std::vector<std::vector<int32_t>> markers;  // columns, a list a type
  std::vector<std::vector<double>> profiles;  // a row a type, sum 1
  std::vector<double> growth;                 // the tumour's profile at full proliferation, sum 1

  static const VirtualExpression& Get();
};

// The profile of a mixture, sum 1.
std::vector<double> MixProfiles(const std::vector<double>& composition, double proliferation);

}  // namespace genvinci::internal
