#include "placement.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/median.h"
#include "genvinci/data/dataset.h"

namespace genvinci {
namespace {

constexpr size_t kFewest = 20;      // observations that can tell an orientation
constexpr double kClearly = 0.15;   // by which another orientation's correlation must be higher
constexpr double kEnough = 0.25;    // that it must have itself,
constexpr double kAgainst = -0.25;  // unless observations avoid the tissue, so to speak, as the image is,
constexpr double kReversal = 0.35;  // and the other orientation is better by this
constexpr double kNucleusUm = 3;    // radius of what is looked at where observations have no pitch

// Where (x, y) of the section's image lies in a turned one, as shares of width and height.
struct Orientation {
  const char* name;
  bool flip_x, flip_y, transpose;
};
constexpr std::array<Orientation, 8> kOrientations = {
    {{"as it is", false, false, false},
     {"left and right swapped", true, false, false},
     {"top and bottom swapped", false, true, false},
     {"turned by 180 degrees", true, true, false},
     {"x and y swapped", false, false, true},
     {"turned by 90 degrees", true, false, true},
     {"turned by 270 degrees", false, true, true},
     {"x and y swapped and turned by 180 degrees", true, true, true}}};

Point Turned(const Orientation& orientation, const Point& share) {
  Point turned = orientation.transpose ? Point{share.y, share.x} : share;
  if (orientation.flip_x) turned.x = 1 - turned.x;
  if (orientation.flip_y) turned.y = 1 - turned.y;
  return turned;
}

double ValueAt(const Image& image, int64_t x, int64_t y, int64_t channel) {
  const uint8_t* at = image.At(x, y);
  return image.bits == 8 ? at[channel] : reinterpret_cast<const uint16_t*>(at)[channel];
}

std::vector<double> SignalOf(const Image& image, bool is_bright) {
  std::vector<double> signal;
  for (int64_t y = 0; y < image.height; ++y)
    for (int64_t x = 0; x < image.width; ++x) {
      double sum = 0;
      for (int64_t c = 0; c < (is_bright ? std::min<int64_t>(image.channels, 3) : 1); ++c)
        sum += ValueAt(image, x, y, c);
      signal.push_back(is_bright ? -sum : sum);
    }
  // A few bright specks must not outweigh the tissue.
  std::vector<double> sorted = signal;
  const auto high = sorted.begin() + static_cast<int64_t>(0.99 * static_cast<double>(sorted.size() - 1));
  std::nth_element(sorted.begin(), high, sorted.end());
  for (double& value : signal) value = std::min(value, *high);
  return signal;
}

double Correlation(const std::vector<double>& a, const std::vector<double>& b) {
  const auto n = static_cast<double>(a.size());
  double sum_a = 0, sum_b = 0;
  for (size_t i = 0; i < a.size(); ++i) sum_a += a[i], sum_b += b[i];
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double da = a[i] - sum_a / n, db = b[i] - sum_b / n;
    ab += da * db, aa += da * da, bb += db * db;
  }
  return aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : 0;
}

// Colour is of transmitted light, named stains are fluorescent; of grey the background, which is most of the border,
// tells.
bool IsBright(const SectionImage& image, const Image& thumbnail) {
  if (image.channels == DefaultChannels(3)) return true;
  if (image.channels != DefaultChannels(1)) return false;
  std::vector<double> border;
  for (int64_t x = 0; x < thumbnail.width; ++x)
    for (const int64_t y : {int64_t{0}, thumbnail.height - 1}) border.push_back(ValueAt(thumbnail, x, y, 0));
  for (int64_t y = 0; y < thumbnail.height; ++y)
    for (const int64_t x : {int64_t{0}, thumbnail.width - 1}) border.push_back(ValueAt(thumbnail, x, y, 0));
  std::vector<double> all = SignalOf(thumbnail, false);
  return Median(std::move(border)) > Median(std::move(all));
}

bool FitsBetter(const OrientationScore& other, const OrientationScore& as_is) {
  const double gain = other.correlation - as_is.correlation;
  return (other.correlation >= kEnough && gain >= kClearly) || (as_is.correlation <= kAgainst && gain >= kReversal);
}

// 1 within `radius` px of an observation, else 0.
std::vector<double> Covered(const Image& image, const std::vector<Point>& centres, double radius) {
  std::vector<double> covered(static_cast<size_t>(image.width * image.height), 0);
  const auto reach = static_cast<int64_t>(std::ceil(radius));
  for (const Point& centre : centres) {
    const auto cx = static_cast<int64_t>(std::floor(centre.x)), cy = static_cast<int64_t>(std::floor(centre.y));
    for (int64_t y = std::max<int64_t>(cy - reach, 0); y <= std::min(cy + reach, image.height - 1); ++y)
      for (int64_t x = std::max<int64_t>(cx - reach, 0); x <= std::min(cx + reach, image.width - 1); ++x)
        if (std::hypot(static_cast<double>(x) + 0.5 - centre.x, static_cast<double>(y) + 0.5 - centre.y) <= radius)
          covered[static_cast<size_t>(y * image.width + x)] = 1;
  }
  return covered;
}

// Of each section, in px of its image: the observations that can be used.
std::vector<std::vector<Point>> CentresBySection(const SourceData& data) {
  std::vector<std::vector<Point>> centres(data.sections.size());
  for (size_t i = 0; i < data.observations.size(); ++i) {
    const Observation& observation = data.observations[i];
    if (!observation.unusable.empty()) continue;
    const Point centre = data.PixelCentre(static_cast<int64_t>(i));
    if (std::isfinite(centre.x) && std::isfinite(centre.y)) centres[observation.section].push_back(centre);
  }
  return centres;
}

void RequireInside(const SectionImage& image, const std::string& section, const std::vector<Point>& centres) {
  const auto inside = std::count_if(centres.begin(), centres.end(), [&](const Point& centre) {
    return centre.x >= 0 && centre.y >= 0 && centre.x < static_cast<double>(image.width) &&
           centre.y < static_cast<double>(image.height);
  });
  if (2 * static_cast<size_t>(inside) < centres.size())
    throw DataError("PLACEMENT_OUTSIDE",
                    "{}: {} of {} observations of section {} lie on it ({} x {} px): check that it is their image, at "
                    "full resolution",
                    image.path.string(), inside, centres.size(), section, image.width, image.height);
}

}  // namespace

std::vector<OrientationScore> OrientationScores(const Image& thumbnail, bool is_bright,
                                                const std::vector<Point>& centres, double radius) {
  const std::vector<double> signal = SignalOf(thumbnail, is_bright);
  const auto width = static_cast<double>(thumbnail.width), height = static_cast<double>(thumbnail.height);
  std::vector<OrientationScore> scores;
  for (const Orientation& orientation : kOrientations) {
    std::vector<Point> turned;
    for (const Point& centre : centres) {
      const Point share = Turned(orientation, {centre.x / width, centre.y / height});
      turned.push_back({share.x * width, share.y * height});
    }
    scores.push_back({orientation.name, Correlation(signal, Covered(thumbnail, turned, radius))});
  }
  return scores;
}

Json CheckPlacement(const PrepareOptions& options, const SectionReader& reader) {
  const SourceData& data = reader.data();
  Json report = Json::object();
  if (data.centres_are_on_array) return report;
  const std::vector<std::vector<Point>> by_section = CentresBySection(data);
  for (size_t s = 0; s < data.sections.size(); ++s) {
    if (data.sections[s].images.empty()) continue;
    const SectionImage& image = data.sections[s].images.front();
    const std::vector<Point>& centres = by_section[s];
    if (centres.empty()) continue;
    RequireInside(image, data.sections[s].name, centres);
    if (centres.size() < kFewest) continue;
    const std::unique_ptr<ImageSource> source = reader.OpenSection(s);
    const Image thumbnail = Thumbnail(*source, kPlacementSide);
    const double scale = static_cast<double>(thumbnail.width) / static_cast<double>(image.width);
    double radius = image.pixel_from_section.xx * data.pitch / 2;
    if (data.pitch_um > 0 && image.um_per_px > 0) radius = data.pitch_um / image.um_per_px / 2;
    if (radius <= 0 && image.um_per_px > 0) radius = kNucleusUm / image.um_per_px;
    std::vector<Point> reduced;
    for (const Point& centre : centres) reduced.push_back({centre.x * scale, centre.y * scale});
    const std::vector<OrientationScore> scores =
        OrientationScores(thumbnail, IsBright(image, thumbnail), reduced, std::max(radius * scale, 1.0));
    for (const OrientationScore& score : scores)
      report[data.sections[s].name][score.orientation] = std::round(score.correlation * 1e4) / 1e4;
    const auto best = std::max_element(scores.begin(), scores.end(),
                                       [](const auto& a, const auto& b) { return a.correlation < b.correlation; });
    if (!FitsBetter(*best, scores.front())) continue;
    const std::string what = fmt::format(
        "{}: section {}: the image's tissue fits the observations better {} (correlation {:.2f}) than as "
        "it is ({:.2f})",
        image.path.string(), data.sections[s].name, best->orientation, best->correlation, scores.front().correlation);
    if (!options.keep_orientation)
      throw DataError("PLACEMENT_ORIENTATION", "{}: turn it, or pass --keep_orientation if it is right", what);
    Warn("{}; it is kept as --keep_orientation asks", what);
  }
  return report;
}

}  // namespace genvinci
