#include "spaceranger_files.h"

#include <cmath>

#include "genvinci/core/error.h"
#include "genvinci/core/json.h"
#include "genvinci/core/log.h"
#include "genvinci/core/text.h"

namespace genvinci {
namespace {

constexpr double kReducedTolerance = 1.5;  // px by which spaceranger's own reduced images are off when it rounds

// The user's own image, as 10x's download pages name it.
const std::vector<std::string> kFullImages = {"tissue_image.tif", "tissue_image.tiff", "tissue_image.btf",
                                              "tissue_image.jpg", "image.tif",         "image.tiff",
                                              "image.btf",        "image.jpg"};

// `factor`: px of the image for each px of the full one.
SectionImage Scaled(const fs::path& path, double factor, const SourceData& before) {
  SectionImage image = DescribeImage(path, before);
  if (image.channels.size() != 1 && image.channels.size() != 3)
    throw DataError("SECTION_IMAGE", "{}: {} channels: expected grey or colour", path.string(), image.channels.size());
  image.pixel_from_section = {factor, 0, 0, 0, factor, 0};
  return image;
}

// How the size of a full image disagrees with spaceranger's reduced copy of it; "": it does not, or there is none.
std::string Disagreement(const fs::path& full, const fs::path& reduced, double factor) {
  if (reduced.empty() || factor == 0) return "";
  const ImageInfo large = ReadImageInfo(full), small = ReadImageInfo(reduced);
  const auto fits = [&](int64_t of_large, int64_t of_small) {
    return std::abs(static_cast<double>(of_large) * factor - static_cast<double>(of_small)) <= kReducedTolerance;
  };
  if (fits(large.width, small.width) && fits(large.height, small.height)) return "";
  return fmt::format(
      "is {} x {} px, the positions count px of an image of about {:.0f} x {:.0f} ({} and its factor {})", large.width,
      large.height, static_cast<double>(small.width) / factor, static_cast<double>(small.height) / factor,
      reduced.filename().string(), factor);
}

}  // namespace

SpaceRangerFactors ReadFactors(const fs::path& spatial_folder) {
  const fs::path path = FindNamed(spatial_folder, {"scalefactors_json.json"});
  if (path.empty())
    throw MissingFileError("VISIUM_FACTORS", "{}: holds no scalefactors_json.json: it states the scale; fetch it",
                           spatial_folder.string());
  const Json json = ReadJson(path);
  const auto number = [&](const char* key) -> double {
    const auto found = json.is_object() ? json.find(key) : json.end();
    if (found == json.end() || found->is_null()) return 0;
    if (!found->is_number() || !(found->get<double>() > 0))
      throw DataError("VISIUM_FACTORS", "{}: {} is {}: expected a number above 0", path.string(), key, found->dump());
    return found->get<double>();
  };
  return {.hires = number("tissue_hires_scalef"),
          .lowres = number("tissue_lowres_scalef"),
          .registration = number("regist_target_img_scalef"),
          .fiducial_px = number("fiducial_diameter_fullres"),
          .spot_px = number("spot_diameter_fullres"),
          .bin_um = number("bin_size_um"),
          .microns_per_pixel = number("microns_per_pixel")};
}

fs::path FindSpaceRangerMatrix(const fs::path& folder, const std::string& kind, const std::string& what) {
  std::vector<std::string> names;
  for (const char* of_kind : {"filtered", "raw"})
    if (kind == of_kind || kind == "auto")
      for (const char* ending : {".h5", ""}) names.push_back(fmt::format("{}_{}{}", of_kind, what, ending));
  if (kind == "probe") names = {"raw_probe_bc_matrix.h5"};
  const fs::path found = FindNamed(folder, names);
  if (found.empty())
    throw MissingFileError("MATRIX_MISSING", "{}: holds no {}: fetch it, or choose another with --matrix",
                           folder.string(), JoinText(names, " or "));
  return found;
}

void AddFeatures(const TenxMatrix& matrix, FeatureColumns& columns) {
  std::vector<Feature> features;
  std::vector<std::string> dropped;
  for (const TenxFeature& feature : matrix.features()) {
    features.push_back({feature.id, feature.name, feature.type});
    dropped.emplace_back(feature.is_excluded_probe ? "excluded probe" : "");
  }
  columns.Add(features, std::move(dropped));
}

SectionImage ChooseSpaceRangerImage(const PrepareOptions& options, const SpaceRangerSection& section,
                                    const SpaceRangerFactors& factors, SourceData& data) {
  const fs::path hires = FindNamed(section.spatial, {"tissue_hires_image.png"});
  const fs::path lowres = FindNamed(section.spatial, {"tissue_lowres_image.png"});
  const bool by_hires = !hires.empty() && factors.hires > 0;
  const fs::path& reduced = by_hires ? hires : lowres;
  const double factor = by_hires ? factors.hires : factors.lowres;
  if (!options.images.empty()) {
    const fs::path given = FindUserImage(options.images, section.name, section.is_only);
    if (const std::string what = Disagreement(given, reduced, factor); !what.empty())
      throw DataError("SECTION_IMAGE_SIZE", "{}: {}: give the image that spaceranger was run on", given.string(), what);
    return Scaled(given, 1, data);
  }
  for (const fs::path& place :
       {section.folder, section.folder.filename() == "outs" ? section.folder.parent_path() : ""}) {
    const fs::path full = place.empty() ? place : FindNamed(place, kFullImages);
    if (full.empty()) continue;
    const std::string what = Disagreement(full, reduced, factor);
    if (what.empty()) return Scaled(full, 1, data);
    Warn("{}: {}: it is left aside", full.string(), what);
  }
  // Without a microscope's image, positions count px of the CytAssist's.
  const fs::path cytassist = FindNamed(section.spatial, {"cytassist_image.tiff", "cytassist_image.tif"});
  if (!cytassist.empty() && factors.registration == 1 && Disagreement(cytassist, reduced, factor).empty())
    return Scaled(cytassist, 1, data);
  if (reduced.empty() || factor == 0)
    throw MissingFileError(
        "IMAGE_MISSING",
        "{}: holds neither the full image nor a reduced copy with its factor: give --images, or pass "
        "--no_images for a dataset for pretraining",
        section.folder.string());
  data.missing.push_back(fmt::format("{}: the full-resolution image (give it with --images)", section.name));
  Warn(
      "{}: no full-resolution image: patches are cut from {}, which is {:.1f} times coarser; give the full image with "
      "--images",
      section.name, reduced.filename().string(), 1 / factor);
  return Scaled(reduced, factor, data);
}

}  // namespace genvinci
