#include "genvinci/io/image_source.h"

#include <algorithm>
#include <cmath>

#include "genvinci/core/error.h"
#include "image_header.h"
#include "tiff_source.h"

namespace genvinci {
namespace {

constexpr int64_t kBandPixels = int64_t{1} << 24;

class DecodedSource : public ImageSource {
 public:
  DecodedSource(const fs::path& path, ImageInfo info, int64_t pixel_cap) : image_(ReadImage(path, pixel_cap)) {
    info_ = std::move(info);
    levels_ = {{image_.width, image_.height}};
  }
  Image Region(const PixelRect& rect, size_t level) override {
    GENVINCI_CHECK(level == 0, "level {} of an image without levels", level);
    return Crop(image_, rect.x, rect.y, rect.width, rect.height);
  }

 private:
  Image image_;
};

Image ThumbnailInBands(ImageSource& source, size_t level, int64_t width, int64_t height) {
  const ImageSource::Level from = source.levels()[level];
  Image result(width, height, source.info().channels, source.info().bits);
  const int64_t rows = std::clamp<int64_t>(kBandPixels / from.width * height / from.height, 1, height);
  for (int64_t y = 0; y < height; y += rows) {
    const int64_t end = std::min(height, y + rows);
    const int64_t first = y * from.height / height, last = end * from.height / height;
    const Image band = source.Region({0, first, from.width, last - first}, level);
    Paste(result, Resize(band, width, end - y), 0, y);
  }
  return result;
}

}  // namespace

std::unique_ptr<ImageSource> OpenImageSource(const fs::path& path, int64_t pixel_cap) {
  const MappedFile mapped(path);
  const internal::ImageBytes file(mapped.bytes(), path);
  ImageInfo info = internal::ParseHeader(file, internal::kNoPixelCap);
  if (info.format == "tiff") {
    internal::CheckTiffBody(file);
    if (auto source = internal::OpenTiffSource(path, info, internal::TiffFullPages(file), pixel_cap)) return source;
  }
  return std::make_unique<DecodedSource>(path, std::move(info), pixel_cap);
}

Image Thumbnail(ImageSource& source, int64_t side, int64_t whole_pixels) {
  const ImageInfo& full = source.info();
  const double scale =
      std::min(1.0, static_cast<double>(side) / static_cast<double>(std::max(full.width, full.height)));
  const auto scaled = [scale](int64_t px) {
    return std::max<int64_t>(1, std::llround(static_cast<double>(px) * scale));
  };
  const int64_t width = scaled(full.width), height = scaled(full.height);
  size_t level = 0;
  for (size_t k = 1; k < source.levels().size(); ++k)
    if (source.levels()[k].width >= width && source.levels()[k].height >= height) level = k;
  const ImageSource::Level from = source.levels()[level];
  if (from.width * from.height > whole_pixels) return ThumbnailInBands(source, level, width, height);
  Image whole = source.Region({0, 0, from.width, from.height}, level);
  return from.width == width && from.height == height ? whole : Resize(whole, width, height);
}

}  // namespace genvinci
