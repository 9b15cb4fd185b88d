#include <algorithm>
#include <cctype>
#include <cmath>
#include <limits>
#include <set>
#include <unordered_map>

#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/median.h"
#include "genvinci/core/text.h"
#include "genvinci/data/dataset.h"
#include "genvinci/io/table.h"
#include "genvinci/technologies/section_reader.h"
#include "genvinci/technologies/st_files.h"

namespace genvinci {
namespace {

constexpr double kArrayPitchUm = 200;
constexpr double kPitchTolerance = 0.05;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Spot {
  std::string row_name;
  StPosition position;
  double pixel_x = kNaN, pixel_y = kNaN;
  std::string label;
};

// Median distance in px of spots next to each other on the array; 0 when there are none.
double Pitch(const std::vector<Spot>& spots) {
  std::map<StPosition, const Spot*> at;
  for (const Spot& spot : spots) at[spot.position] = &spot;
  std::vector<double> distances;
  for (const Spot& spot : spots) {
    for (const StPosition& next :
         {StPosition{spot.position.x + 1, spot.position.y}, {spot.position.x, spot.position.y + 1}}) {
      const auto found = at.find(next);
      if (found == at.end()) continue;
      distances.push_back(std::hypot(found->second->pixel_x - spot.pixel_x, found->second->pixel_y - spot.pixel_y));
    }
  }
  return distances.empty() ? 0 : Median(std::move(distances));
}

class StReader : public SectionReader {
 public:
  explicit StReader(const PrepareOptions& options) : options_(options), files_(FindStSections(options)) {
    data_.name = files_.name;
    CollectGenes();
    for (const StSectionFiles& section : files_.sections) AddSection(section);
    if (data_.obs.index.empty())
      throw DataError("ST_NO_SPOT", "{}: no spot has both counts and a position: check that the tables belong together",
                      options_.input);
    AddColumns();
    SetScale();
  }

  void ForEachBatch(const BatchUser& use) const override {
    int64_t first_row = 0;
    for (size_t s = 0; s < files_.sections.size(); ++s) {
      const SparseRows rows = ReadCounts(s, first_row);
      first_row += rows.rows();
      use(rows);
    }
  }

 private:
  void CollectGenes() {
    for (const StSectionFiles& section : files_.sections) {
      const TableReader table(section.counts);
      if (table.header().size() < 2)
        throw DataError("ST_COUNTS", "{}: has no gene column: expected a row a spot and a column a gene",
                        section.counts.string());
      std::vector<int32_t> columns;
      for (size_t k = 1; k < table.header().size(); ++k) {
        const auto [found, is_new] =
            column_of_.try_emplace(table.header()[k], static_cast<int32_t>(data_.var.index.size()));
        if (is_new) data_.var.index.push_back(table.header()[k]);
        columns.push_back(found->second);
      }
      if (std::set<int32_t>(columns.begin(), columns.end()).size() != columns.size())
        Warn("{}: a gene has several columns; their counts are added", section.counts.string());
      columns_.push_back(std::move(columns));
    }
    data_.gene_names = data_.var.index;
  }

  // The spots of the count table, in its order.
  std::vector<Spot> ReadRowNames(const StSectionFiles& section) const {
    std::vector<Spot> spots;
    std::set<StPosition> seen;
    TableReader table(section.counts);
    std::vector<std::string_view> fields;
    while (table.Next(fields)) {
      const auto position = ParseStPosition(fields[0]);
      if (!position)
        throw DataError("ST_ROW_NAME", "{}: line {}: '{}' is no array position: rows are named XxY or X_Y",
                        section.counts.string(), table.line(), fields[0].substr(0, 40));
      if (!seen.insert(*position).second)
        throw DataError("ST_DUPLICATE", "{}: line {}: position {} is there twice: remove one row",
                        section.counts.string(), table.line(), fields[0]);
      spots.push_back({std::string(fields[0]), *position, kNaN, kNaN, ""});
    }
    if (spots.empty()) throw DataError("ST_EMPTY", "{}: holds no spot: check the file", section.counts.string());
    return spots;
  }

  void AddSection(const StSectionFiles& files) {
    std::vector<Spot> spots = ReadRowNames(files);
    const StAnnotation annotation = files.annotation.empty() ? StAnnotation{} : ReadStAnnotation(files.annotation);
    const std::string patient = annotation.patient.empty() ? StPatient(files.name) : annotation.patient;
    Section section{files.name};
    if (!files.image.empty()) section.images.push_back(DescribeImage(files.image));
    std::vector<bool> kept(spots.size(), true);
    if (!files.selection.empty()) kept = Place(files, spots);
    has_positions_.push_back(!files.selection.empty());
    for (const fs::path& path : {files.counts, files.selection, files.image, files.annotation, files.proportion})
      if (!path.empty()) data_.provenance["files"].push_back(FileFacts(path));
    std::vector<Spot> placed;
    for (size_t k = 0; k < spots.size(); ++k) {
      if (!kept[k]) continue;
      const auto label = annotation.labels.find(spots[k].position);
      if (label != annotation.labels.end()) spots[k].label = label->second;
      placed.push_back(spots[k]);
    }
    if (!files.selection.empty()) pitches_.push_back(Pitch(placed));
    AddProportions(files, placed);
    for (Spot& spot : placed) Append(files.name, patient, std::move(spot));
    kept_.push_back(std::move(kept));
    data_.sections.push_back(std::move(section));
  }

  // Fills the spots' pixels; false for those that the selection leaves out.
  std::vector<bool> Place(const StSectionFiles& files, std::vector<Spot>& spots) {
    const std::map<StPosition, StSelected> selection = ReadStSelection(files.selection);
    std::vector<bool> kept(spots.size(), false);
    for (size_t k = 0; k < spots.size(); ++k) {
      const auto found = selection.find(spots[k].position);
      if (found == selection.end()) {
        ++data_.dropped["no_position"];
      } else if (!found->second.selected) {
        ++data_.dropped["not_selected"];
      } else {
        spots[k].pixel_x = found->second.pixel_x;
        spots[k].pixel_y = found->second.pixel_y;
        kept[k] = true;
      }
    }
    if (std::find(kept.begin(), kept.end(), true) == kept.end())
      throw DataError("ST_NO_SPOT", "{}: no row of {} is selected in it: check that both belong to section {}",
                      files.selection.string(), files.counts.filename().string(), files.name);
    return kept;
  }

  SectionImage DescribeImage(const fs::path& path) const {
    const ImageInfo info = ReadImageInfo(path);
    const SectionImage image{path, DefaultChannels(info.channels == 4 ? 3 : info.channels), info.width, info.height,
                             info.bits};
    if (image.channels.size() > 3)
      throw DataError("ST_IMAGE", "{}: {} channels: expected grey or colour", path.string(), info.channels);
    const std::vector<std::string> before = data_.channels();
    if (!before.empty() && before != image.channels)
      throw DataError("ST_IMAGE", "{}: {} channels, the sections before have {}: convert it", path.string(),
                      image.channels.size(), before.size());
    return image;
  }

  void AddProportions(const StSectionFiles& files, const std::vector<Spot>& spots) {
    const size_t before = data_.obs.index.size();
    if (files.proportion.empty()) return;
    const StProportions table = ReadStProportions(files.proportion);
    for (size_t t = 0; t < table.types.size(); ++t) {
      std::vector<double>& column = proportions_[table.types[t]];
      column.resize(before, kNaN);
      for (const Spot& spot : spots) {
        const auto found = table.rows.find(spot.position);
        column.push_back(found == table.rows.end() ? kNaN : found->second[t]);
      }
    }
  }

  void Append(const std::string& section, const std::string& patient, Spot spot) {
    data_.obs.index.push_back(section + "_" + spot.row_name);
    data_.observations.push_back({data_.sections.size(), {spot.pixel_x, spot.pixel_y}, patient});
    array_x_.push_back(spot.position.x);
    array_y_.push_back(spot.position.y);
    labels_.push_back(std::move(spot.label));
  }

  void AddColumns() {
    data_.centres_are_on_array = std::find(has_positions_.begin(), has_positions_.end(), false) != has_positions_.end();
    for (size_t i = 0; data_.centres_are_on_array && i < data_.observations.size(); ++i)
      data_.observations[i].centre = {static_cast<double>(array_x_[i]), static_cast<double>(array_y_[i])};
    data_.obs.Set("array_x", FrameColumn::Integers(array_x_));
    data_.obs.Set("array_y", FrameColumn::Integers(array_y_));
    if (std::any_of(labels_.begin(), labels_.end(), [](const std::string& label) { return !label.empty(); })) {
      data_.label_column = "label";
      data_.obs.Set("label", LabelColumn(labels_));
    }
    for (auto& [type, values] : proportions_) {
      values.resize(data_.obs.index.size(), kNaN);
      data_.obs.Set("proportion:" + type, FrameColumn::Floats(std::move(values)));
    }
  }

  // One scale for all sections, so that patches of equal px show equal um.
  void SetScale() {
    std::erase(pitches_, 0.0);
    if (!pitches_.empty()) data_.pitch = Median(pitches_);
    for (const double pitch : pitches_)
      if (std::abs(pitch / data_.pitch - 1) > kPitchTolerance)
        Warn("{}: spots are {:.1f} px apart in one section and {:.1f} px in the median one: patches differ in scale",
             options_.input, pitch, data_.pitch);
    const double measured = data_.pitch > 0 ? kArrayPitchUm / data_.pitch : 0;
    const double um_per_px = options_.um_per_px > 0 ? options_.um_per_px : measured;
    for (Section& section : data_.sections)
      for (SectionImage& image : section.images) image.um_per_px = um_per_px;
    if (measured == 0) return;
    Log("neighbouring spots are {:.1f} px apart, {:.4f} um per px", data_.pitch, um_per_px);
    if (std::abs(um_per_px / measured - 1) > kPitchTolerance)
      Warn("--um_per_px {}: the array's pitch of 200 um says {:.4f}", um_per_px, measured);
  }

  SparseRows ReadCounts(size_t section, int64_t first_row) const {
    SparseRows rows;
    rows.first_row = first_row;
    rows.columns = static_cast<int64_t>(data_.var.index.size());
    TableReader table(files_.sections[section].counts);
    std::vector<std::string_view> fields;
    std::map<int32_t, double> row;
    for (size_t k = 0; table.Next(fields); ++k) {
      if (!kept_[section].at(k)) continue;
      row.clear();
      for (size_t c = 1; c < fields.size(); ++c)
        if (const double count = Count(table, fields, c); count > 0) row[columns_[section][c - 1]] += count;
      for (const auto& [column, count] : row) {
        rows.indices.push_back(column);
        rows.values.push_back(static_cast<float>(count));
      }
      rows.offsets.push_back(static_cast<int64_t>(rows.indices.size()));
    }
    return rows;
  }

  static double Count(const TableReader& table, const std::vector<std::string_view>& fields, size_t column) {
    if (fields[column] == "0") return 0;
    const double count = table.Number(fields, column);
    if (count < 0 || count != std::floor(count) || count > 16777216)
      throw DataError("ST_COUNT", "{}: line {}, gene '{}': '{}' is no raw count: give the table of raw counts",
                      table.path().string(), table.line(), table.header()[column], fields[column]);
    return count;
  }

  PrepareOptions options_;
  StFiles files_;
  std::unordered_map<std::string, int32_t> column_of_;
  std::vector<std::vector<int32_t>> columns_;  // of each section: its columns in var
  std::vector<std::vector<bool>> kept_;        // of each section: its rows that are observations
  std::vector<bool> has_positions_;
  std::vector<double> pitches_;
  std::vector<int64_t> array_x_, array_y_;
  std::vector<std::string> labels_;
  std::map<std::string, std::vector<double>> proportions_;
};

}  // namespace

std::unique_ptr<SectionReader> OpenStReader(const PrepareOptions& options) {
  return std::make_unique<StReader>(options);
}

}  // namespace genvinci
