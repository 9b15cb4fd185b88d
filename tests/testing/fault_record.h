#pragma once

#include <cstdlib>
#include <string>

#include "genvinci/core/files.h"
#include "genvinci/core/json.h"

namespace genvinci {

// A line for the page of scripts/fault_campaign.sh: what was done, how often, and how often it ended as it must.
inline void RecordFaults(const std::string& kind, int64_t cases, int64_t passed, const Json& more = Json::object()) {
  const char* path = std::getenv("GENVINCI_FAULT_RECORD");
  if (!path) return;
  Json row = {{"kind", kind}, {"cases", cases}, {"passed", passed}};
  row.update(more);
  AppendToFile(path, row.dump() + "\n");
}

}  // namespace genvinci
