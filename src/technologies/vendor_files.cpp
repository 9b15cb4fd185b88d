#include "vendor_files.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <limits>

#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/text.h"
#include "genvinci/data/dataset.h"
#include "genvinci/io/table.h"

namespace genvinci {
namespace {

constexpr int64_t kCountBatchRows = 1024;
const std::vector<std::string> kSectionImageEndings = {".tif", ".tiff", ".btf",  ".jpg",  ".jpeg",
                                                       ".png", ".svs",  ".ndpi", ".mrxs", ".qptiff"};

bool IsImageName(const std::string& name) {
  return std::any_of(kSectionImageEndings.begin(), kSectionImageEndings.end(),
                     [&](const std::string& ending) { return name.ends_with(ending); });
}

std::string ThreeOf(const std::vector<std::string>& ids) {
  return JoinText({ids.begin(), ids.begin() + static_cast<int64_t>(std::min<size_t>(ids.size(), 3))}, ", ");
}

[[noreturn]] void FailAmbiguous(const fs::path& folder, const std::vector<fs::path>& found) {
  std::vector<std::string> names;
  for (const fs::path& path : found) names.push_back(path.filename().string());
  throw DataError("FILE_AMBIGUOUS", "{}: holds {}: keep the one that is meant in a folder of its own", folder.string(),
                  JoinText(names, " and "));
}

}  // namespace

std::vector<fs::path> SortedEntries(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> entries;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) entries.push_back(entry.path());
  if (error) throw IoError("DIR_READ", "{}: {}: check its permissions", folder.string(), error.message());
  std::sort(entries.begin(), entries.end());
  return entries;
}

fs::path FindNamed(const fs::path& folder, const std::vector<std::string>& names) {
  if (!fs::is_directory(folder)) return {};
  for (const std::string& name : names)
    if (fs::exists(folder / name)) return folder / name;
  const std::vector<fs::path> entries = SortedEntries(folder);
  for (const std::string& name : names) {
    std::vector<fs::path> found;
    std::copy_if(entries.begin(), entries.end(), std::back_inserter(found),
                 [&](const fs::path& entry) { return entry.filename().string().ends_with("_" + name); });
    if (found.size() > 1) FailAmbiguous(folder, found);
    if (!found.empty()) return found.front();
  }
  return {};
}

std::vector<SectionFolder> FindSectionFolders(const fs::path& input, const std::string& inner,
                                              const std::function<bool(const fs::path&)>& is_section) {
  if (!fs::is_directory(input)) return {};
  const auto place_in = [&](const fs::path& folder) -> fs::path {
    if (is_section(folder)) return folder;
    return !inner.empty() && fs::is_directory(folder / inner) && is_section(folder / inner) ? folder / inner
                                                                                            : fs::path();
  };
  if (const fs::path place = place_in(input); !place.empty()) {
    const fs::path named = fs::canonical(input);
    const bool is_inner = !inner.empty() && named.filename() == inner && named.has_parent_path();
    return {{(is_inner ? named.parent_path() : named).filename().string(), place}};
  }
  std::vector<SectionFolder> found;
  for (const fs::path& entry : SortedEntries(input)) {
    if (!fs::is_directory(entry)) continue;
    if (const fs::path place = place_in(entry); !place.empty()) found.push_back({entry.filename().string(), place});
  }
  return found;
}

std::vector<SectionFolder> ChosenSections(std::vector<SectionFolder> found, const std::vector<std::string>& names,
                                          const fs::path& input) {
  if (names.empty()) return found;
  std::vector<std::string> there;
  for (const SectionFolder& section : found) there.push_back(section.name);
  for (const std::string& name : names)
    if (std::find(there.begin(), there.end(), name) == there.end())
      throw UsageError("SECTIONS", "--sections {}: not in {}{}: the sections are {}", name, input.string(),
                       DidYouMean(name, there), JoinText(there, ", "));
  std::erase_if(found, [&](const SectionFolder& section) {
    return std::find(names.begin(), names.end(), section.name) == names.end();
  });
  return found;
}

fs::path FindUserImage(const fs::path& images, const std::string& section, bool is_only_section) {
  if (!fs::exists(images))
    throw MissingFileError("IMAGE_MISSING", "{}: no such file or folder: check --images", images.string());
  if (!fs::is_directory(images)) {
    if (is_only_section) return images;
    throw UsageError("IMAGE_MISSING",
                     "--images {}: is one file, there are several sections: give a folder of images "
                     "named as the sections are",
                     images.string());
  }
  std::vector<fs::path> all, named, starting;
  for (const fs::path& entry : SortedEntries(images)) {
    const std::string name = entry.filename().string();
    if (!fs::is_regular_file(entry) || !IsImageName(name)) continue;
    all.push_back(entry);
    if (!name.starts_with(section)) continue;
    const char next = name[section.size()];
    (next == '.' ? named : starting).push_back(entry);
    if (std::isalnum(static_cast<unsigned char>(next))) starting.pop_back();
  }
  const std::vector<fs::path>& found = !named.empty() ? named : !starting.empty() || !is_only_section ? starting : all;
  if (found.size() > 1) FailAmbiguous(images, found);
  if (found.empty())
    throw MissingFileError("IMAGE_MISSING", "{}: holds no image named as section {}: name it {}.tif or check --images",
                           images.string(), section, section);
  return found.front();
}

SectionImage DescribeImage(const fs::path& path, const SourceData& before) {
  const ImageInfo info = ReadImageInfo(path);
  SectionImage image{path, DefaultChannels(info.channels == 4 ? 3 : info.channels), info.width, info.height, info.bits};
  const std::vector<std::string> channels = before.channels();
  if (!channels.empty() && channels.size() != image.channels.size())
    throw DataError("SECTION_IMAGE", "{}: {} channels, the sections before have {}: convert it", path.string(),
                    image.channels.size(), channels.size());
  return image;
}

SectionImage DescribeChannels(const std::vector<ChannelPlace>& places, const std::vector<std::string>& channels,
                              const SourceData& before) {
  const ImageInfo info = OpenChannels(places)->info();
  SectionImage image{places.front().file, channels, info.width, info.height, info.bits};
  image.places = places;
  if (const auto& others = before.channels(); !others.empty() && others != channels)
    throw DataError("SECTION_IMAGE", "{}: channels {}, the sections before have {}: choose with --channels",
                    image.path.string(), JoinText(channels, ", "), JoinText(others, ", "));
  return image;
}

std::vector<std::string> ChosenChannels(const std::vector<std::string>& there, const std::vector<std::string>& names,
                                        const fs::path& path) {
  for (const std::string& name : names)
    if (std::find(there.begin(), there.end(), name) == there.end())
      throw UsageError("CHANNELS", "--channels {}: not in {}{}: the channels are {}", name, path.string(),
                       DidYouMean(name, there), JoinText(there, ", "));
  return names.empty() ? there : names;
}

void RequireJoin(const IdTable& of, const IdTable& in, int64_t joined) {
  const auto all = static_cast<int64_t>(of.ids.size());
  if (joined == 0)
    throw DataError("IDS_JOIN",
                    "{}: 0 of {} ids are in {}: they are like {}; there, like {}: check that both belong "
                    "together",
                    of.path.string(), all, in.path.string(), ThreeOf(of.ids), ThreeOf(in.ids));
  if (2 * joined < all)
    Warn("{}: only {} of {} ids are in {}: they are like {}; there, like {}", of.path.string(), joined, all,
         in.path.string(), ThreeOf(of.ids), ThreeOf(in.ids));
}

void RequireWholeCounts(const SparseRows& rows, const fs::path& path, const std::vector<std::string>& names) {
  for (int64_t r = 0; r < rows.rows(); ++r)
    for (const float value : rows.RowValues(r))
      if (value != std::floor(value))
        throw DataError("NOT_COUNTS", "{}: {} has a count of {}: raw counts are whole numbers: give the raw matrix",
                        path.string(), names[static_cast<size_t>(rows.first_row + r)], value);
}

int64_t ReadCountTable(const CountTable& counts, int64_t first_row, const std::function<void(const SparseRows&)>& use) {
  TableReader table(counts.path);
  std::vector<std::string_view> fields;
  SparseRows rows;
  rows.columns = static_cast<int64_t>(counts.genes.size());
  rows.first_row = first_row;
  const auto flush = [&] {
    use(rows);
    rows.first_row += rows.rows();
    rows.offsets.assign(1, 0);
    rows.indices.clear();
    rows.values.clear();
  };
  while (table.Next(fields)) {
    if (counts.is_observation && !counts.is_observation(fields)) continue;
    for (size_t g = 0; g < counts.genes.size(); ++g) {
      const std::string_view text = fields[counts.genes[g]];
      if (text == "0" || text == "0.0") continue;
      const double count = table.Number(fields, counts.genes[g]);
      if (count < 0 || count != std::floor(count))
        throw DataError("NOT_COUNTS",
                        "{}: line {}, gene '{}': {} is no count: raw counts are whole numbers, not negative",
                        counts.path.string(), table.line(), table.header()[counts.genes[g]], count);
      if (count == 0) continue;
      rows.indices.push_back(static_cast<int32_t>(g));
      rows.values.push_back(static_cast<float>(count));
    }
    rows.offsets.push_back(static_cast<int64_t>(rows.indices.size()));
    if (rows.rows() == kCountBatchRows) flush();
  }
  if (rows.rows() > 0) flush();
  return rows.first_row;
}

Affine ReadMatrix3x3(const fs::path& path, const char* name) {
  std::string text = ReadFile(path, 65536);
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == ',' || c == '\t' || c == '\n' || c == '\r'; }, ' ');
  std::vector<double> numbers;
  for (const std::string_view part : SplitText(text, ' ')) {
    double number = 0;
    if (part.empty()) continue;
    if (!ParseNumber(part, number))
      throw DataError(name, "{}: '{}' is no number: expected three rows of three", path.string(), part.substr(0, 40));
    numbers.push_back(number);
  }
  if (numbers.size() != 9 || numbers[6] != 0 || numbers[7] != 0 || numbers[8] != 1)
    throw DataError(name, "{}: {} numbers, expected three rows of three, the last 0 0 1", path.string(),
                    numbers.size());
  const Affine affine{numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5]};
  if (!(std::abs(affine.xx * affine.yy - affine.xy * affine.yx) > 1e-9))
    throw DataError(name, "{}: the matrix cannot be inverted: fetch the file again", path.string());
  return affine;
}

std::unordered_map<std::string, std::string> ReadClusters(const fs::path& section) {
  std::unordered_map<std::string, std::string> clusters;
  for (const char* name : {"gene_expression_graphclust", "graphclust"}) {
    const fs::path path = section / "analysis/clustering" / name / "clusters.csv";
    if (!fs::exists(path)) continue;
    TableReader table(path);
    const size_t barcode = table.Column("Barcode"), cluster = table.Column("Cluster");
    std::vector<std::string_view> fields;
    while (table.Next(fields)) clusters[std::string(fields[barcode])] = "cluster " + std::string(fields[cluster]);
    break;
  }
  return clusters;
}

bool ParsePosition(std::string_view text, double& value) {
  if (text.empty() || text == "NA" || text == "NaN" || text == "nan") {
    value = std::numeric_limits<double>::quiet_NaN();
    return true;
  }
  return ParseNumber(text, value);
}

}  // namespace genvinci
