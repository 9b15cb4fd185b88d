#include "genvinci/data/vectors.h"

#include <cmath>

#include "genvinci/core/error.h"
#include "genvinci/io/npy.h"

namespace genvinci {
namespace {

constexpr std::string_view kObsm = "obsm:";

}  // namespace

DenseArray LoadVectors(const Dataset& dataset, const std::string& source) {
  DenseArray vectors = source.starts_with(kObsm) ? dataset.Obsm(source.substr(kObsm.size())) : ReadNpy(source);
  if (vectors.rows != dataset.size() || vectors.columns == 0)
    throw DataError("VECTOR_ROWS", "{}: {} x {} numbers, {} has {} observations: rows are observations, in its order",
                    source, vectors.rows, vectors.columns, dataset.path().string(), dataset.size());
  for (size_t i = 0; i < vectors.values.size(); ++i) {
    if (std::isfinite(vectors.values[i])) continue;
    const auto row = static_cast<int64_t>(i) / vectors.columns;
    throw DataError("VECTOR_VALUE", "{}: column {} of observation '{}' is {}", source,
                    static_cast<int64_t>(i) % vectors.columns, dataset.obs_name(row), vectors.values[i]);
  }
  return vectors;
}

}  // namespace genvinci
