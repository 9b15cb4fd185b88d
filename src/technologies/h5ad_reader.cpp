#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/text.h"
#include "genvinci/data/dataset.h"
#include "genvinci/technologies/section_reader.h"
#include "vendor_files.h"

namespace genvinci {
namespace {

constexpr double kNowhere = std::numeric_limits<double>::quiet_NaN();
constexpr int64_t kBatchRows = 1024;
constexpr double kH5adPatchUm = 32;
const std::vector<std::string> kImageFolders = {"spot_224", "images", "patches"};
// Names under which such files keep what prepare needs; the first that is there is taken.
const std::vector<std::string> kSectionColumns = {"section",    "section_id", "sample",  "sample_id",
                                                  "library_id", "slide",      "slide_id"};
const std::vector<std::string> kPatientColumns = {"patient",  "patient_id", "donor",
                                                  "donor_id", "subject",    "individual"};
const std::vector<std::string> kLabelColumns = {"label", "cell_type", "celltype", "cluster", "annotation", "leiden"};
// Where positions are, of scanpy, squidpy, the vendors and MERFISH's deposits.
const std::vector<std::string> kPositionArrays = {"spatial", "X_spatial"};
const std::vector<std::pair<std::string, std::string>> kPositionColumns = {
    {"x", "y"}, {"center_x", "center_y"}, {"x_centroid", "y_centroid"}};
const std::vector<std::string> kGeneIdColumns = {"ensg_id", "gene_ids", "gene_id", "ensembl_id", "feature_id"};

fs::path FindH5ad(const std::string& input) {
  if (input.empty()) throw UsageError("INPUT", "--technology h5ad needs --input: an .h5ad file or a folder with one");
  if (!fs::exists(input)) throw MissingFileError("FILE_MISSING", "{}: no such file or folder: check --input", input);
  if (!fs::is_directory(input)) return input;
  for (const char* name : {"demo.h5ad", "expression.h5ad"})
    if (fs::exists(fs::path(input) / name)) return fs::path(input) / name;
  std::vector<fs::path> found;
  for (const fs::directory_entry& entry : fs::directory_iterator(input))
    if (entry.path().extension() == ".h5ad") found.push_back(entry.path());
  if (found.size() == 1) return found[0];
  throw MissingFileError("H5AD_MISSING", "{}: holds {} .h5ad files: name one with --input", input, found.size());
}

fs::path FindImageFolder(const PrepareOptions& options, const fs::path& h5ad) {
  if (!options.images.empty()) {
    if (fs::is_directory(options.images)) return options.images;
    throw MissingFileError("IMAGE_MISSING", "{}: no such folder: check --images", options.images);
  }
  const fs::path beside = h5ad.has_parent_path() ? h5ad.parent_path() : fs::path(".");
  for (const std::string& name : kImageFolders)
    if (fs::is_directory(beside / name)) return beside / name;
  throw MissingFileError("IMAGE_MISSING",
                         "{}: no folder {} beside it: name the images' folder with --images, or pass --no_images for a "
                         "dataset for pretraining",
                         h5ad.string(), JoinText(kImageFolders, ", "));
}

// Images by their names without the ending.
std::unordered_map<std::string, fs::path> ListImages(const fs::path& folder) {
  std::unordered_map<std::string, fs::path> images;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string ending = entry.path().extension().string();
    if (ending != ".png" && ending != ".jpg" && ending != ".jpeg" && ending != ".tif" && ending != ".tiff") continue;
    const auto [found, is_new] = images.try_emplace(entry.path().stem().string(), entry.path());
    if (!is_new)
      throw DataError("IMAGE_DUPLICATE", "{}: {} is there too: keep one image an observation", entry.path().string(),
                      found->second.filename().string());
  }
  if (images.empty())
    throw DataError("IMAGE_MISSING", "{}: holds no .png, .jpg or .tif: check --images", folder.string());
  return images;
}

const FrameColumn* FirstOf(const DataFrame& frame, const std::vector<std::string>& names,
                           std::string* chosen = nullptr) {
  for (const std::string& name : names) {
    const FrameColumn* column = frame.Find(name);
    if (!column) continue;
    if (chosen) *chosen = name;
    return column;
  }
  return nullptr;
}

class H5adReader : public SectionReader {
 public:
  explicit H5adReader(const PrepareOptions& options) : options_(options), path_(FindH5ad(options.input)), file_(path_) {
    const fs::path named = fs::is_directory(options.input) ? fs::canonical(options.input) : path_.stem();
    data_.name = named.filename().string();
    RequireLayer();
    data_.obs = file_.obs();
    data_.var = file_.VarOf(options.layer);
    if (data_.obs.index.empty()) throw DataError("H5AD_EMPTY", "{}: holds no observation", path_.string());
    NameGenes();
    Arrange();
    Place();
    for (const std::string& name : file_.obsm_names())
      if (std::find(kPositionArrays.begin(), kPositionArrays.end(), name) == kPositionArrays.end())
        data_.obsm[name] = file_.Obsm(name);
    if (!options.no_images && fs::is_regular_file(options.images))
      PlaceOnImage();
    else if (!options.no_images)
      JoinImages();
    data_.provenance["files"] = Json::array({FileFacts(path_)});
    data_.provenance["layer"] = options.layer;
    data_.provenance["matrix"] = file_.MatrixKind(options.layer);
  }

  void ForEachBatch(const BatchUser& use) const override {
    file_.ForEachBatch(options_.layer, kBatchRows, [&](const SparseRows& rows) {
      RequireCounts(rows);
      use(rows);
    });
  }

  Image Patch(int64_t i) const override { return ReadImage(images_.at(static_cast<size_t>(i))); }

 private:
  void RequireLayer() const {
    const std::vector<std::string> layers = file_.layers();
    if (std::find(layers.begin(), layers.end(), options_.layer) != layers.end()) return;
    throw DataError("LAYER_MISSING", "{}: has no matrix '{}': choose with --layer from {}", path_.string(),
                    options_.layer, layers.empty() ? "none" : JoinText(layers, ", "));
  }

  bool IsWhole(const std::string& layer) const {
    bool whole = true;
    file_.ForEachBatch(layer, kBatchRows, [&](const SparseRows& rows) {
      for (const float value : rows.values) whole = whole && value == std::floor(value);
    });
    return whole;
  }

  void RequireCounts(const SparseRows& rows) const {
    for (int64_t r = 0; r < rows.rows(); ++r) {
      for (const float value : rows.RowValues(r)) {
        if (value == std::floor(value)) continue;
        std::vector<std::string> whole;
        for (const std::string& layer : file_.layers())
          if (layer != options_.layer && IsWhole(layer)) whole.push_back(layer);
        throw DataError("LAYER_NOT_COUNTS",
                        "{}: matrix '{}' holds {} in observation {}, raw counts are whole numbers: {}", path_.string(),
                        options_.layer, value, data_.obs.index[static_cast<size_t>(rows.first_row + r)],
                        whole.empty() ? "no matrix of this file holds raw counts"
                                      : "choose with --layer from " + JoinText(whole, ", "));
      }
    }
  }

  void NameGenes() {
    const FrameColumn* ids = FirstOf(data_.var, kGeneIdColumns);
    data_.gene_names = data_.var.index;
    for (size_t k = 0; ids && k < data_.gene_names.size(); ++k)
      if (const std::string id = ids->Text(k); !id.empty()) data_.gene_names[k] = id;
  }

  // Sections, patients and labels from the obs columns that are there.
  void Arrange() {
    const size_t n = data_.obs.index.size();
    const FrameColumn* sections = FirstOf(data_.obs, kSectionColumns);
    const FrameColumn* patients = FirstOf(data_.obs, kPatientColumns);
    FirstOf(data_.obs, kLabelColumns, &data_.label_column);
    std::unordered_map<std::string, size_t> index;
    for (size_t i = 0; i < n; ++i) {
      const std::string section = sections ? sections->Text(i) : data_.name;
      const auto [found, is_new] = index.try_emplace(section, data_.sections.size());
      if (is_new) data_.sections.push_back({section});
      data_.observations.push_back({found->second, {kNowhere, kNowhere}, patients ? patients->Text(i) : ""});
    }
  }

  void Place() {
    const std::vector<std::string> names = file_.obsm_names();
    for (const std::string& name : kPositionArrays)
      if (std::find(names.begin(), names.end(), name) != names.end()) return PlaceBy(name, file_.Obsm(name));
    for (const auto& [x_name, y_name] : kPositionColumns) {
      const FrameColumn *x = data_.obs.Find(x_name), *y = data_.obs.Find(y_name);
      if (!x || !y) continue;
      for (size_t i = 0; i < data_.observations.size(); ++i)
        data_.observations[i].centre = {NumberIn(*x, i, x_name), NumberIn(*y, i, y_name)};
      Log("{}: positions are obs['{}'] and obs['{}']", path_.string(), x_name, y_name);
      return;
    }
    data_.centres_are_on_array = true;
  }

  void PlaceBy(const std::string& name, const DenseArray& spatial) {
    if (spatial.columns < 2)
      throw DataError("H5AD_SPATIAL", "{}: obsm['{}'] has {} columns, x and y are needed", path_.string(), name,
                      spatial.columns);
    for (size_t i = 0; i < data_.observations.size(); ++i) {
      const auto row = spatial.values.begin() + static_cast<int64_t>(i) * spatial.columns;
      data_.observations[i].centre = {row[0], row[1]};
    }
  }

  double NumberIn(const FrameColumn& column, size_t i, const std::string& name) const {
    double value = kNowhere;
    if (!ParsePosition(column.Text(i), value))
      throw DataError("H5AD_SPATIAL", "{}: obs['{}'] of {} is '{}', a number is needed", path_.string(), name,
                      data_.obs.index[i], column.Text(i));
    return value;
  }

  // One image of the whole section, on which positions lie as they are or through the user's matrix.
  void PlaceOnImage() {
    if (data_.centres_are_on_array)
      throw DataError("H5AD_SPATIAL", "{}: has no positions (obsm['spatial'], obs['x'] and obs['y']) to place on {}",
                      path_.string(), options_.images);
    SectionImage image =
        DescribeImage(FindUserImage(options_.images, data_.sections[0].name, data_.sections.size() == 1), data_);
    image.um_per_px = options_.um_per_px;
    if (!options_.image_alignment.empty()) {
      image.pixel_from_section = ReadMatrix3x3(options_.image_alignment, "H5AD_ALIGNMENT");
      const Affine& affine = image.pixel_from_section;
      if (image.um_per_px == 0)
        image.um_per_px = 1 / std::sqrt(std::abs(affine.xx * affine.yy - affine.xy * affine.yx));
    } else {
      Log("{}: positions count px of the image; --image_alignment gives a matrix from um to px", path_.string());
    }
    if (image.um_per_px > 0) data_.default_patch_um = kH5adPatchUm;
    data_.sections[0].images.push_back(std::move(image));
    data_.provenance["images"] = options_.images;
  }

  void JoinImages() {
    const fs::path folder = FindImageFolder(options_, path_);
    const auto images = ListImages(folder);
    const size_t n = data_.obs.index.size();
    images_.resize(n);
    size_t joined = 0;
    for (size_t i = 0; i < n; ++i) {
      auto found = images.find(data_.obs.index[i]);
      if (found == images.end()) found = images.find(EscapeFileName(data_.obs.index[i]));
      if (found == images.end()) {
        data_.observations[i].unusable = "no_image";
        continue;
      }
      images_[i] = found->second;
      CheckImage(images_[i]);
      ++joined;
    }
    if (joined == 0)
      throw DataError("IMAGE_MISSING",
                      "{}: no file is named by an obs_name: files are like {}, obs_names like {}: check --images",
                      folder.string(), images.begin()->second.filename().string(), data_.obs.index[0]);
    if (joined < n) Warn("{}: {} of {} observations have no image and are dropped", folder.string(), n - joined, n);
    Log("patches: {} ready ones from {}", joined, folder.string());
    data_.provenance["images"] = folder.string();
  }

  void CheckImage(const fs::path& path) {
    const ImageInfo info = ReadImageInfo(path);
    const int64_t channels = info.channels == 4 && info.format == "png" ? 3 : info.channels;
    if (!data_.ready_patches)
      data_.ready_patches = {info.width, DefaultChannels(channels), info.bits, options_.um_per_px};
    const ReadyPatches& first = *data_.ready_patches;
    if (info.width != info.height || (info.width != first.size && options_.img_size == 0))
      throw DataError(
          "PATCH_SHAPE",
          "{}: {} x {} px, the first patch has {}: patches are square, and of one size unless --img_size is given",
          path.string(), info.width, info.height, first.size);
    if (channels != static_cast<int64_t>(first.channels.size()))
      throw DataError("PATCH_SHAPE", "{}: {} channels, the first patch has {}: convert it", path.string(), channels,
                      first.channels.size());
    if (info.bits != first.bits)
      throw DataError("IMAGE_DEPTH", "{}: {} bits a channel, the first patch has {}: convert it", path.string(),
                      info.bits, first.bits);
  }

  PrepareOptions options_;
  fs::path path_;
  H5adFile file_;
  std::vector<fs::path> images_;
};

}  // namespace

bool LooksLikeH5ad(const fs::path& input) {
  if (!fs::is_directory(input)) return input.extension() == ".h5ad";
  return std::any_of(fs::directory_iterator(input), fs::directory_iterator(),
                     [](const fs::directory_entry& entry) { return entry.path().extension() == ".h5ad"; });
}

std::unique_ptr<SectionReader> OpenH5adReader(const PrepareOptions& options) {
  return std::make_unique<H5adReader>(options);
}

}  // namespace genvinci
