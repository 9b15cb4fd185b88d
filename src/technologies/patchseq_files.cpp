#include "patchseq_files.h"

#include <algorithm>
#include <system_error>

#include "genvinci/core/error.h"
#include "vendor_files.h"

namespace genvinci {
namespace {

bool IsPatchseqTable(const std::string& name) {
  for (const char* ending : {".csv", ".csv.gz", ".tsv", ".tsv.gz"})
    if (name.ends_with(ending)) return true;
  return false;
}

bool Mentions(const std::string& name, const char* word) { return name.find(word) != std::string::npos; }

}  // namespace

PatchseqTables FindPatchseqTables(const fs::path& folder) {
  PatchseqTables tables;
  if (!fs::is_directory(folder)) return tables;
  std::vector<fs::path> counts;
  for (const fs::path& entry : SortedEntries(folder)) {
    const std::string name = entry.filename().string();
    if (!fs::is_regular_file(entry)) continue;
    if (!IsPatchseqTable(name)) {
      const bool is_packed = name.ends_with(".tar") || name.ends_with(".tar.gz");
      if (is_packed && Mentions(name, "count") && tables.packed_counts.empty()) tables.packed_counts = entry;
    } else if (Mentions(name, "meta")) {
      tables.metadata.push_back(entry);
    } else if (Mentions(name, "count")) {
      counts.push_back(entry);
    }
  }
  std::stable_partition(counts.begin(), counts.end(),
                        [](const fs::path& path) { return Mentions(path.filename().string(), "exon"); });
  if (counts.empty()) return tables;
  tables.counts = counts.front();
  tables.left_counts.assign(counts.begin() + 1, counts.end());
  tables.packed_counts.clear();
  return tables;
}

Tracings FindTracings(const fs::path& folder) {
  if (!fs::is_directory(folder))
    throw MissingFileError("IMAGE_MISSING", "{}: no such folder: check --images", folder.string());
  Tracings found;
  std::error_code error;
  const auto options = fs::directory_options::skip_permission_denied;
  for (fs::recursive_directory_iterator entry(folder, options, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string ending = entry->path().extension().string();
    if (ending == ".swc" || ending == ".SWC") found[entry->path().stem().string()].push_back(entry->path());
  }
  if (error) throw IoError("DIR_READ", "{}: {}: check the folder", folder.string(), error.message());
  for (auto& [name, paths] : found) std::sort(paths.begin(), paths.end());
  return found;
}

fs::path TracingOf(const Tracings& tracings, const std::vector<std::string>& names, bool is_upright) {
  std::vector<std::string> endings = {"", "_m", "_transformed", "_upright"};
  if (is_upright) std::rotate(endings.begin(), endings.end() - 1, endings.end());
  for (const std::string& name : names)
    for (const std::string& ending : endings) {
      const auto found = tracings.find(name + ending);
      if (found == tracings.end()) continue;
      const std::vector<fs::path>& paths = found->second;
      if (paths.size() == 1) return paths[0];
      throw DataError("FILE_AMBIGUOUS", "{}: {} is a tracing of the same name: name one folder with --images",
                      paths[0].string(), paths[1].string());
    }
  return {};
}

bool IsNamedUpright(const fs::path& path) {
  return Mentions(path.stem().string(), "upright") || Mentions(path.parent_path().filename().string(), "upright");
}

}  // namespace genvinci
