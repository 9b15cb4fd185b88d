#pragma once

#include <vector>

#include "genvinci/data/dataset.h"

namespace genvinci {

// The Python reference's folders: demo.h5ad and spot_224/<obs_name>.jpg. Named he_st, such a folder has the reference's
// split, in which one patient's spots both validate and test.
class ReferenceLayout {
 public:
  static bool IsAt(const fs::path& folder);

  static fs::path Expression(const fs::path& folder);
  static fs::path Patches(const fs::path& folder);
  static DatasetInfo Info(const fs::path& folder);
  // Which observations train, validate and test; nothing where obs has a column `split` that decides.
  static std::optional<SplitMasks> Splits(const DatasetInfo& info, const DataFrame& obs);
};

}  // namespace genvinci
