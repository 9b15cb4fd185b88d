#include "tiff_source.h"

#include <tiffio.h>

#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <list>
#include <string_view>
#include <tuple>
#include <utility>

#include "genvinci/core/error.h"
#include "genvinci/core/memory.h"
#include "jpeg2000.h"

namespace genvinci::internal {
namespace {

constexpr size_t kCachedBytes = size_t{1} << 27;
// JPEG 2000, which libtiff does not decode: OME's and Xenium's, and Aperio's of RGB and of YCbCr.
constexpr uint16_t kJpeg2000 = 34712, kAperioYcbcr = 33003, kAperioRgb = 33005;
constexpr double kLevelTolerance = 0.02;  // reduced sizes are rounded

// The first complaint of libtiff since it was last asked.
struct TiffComplaint {
  std::string text;
};

int KeepComplaint(TIFF*, void* user, const char*, const char* format, va_list arguments) {
  auto& complaint = *static_cast<TiffComplaint*>(user);
  char text[256];
  std::vsnprintf(text, sizeof(text), format, arguments);
  // Vendors' own tags are no fault of the file.
  if (complaint.text.empty() && !std::string_view(text).starts_with("Unknown field with tag")) complaint.text = text;
  return 1;
}

struct TiffCloser {
  void operator()(TIFF* tiff) const { TIFFClose(tiff); }
};

// One image of the file: how its samples are stored.
struct TiffDirectory {
  uint64_t offset = 0;
  int64_t width = 0, height = 0, channels = 0, bits = 0;
  int64_t part_width = 0, part_height = 0;  // of a tile or strip
  uint16_t compression = 1;
  bool tiled = false, planes = false, plain = false;

  bool is_aperio() const { return compression == kAperioYcbcr || compression == kAperioRgb; }
  bool is_jpeg2000() const { return compression == kJpeg2000 || is_aperio(); }
};

class TiffSource : public ImageSource {
 public:
  TiffSource(const fs::path& path, ImageInfo info, int64_t pixel_cap) : path_(path), pixel_cap_(pixel_cap) {
    info_ = std::move(info);
    TIFFOpenOptions* options = TIFFOpenOptionsAlloc();
    TIFFOpenOptionsSetErrorHandlerExtR(options, KeepComplaint, &complaint_);
    TIFFOpenOptionsSetWarningHandlerExtR(options, KeepComplaint, &complaint_);
    // m: a mapped file would count as this program's memory.
    tiff_.reset(TIFFOpenExt(path.c_str(), "rm", options));
    TIFFOpenOptionsFree(options);
    if (!tiff_) Fail("its header");
  }

  // False where the pixels are not plain samples.
  bool Describe(const std::vector<int>& pages) {
    std::vector<TiffDirectory> full;
    std::vector<std::vector<TiffDirectory>> reduced;  // of each page
    for (const int page : pages) {
      if (!TIFFSetDirectory(tiff_.get(), static_cast<tdir_t>(page))) Fail(fmt::format("page {}", page));
      full.push_back(ReadDirectory());
      RequireCodec(full.back());
      if (!full.back().plain) return false;
      reduced.push_back(SubDirectories(full.back()));
    }
    if (pages.size() == 1 && reduced[0].empty()) reduced[0] = ReducedPages(full[0]);
    RequireNoComplaint("its pages");
    directories_ = {full};
    levels_ = {{info_.width, info_.height}};
    for (size_t k = 0;; ++k) {
      std::vector<TiffDirectory> level;
      for (const auto& of_page : reduced)
        if (k < of_page.size() && of_page[k].width == reduced[0][k].width) level.push_back(of_page[k]);
      if (level.size() != pages.size()) break;
      levels_.push_back({level[0].width, level[0].height});
      directories_.push_back(std::move(level));
    }
    return true;
  }

  Image Region(const PixelRect& rect, size_t level) override {
    const Level& size = levels_.at(level);
    GENVINCI_CHECK(rect.x >= 0 && rect.y >= 0 && rect.width > 0 && rect.height > 0 &&
                       rect.width <= size.width - rect.x && rect.height <= size.height - rect.y,
                   "region {} x {} at ({}, {}) of {} x {}", rect.width, rect.height, rect.x, rect.y, size.width,
                   size.height);
    RequireUnderCap(rect.width, rect.height, "a region");
    Image image(rect.width, rect.height, info_.channels, info_.bits);
    const std::vector<TiffDirectory>& pages = directories_[level];
    for (size_t page = 0; page < pages.size(); ++page) {
      const int64_t planes = pages[page].planes ? pages[page].channels : 1;
      for (int64_t plane = 0; plane < planes; ++plane)
        CopyParts(pages[page], plane, rect, static_cast<int64_t>(page) + plane, image);
    }
    return image;
  }

 private:
  using Part = std::vector<uint8_t>;
  struct Cached {
    std::pair<uint64_t, uint32_t> key;
    Part part;
  };

  [[noreturn]] void Fail(const std::string& place) {
    const std::string why = complaint_.text.empty() ? "too few pixels" : std::exchange(complaint_.text, "");
    throw DataError("IMAGE_DECODE", "{}: {} cannot be read ({}): copy the file again, or save it anew", path_.string(),
                    place, why);
  }

  void RequireNoComplaint(const std::string& place) {
    if (!complaint_.text.empty()) Fail(place);
  }

  // libtiff would leave the pixels of a codec that it lacks as they were: black.
  void RequireCodec(const TiffDirectory& directory) const {
    const bool is_read = directory.is_jpeg2000() ? directory.plain && !directory.planes
                                                 : TIFFIsCODECConfigured(directory.compression) != 0;
    if (!is_read)
      throw DataError("IMAGE_CODEC",
                      "{}: its pixels are stored in a way that is not read (TIFF compression {}): save it "
                      "with LZW, deflate, JPEG or JPEG 2000",
                      path_.string(), directory.compression);
  }

  void RequireUnderCap(int64_t width, int64_t height, const char* what) const {
    if (width <= pixel_cap_ / height) return;
    throw DataError("IMAGE_SIZE", "{}: {} of {} x {} px, at most {} px are decoded at a time: save the image in tiles",
                    path_.string(), what, width, height, pixel_cap_);
  }

  TiffDirectory ReadDirectory() {
    TIFF* tiff = tiff_.get();
    uint32_t width = 0, height = 0, part_width = 0, part_height = 0;
    uint16_t channels = 1, bits = 1, planar = 1, photometric = PHOTOMETRIC_MINISBLACK, compression = 1, format = 1;
    TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &width);
    TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &height);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &channels);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &bits);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &planar);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_COMPRESSION, &compression);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &format);
    TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &photometric);
    TiffDirectory result{TIFFCurrentDirOffset(tiff), width, height, channels, bits};
    result.compression = compression;
    result.tiled = TIFFIsTiled(tiff) != 0;
    if (result.tiled) {
      TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &part_width);
      TIFFGetField(tiff, TIFFTAG_TILELENGTH, &part_height);
    } else {
      part_width = width;
      TIFFGetFieldDefaulted(tiff, TIFFTAG_ROWSPERSTRIP, &part_height);
      part_height = std::min(part_height, height);
    }
    result.part_width = part_width;
    result.part_height = part_height;
    result.planes = planar == PLANARCONFIG_SEPARATE && channels > 1;
    const bool colour = photometric == PHOTOMETRIC_RGB ||
                        (photometric == PHOTOMETRIC_YCBCR && (compression == COMPRESSION_JPEG || result.is_aperio()));
    result.plain = format == SAMPLEFORMAT_UINT &&
                   (channels == 1 ? photometric == PHOTOMETRIC_MINISBLACK : channels == 3 && colour);
    return result;
  }

  // Whether it is a smaller copy, and not a label or an overview of the slide.
  static bool IsLevelOf(const TiffDirectory& full, const TiffDirectory& other) {
    if (!other.plain || (other.is_jpeg2000() ? other.planes : !TIFFIsCODECConfigured(other.compression))) return false;
    if (other.channels != full.channels || other.bits != full.bits) return false;
    if (other.width <= 0 || other.height <= 0 || other.width >= full.width) return false;
    const double across = static_cast<double>(full.width) / static_cast<double>(other.width);
    const double down = static_cast<double>(full.height) / static_cast<double>(other.height);
    return std::abs(across / down - 1) < kLevelTolerance;
  }

  static void SortLevels(std::vector<TiffDirectory>& levels) {
    std::stable_sort(levels.begin(), levels.end(), [](const auto& a, const auto& b) { return a.width > b.width; });
  }

  std::vector<TiffDirectory> SubDirectories(const TiffDirectory& full) {
    uint16_t count = 0;
    uint64_t* list = nullptr;
    if (!TIFFGetField(tiff_.get(), TIFFTAG_SUBIFD, &count, &list)) return {};
    const std::vector<uint64_t> offsets(list, list + count);  // the list goes when the directory changes
    std::vector<TiffDirectory> found;
    for (const uint64_t offset : offsets) {
      if (!TIFFSetSubDirectory(tiff_.get(), offset)) Fail(fmt::format("the reduced image at byte {}", offset));
      const TiffDirectory other = ReadDirectory();
      if (IsLevelOf(full, other)) found.push_back(other);
    }
    SortLevels(found);
    return found;
  }

  std::vector<TiffDirectory> ReducedPages(const TiffDirectory& full) {
    std::vector<TiffDirectory> found;
    if (!TIFFSetDirectory(tiff_.get(), 0)) Fail("page 0");
    while (!TIFFLastDirectory(tiff_.get())) {
      if (!TIFFReadDirectory(tiff_.get())) Fail("the list of its pages");
      const TiffDirectory other = ReadDirectory();
      if (IsLevelOf(full, other)) found.push_back(other);
    }
    SortLevels(found);
    return found;
  }

  void CopyParts(const TiffDirectory& directory, int64_t plane, const PixelRect& rect, int64_t channel, Image& image) {
    const int64_t first_row = rect.y / directory.part_height, first_column = rect.x / directory.part_width;
    for (int64_t row = first_row; row * directory.part_height < rect.y + rect.height; ++row)
      for (int64_t column = first_column; column * directory.part_width < rect.x + rect.width; ++column)
        CopyPart(
            directory, plane,
            {column * directory.part_width, row * directory.part_height, directory.part_width, directory.part_height},
            rect, channel, image);
  }

  // The pixels of one tile or strip that lie in the region.
  void CopyPart(const TiffDirectory& directory, int64_t plane, const PixelRect& at, const PixelRect& rect,
                int64_t channel, Image& image) {
    const Part& part = Load(directory, plane, at);
    const int64_t bytes = info_.bits / 8, samples = directory.planes ? 1 : directory.channels;
    const int64_t left = std::max(at.x, rect.x), right = std::min(at.x + at.width, rect.x + rect.width);
    const int64_t top = std::max(at.y, rect.y), bottom = std::min(at.y + at.height, rect.y + rect.height);
    for (int64_t y = top; y < bottom; ++y) {
      const uint8_t* from = part.data() + ((y - at.y) * at.width + left - at.x) * samples * bytes;
      uint8_t* to = image.At(left - rect.x, y - rect.y);
      if (samples == image.channels) {
        std::memcpy(to, from, static_cast<size_t>((right - left) * samples * bytes));
        continue;
      }
      for (int64_t x = left; x < right; ++x, from += bytes, to += image.channels * bytes)
        std::memcpy(to + channel * bytes, from, static_cast<size_t>(bytes));
    }
  }

  const Part& Load(const TiffDirectory& directory, int64_t plane, const PixelRect& at) {
    const std::string place = fmt::format("the {} at ({}, {}) of {} x {} px", directory.tiled ? "tile" : "strip", at.x,
                                          at.y, directory.width, directory.height);
    Select(directory, place);
    const auto x = static_cast<uint32_t>(at.x), y = static_cast<uint32_t>(at.y);
    const auto sample = static_cast<uint16_t>(plane);
    const uint32_t index =
        directory.tiled ? TIFFComputeTile(tiff_.get(), x, y, 0, sample) : TIFFComputeStrip(tiff_.get(), y, sample);
    const std::pair key{directory.offset, index};
    const auto found = std::find_if(cache_.begin(), cache_.end(), [&](const Cached& c) { return c.key == key; });
    if (found != cache_.end()) {
      cache_.splice(cache_.begin(), cache_, found);
      return cache_.front().part;
    }
    RequireUnderCap(at.width, at.height, directory.tiled ? "a tile" : "a strip");
    Part part = Decode(directory, index, at, place);
    cached_bytes_ += part.size();
    cache_.push_front({key, std::move(part)});
    for (; cached_bytes_ > kCachedBytes && cache_.size() > 1; cache_.pop_back())
      cached_bytes_ -= cache_.back().part.size();
    return cache_.front().part;
  }

  void Select(const TiffDirectory& directory, const std::string& place) {
    if (selected_ == directory.offset) return;
    if (!TIFFSetSubDirectory(tiff_.get(), directory.offset)) Fail(place);
    uint16_t photometric = 0;
    TIFFGetField(tiff_.get(), TIFFTAG_PHOTOMETRIC, &photometric);
    if (photometric == PHOTOMETRIC_YCBCR && directory.compression == COMPRESSION_JPEG)
      TIFFSetField(tiff_.get(), TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
    selected_ = directory.offset;
  }

  Part Decode(const TiffDirectory& directory, uint32_t index, const PixelRect& at, const std::string& place) {
    const int64_t rows = directory.tiled ? at.height : std::min(at.height, directory.height - at.y);
    const int64_t samples = directory.planes ? 1 : directory.channels;
    const int64_t size = at.width * rows * samples * (directory.bits / 8);
    constexpr int64_t kWorthAsking = int64_t{1} << 26;
    if (size > kWorthAsking) RequireMemory(static_cast<uint64_t>(size), path_.string(), "save the image in tiles");
    Part part(static_cast<size_t>(size));
    if (directory.is_jpeg2000()) {
      DecodeJpeg2000Part(directory, index, at, place, part);
      return part;
    }
    const tmsize_t read = directory.tiled ? TIFFReadEncodedTile(tiff_.get(), index, part.data(), size)
                                          : TIFFReadEncodedStrip(tiff_.get(), index, part.data(), size);
    if (read != size) Fail(place);
    RequireNoComplaint(place);
    return part;
  }

  // Some writers cut tiles at the image's edges to what there is, others fill them.
  void DecodeJpeg2000Part(const TiffDirectory& directory, uint32_t index, const PixelRect& at, const std::string& place,
                          Part& part) {
    constexpr uint64_t kMostOverhead = uint64_t{1} << 20;
    const uint64_t stored = TIFFGetStrileByteCount(tiff_.get(), index);
    if (stored > part.size() + kMostOverhead) complaint_.text = fmt::format("its {} bytes are too many", stored);
    if (stored == 0 || stored > part.size() + kMostOverhead) Fail(place);
    std::vector<std::byte> raw(static_cast<size_t>(stored));
    const auto size = static_cast<tmsize_t>(stored);
    const tmsize_t read = directory.tiled ? TIFFReadRawTile(tiff_.get(), index, raw.data(), size)
                                          : TIFFReadRawStrip(tiff_.get(), index, raw.data(), size);
    if (read != size) Fail(place);
    Jpeg2000Shape shape{
        .width = at.width,
        .height = static_cast<int64_t>(part.size()) / (at.width * directory.channels * directory.bits / 8),
        .channels = directory.channels,
        .bits = static_cast<int>(directory.bits),
        .is_ycbcr = directory.compression == kAperioYcbcr,
        .row_pixels = at.width};
    const int64_t width = std::min(at.width, directory.width - at.x),
                  height = std::min(at.height, directory.height - at.y);
    const Jpeg2000Size stated = StatedJpeg2000Size(raw);
    if (stated.width == width && stated.height == height) {
      shape.width = width;
      shape.height = height;
    }
    complaint_.text = DecodeJpeg2000(raw, shape, part);
    RequireNoComplaint(place);
  }

  fs::path path_;
  int64_t pixel_cap_;
  TiffComplaint complaint_;  // outlives tiff_, which writes to it
  std::unique_ptr<TIFF, TiffCloser> tiff_;
  std::vector<std::vector<TiffDirectory>> directories_;  // of each level, a page each
  uint64_t selected_ = 0;
  std::list<Cached> cache_;  // the latest first
  size_t cached_bytes_ = 0;
};

}  // namespace

std::unique_ptr<ImageSource> OpenTiffSource(const fs::path& path, const ImageInfo& info, const std::vector<int>& pages,
                                            int64_t pixel_cap) {
  auto source = std::make_unique<TiffSource>(path, info, pixel_cap);
  if (!source->Describe(pages)) return nullptr;
  return source;
}

}  // namespace genvinci::internal
