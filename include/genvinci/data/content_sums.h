#pragma once

#include <string>
#include <vector>

#include "genvinci/core/files.h"
#include "genvinci/core/json.h"

namespace genvinci {

// What a dataset's files hold, whatever their folder and times: sha256 of the expression file, and of the patches'
// names and sums in the order of the observations ("" without patches). `prepare` writes them into dataset.json.
struct ContentSums {
  std::string expression, patches;
  bool operator==(const ContentSums&) const = default;

  Json ToJson() const;
  static ContentSums FromJson(const Json& json, const std::string& source);  // DataError DATASET_FIELD
};

// Each is remembered in the file `hint` with the names, sizes and times that it was made of, so that files that have
// not changed since are not read again; where the hint cannot be written, or is empty, they are, each
// time.
std::string ExpressionSum(const fs::path& expression, const fs::path& hint);
std::string PatchesSum(const std::vector<fs::path>& patches, const fs::path& hint);

}  // namespace genvinci
