#include "genvinci/io/channel_image.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "genvinci/core/error.h"

namespace genvinci {
namespace {

class ChannelImage : public ImageSource {
 public:
  explicit ChannelImage(const std::vector<ChannelPlace>& channels) : channels_(channels) {
    GENVINCI_CHECK(!channels.empty(), "an image without channels");
    for (const ChannelPlace& place : channels)
      if (!sources_.contains(place.file)) sources_[place.file] = OpenImageSource(place.file);
    const ImageSource& first = *sources_[channels.front().file];
    info_ = first.info();
    info_.channels = static_cast<int64_t>(channels.size());
    levels_ = first.levels();
    for (const ChannelPlace& place : channels) {
      const ImageSource& source = *sources_[place.file];
      RequireSame(source.info(), place, channels.front().file);
      KeepCommonLevels(source.levels());
    }
  }

  Image Region(const PixelRect& rect, size_t level) override {
    Image result(rect.width, rect.height, info_.channels, info_.bits);
    std::map<fs::path, Image> parts;
    const size_t value = static_cast<size_t>(info_.bits) / 8;
    for (size_t c = 0; c < channels_.size(); ++c) {
      const fs::path& file = channels_[c].file;
      if (!parts.contains(file)) parts[file] = sources_[file]->Region(rect, level);
      const Image& part = parts[file];
      const uint8_t* from = part.bytes.data() + static_cast<size_t>(channels_[c].channel) * value;
      uint8_t* to = result.bytes.data() + c * value;
      for (int64_t i = 0; i < rect.width * rect.height; ++i) {
        std::memcpy(to, from, value);
        from += static_cast<size_t>(part.channels) * value;
        to += channels_.size() * value;
      }
    }
    return result;
  }

 private:
  void RequireSame(const ImageInfo& info, const ChannelPlace& place, const fs::path& first) const {
    if (place.channel < 0 || place.channel >= info.channels)
      throw UsageError("CHANNELS", "{}: has {} channels, number {} is asked for", place.file.string(), info.channels,
                       place.channel);
    if (info.width != info_.width || info.height != info_.height || info.bits != info_.bits)
      throw DataError(
          "IMAGE_CHANNELS",
          "{}: is {} x {} px of {} bits, {} is {} x {} of {}: channels of one image are alike: check the files",
          place.file.string(), info.width, info.height, info.bits, first.filename().string(), info_.width, info_.height,
          info_.bits);
  }

  void KeepCommonLevels(const std::vector<Level>& levels) {
    size_t common = 0;
    while (common < std::min(levels.size(), levels_.size()) && levels[common].width == levels_[common].width &&
           levels[common].height == levels_[common].height)
      ++common;
    levels_.resize(common);
  }

  std::vector<ChannelPlace> channels_;
  std::map<fs::path, std::unique_ptr<ImageSource>> sources_;
};

}  // namespace

std::unique_ptr<ImageSource> OpenChannels(const std::vector<ChannelPlace>& channels) {
  return std::make_unique<ChannelImage>(channels);
}

}  // namespace genvinci
