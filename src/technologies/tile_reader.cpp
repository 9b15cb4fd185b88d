#include "tile_reader.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "genvinci/core/error.h"
#include "genvinci/core/log.h"

namespace genvinci {
namespace {

constexpr int64_t kTileBatchRows = 1024;

class TileReader : public SectionReader {
 public:
  TileReader(std::unique_ptr<SectionReader> cells, double side_um) : cells_(std::move(cells)), side_um_(side_um) {
    const SourceData& from = cells_->data();
    data_.name = from.name;
    data_.sections = from.sections;
    data_.var = from.var;
    data_.gene_names = from.gene_names;
    data_.default_split = from.default_split;
    data_.dropped = from.dropped;
    data_.version = from.version;
    data_.missing = from.missing;
    data_.provenance = from.provenance;
    data_.provenance["tile_um"] = side_um;
    data_.pitch_um = side_um;
    SetScales();
    GatherTiles();
    Log("{} tiles of {} um hold {} cells", data_.observations.size(), side_um,
        std::count_if(tile_of_.begin(), tile_of_.end(), [](int64_t tile) { return tile >= 0; }));
  }

  void ForEachBatch(const BatchUser& use) const override {
    const auto columns = static_cast<int64_t>(data_.var.index.size());
    std::vector<Counts> sums(data_.observations.size());
    cells_->ForEachBatch([&](const SparseRows& rows) {
      for (int64_t r = 0; r < rows.rows(); ++r) {
        const int64_t tile = tile_of_[static_cast<size_t>(rows.first_row + r)];
        if (tile < 0) continue;
        Counts& sum = sums[static_cast<size_t>(tile)];
        for (size_t k = 0; k < rows.RowIndices(r).size(); ++k)
          sum.emplace_back(rows.RowIndices(r)[k], rows.RowValues(r)[k]);
        // So that a tile holds no more than twice what it ends with.
        if (static_cast<int64_t>(sum.size()) > 2 * columns) AddUp(sum);
      }
    });
    SparseRows batch;
    batch.columns = columns;
    for (size_t tile = 0; tile < sums.size(); ++tile) {
      AddUp(sums[tile]);
      for (const auto& [column, count] : sums[tile]) {
        batch.indices.push_back(column);
        batch.values.push_back(count);
      }
      batch.offsets.push_back(static_cast<int64_t>(batch.indices.size()));
      if (batch.rows() < kTileBatchRows && tile + 1 < sums.size()) continue;
      use(batch);
      batch.first_row = static_cast<int64_t>(tile) + 1;
      batch.offsets.assign(1, 0);
      batch.indices.clear();
      batch.values.clear();
    }
  }

 private:
  using Counts = std::vector<std::pair<int32_t, float>>;

  // Of the same column one, ascending.
  static void AddUp(Counts& counts) {
    std::sort(counts.begin(), counts.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    size_t kept = 0;
    for (size_t k = 0; k < counts.size(); ++k) {
      if (kept > 0 && counts[kept - 1].first == counts[k].first)
        counts[kept - 1].second += counts[k].second;
      else
        counts[kept++] = counts[k];
    }
    counts.resize(kept);
  }

  void SetScales() {
    double coarsest = 0;
    for (const Section& section : data_.sections) {
      const double um_per_px = section.images.empty() ? 0 : section.images.front().um_per_px;
      // Sections whose images are all missing have no cell that can be used.
      if (um_per_px <= 0 && !section.images.empty())
        throw UsageError("TILE_SCALE", "--unit tile: the scale of section {} is not known: give --um_per_px",
                         section.name);
      double scale = 0;
      if (um_per_px > 0) {
        const Affine& affine = section.images.front().pixel_from_section;
        scale = um_per_px * std::sqrt(std::abs(affine.xx * affine.yy - affine.xy * affine.yx));
      }
      um_per_unit_.push_back(scale);
      coarsest = std::max(coarsest, um_per_px);
    }
    if (coarsest <= 0)
      throw UsageError("TILE_SCALE",
                       "--unit tile: tiles are measured on images, and there are none: leave out --no_images");
    // Rounded down to whole px, so that neighbouring patches do not overlap.
    data_.default_patch_um = side_um_ - coarsest / 2;
  }

  void GatherTiles() {
    const SourceData& from = cells_->data();
    const FrameColumn* labels = from.label_column.empty() ? nullptr : from.obs.Find(from.label_column);
    std::map<std::tuple<size_t, int64_t, int64_t>, int64_t> tiles;
    std::vector<int64_t> sizes;
    std::vector<std::map<std::string, int64_t>> votes;
    tile_of_.assign(from.observations.size(), -1);
    for (size_t i = 0; i < from.observations.size(); ++i) {
      const Observation& cell = from.observations[i];
      const double scale = um_per_unit_[cell.section];
      if (!cell.unusable.empty() || scale <= 0 || !std::isfinite(cell.centre.x) || !std::isfinite(cell.centre.y)) {
        ++data_.dropped["cell_" + (cell.unusable.empty() ? "no_position" : cell.unusable)];
        continue;
      }
      const double side = side_um_ / scale;
      const auto column = static_cast<int64_t>(std::floor(cell.centre.x / side));
      const auto row = static_cast<int64_t>(std::floor(cell.centre.y / side));
      const auto [found, is_new] = tiles.try_emplace({cell.section, column, row}, static_cast<int64_t>(sizes.size()));
      if (is_new) {
        const Point centre{(static_cast<double>(column) + 0.5) * side, (static_cast<double>(row) + 0.5) * side};
        data_.obs.index.push_back(fmt::format("{}_tile_{}_{}", from.sections[cell.section].name, column, row));
        data_.observations.push_back({cell.section, centre, cell.patient});
        sizes.push_back(0);
        votes.emplace_back();
      }
      const auto tile = static_cast<size_t>(found->second);
      tile_of_[i] = found->second;
      ++sizes[tile];
      if (data_.observations[tile].patient != cell.patient) data_.observations[tile].patient = "";
      if (labels) ++votes[tile][labels->Text(i)];
    }
    data_.obs.Set("n_cells", FrameColumn::Integers(std::move(sizes)));
    if (!labels) return;
    std::vector<std::string> most;
    for (const auto& of_tile : votes)
      most.push_back(std::max_element(of_tile.begin(), of_tile.end(), [](const auto& a, const auto& b) {
                       return a.second < b.second;
                     })->first);
    data_.label_column = from.label_column;
    data_.obs.Set(from.label_column, LabelColumn(most));
  }

  std::unique_ptr<SectionReader> cells_;
  double side_um_;
  std::vector<double> um_per_unit_;  // of each section: um of what its centres count; 0: it has no image
  std::vector<int64_t> tile_of_;     // of each cell; -1: none
};

}  // namespace

std::unique_ptr<SectionReader> MakeTiles(std::unique_ptr<SectionReader> cells, double side_um) {
  return std::make_unique<TileReader>(std::move(cells), side_um);
}

}  // namespace genvinci
