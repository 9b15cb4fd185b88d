#include "genvinci/technologies/section_reader.h"

#include <algorithm>

#include "genvinci/core/error.h"
#include "genvinci/core/text.h"
#include "tile_reader.h"

namespace genvinci {

const std::vector<std::string>& SourceData::channels() const {
  static const std::vector<std::string> kNone;
  if (ready_patches) return ready_patches->channels;
  for (const Section& section : sections)
    if (!section.images.empty()) return section.images.front().channels;
  return kNone;
}

Point SourceData::PixelCentre(int64_t observation) const {
  const Point& centre = observations[static_cast<size_t>(observation)].centre;
  const Section& section = section_of(observation);
  return section.images.empty() ? centre : section.images.front().pixel_from_section.Of(centre);
}

std::unique_ptr<ImageSource> SectionReader::OpenSection(size_t section) const {
  const Section& of = data_.sections.at(section);
  GENVINCI_CHECK(!of.images.empty(), "{}: section {} has no image to cut from", data_.name, of.name);
  const SectionImage& image = of.images.front();
  std::unique_ptr<ImageSource> source = image.places.empty() ? OpenImageSource(image.path) : OpenChannels(image.places);
  GENVINCI_CHECK(source->info().width == image.width && source->info().height == image.height,
                 "{}: size differs from its header", of.name);
  return source;
}

Image SectionReader::Patch(int64_t i) const {
  throw InternalError("BUG", "{}: observation {} has no ready patch", data_.name, i);
}

namespace {

// Options that only some technologies know; given for another they would change nothing without a word.
void RequireApplicable(const PrepareOptions& options, const TechnologyEntry& entry) {
  const PrepareOptions usual;
  struct Particular {
    const char* option;
    bool is_given;
    std::vector<std::string> technologies;
  };
  for (const Particular& particular :
       std::vector<Particular>{{"bin_um", options.bin_um != usual.bin_um, {"visium-hd"}},
                               {"matrix", options.matrix != usual.matrix, {"visium", "visium-hd"}},
                               {"channels", !options.channels.empty(), {"merscope", "xenium"}},
                               {"orient", options.orient != usual.orient, {"patchseq"}},
                               {"swc_um_per_unit", options.swc_um_per_unit != usual.swc_um_per_unit, {"patchseq"}},
                               {"image_alignment", !options.image_alignment.empty(), {"xenium", "h5ad"}},
                               {"z_plane", options.z_plane != usual.z_plane, {"merscope"}},
                               {"layer", options.layer != usual.layer, {"h5ad"}},
                               {"style", options.style != usual.style, {"virtual"}},
                               {"spots", options.spots != usual.spots, {"virtual"}}}) {
    const auto& known = particular.technologies;
    if (particular.is_given && std::find(known.begin(), known.end(), entry.name) == known.end())
      throw UsageError("OPTION_TECHNOLOGY", "--{}: is for {} and means nothing for {}: leave it out", particular.option,
                       JoinText(known, ", "), entry.name);
  }
  if (options.tile_um != usual.tile_um && options.unit != "tile")
    throw UsageError("OPTION_TECHNOLOGY", "--tile_um: is for --unit tile: give it too, or leave it out");
  std::vector<std::string> units;
  for (const std::string_view unit : SplitText(entry.units, ' ')) units.emplace_back(unit);
  if (options.unit != "auto" && std::find(units.begin(), units.end(), options.unit) == units.end())
    throw UsageError("UNIT", "--unit {}: {} has {}", options.unit, entry.name, JoinText(units, ", "));
}

}  // namespace

bool LooksLikeNothing(const fs::path&) { return false; }

std::string RecognizedTechnology(const fs::path& input) {
  for (const TechnologyEntry& entry : kTechnologies)
    if (entry.recognizes(input)) return entry.name;
  return "";
}

std::string TechnologyOf(const PrepareOptions& options) {
  if (options.technology != "auto") return options.technology;
  if (options.input.empty())
    throw UsageError("INPUT",
                     "--input is needed: the data's folder or file (or --technology virtual, which needs none)");
  RequireFile(options.input, "check --input");
  const std::string recognized = RecognizedTechnology(options.input);
  if (!recognized.empty()) return recognized;
  throw UsageError("TECHNOLOGY",
                   "{}: laid out as none of {}: check --input (`genvinci inspect` says what it is), or name its "
                   "--technology to learn what is missing",
                   options.input, JoinText(Listed(kTechnologyNames), ", "));
}

std::unique_ptr<SectionReader> OpenReader(const PrepareOptions& options) {
  for (const TechnologyEntry& entry : kTechnologies) {
    if (options.technology != entry.name) continue;
    RequireApplicable(options, entry);
    if (options.unit != "tile") return entry.open(options);
    PrepareOptions of_cells = options;
    of_cells.unit = "auto";
    return MakeTiles(entry.open(of_cells), options.tile_um);
  }
  throw UsageError("TECHNOLOGY", "--technology {}: unknown: give one of {}", options.technology,
                   JoinText(Listed(kTechnologyNames), ", "));
}

FrameColumn LabelColumn(const std::vector<std::string>& values) {
  std::map<std::string, int64_t> codes;
  for (const std::string& value : values)
    if (!value.empty()) codes[value] = 0;
  FrameColumn column;
  column.kind = FrameColumn::Kind::kCategorical;
  for (auto& [category, code] : codes) {
    code = static_cast<int64_t>(column.strings.size());
    column.strings.push_back(category);
  }
  for (const std::string& value : values) column.integers.push_back(value.empty() ? -1 : codes[value]);
  return column;
}

Json FileFacts(const fs::path& path) {
  std::error_code error;
  const auto bytes = fs::file_size(path, error);
  return {{"path", path.string()}, {"bytes", error ? 0 : bytes}};
}

}  // namespace genvinci
