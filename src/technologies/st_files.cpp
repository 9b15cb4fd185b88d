#include "genvinci/technologies/st_files.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <set>

#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/text.h"
#include "genvinci/io/table.h"
#include "vendor_files.h"

namespace genvinci {
namespace {

constexpr double kArrayLimit = 1e6;
const std::vector<std::string> kTableEndings = {".tsv.gz", ".tsv"};
const std::vector<std::string> kImageEndings = {".jpg", ".jpeg", ".png", ".tif", ".tiff"};
// Tables that go with a section's counts.
const std::vector<std::string> kCompanions = {"_selection", "-cluster-annotation", "-proportion"};

// The name without a table's ending, or "" for other files.
std::string TableStem(const std::string& file) {
  for (const std::string& ending : kTableEndings)
    if (file.size() > ending.size() && file.ends_with(ending)) return file.substr(0, file.size() - ending.size());
  return "";
}

bool IsCompanion(const std::string& stem) {
  return std::any_of(kCompanions.begin(), kCompanions.end(),
                     [&](const std::string& ending) { return stem.ends_with(ending); });
}

std::string LowerCase(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

// `folder`, then the folders in it and beside it whose names hold `word`.
std::vector<fs::path> FoldersFor(const fs::path& folder, const std::vector<std::string>& words) {
  std::vector<fs::path> folders{folder};
  const auto add = [&](const fs::path& parent) {
    for (const fs::path& entry : SortedEntries(parent)) {
      const std::string name = LowerCase(entry.filename().string());
      const bool named = std::any_of(words.begin(), words.end(),
                                     [&](const std::string& word) { return name.find(word) != std::string::npos; });
      if (named && fs::is_directory(entry) && !fs::equivalent(entry, folder)) folders.push_back(entry);
    }
  };
  add(folder);
  const fs::path parent = fs::absolute(folder / ".").lexically_normal().parent_path().parent_path();
  std::error_code error;
  if (!parent.empty() && fs::directory_iterator(parent, error) != fs::directory_iterator()) add(parent);
  return folders;
}

fs::path FindFile(const std::vector<fs::path>& folders, const std::string& stem,
                  const std::vector<std::string>& endings) {
  for (const fs::path& folder : folders)
    for (const std::string& ending : endings)
      if (fs::is_regular_file(folder / (stem + ending))) return folder / (stem + ending);
  return {};
}

// Whether the first row of a table is named as a spot is.
bool HoldsSpots(const fs::path& path) {
  TableReader table(path);
  std::vector<std::string_view> fields;
  return table.Next(fields) && ParseStPosition(fields[0]).has_value();
}

// Count tables by section name. A table named after another section's is one only if it looks so.
std::map<std::string, fs::path> FindCounts(const fs::path& folder) {
  std::map<std::string, fs::path> found;
  for (const fs::path& entry : SortedEntries(folder)) {
    const std::string stem = TableStem(entry.filename().string());
    if (stem.empty() || IsCompanion(stem) || !fs::is_regular_file(entry)) continue;
    const auto [there, is_new] = found.try_emplace(stem, entry);
    if (!is_new)
      throw DataError("ST_DUPLICATE", "{}: {} is there too: keep one table of section {}", entry.string(),
                      there->second.filename().string(), stem);
  }
  std::vector<std::string> others;
  for (const auto& [stem, path] : found) {
    const size_t end = stem.find_last_of("-_");
    if (end != std::string::npos && found.contains(stem.substr(0, end)) && !HoldsSpots(path)) others.push_back(stem);
  }
  for (const std::string& stem : others) {
    Warn("{}: no table of counts by spot, left aside", found[stem].string());
    found.erase(stem);
  }
  return found;
}

std::map<std::string, fs::path> ChosenCounts(const PrepareOptions& options, const fs::path& input,
                                             const fs::path& folder) {
  if (fs::is_regular_file(input)) {
    const std::string stem = TableStem(input.filename().string());
    if (stem.empty())
      throw DataError("ST_NO_SECTION", "{}: not a .tsv or .tsv.gz of counts: check --technology", input.string());
    return {{stem, input}};
  }
  std::map<std::string, fs::path> found = FindCounts(folder);
  if (found.empty())
    throw DataError("ST_NO_SECTION", "{}: holds no <section>.tsv.gz or .tsv: check --input and --technology",
                    folder.string());
  if (options.sections.empty()) return found;
  std::vector<std::string> names;
  for (const auto& [name, path] : found) names.push_back(name);
  std::map<std::string, fs::path> chosen;
  for (const std::string& name : options.sections) {
    if (!found.contains(name))
      throw UsageError("ST_SECTION", "--sections {}: not in {}{}: the sections are {}", name, folder.string(),
                       DidYouMean(name, names), JoinText(names, ", "));
    chosen[name] = found[name];
  }
  return chosen;
}

std::vector<fs::path> ImageFolders(const PrepareOptions& options, const fs::path& folder) {
  if (options.images.empty()) return FoldersFor(folder, {"image", "img"});
  if (!fs::is_directory(options.images))
    throw MissingFileError("IMAGE_MISSING", "{}: no such folder: check --images", options.images);
  return {fs::path(options.images)};
}

void RequireAll(const StFiles& files, const fs::path& folder) {
  std::vector<std::string> no_image, no_selection;
  for (const StSectionFiles& section : files.sections) {
    if (section.image.empty()) no_image.push_back(section.name);
    if (section.selection.empty()) no_selection.push_back(section.name);
  }
  if (!no_image.empty())
    throw MissingFileError(
        "IMAGE_MISSING",
        "{}: no image of section {}: add <section>.jpg, .png or .tif, name their folder with --images, choose with "
        "--sections, or pass --no_images for a dataset for pretraining",
        folder.string(), JoinText(no_image, ", "));
  if (!no_selection.empty())
    throw MissingFileError("SELECTION_MISSING",
                           "{}: no <section>_selection.tsv of section {}: it places the spots on the image; add it, or "
                           "pass --no_images",
                           folder.string(), JoinText(no_selection, ", "));
}

StPosition PositionAt(const TableReader& table, const std::vector<std::string_view>& fields, size_t x, size_t y) {
  const double values[] = {table.Number(fields, x), table.Number(fields, y)};
  for (const double value : values)
    if (std::abs(value) > kArrayLimit)
      throw DataError("ST_POSITION", "{}: line {}: {} is no array position", table.path().string(), table.line(),
                      value);
  return {std::llround(values[0]), std::llround(values[1])};
}

[[noreturn]] void RefuseSecond(const TableReader& table, const StPosition& position) {
  throw DataError("ST_DUPLICATE", "{}: line {}: position {}x{} is there twice: remove one row", table.path().string(),
                  table.line(), position.x, position.y);
}

}  // namespace

std::optional<StPosition> ParseStPosition(std::string_view text) {
  const size_t middle = text.find_first_of("x_");
  if (middle == std::string_view::npos) return std::nullopt;
  double x = 0, y = 0;
  if (!ParseNumber(text.substr(0, middle), x) || !ParseNumber(text.substr(middle + 1), y)) return std::nullopt;
  if (std::abs(x) > kArrayLimit || std::abs(y) > kArrayLimit) return std::nullopt;
  return StPosition{std::llround(x), std::llround(y)};
}

std::string StPatient(const std::string& section) {
  size_t letters = 0;
  while (letters < section.size() && std::isalpha(static_cast<unsigned char>(section[letters]))) ++letters;
  return letters == 0 ? section : section.substr(0, letters);
}

bool LooksLikeSt(const fs::path& input) {
  const auto is_table_of_spots = [](const fs::path& path) {
    const std::string stem = TableStem(path.filename().string());
    if (stem.empty() || IsCompanion(stem) || !fs::is_regular_file(path)) return false;
    try {
      return HoldsSpots(path);
    } catch (const DataError&) {
      return false;  // another kind of table
    }
  };
  if (!fs::is_directory(input)) return is_table_of_spots(input);
  const std::vector<fs::path> entries = SortedEntries(input);
  return std::any_of(entries.begin(), entries.end(), is_table_of_spots);
}

StFiles FindStSections(const PrepareOptions& options) {
  const fs::path input = options.input;
  if (options.input.empty())
    throw UsageError("INPUT", "--technology st needs --input: a folder with <section>.tsv.gz tables");
  if (!fs::exists(input))
    throw MissingFileError("FILE_MISSING", "{}: no such file or folder: check --input", options.input);
  const fs::path folder = fs::is_directory(input)   ? input
                          : input.has_parent_path() ? input.parent_path()
                                                    : fs::path(".");
  StFiles files;
  files.name = fs::canonical(folder).filename().string();
  const std::vector<fs::path> here{folder};
  const std::vector<fs::path> images = options.no_images ? here : ImageFolders(options, folder);
  const std::vector<fs::path> spots = FoldersFor(folder, {"spotfile", "selection"});
  for (const auto& [name, path] : ChosenCounts(options, input, folder)) {
    StSectionFiles section{name, path, {}, {}, {}, {}};
    section.selection = FindFile(spots, name + "_selection", kTableEndings);
    section.annotation = FindFile(here, name + "-cluster-annotation", kTableEndings);
    section.proportion = FindFile(here, name + "-proportion", kTableEndings);
    if (!options.no_images) section.image = FindFile(images, name, kImageEndings);
    files.sections.push_back(std::move(section));
  }
  if (!options.no_images) RequireAll(files, folder);
  return files;
}

std::map<StPosition, StSelected> ReadStSelection(const fs::path& path) {
  TableReader table(path);
  const size_t x = table.Column("x"), y = table.Column("y");
  const size_t pixel_x = table.Column("pixel_x"), pixel_y = table.Column("pixel_y");
  const bool has_selected = table.HasColumn("selected");
  std::map<StPosition, StSelected> selection;
  std::vector<std::string_view> fields;
  while (table.Next(fields)) {
    const StPosition position = PositionAt(table, fields, x, y);
    StSelected spot{table.Number(fields, pixel_x), table.Number(fields, pixel_y), true};
    if (has_selected) spot.selected = table.Number(fields, table.Column("selected")) == 1;
    if (!selection.emplace(position, spot).second) RefuseSecond(table, position);
  }
  return selection;
}

StAnnotation ReadStAnnotation(const fs::path& path) {
  TableReader table(path);
  const size_t x = table.Column("x"), y = table.Column("y"), label = table.Column("label");
  const bool has_patient = table.HasColumn("patient_id");
  StAnnotation annotation;
  std::vector<std::string_view> fields;
  while (table.Next(fields)) {
    const StPosition position = PositionAt(table, fields, x, y);
    if (!annotation.labels.emplace(position, fields[label]).second) RefuseSecond(table, position);
    if (!has_patient) continue;
    const std::string_view patient = fields[table.Column("patient_id")];
    if (!annotation.patient.empty() && annotation.patient != patient)
      throw DataError("ST_PATIENT", "{}: line {}: patient_id {} after {}: a section is of one patient", path.string(),
                      table.line(), patient, annotation.patient);
    annotation.patient = patient;
  }
  return annotation;
}

StProportions ReadStProportions(const fs::path& path) {
  TableReader table(path);
  StProportions result;
  result.types.assign(table.header().begin() + 1, table.header().end());
  if (std::set<std::string>(result.types.begin(), result.types.end()).size() != result.types.size())
    throw DataError("ST_PROPORTION", "{}: a cell type has two columns: rename one", path.string());
  std::vector<std::string_view> fields;
  while (table.Next(fields)) {
    const auto position = ParseStPosition(fields[0]);
    if (!position)
      throw DataError("ST_ROW_NAME", "{}: line {}: '{}' is no array position: rows are named XxY or X_Y", path.string(),
                      table.line(), fields[0].substr(0, 40));
    std::vector<double> values;
    for (size_t c = 1; c < fields.size(); ++c) values.push_back(table.Number(fields, c));
    if (!result.rows.emplace(*position, std::move(values)).second) RefuseSecond(table, *position);
  }
  return result;
}

}  // namespace genvinci
