#include "genvinci/models/denoiser.h"

#include <algorithm>

#include "genvinci/core/error.h"

namespace genvinci {

const DenoiserEntry& DenoiserNamed(const std::string& name) {
  const auto* const found = std::find_if(std::begin(kDenoisers), std::end(kDenoisers),
                                         [&](const DenoiserEntry& entry) { return name == entry.name; });
  if (found == std::end(kDenoisers)) {
    throw ConfigError("DENOISER", "models.denoiser: '{}' is not known: choose one of {}", name,
                      JoinText(Listed(kDenoiserNames), ", "));
  }
  return *found;
}

std::shared_ptr<DenoiserImpl> MakeDenoiser(const ModelOptions& options) {
  return DenoiserNamed(options.denoiser).make(options);
}

DenoiserShape ShapeOf(const ModelOptions& options) { return DenoiserNamed(options.denoiser).shape(options); }

}  // namespace genvinci
