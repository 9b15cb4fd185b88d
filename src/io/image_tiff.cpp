#include <algorithm>
#include <map>
#include <set>

#include "genvinci/core/error.h"
#include "image_header.h"

namespace genvinci::internal {
namespace {

constexpr size_t kMostPages = 1024;
constexpr uint64_t kMostTags = 4096;
// The most that any of TIFF's codecs shrinks an image of 8 bits or more.
constexpr uint64_t kCodecRatio = 4096;

enum Tag : uint64_t {
  kSubfileType = 254,
  kWidth = 256,
  kHeight = 257,
  kBits = 258,
  kCompression = 259,
  kPhotometric = 262,
  kStripOffsets = 273,
  kSamples = 277,
  kRowsPerStrip = 278,
  kStripBytes = 279,
  kPlanar = 284,
  kTileWidth = 322,
  kTileHeight = 323,
  kTileOffsets = 324,
  kTileBytes = 325,
  kSampleFormat = 339,
};

// Classic and big TIFF in either byte order. Pages are read as tables of numbers.
class TiffParser {
 public:
  using Page = std::map<uint64_t, std::vector<uint64_t>>;

  explicit TiffParser(const ImageBytes& file) : file_(file) {
    big_endian_ = file.StartsWith("M");
    wide_ = Number(2, 2) == 43;
  }

  std::vector<Page> Pages() const {
    std::vector<Page> pages;
    std::set<uint64_t> seen;
    uint64_t offset = wide_ ? Number(8, 8) : Number(4, 4);
    while (offset != 0) {
      if (!seen.insert(offset).second || pages.size() == kMostPages) {
        throw DataError("IMAGE_STRUCTURE", "{}: the TIFF's pages form a loop or are more than {}: save the image again",
                        file_.name(), kMostPages);
      }
      pages.push_back(ReadPage(offset));
    }
    if (pages.empty()) throw DataError("IMAGE_CUT", "{}: the TIFF has no page: copy the file again", file_.name());
    return pages;
  }

 private:
  uint64_t Number(uint64_t offset, int bytes) const {
    return big_endian_ ? file_.BigEndian(offset, bytes) : file_.LittleEndian(offset, bytes);
  }

  // Moves `offset` on to the next page.
  Page ReadPage(uint64_t& offset) const {
    const int count_bytes = wide_ ? 8 : 2, entry_bytes = wide_ ? 20 : 12;
    const uint64_t tags = Number(offset, count_bytes);
    if (tags > kMostTags) {
      throw DataError("IMAGE_STRUCTURE", "{}: a TIFF page of {} tags, at most {} are read: save the image again",
                      file_.name(), tags, kMostTags);
    }
    Page page;
    for (uint64_t i = 0; i < tags; ++i) {
      const uint64_t entry = offset + count_bytes + i * entry_bytes;
      const uint64_t tag = Number(entry, 2);
      if ((tag >= kSubfileType && tag <= kPlanar) || (tag >= kTileWidth && tag <= kSampleFormat)) {
        page[tag] = ReadValues(entry, tag);
      }
    }
    offset = Number(offset + count_bytes + tags * entry_bytes, wide_ ? 8 : 4);
    return page;
  }

  std::vector<uint64_t> ReadValues(uint64_t entry, uint64_t tag) const {
    const uint64_t type = Number(entry + 2, 2);
    const int width = type == 1 ? 1 : type == 3 ? 2 : type == 4 ? 4 : type == 16 ? 8 : 0;
    if (width == 0) return {};  // text and fractions: nothing that is asked for
    const uint64_t count = Number(entry + 4, wide_ ? 8 : 4);
    const uint64_t inline_bytes = wide_ ? 8 : 4, value = entry + (wide_ ? 12 : 8);
    if (count > file_.size()) {
      throw DataError("IMAGE_STRUCTURE", "{}: TIFF tag {} has {} values in a file of {} bytes: save the image again",
                      file_.name(), tag, count, file_.size());
    }
    const uint64_t start = count * width <= inline_bytes ? value : Number(value, static_cast<int>(inline_bytes));
    file_.Require(start, count * width);
    std::vector<uint64_t> values(count);
    for (uint64_t i = 0; i < count; ++i) values[i] = Number(start + i * width, width);
    return values;
  }

  const ImageBytes& file_;
  bool big_endian_ = false, wide_ = false;
};

using Page = TiffParser::Page;

uint64_t ValueOf(const Page& page, uint64_t tag, uint64_t fallback) {
  const auto found = page.find(tag);
  return found == page.end() || found->second.empty() ? fallback : found->second.front();
}

ImageInfo PageInfo(const Page& page, const std::string& name) {
  ImageInfo info;
  info.width = static_cast<int64_t>(std::min<uint64_t>(ValueOf(page, kWidth, 0), INT64_MAX));
  info.height = static_cast<int64_t>(std::min<uint64_t>(ValueOf(page, kHeight, 0), INT64_MAX));
  const uint64_t bits = ValueOf(page, kBits, 1), samples = ValueOf(page, kSamples, 1);
  const uint64_t format = ValueOf(page, kSampleFormat, 1);
  if ((bits != 8 && bits != 16) || format != 1) {
    throw DataError("IMAGE_DEPTH", "{}: {} bits a sample of {} numbers, 8 or 16 bits unsigned are read: convert it",
                    name, bits,
                    format == 3   ? "floating"
                    : format == 2 ? "signed"
                                  : "unsigned");
  }
  if (samples != 1 && samples != 3 && samples != 4) {
    throw DataError("IMAGE_CHANNELS", "{}: {} samples a pixel, 1, 3 or 4 are read: save one channel a page", name,
                    samples);
  }
  constexpr uint64_t kPalette = 3;
  info.bits = static_cast<int>(bits);
  info.channels = ValueOf(page, kPhotometric, 1) == kPalette ? 3 : static_cast<int64_t>(samples);
  return info;
}

bool IsReduced(const Page& page) { return (ValueOf(page, kSubfileType, 0) & 1) != 0; }

// Checks that strips or tiles are as many as the page needs, and lie in the file.
void CheckPage(const Page& page, const ImageInfo& info, const ImageBytes& file) {
  const bool tiled = page.count(kTileWidth) + page.count(kTileHeight) + page.count(kTileOffsets) > 0;
  const auto width = static_cast<uint64_t>(info.width), height = static_cast<uint64_t>(info.height);
  const uint64_t part_width = tiled ? ValueOf(page, kTileWidth, 0) : width;
  const uint64_t part_height =
      tiled ? ValueOf(page, kTileHeight, 0) : std::min(ValueOf(page, kRowsPerStrip, height), height);
  constexpr uint64_t kLargestTile = uint64_t{1} << 16;
  if (part_width == 0 || part_height == 0 || (tiled && std::max(part_width, part_height) > kLargestTile)) {
    throw DataError("IMAGE_STRUCTURE", "{}: TIFF tiles or strips of {} x {} px: save the image again", file.name(),
                    part_width, part_height);
  }
  const uint64_t samples = ValueOf(page, kSamples, 1), planes = ValueOf(page, kPlanar, 1) == 2 ? samples : 1;
  const uint64_t parts = ((width + part_width - 1) / part_width) * ((height + part_height - 1) / part_height) * planes;
  const auto offsets = page.find(tiled ? kTileOffsets : kStripOffsets);
  const auto lengths = page.find(tiled ? kTileBytes : kStripBytes);
  if (offsets == page.end() || lengths == page.end() || offsets->second.size() < parts ||
      lengths->second.size() < parts) {
    throw DataError("IMAGE_STRUCTURE",
                    "{}: the TIFF page needs {} strips or tiles and lists fewer: save the image again", file.name(),
                    parts);
  }
  uint64_t stored = 0;
  for (uint64_t i = 0; i < parts; ++i) {
    file.Require(offsets->second[i], lengths->second[i]);
    stored += lengths->second[i];
  }
  const uint64_t needed = width * height * samples * (info.bits / 8);
  if (needed > stored * (ValueOf(page, kCompression, 1) == 1 ? 1 : kCodecRatio)) {
    throw DataError("IMAGE_CUT", "{}: {} bytes of pixels cannot be in {} stored bytes: copy the file again",
                    file.name(), needed, stored);
  }
}

std::vector<Page> FullPages(const ImageBytes& file) {
  std::vector<Page> pages = TiffParser(file).Pages();
  pages.erase(std::remove_if(pages.begin() + 1, pages.end(), IsReduced), pages.end());
  return pages;
}

}  // namespace

ImageInfo TiffInfo(const ImageBytes& file) {
  const std::vector<Page> pages = FullPages(file);
  ImageInfo info = PageInfo(pages.front(), file.name());
  if (pages.size() == 1) return info;
  for (const Page& page : pages) {
    const ImageInfo other = PageInfo(page, file.name());
    if (other.width != info.width || other.height != info.height || other.bits != info.bits || other.channels != 1) {
      throw DataError("IMAGE_PAGES",
                      "{}: {} pages, read only where each is one channel of the same size: save one image", file.name(),
                      pages.size());
    }
  }
  info.channels = static_cast<int64_t>(pages.size());
  return info;
}

void CheckTiffBody(const ImageBytes& file) {
  for (const Page& page : FullPages(file)) CheckPage(page, PageInfo(page, file.name()), file);
}

std::vector<int> TiffFullPages(const ImageBytes& file) {
  const std::vector<Page> pages = TiffParser(file).Pages();
  std::vector<int> full{0};
  for (size_t i = 1; i < pages.size(); ++i) {
    if (!IsReduced(pages[i])) full.push_back(static_cast<int>(i));
  }
  return full;
}

}  // namespace genvinci::internal
