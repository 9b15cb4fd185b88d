#include "genvinci/technologies/patches.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>

#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/progress.h"
#include "genvinci/core/signals.h"

namespace genvinci {
namespace {

constexpr int64_t kThumbnailSide = 1600;
constexpr double kLegendText = 22;

using Colour = std::array<uint8_t, 3>;

Colour ColourOf(Split split) {
  switch (split) {
    case Split::kTrain:
      return {0, 170, 70};
    case Split::kVal:
      return {240, 140, 0};
    case Split::kTest:
      return {230, 0, 60};
  }
  throw InternalError("BUG", "split {}", static_cast<int>(split));
}

void Dot(Image& image, int64_t x, int64_t y, const Colour& colour) {
  if (x < 0 || y < 0 || x >= image.width || y >= image.height) return;
  std::copy(colour.begin(), colour.end(), image.At(x, y));
}

void FillBox(Image& image, int64_t left, int64_t top, int64_t width, int64_t height, const Colour& colour) {
  for (int64_t y = top; y < top + height; ++y)
    for (int64_t x = left; x < left + width; ++x) Dot(image, x, y, colour);
}

void OutlineBox(Image& image, int64_t left, int64_t top, int64_t side, const Colour& colour) {
  const int64_t line = side > 8 ? 2 : 1;
  FillBox(image, left, top, side, line, colour);
  FillBox(image, left, top + side - line, side, line, colour);
  FillBox(image, left, top, line, side, colour);
  FillBox(image, left + side - line, top, line, side, colour);
}

Image AsRgb(const Image& image) {
  if (image.channels == 3) return image;
  Image rgb(image.width, image.height, 3);
  for (int64_t y = 0; y < image.height; ++y)
    for (int64_t x = 0; x < image.width; ++x) std::fill_n(rgb.At(x, y), 3, *image.At(x, y));
  return rgb;
}

void DrawLegend(Image& image, const std::string& section, const std::array<int64_t, 3>& counts) {
  const auto line = static_cast<int64_t>(kLegendText * 1.5);
  FillBox(image, 0, 0, 300, 4 * line + 14, {255, 255, 255});
  DrawText(image, section, 10, 8, kLegendText, {0, 0, 0});
  for (int64_t k = 0; k < 3; ++k) {
    const int64_t top = 8 + (k + 1) * line;
    const auto split = static_cast<Split>(k);
    FillBox(image, 10, top, static_cast<int64_t>(kLegendText), static_cast<int64_t>(kLegendText), ColourOf(split));
    DrawText(image, fmt::format("{}: {}", Name(split), counts[static_cast<size_t>(k)]), 44, top, kLegendText,
             {0, 0, 0});
  }
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

// As patches are stored: 8 bits, and no alpha where the dataset has colour.
Image StoredPixels(Image image, const SourceData& data) {
  image = ToEightBits(std::move(image));
  return image.channels == 4 && data.channels.size() == 3 ? DropAlpha(image) : image;
}

Image CutPatch(ImageSource& section, const SourceData& data, const PatchPlan& plan, int64_t i) {
  const PixelRect rect{PatchStart(data.x[i], plan.side), PatchStart(data.y[i], plan.side), plan.side, plan.side};
  return StoredPixels(section.Region(rect), data);
}

Image ReadyPatch(const SectionReader& reader, int64_t i) {
  Image patch = reader.Patch(i);
  if (patch.width != patch.height || patch.channels != static_cast<int64_t>(reader.data().channels.size()))
    throw DataError("PATCH_SHAPE",
                    "{}: patch of {} is {} x {} px with {} channels: patches are square, all with {} channels",
                    reader.data().name, reader.data().obs.index[i], patch.width, patch.height, patch.channels,
                    reader.data().channels.size());
  return patch;
}

std::unique_ptr<ImageSource> OpenSectionImage(const SectionReader& reader, size_t index) {
  std::unique_ptr<ImageSource> section = reader.OpenSection(index);
  const SectionInfo& info = reader.data().sections[index];
  GENVINCI_CHECK(section->info().width == info.width && section->info().height == info.height,
                 "{}: size differs from its header", info.name);
  return section;
}

}  // namespace

PatchPlan PlanPatches(const PrepareOptions& options, const SourceData& data) {
  PatchPlan plan;
  if (options.no_images || data.channels.empty()) return plan;
  if (options.patch_size > 0 && options.patch_um > 0)
    throw UsageError("PATCH_SIZE", "--patch_size and --patch_um are both given: give one");
  if (options.patch_um > 0 && data.um_per_px <= 0)
    throw UsageError("PATCH_SIZE", "--patch_um {}: the image's scale is not known: give --um_per_px too",
                     options.patch_um);
  if (options.patch_size > 0) plan.side = options.patch_size;
  if (options.patch_um > 0) plan.side = std::llround(options.patch_um / data.um_per_px);
  if (plan.side == 0 && data.ready_patch_size > 0) plan.side = data.ready_patch_size;
  if (plan.side == 0 && data.pitch_px > 0) {
    plan.side = std::llround(data.pitch_px);
    Log("patches are {0} x {0} px, the pitch of the spots; --patch_size or --patch_um chooses", plan.side);
  }
  if (plan.side <= 0)
    throw UsageError("PATCH_SIZE", "{}: no patch size follows from the files: give --patch_size", data.name);
  plan.stored = options.img_size > 0 ? options.img_size : data.ready_patch_size > 0 ? data.ready_patch_size : plan.side;
  plan.um_per_px = data.um_per_px * static_cast<double>(plan.side) / static_cast<double>(plan.stored);
  return plan;
}

bool PatchFits(const SourceData& data, const PatchPlan& plan, int64_t i) {
  if (plan.side == 0 || data.ready_patch_size > 0) return true;
  if (!std::isfinite(data.x[i]) || !std::isfinite(data.y[i])) return false;
  const SectionInfo& section = data.sections[static_cast<size_t>(data.section_of[i])];
  const double half = static_cast<double>(plan.side) / 2;
  // Far-away centres are refused before they are rounded to whole numbers.
  if (std::abs(data.x[i]) > static_cast<double>(section.width) + half) return false;
  if (std::abs(data.y[i]) > static_cast<double>(section.height) + half) return false;
  const int64_t left = PatchStart(data.x[i], plan.side), top = PatchStart(data.y[i], plan.side);
  return left >= 0 && top >= 0 && left + plan.side <= section.width && top + plan.side <= section.height;
}

Image DrawRegistration(ImageSource& section, const SourceData& data, const PatchPlan& plan, const KeptRows& kept,
                       int32_t section_index) {
  const int64_t longer = std::max(section.info().width, section.info().height);
  const double scale = std::min(1.0, static_cast<double>(kThumbnailSide) / static_cast<double>(longer));
  const auto scaled = [scale](double value) { return std::llround(value * scale); };
  Image thumbnail = AsRgb(StoredPixels(Thumbnail(section, kThumbnailSide), data));
  std::array<int64_t, 3> counts{};
  const int64_t side = std::max<int64_t>(2, scaled(static_cast<double>(plan.side)));
  for (size_t k = 0; k < kept.rows.size(); ++k) {
    const int64_t i = kept.rows[k];
    if (data.section_of[i] != section_index) continue;
    ++counts[static_cast<size_t>(kept.splits[k])];
    const Colour colour = ColourOf(kept.splits[k]);
    OutlineBox(thumbnail, scaled(static_cast<double>(PatchStart(data.x[i], plan.side))),
               scaled(static_cast<double>(PatchStart(data.y[i], plan.side))), side, colour);
    FillBox(thumbnail, scaled(data.x[i]) - 2, scaled(data.y[i]) - 2, 5, 5, colour);
  }
  DrawLegend(thumbnail, data.sections[static_cast<size_t>(section_index)].name, counts);
  return thumbnail;
}

void WritePatches(const SectionReader& reader, const PatchPlan& plan, const KeptRows& kept, const fs::path& folder) {
  const SourceData& data = reader.data();
  MakeFolder(folder / "patches");
  if (data.ready_patch_size == 0) MakeFolder(folder / "registration");
  Progress progress("patches", static_cast<int64_t>(kept.rows.size()), "patches");
  std::vector<std::vector<int64_t>> rows_of(data.sections.size());
  for (const int64_t i : kept.rows) rows_of[static_cast<size_t>(data.section_of[i])].push_back(i);
  for (size_t s = 0; s < data.sections.size(); ++s) {
    if (rows_of[s].empty()) continue;
    const std::unique_ptr<ImageSource> section = data.ready_patch_size == 0 ? OpenSectionImage(reader, s) : nullptr;
    for (const int64_t i : rows_of[s]) {
      ThrowIfStopped("prepare was stopped: nothing was written");
      StorePatch(data.ready_patch_size == 0 ? CutPatch(*section, data, plan, i) : ReadyPatch(reader, i), plan,
                 data.obs.index[i], folder);
      progress.Add(1);
    }
    if (data.ready_patch_size > 0) continue;
    const Image overlay = DrawRegistration(*section, data, plan, kept, static_cast<int32_t>(s));
    WritePng(folder / "registration" / (EscapeFileName(data.sections[s].name) + ".png"), overlay);
  }
}

}  // namespace genvinci
