#include "genvinci/data/neighbours.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nanoflann.hpp>

#include "genvinci/core/error.h"
#include "genvinci/core/median.h"

namespace genvinci {
namespace {

// The places of one section, as nanoflann asks for them.
struct Places {
  const std::vector<double>& x;
  const std::vector<double>& y;
  const std::vector<size_t>& rows;

  size_t kdtree_get_point_count() const { return rows.size(); }
  double kdtree_get_pt(size_t i, size_t axis) const { return axis == 0 ? x[rows[i]] : y[rows[i]]; }
  template <typename Box>
  bool kdtree_get_bbox(Box&) const {
    return false;
  }
};

using Tree = nanoflann::KDTreeSingleIndexAdaptor<nanoflann::L2_Simple_Adaptor<double, Places>, Places, 2, size_t>;

void FillSection(const std::vector<double>& x, const std::vector<double>& y, const std::vector<size_t>& rows,
                 Neighbours& found) {
  const Places places{x, y, rows};
  const Tree tree(2, places);
  const auto count = static_cast<size_t>(found.count);
  const size_t asked = std::min(count + 1, rows.size());
  std::vector<size_t> nearest(asked);
  std::vector<double> squares(asked), pitches;
  for (size_t i = 0; i < rows.size(); ++i) {
    const size_t self = rows[i];
    const double place[2] = {x[self], y[self]};
    const size_t got = tree.knnSearch(place, asked, nearest.data(), squares.data());
    size_t k = 0;
    for (size_t n = 0; n < got && k < count; ++n) {
      const size_t other = rows[nearest[n]];
      if (other == self) continue;
      if (k == 0 && squares[n] > 0) pitches.push_back(std::sqrt(squares[n]));
      found.index[self * count + k++] = static_cast<int64_t>(other);
    }
  }
  const double pitch = pitches.empty() ? 1 : Median(pitches);
  for (const size_t self : rows) {
    for (size_t k = self * count; k < (self + 1) * count; ++k) {
      if (found.index[k] < 0) continue;
      const auto other = static_cast<size_t>(found.index[k]);
      found.offsets[2 * k] = static_cast<float>((x[other] - x[self]) / pitch);
      found.offsets[2 * k + 1] = static_cast<float>((y[other] - y[self]) / pitch);
    }
  }
}

}  // namespace

Neighbours FindNeighbours(const std::vector<double>& x, const std::vector<double>& y,
                          const std::vector<std::string>& sections, int64_t count) {
  GENVINCI_CHECK(count > 0 && x.size() == y.size() && x.size() == sections.size(), "{} neighbours of {} places", count,
                 x.size());
  Neighbours found{count, std::vector<int64_t>(x.size() * static_cast<size_t>(count), -1),
                   std::vector<float>(x.size() * static_cast<size_t>(count) * 2)};
  std::map<std::string, std::vector<size_t>> rows_of;
  for (size_t i = 0; i < sections.size(); ++i) rows_of[sections[i]].push_back(i);
  for (const auto& [section, rows] : rows_of) FillSection(x, y, rows, found);
  return found;
}

Neighbours FindNeighbours(const Dataset& dataset, int64_t count) {
  const std::vector<std::string> names = dataset.obsm_names();
  if (std::find(names.begin(), names.end(), "spatial") == names.end())
    throw DataError("NEIGHBOURS_POSITIONS", "{}: has no positions (obsm['spatial']), so no neighbours",
                    dataset.path().string());
  const DenseArray spatial = dataset.Obsm("spatial");
  const FrameColumn* section = dataset.obs().Find("section");
  std::vector<double> x, y;
  std::vector<std::string> sections;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const auto at = static_cast<size_t>(i * spatial.columns);
    if (spatial.columns < 2 || !std::isfinite(spatial.values[at]) || !std::isfinite(spatial.values[at + 1]))
      throw DataError("NEIGHBOURS_POSITIONS", "{}: observation '{}' has no position", dataset.path().string(),
                      dataset.obs_name(i));
    x.push_back(spatial.values[at]);
    y.push_back(spatial.values[at + 1]);
    sections.push_back(section ? section->Text(static_cast<size_t>(i)) : "");
  }
  return FindNeighbours(x, y, sections, count);
}

}  // namespace genvinci
