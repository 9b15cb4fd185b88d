#include "genvinci/data/content_sums.h"

#include <optional>

#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/progress.h"
#include "genvinci/core/sha256.h"
#include "genvinci/data/file_state.h"

namespace genvinci {
namespace {

constexpr size_t kWorthABar = 20000;

std::string StateOf(const std::vector<fs::path>& files) {
  std::string state;
  for (const fs::path& file : files) state += FileState(file);
  return Sha256(state);
}

// {"<part>": {"state", "sum"}}; an empty object where there is none, or it is not what was written.
Json ReadHint(const fs::path& hint) {
  std::error_code error;
  const Json json = fs::exists(hint, error) ? ReadJson(hint) : Json();
  return json.is_object() ? json : Json::object();
}

// The part's sum as the hint has it where its files have not changed since, else anew, which the hint then notes.
template <typename Sum>
std::string Remembered(const char* part, const std::vector<fs::path>& files, const fs::path& hint, const Sum& sum) {
  const std::string state = StateOf(files);
  Json known = ReadHint(hint);
  if (const Json entry = known.value(part, Json()); entry.is_object() && entry.value("state", Json()) == Json(state)) {
    if (const Json found = entry.value("sum", Json()); found.is_string()) return found.get<std::string>();
  }
  known[part] = {{"state", state}, {"sum", sum()}};
  if (hint.empty()) return known[part]["sum"].get<std::string>();
  try {
    MakeFolder(hint.parent_path());
    WriteJson(hint, known);
  } catch (const IoError& failure) {
    Debug("{}: the sums are not remembered", failure.what());
  }
  return known[part]["sum"].get<std::string>();
}

std::string SumOfPatches(const std::vector<fs::path>& patches) {
  std::string lines;
  std::optional<Progress> progress;
  if (patches.size() >= kWorthABar)
    progress.emplace("checking the patches", static_cast<int64_t>(patches.size()), "patches");
  for (const fs::path& patch : patches) {
    lines += patch.filename().string() + " " + Sha256OfFile(patch) + "\n";
    if (progress) progress->Add(1);
  }
  return Sha256(lines);
}

}  // namespace

Json ContentSums::ToJson() const { return {{"expression", expression}, {"patches", patches}}; }

ContentSums ContentSums::FromJson(const Json& json, const std::string& source) {
  try {
    return {json.at("expression").get<std::string>(), json.at("patches").get<std::string>()};
  } catch (const Json::exception&) {
    throw DataError("DATASET_FIELD", "{}: 'content' is not as it was written: prepare the dataset again", source);
  }
}

std::string ExpressionSum(const fs::path& expression, const fs::path& hint) {
  return Remembered("expression", {expression}, hint, [&] { return Sha256OfFile(expression); });
}

std::string PatchesSum(const std::vector<fs::path>& patches, const fs::path& hint) {
  if (patches.empty()) return "";
  return Remembered("patches", patches, hint, [&] { return SumOfPatches(patches); });
}

}  // namespace genvinci
