#pragma once

#include <memory>
#include <vector>

#include "genvinci/io/image.h"

namespace genvinci {

// Pixels of an image: left upper corner and size.
struct PixelRect {
  int64_t x = 0, y = 0, width = 0, height = 0;
};

// An image file that is read a rectangle at a time. Not for use by several threads at once.
class ImageSource {
 public:
  struct Level {
    int64_t width = 0, height = 0;  // px
  };

  virtual ~ImageSource() = default;
  // Format, channels and bits of all levels, and the size of level 0.
  const ImageInfo& info() const { return info_; }
  // Level 0 is the full size; the others are reduced copies that the file holds, largest first.
  const std::vector<Level>& levels() const { return levels_; }
  // The rectangle in pixels of that level; it must lie inside (InternalError). Channels and values as ReadImage's.
  // DataError IMAGE_SIZE (more pixels than the cap), IMAGE_DECODE (names the tile or strip), MEMORY.
  virtual Image Region(const PixelRect& rect, size_t level = 0) = 0;

 protected:
  ImageInfo info_;
  std::vector<Level> levels_;
};

// Checks signature, header and structure as ReadImage does. TIFF (BigTIFF too) of 1 or 3 channels, or of one channel a
// page, in libtiff's codecs or JPEG 2000, is decoded a tile or strip at a time, of which 128 MiB are kept; pixel_cap
// then bounds a region and a tile, not the image. Levels are its SubIFDs, or the pages marked as reduced. JPEG, PNG and
// TIFF with a palette, with alpha or inverted are decoded whole when they are opened, so pixel_cap bounds the image.
// Errors are those of ReadImage.
std::unique_ptr<ImageSource> OpenImageSource(const fs::path& path, int64_t pixel_cap = kDefaultPixelCap);

// The image shrunk by area average so that its longer side has `side` px; as it is where it is no larger. It is made of
// the smallest level that is large enough, and in bands where that has more than `whole_pixels`: bands begin at whole
// pixels, so a row of the result may be off by less than one pixel of that level.
Image Thumbnail(ImageSource& source, int64_t side, int64_t whole_pixels = kDefaultPixelCap);

}  // namespace genvinci
