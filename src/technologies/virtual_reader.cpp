#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/progress.h"
#include "genvinci/core/signals.h"
#include "genvinci/simulation/virtual_tissue.h"
#include "genvinci/technologies/section_reader.h"

namespace genvinci {
namespace {

constexpr int64_t kDefaultSpots = 3000;
constexpr int64_t kBatchSpots = 256;
constexpr size_t kImageBytes = size_t{1} << 29;  // images are kept up to this, else drawn once more

VirtualTissueOptions TissueOptions(const PrepareOptions& options) {
  if (!options.sections.empty())
    throw UsageError("ST_SECTION", "--sections: the simulated tissue has no sections to choose from");
  VirtualTissueOptions tissue;
  tissue.seed = options.common.seed;
  tissue.style = options.style;
  const int64_t spots = options.spots > 0 ? options.spots : kDefaultSpots;
  tissue.spots_per_section = (spots + tissue.sections - 1) / tissue.sections;
  if (options.img_size > 0) tissue.patch_px = options.img_size;
  if (options.patch_size > 0) tissue.patch_px = options.patch_size;
  if (options.patch_um > 0) tissue.field_um = options.patch_um;
  VirtualTissueOptions checked;
  FromJson(ToJson(tissue), checked, "--technology virtual");
  return checked;
}

// Calls work(i) for i in [0, n) on `threads` threads; the first exception is thrown again here.
void ForEachInParallel(int64_t n, int64_t threads, const std::function<void(int64_t)>& work) {
  std::atomic<int64_t> next{0};
  std::exception_ptr failure;
  std::mutex mutex;
  const auto run = [&] {
    try {
      for (int64_t i = next++; i < n; i = next++) work(i);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
      next = n;
    }
  };
  std::vector<std::thread> pool;
  for (int64_t t = 1; t < threads; ++t) pool.emplace_back(run);
  run();
  for (std::thread& thread : pool) thread.join();
  if (failure) std::rethrow_exception(failure);
}

class VirtualReader : public SectionReader {
 public:
  explicit VirtualReader(const PrepareOptions& options) : options_(TissueOptions(options)), tissue_(options_) {
    data_.name = "virtual";
    spots_.resize(static_cast<size_t>(tissue_.size()));
    Simulate(options);
    DescribeGenes();
    DescribeSpots();
    DescribeColumns(/*with_nuclei=*/!options.no_images);
    ChooseSplit();
    data_.pitch = tissue_.pitch_px();
    data_.label_column = "label";
    data_.provenance["tissue"] = ToJson(options_);
    if (options.no_images) return;
    data_.ready_patches = {options_.patch_px, VirtualChannels(options_.style), 8, tissue_.um_per_px()};
  }

  void ForEachBatch(const BatchUser& use) const override {
    for (size_t first = 0; first < spots_.size(); first += kBatchSpots) {
      SparseRows rows;
      rows.first_row = static_cast<int64_t>(first);
      rows.columns = static_cast<int64_t>(data_.var.index.size());
      for (size_t i = first; i < std::min(spots_.size(), first + kBatchSpots); ++i) {
        rows.indices.insert(rows.indices.end(), spots_[i].gene_columns.begin(), spots_[i].gene_columns.end());
        rows.values.insert(rows.values.end(), spots_[i].counts.begin(), spots_[i].counts.end());
        rows.offsets.push_back(static_cast<int64_t>(rows.indices.size()));
      }
      use(rows);
    }
  }

  Image Patch(int64_t i) const override {
    const Image& kept = spots_.at(static_cast<size_t>(i)).image;
    return kept.bytes.empty() ? tissue_.Spot(i).image : kept;
  }

 private:
  void Simulate(const PrepareOptions& options) {
    const auto side = static_cast<size_t>(options_.patch_px);
    const bool keeps_images = spots_.size() * side * side * 4 <= kImageBytes;
    const auto cores = static_cast<int64_t>(std::max(1u, std::thread::hardware_concurrency()));
    Progress progress("simulating tissue", tissue_.size(), "spots");
    std::mutex mutex;
    ForEachInParallel(tissue_.size(), options.common.threads > 0 ? options.common.threads : cores, [&](int64_t i) {
      ThrowIfStopped("prepare was stopped: nothing was written");
      VirtualSpot spot = options.no_images ? tissue_.Profile(i) : tissue_.Spot(i);
      if (!keeps_images) spot.image = Image();
      spots_[static_cast<size_t>(i)] = std::move(spot);
      const std::lock_guard lock(mutex);
      progress.Add(1);
    });
  }

  void DescribeGenes() {
    data_.gene_names = VirtualGenes();
    data_.var.index = data_.gene_names;
    data_.var.Set("symbol", FrameColumn::Strings(VirtualGeneSymbols()));
  }

  void DescribeSpots() {
    std::unordered_map<std::string, size_t> index;
    for (const VirtualSpot& spot : spots_) {
      const auto [found, is_new] = index.try_emplace(spot.section, data_.sections.size());
      if (is_new) data_.sections.push_back({spot.section});
      data_.observations.push_back({found->second, {spot.x, spot.y}, spot.patient});
      data_.obs.index.push_back(spot.name);
    }
  }

  void DescribeColumns(bool with_nuclei) {
    std::vector<std::string> labels;
    std::vector<bool> unseen;
    std::vector<double> proliferation;
    for (const VirtualSpot& spot : spots_) {
      labels.push_back(spot.label);
      unseen.push_back(spot.unseen_mixture);
      proliferation.push_back(spot.proliferation);
    }
    data_.obs.Set("label", LabelColumn(labels));
    data_.obs.Set("unseen_mixture", FrameColumn::Bools(unseen));
    data_.obs.Set("proliferation", FrameColumn::Floats(std::move(proliferation)));
    const std::vector<std::string> types = VirtualCellTypes();
    for (size_t t = 0; t < types.size(); ++t) {
      std::vector<double> shares;
      for (const VirtualSpot& spot : spots_) shares.push_back(spot.composition.at(t));
      data_.obs.Set("proportion:" + types[t], FrameColumn::Floats(std::move(shares)));
    }
    for (size_t t = 0; with_nuclei && t < types.size(); ++t) {
      std::vector<int64_t> nuclei;
      for (const VirtualSpot& spot : spots_) nuclei.push_back(spot.nuclei_by_type.at(t));
      data_.obs.Set("nuclei:" + types[t], FrameColumn::Integers(std::move(nuclei)));
    }
  }

  // The last patient, who has the unseen mixtures, tests; the one before validates.
  void ChooseSplit() {
    data_.default_split = "patient";
    data_.default_test = {tissue_.test_patient()};
    for (const Observation& observation : data_.observations)
      if (observation.patient != tissue_.test_patient()) data_.default_val = {observation.patient};
  }

  VirtualTissueOptions options_;
  VirtualTissue tissue_;
  std::vector<VirtualSpot> spots_;
};

}  // namespace

std::unique_ptr<SectionReader> OpenVirtualReader(const PrepareOptions& options) {
  return std::make_unique<VirtualReader>(options);
}

}  // namespace genvinci
