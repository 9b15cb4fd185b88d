#include "genvinci/commands/inspect.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "genvinci/checkpoint/checkpoint.h"
#include "genvinci/core/text.h"
#include "genvinci/data/dataset.h"
#include "genvinci/io/h5ad.h"
#include "genvinci/io/image.h"
#include "genvinci/io/pickle.h"
#include "genvinci/io/safetensors.h"
#include "genvinci/io/torch_checkpoint.h"
#include "genvinci/technologies/section_reader.h"
#include "genvinci/weights/layout.h"

namespace genvinci {
namespace {

constexpr size_t kShown = 20;

Json Columns(const DataFrame& frame) {
  Json columns = Json::object();
  static const char* const kNames[] = {"string", "categorical", "float", "integer", "bool"};
  for (const auto& [name, column] : frame.columns) {
    std::string text = kNames[static_cast<int>(column.kind)];
    if (column.kind == FrameColumn::Kind::kCategorical) text += fmt::format(" ({})", column.strings.size());
    columns[name] = text;
  }
  return columns;
}

Json InspectH5ad(const fs::path& path) {
  const H5adFile file(path);
  Json matrices = Json::object();
  for (const std::string& layer : file.layers()) matrices[layer] = file.MatrixKind(layer);
  return {{"kind", "h5ad"},           {"n_obs", file.n_obs()},      {"n_vars", file.n_vars()},
          {"matrices", matrices},     {"obs", Columns(file.obs())}, {"var", Columns(file.var())},
          {"obsm", file.obsm_names()}};
}

// The models that a file of tensors holds, and by whose names.
Json ModelsIn(const WeightSource& source) {
  Json models = Json::object();
  const auto add = [&](const char* component, const std::optional<Layout>& layout) {
    if (layout)
      models[component] = layout->kind + " names" + (layout->prefix.empty() ? "" : " behind " + layout->prefix);
  };
  add("gene_transformer", FindGeneTransformer(source));
  add("conditioner", FindConditioner(source));
  add("unet", FindUNet(source));
  add("vae", FindAutoencoder(source));
  add("vit", FindVisionTransformer(source));
  add("inception", FindInception(source));
  add("lpips", FindLpips(source));
  return models;
}

Json InspectTensors(const TensorFile& file, const char* kind) {
  Json tensors = Json::object();
  uint64_t bytes = 0, values = 0;
  for (const std::string& name : file.names()) {
    const std::vector<int64_t>& shape = file.Shape(name);
    uint64_t count = 1;
    for (const int64_t side : shape) count *= static_cast<uint64_t>(side);
    values += count;
    bytes += count * SizeOf(file.Type(name));
    if (tensors.size() < kShown) tensors[name] = fmt::format("{} [{}]", Name(file.Type(name)), fmt::join(shape, ", "));
  }
  return {{"kind", kind},     {"tensors", file.names().size()},
          {"values", values}, {"bytes", bytes},
          {"first", tensors}, {"models", ModelsIn(WeightSource::Open(file.path()))}};
}

Json InspectSafetensors(const fs::path& path) {
  const SafetensorsFile file(path);
  Json result = InspectTensors(file, "safetensors");
  result["metadata"] = file.metadata();
  return result;
}

// A number or text as it is, anything else by its kind.
std::string Summary(const PickleValue& value) {
  if (const auto* number = value.As<int64_t>()) return std::to_string(*number);
  if (const auto* number = value.As<double>()) return fmt::format("{}", *number);
  if (const auto* text = value.As<std::string>()) return "'" + text->substr(0, 60) + "'";
  if (const auto* dict = value.As<PickleDict>()) return fmt::format("dict of {}", dict->items.size());
  if (const auto* list = value.As<PickleList>()) return fmt::format("list of {}", list->items.size());
  return Describe(value);
}

Json InspectPickle(const fs::path& path) {
  const PicklePointer root = ReadPickle(path);
  Json result = {{"kind", "pickle"}, {"value", Summary(*root)}};
  if (const auto* dict = root->As<PickleDict>()) {
    Json first = Json::array();
    for (const auto& [key, value] : dict->items) {
      if (first.size() == 5) break;
      first.push_back(Summary(*key) + ": " + Summary(*value));
    }
    result["first"] = first;
  }
  return result;
}

Json InspectImage(const fs::path& path) {
  const ImageInfo info = ReadImageInfo(path);
  Json result = {{"kind", "image"},       {"format", info.format},     {"width", info.width},
                 {"height", info.height}, {"channels", info.channels}, {"bits", info.bits}};
  if (info.format == "png") {
    Json text = Json::object();
    for (const auto& [key, value] : ReadPngText(path)) text[key] = value;
    result["text"] = text;
  }
  return result;
}

Json InspectDataset(const fs::path& path) {
  const Dataset dataset = Dataset::Open(path.string());
  const DatasetInfo& info = dataset.info();
  return {{"kind", "dataset"},
          {"name", info.name},
          {"technology", info.technology},
          {"n_obs", dataset.size()},
          {"n_genes", dataset.gene_names().size()},
          {"channels", info.channels},
          {"img_size", info.img_size},
          {"um_per_px", info.um_per_px},
          {"split",
           {{"by", info.split_kind},
            {"train", dataset.Indices(Split::kTrain).size()},
            {"val", dataset.Indices(Split::kVal).size()},
            {"test", dataset.Indices(Split::kTest).size()},
            {"same_patient", info.same_patient}}},
          {"obs", Columns(dataset.obs())},
          {"leak_report", info.leak_report}};
}

Json InspectCheckpoint(const fs::path& path, const std::string& kind) {
  const Checkpoint checkpoint = Checkpoint::Open(path, "best", CheckpointUse::kAll);
  const Json state = checkpoint.Json("state");
  Json result = {{"kind", kind}, {"checkpoint", checkpoint.path().string()}};
  for (const char* key : {"kind", "step", "metrics", "config", "pipeline"})
    if (state.contains(key)) result[key == std::string("kind") ? "of" : key] = state[key];
  for (const char* part : {"model", "frozen"}) {
    const std::string file = std::string(part) + ".safetensors";
    if (checkpoint.Has(file)) result[part] = InspectSafetensors(checkpoint.path() / file);
  }
  return result;
}

Json InspectRun(const fs::path& path) {
  const Json run = ReadJson(path / "run.json");
  Json result = {{"kind", "run"}};
  for (const char* key : {"command", "command_line", "version"})
    if (run.contains(key)) result[key] = run[key];
  if (fs::exists(path / "checkpoints")) result["checkpoint"] = InspectCheckpoint(path, "checkpoint");
  return result;
}

Json ImagesOf(const Section& section) {
  Json images = Json::array();
  for (const SectionImage& image : section.images)
    images.push_back({{"path", image.path.string()},
                      {"width", image.width},
                      {"height", image.height},
                      {"bits", image.bits},
                      {"channels", image.channels},
                      {"um_per_px", image.um_per_px}});
  return images;
}

// Something to hold out, for an example: blocks of one section, the last of several.
std::string HoldOut(const SourceData& data) {
  if (data.default_split == "block") return " --val_fraction 0.1";
  if (data.default_split == "section" && data.sections.size() > 1)
    return fmt::format(" --split section --test_values {} --val_fraction 0.1", data.sections.back().name);
  return "";
}

// What `prepare` finds in a vendor's folder, and the command to type.
Json InspectSource(const fs::path& path, const std::string& technology) {
  PrepareOptions options;
  options.input = path.string();
  options.technology = technology;
  Json missing = Json::array();
  std::unique_ptr<SectionReader> reader;
  try {
    reader = OpenReader(options);
  } catch (const MissingFileError& error) {
    // Without its images a folder still has counts to look at; if anything else is missing, this fails too.
    options.no_images = true;
    reader = OpenReader(options);
    missing.push_back(error.what());
  }
  const SourceData& data = reader->data();
  Json sections = Json::object(), unusable = Json::object();
  for (const Section& section : data.sections) sections[section.name] = ImagesOf(section);
  for (const Observation& observation : data.observations)
    if (!observation.unusable.empty()) unusable[observation.unusable] = unusable.value(observation.unusable, 0) + 1;
  for (const std::string& line : data.missing) missing.push_back(line);
  return {{"kind", "source"},
          {"technology", technology},
          {"version", data.version},
          {"n_obs", data.observations.size()},
          {"unusable", unusable},
          {"n_genes", data.var.index.size()},
          {"sections", sections},
          {"obs", Columns(data.obs)},
          {"missing", missing},
          {"prepare",
           fmt::format("genvinci prepare --technology {} --input {}{}{} --output dataset/{}", technology, path.string(),
                       options.no_images ? " --no_images" : " --img_size 64", HoldOut(data), data.name)}};
}

Json InspectGenerated(const fs::path& path) {
  const Json json = ReadJson(path / "generation.json");
  Json result = {{"kind", "generated"}};
  for (const char* key : {"dataset", "split", "checkpoint", "n", "num_samples", "img_size", "channels"})
    if (json.contains(key)) result[key] = json[key];
  result["scored"] = fs::exists(path / "evaluation.json");
  result["evaluate"] = fmt::format("genvinci evaluate --generated {}", path.string());
  return result;
}

// What a folder holds that can be inspected, for a folder that cannot.
std::string FoldersIn(const fs::path& path) {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(path))
    if (entry.is_directory() && names.size() < kShown) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names.empty() ? "" : ": name one of its folders (" + JoinText(names, ", ") + ")";
}

Json InspectFolder(const fs::path& path) {
  if (fs::exists(path / "generation.json")) return InspectGenerated(path);
  if (fs::exists(path / "dataset.json") || fs::exists(path / "demo.h5ad")) return InspectDataset(path);
  if (fs::exists(path / "manifest.json")) return InspectCheckpoint(path, "checkpoint");
  if (fs::exists(path / "run.json")) return InspectRun(path);
  if (fs::exists(path / "state.json")) {
    const Json state = ReadJson(path / "state.json");
    return {{"kind", "tokens"}, {"files", state.value("_data_files", Json::array()).size()}};
  }
  if (const std::string technology = RecognizedTechnology(path); !technology.empty())
    return InspectSource(path, technology);
  throw DataError("INSPECT_UNKNOWN",
                  "{}: neither a dataset, a run, a checkpoint, a .dataset folder nor one that prepare reads ({}){}",
                  path.string(), fmt::join(kTechnologyNames, ", "), FoldersIn(path));
}

Json InspectFile(const fs::path& path) {
  const MappedFile file(path);
  const std::string_view head(reinterpret_cast<const char*>(file.bytes().data()),
                              std::min<size_t>(file.bytes().size(), 16));
  if (head.starts_with("\x89HDF\r\n\x1a\n")) return InspectH5ad(path);
  if (head.starts_with("\x89PNG") || head.starts_with("\xff\xd8\xff") || head.starts_with("II*") ||
      head.starts_with("MM"))
    return InspectImage(path);
  if (head.size() > 8 && head[8] == '{') return InspectSafetensors(path);
  if (TorchCheckpoint::Looks(path)) return InspectTensors(TorchCheckpoint(path), "PyTorch checkpoint");
  if (head.size() > 1 && head[0] == '\x80' && head[1] >= 2 && head[1] <= 5) return InspectPickle(path);
  throw DataError("INSPECT_UNKNOWN",
                  "{}: no format that genvinci reads: h5ad, safetensors, PyTorch, pickle, JPEG, PNG, TIFF",
                  path.string());
}

}  // namespace

Json Inspect(const InspectOptions& options) {
  const fs::path path = options.path;
  RequireFile(path);
  Json result = fs::is_directory(path) ? InspectFolder(path) : InspectFile(path);
  result["path"] = path.string();
  return result;
}

}  // namespace genvinci
