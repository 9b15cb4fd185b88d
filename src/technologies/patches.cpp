#include "genvinci/technologies/patches.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>

#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/progress.h"
#include "genvinci/core/signals.h"
#include "registration.h"
#include "value_ranges.h"

namespace genvinci {
namespace {

// Patches whose values are sampled, evenly spread.
constexpr size_t kSampledPatches = 256;
constexpr double kScaleTolerance = 0.05;

// Of the training part, or of all where nothing trains.
std::vector<int64_t> SampledRows(const KeptRows& kept) {
  std::vector<int64_t> rows;
  for (size_t k = 0; k < kept.rows.size(); ++k)
    if (kept.splits[k] == Split::kTrain) rows.push_back(kept.rows[k]);
  if (rows.empty()) rows = kept.rows;
  std::vector<int64_t> sampled;
  const size_t count = std::min(rows.size(), kSampledPatches);
  for (size_t i = 0; i < count; ++i) sampled.push_back(rows[i * rows.size() / count]);
  return sampled;
}

int BitsOf(const SourceData& data) {
  if (data.ready_patches) return data.ready_patches->bits;
  for (const Section& section : data.sections)
    if (!section.images.empty()) return section.images.front().bits;
  return 8;
}

fs::path PatchFile(const fs::path& folder, const std::string& name, int64_t channels) {
  const bool png = channels == 1 || channels == 3 || channels == 4;
  return folder / "patches" / (EscapeFileName(name) + (png ? ".png" : ".tif"));
}

// Without the fsync of an atomic write: the folder is not there yet for others, and committing it syncs its files.
void WriteStaged(const fs::path& path, const std::vector<uint8_t>& bytes) {
  errno = 0;
  std::ofstream out(path, std::ios::binary);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out) throw IoError("FILE_WRITE", "{}: {}: check space and permissions", path.string(), std::strerror(errno));
}

void StorePatch(Image patch, const PatchPlan& plan, const std::string& name, const fs::path& folder) {
  if (patch.width != plan.stored || patch.height != plan.stored) patch = Resize(patch, plan.stored, plan.stored);
  const fs::path path = PatchFile(folder, name, patch.channels);
  if (path.extension() == ".png")
    WriteStaged(path, EncodePng(patch));
  else
    WriteTiff(path, patch);
}

// Without alpha where the dataset has colour.
Image WithoutAlpha(Image image, const SourceData& data) {
  return image.channels == 4 && data.channels().size() == 3 ? DropAlpha(image) : image;
}

Image CutPatch(ImageSource& section, const SourceData& data, const PatchPlan& plan, int64_t i) {
  const int64_t side = plan.sides[data.observations[static_cast<size_t>(i)].section];
  const Point centre = data.PixelCentre(i);
  return section.Region({PatchStart(centre.x, side), PatchStart(centre.y, side), side, side});
}

Image ReadyPatch(const SectionReader& reader, int64_t i) {
  Image patch = WithoutAlpha(reader.Patch(i), reader.data());
  const size_t channels = reader.data().channels().size();
  if (patch.width != patch.height || patch.channels != static_cast<int64_t>(channels))
    throw DataError("PATCH_SHAPE",
                    "{}: patch of {} is {} x {} px with {} channels: patches are square, all with {} channels",
                    reader.data().name, reader.data().obs.index[static_cast<size_t>(i)], patch.width, patch.height,
                    patch.channels, channels);
  return patch;
}

// Calls use(row, patch) for some rows of the source, a section at a time, and end_section(index, image) behind each
// section that has an image to cut from.
template <typename Use, typename EndSection>
void ForEachPatch(const SectionReader& reader, const PatchPlan& plan, const std::vector<int64_t>& rows, const Use& use,
                  const EndSection& end_section) {
  const SourceData& data = reader.data();
  std::vector<std::vector<int64_t>> rows_of(data.sections.size());
  for (const int64_t i : rows) rows_of[data.observations[static_cast<size_t>(i)].section].push_back(i);
  for (size_t s = 0; s < data.sections.size(); ++s) {
    if (rows_of[s].empty()) continue;
    const std::unique_ptr<ImageSource> section = data.ready_patches ? nullptr : reader.OpenSection(s);
    for (const int64_t i : rows_of[s]) {
      ThrowIfStopped("prepare was stopped: nothing was written");
      use(i, section ? CutPatch(*section, data, plan, i) : ReadyPatch(reader, i));
    }
    if (section) end_section(s, *section);
  }
}

std::vector<int64_t> PlanSides(const PrepareOptions& options, const SourceData& data) {
  std::vector<int64_t> sides;
  for (const Section& section : data.sections) {
    if (!data.ready_patches && section.images.empty()) {
      sides.push_back(0);
      continue;
    }
    const double um_per_px = data.ready_patches ? data.ready_patches->um_per_px : section.images.front().um_per_px;
    if (options.patch_um > 0 && um_per_px <= 0)
      throw UsageError("PATCH_SIZE", "--patch_um {}: the image's scale is not known: give --um_per_px too",
                       options.patch_um);
    int64_t side = options.patch_size;
    if (options.patch_um > 0) side = std::llround(options.patch_um / um_per_px);
    if (side == 0 && data.ready_patches) side = data.ready_patches->size;
    const double default_um = data.default_patch_um > 0 ? data.default_patch_um : data.pitch_um;
    if (side == 0 && default_um > 0 && um_per_px > 0) side = std::llround(default_um / um_per_px);
    if (side == 0) side = std::llround(data.pitch);
    if (side <= 0)
      throw UsageError("PATCH_SIZE", "{}: no patch size follows from the files: give --patch_size", data.name);
    sides.push_back(side);
  }
  return sides;
}

// Patches of the same px of sections of different scale would show different sizes of tissue.
void RequireOneScale(const SourceData& data, int64_t patch_size) {
  double least = 0, most = 0;
  for (const Section& section : data.sections) {
    const double um_per_px = section.images.empty() ? 0 : section.images.front().um_per_px;
    if (um_per_px <= 0) continue;
    least = least == 0 ? um_per_px : std::min(least, um_per_px);
    most = std::max(most, um_per_px);
  }
  if (most > least * (1 + kScaleTolerance))
    throw UsageError("PATCH_SCALE",
                     "--patch_size {}: the sections have {:.4f} to {:.4f} um per px, so that patches would show "
                     "different sizes of tissue: give --patch_um",
                     patch_size, least, most);
}

void RequireOneDepth(const SourceData& data) {
  const SectionImage* first = nullptr;
  for (const Section& section : data.sections) {
    if (section.images.empty()) continue;
    const SectionImage& image = section.images.front();
    if (first && (image.bits > 8) != (first->bits > 8))
      throw DataError("IMAGE_DEPTH", "{}: {} bits a channel, {} has {}: convert one of them", image.path.string(),
                      image.bits, first->path.filename().string(), first->bits);
    if (!first) first = &image;
  }
}

}  // namespace

Image StoredPixels(Image image, const SourceData& data, const PatchPlan& plan) {
  image = WithoutAlpha(std::move(image), data);
  return image.bits == 8 ? image : ToEightBits(image, plan.ranges);
}

PatchPlan PlanPatches(const PrepareOptions& options, const SourceData& data) {
  PatchPlan plan;
  if (options.no_images || data.channels().empty()) return plan;
  if (options.patch_size > 0 && options.patch_um > 0)
    throw UsageError("PATCH_SIZE", "--patch_size and --patch_um are both given: give one");
  RequireOneDepth(data);
  if (options.patch_size > 0) RequireOneScale(data, options.patch_size);
  plan.sides = PlanSides(options, data);
  const int64_t side = plan.largest_side();
  if (options.patch_size == 0 && options.patch_um == 0 && !data.ready_patches)
    Log("patches are {0} x {0} px{1}; --patch_size or --patch_um chooses", side,
        data.default_patch_um > 0 ? fmt::format(" ({} um)", data.default_patch_um) : ", the pitch of the spots");
  plan.stored = options.img_size > 0 ? options.img_size : data.ready_patches ? data.ready_patches->size : side;
  double um_per_px = data.ready_patches ? data.ready_patches->um_per_px : 0;
  for (size_t s = 0; s < data.sections.size(); ++s)
    if (plan.sides[s] == side && !data.sections[s].images.empty())
      um_per_px = data.sections[s].images.front().um_per_px;
  plan.um_per_px = um_per_px * static_cast<double>(side) / static_cast<double>(plan.stored);
  return plan;
}

bool PatchFits(const SourceData& data, const PatchPlan& plan, int64_t i) {
  if (!plan.has_patches() || data.ready_patches) return true;
  const Section& section = data.section_of(i);
  const Point centre = data.PixelCentre(i);
  if (section.images.empty() || !std::isfinite(centre.x) || !std::isfinite(centre.y)) return false;
  const SectionImage& image = section.images.front();
  const int64_t side = plan.sides[data.observations[static_cast<size_t>(i)].section];
  const double half = static_cast<double>(side) / 2;
  // Far-away centres are refused before they are rounded to whole numbers.
  if (std::abs(centre.x) > static_cast<double>(image.width) + half) return false;
  if (std::abs(centre.y) > static_cast<double>(image.height) + half) return false;
  const int64_t left = PatchStart(centre.x, side), top = PatchStart(centre.y, side);
  return left >= 0 && top >= 0 && left + side <= image.width && top + side <= image.height;
}

std::vector<ValueRange> ChooseRanges(const PrepareOptions& options, const SectionReader& reader, const PatchPlan& plan,
                                     const KeptRows& kept) {
  const SourceData& data = reader.data();
  const size_t channels = data.channels().size();
  const int bits = BitsOf(data);
  if (!plan.has_patches() || bits == 8) {
    if (!options.value_range.empty())
      throw UsageError("VALUE_RANGE", "--value_range: is for images of more than 8 bits, these have 8: leave it out");
    return {};
  }
  if (!options.value_range.empty()) return GivenRanges(options.value_range, channels);
  ValueHistogram histogram(channels);
  ForEachPatch(
      reader, plan, SampledRows(kept), [&](int64_t, const Image& patch) { histogram.Add(patch); },
      [](size_t, ImageSource&) {});
  const std::vector<ValueRange> ranges =
      data.channels() == DefaultChannels(3) ? histogram.FullScale() : histogram.Percentiles();
  for (size_t c = 0; c < channels; ++c)
    Log("channel {}: values from {:.0f} to {:.0f} become 0 to 255; --value_range chooses", data.channels()[c],
        ranges[c].low, ranges[c].high);
  return ranges;
}

void WritePatches(const SectionReader& reader, const PatchPlan& plan, const KeptRows& kept, const fs::path& folder) {
  const SourceData& data = reader.data();
  MakeFolder(folder / "patches");
  if (!data.ready_patches) MakeFolder(folder / "registration");
  Progress progress("patches", static_cast<int64_t>(kept.rows.size()), "patches");
  const auto store = [&](int64_t i, Image patch) {
    StorePatch(StoredPixels(std::move(patch), data, plan), plan, data.obs.index[static_cast<size_t>(i)], folder);
    progress.Add(1);
  };
  ForEachPatch(reader, plan, kept.rows, store, [&](size_t s, ImageSource& section) {
    WritePng(folder / "registration" / (EscapeFileName(data.sections[s].name) + ".png"),
             DrawRegistration(section, data, plan, kept, s));
  });
}

}  // namespace genvinci
