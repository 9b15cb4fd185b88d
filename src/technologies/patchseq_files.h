#pragma once

#include <map>
#include <string>
#include <vector>

#include "genvinci/core/files.h"

namespace genvinci {

// The tables of a Patch-seq folder, told by their names: <...>count<...> and <...>meta<...>, .csv or .tsv, also .gz.
struct PatchseqTables {
  fs::path counts;                    // exon counts before others; empty: none
  std::vector<fs::path> left_counts;  // further ones
  std::vector<fs::path> metadata;
  fs::path packed_counts;  // counts in a .tar, where there are no others
};
PatchseqTables FindPatchseqTables(const fs::path& folder);

// Tracings (.swc) in a folder and below it, by their names without the ending; several may have one name.
using Tracings = std::map<std::string, std::vector<fs::path>>;
Tracings FindTracings(const fs::path& folder);

// The tracing that one of the names leads to, each with what tools put behind it ("_upright", ...); empty: none. Where
// a name has both, the one that `is_upright` asks for. DataError FILE_AMBIGUOUS for two files of one name.
fs::path TracingOf(const Tracings& tracings, const std::vector<std::string>& names, bool is_upright);

// Whether a tracing says by its or its folder's name that its y counts towards the pia.
bool IsNamedUpright(const fs::path& path);

}  // namespace genvinci
