#include "genvinci/io/image.h"

#include <algorithm>
#include <functional>
#include <opencv2/core.hpp>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgcodecs.hpp>
#include <utility>

#include "genvinci/core/error.h"
#include "genvinci/core/memory.h"
#include "image_header.h"
#include "image_mat.h"
#include "image_png.h"
#include "tiff_source.h"

namespace genvinci {
namespace {

using internal::AsMat;
using internal::ImageBytes;

// The decoder's order is blue, green, red.
template <typename Sample>
void SwapRedAndBlue(Image& image) {
  auto* samples = reinterpret_cast<Sample*>(image.bytes.data());
  const int64_t pixels = image.width * image.height;
  for (int64_t i = 0; i < pixels; ++i) std::swap(samples[i * image.channels], samples[i * image.channels + 2]);
}

void SwapRedAndBlue(Image& image) {
  if (image.channels != 3 && image.channels != 4) return;
  image.bits == 8 ? SwapRedAndBlue<uint8_t>(image) : SwapRedAndBlue<uint16_t>(image);
}

Image InDecoderOrder(const Image& image) {
  Image swapped = image;
  SwapRedAndBlue(swapped);
  return swapped;
}

// The decoder logs what it also throws or returns; the user gets one line.
template <typename Work>
bool RunDecoder(const Work& work) {
  cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
  try {
    return work();
  } catch (const cv::Exception&) {
    return false;
  }
}

void RequireDecoded(bool decoded, const cv::Mat& mat, const ImageInfo& info, const fs::path& path) {
  const bool expected =
      decoded && mat.cols == info.width && mat.rows == info.height && mat.depth() == (info.bits == 16 ? CV_16U : CV_8U);
  if (!expected) {
    throw DataError("IMAGE_DECODE", "{}: the {} data of {} x {} px cannot be decoded: save the image again",
                    path.string(), info.format, info.width, info.height);
  }
}

Image DecodeOne(const ImageBytes& file, const ImageInfo& info, const fs::path& path) {
  Image image(info.width, info.height, info.channels, info.bits);
  cv::Mat decoded = AsMat(image);
  std::vector<uint8_t> pixel_chunks;
  if (info.format == "png") pixel_chunks = internal::PngPixelChunks(file);
  const uint8_t* data = pixel_chunks.empty() ? file.data() : pixel_chunks.data();
  const size_t size = pixel_chunks.empty() ? file.size() : pixel_chunks.size();
  GENVINCI_CHECK(size <= INT_MAX, "{}: {} bytes are too many for the decoder", path.string(), size);
  const cv::Mat encoded(1, static_cast<int>(size), CV_8U, const_cast<uint8_t*>(data));
  // IMREAD_UNCHANGED keeps depth and channels, and leaves the orientation that a camera noted alone.
  const bool done = RunDecoder([&] { return !cv::imdecode(encoded, cv::IMREAD_UNCHANGED, &decoded).empty(); });
  RequireDecoded(done && decoded.channels() == info.channels, decoded, info, path);
  if (decoded.data != image.bytes.data()) decoded.copyTo(AsMat(image));
  SwapRedAndBlue(image);
  return image;
}

Image DecodePages(const std::vector<int>& pages, const ImageInfo& info, const fs::path& path) {
  Image image(info.width, info.height, info.channels, info.bits);
  cv::Mat all = AsMat(image);
  for (size_t channel = 0; channel < pages.size(); ++channel) {
    std::vector<cv::Mat> page;
    const bool done = RunDecoder([&] {
      return cv::imreadmulti(path.string(), page, pages[channel], 1, cv::IMREAD_UNCHANGED) && page.size() == 1;
    });
    RequireDecoded(done && page[0].channels() == 1, done ? page[0] : cv::Mat(), info, path);
    cv::insertChannel(page[0], all, static_cast<int>(channel));
  }
  return image;
}

std::vector<uint8_t> Encode(const char* extension, const Image& image, const std::vector<int>& parameters) {
  std::vector<uint8_t> encoded;
  Image swapped = InDecoderOrder(image);
  const bool done = RunDecoder([&] { return cv::imencode(extension, AsMat(swapped), encoded, parameters); });
  GENVINCI_CHECK(done, "{} x {} px cannot be encoded as {}", image.width, image.height, extension);
  return encoded;
}

}  // namespace

Image::Image(int64_t width, int64_t height, int64_t channels, int bits)
    : width(width), height(height), channels(channels), bits(bits) {
  GENVINCI_CHECK(width >= 0 && height >= 0 && channels > 0 && (bits == 8 || bits == 16), "image {} x {} x {}, {} bits",
                 width, height, channels, bits);
  bytes.resize(static_cast<size_t>(width * height * channels * (bits / 8)));
}

ImageInfo ReadImageInfo(const fs::path& path) {
  const MappedFile mapped(path);
  return internal::ParseHeader(ImageBytes(mapped.bytes(), path), internal::kNoPixelCap);
}

Image ReadImage(const fs::path& path, int64_t pixel_cap) {
  const MappedFile mapped(path);
  const ImageBytes file(mapped.bytes(), path);
  const ImageInfo info = internal::ParseHeader(file, pixel_cap);
  internal::CheckBody(file, info);
  const auto bytes = static_cast<uint64_t>(info.width * info.height * info.channels * (info.bits / 8));
  constexpr uint64_t kWorthAsking = uint64_t{1} << 26;
  if (bytes > kWorthAsking) RequireMemory(bytes, path.string(), "crop the image or close other programs");
  if (info.format != "tiff") return DecodeOne(file, info, path);
  const std::vector<int> pages = internal::TiffFullPages(file);
  if (const auto source = internal::OpenTiffSource(path, info, pages, pixel_cap))
    return source->Region({0, 0, info.width, info.height});
  return pages.size() == 1 ? DecodeOne(file, info, path) : DecodePages(pages, info, path);
}

std::vector<uint8_t> EncodePng(const Image& image, const std::vector<std::pair<std::string, std::string>>& text) {
  GENVINCI_CHECK(image.channels == 1 || image.channels == 3 || image.channels == 4, "a PNG of {} channels",
                 image.channels);
  const std::vector<uint8_t> encoded = Encode(".png", image, {});
  constexpr size_t kSignatureAndHeader = 8 + 25;
  std::vector<uint8_t> file(encoded.begin(), encoded.begin() + kSignatureAndHeader);
  for (const auto& [keyword, value] : text) {
    const std::vector<uint8_t> chunk = internal::MakePngText(keyword, value);
    file.insert(file.end(), chunk.begin(), chunk.end());
  }
  file.insert(file.end(), encoded.begin() + kSignatureAndHeader, encoded.end());
  return file;
}

void WritePng(const fs::path& path, const Image& image, const std::vector<std::pair<std::string, std::string>>& text) {
  const std::vector<uint8_t> file = EncodePng(image, text);
  WriteFileAtomic(path, std::as_bytes(std::span(file)));
}

std::vector<std::pair<std::string, std::string>> ReadPngText(const fs::path& path) {
  const MappedFile mapped(path);
  const ImageBytes file(mapped.bytes(), path);
  if (internal::SniffFormat(file) != "png") {
    throw DataError("IMAGE_FORMAT", "{}: is no PNG, and only PNG carries text chunks: name a PNG", path.string());
  }
  std::vector<std::pair<std::string, std::string>> text;
  internal::VisitPngChunks(file, [&](const internal::PngChunk& chunk) {
    if (chunk.type == "tEXt" || chunk.type == "zTXt" || chunk.type == "iTXt") {
      text.push_back(internal::ParsePngText(chunk, path.string()));
    }
    return true;
  });
  return text;
}

void WriteJpeg(const fs::path& path, const Image& image, int quality) {
  GENVINCI_CHECK((image.channels == 1 || image.channels == 3) && image.bits == 8, "a JPEG of {} channels, {} bits",
                 image.channels, image.bits);
  const std::vector<uint8_t> encoded = Encode(".jpg", image, {cv::IMWRITE_JPEG_QUALITY, quality});
  WriteFileAtomic(path, std::as_bytes(std::span(encoded)));
}

void WriteTiff(const fs::path& path, const Image& image) {
  if (image.channels == 1 || image.channels == 3) {
    const std::vector<uint8_t> encoded = Encode(".tiff", image, {});
    WriteFileAtomic(path, std::as_bytes(std::span(encoded)));
    return;
  }
  GENVINCI_CHECK(path.extension() == ".tif" || path.extension() == ".tiff", "{} does not end in .tif", path.string());
  std::vector<cv::Mat> pages;
  cv::split(AsMat(image), pages);
  WriteFileAtomic(path, [&](const fs::path& temporary) {
    if (!RunDecoder([&] { return cv::imwritemulti(temporary.string(), pages); })) {
      throw IoError("IMAGE_WRITE", "{}: the TIFF could not be written: check the free space", temporary.string());
    }
  });
}

}  // namespace genvinci
