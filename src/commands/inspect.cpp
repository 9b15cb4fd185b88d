#include "genvinci/commands/inspect.h"

#include <fmt/ranges.h>

#include "genvinci/checkpoint/checkpoint.h"
#include "genvinci/data/dataset.h"
#include "genvinci/io/h5ad.h"
#include "genvinci/io/image.h"
#include "genvinci/io/pickle.h"
#include "genvinci/io/safetensors.h"

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
  return {{"kind", "h5ad"},         {"n_obs", file.n_obs()},    {"n_vars", file.n_vars()},       {"matrices", matrices},
          {"obs", Columns(file.obs())}, {"var", Columns(file.var())}, {"obsm", file.obsm_names()}};
}

Json InspectSafetensors(const fs::path& path) {
  const SafetensorsFile file(path);
  Json tensors = Json::object();
  uint64_t bytes = 0, values = 0;
  for (const std::string& name : file.names()) {
    const TensorView& view = file.View(name);
    bytes += view.bytes.size();
    values += view.bytes.size() / SizeOf(view.dtype);
    if (tensors.size() < kShown) tensors[name] = fmt::format("{} [{}]", Name(view.dtype), fmt::join(view.shape, ", "));
  }
  return {{"kind", "safetensors"}, {"tensors", file.names().size()}, {"values", values}, {"bytes", bytes},
          {"first", tensors},      {"metadata", file.metadata()}};
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
          {"split", {{"by", info.split_kind},
                     {"train", dataset.Indices(Split::kTrain).size()},
                     {"val", dataset.Indices(Split::kVal).size()},
                     {"test", dataset.Indices(Split::kTest).size()},
                     {"same_patient", info.same_patient}}},
          {"obs", Columns(dataset.obs())},
          {"leak_report", info.leak_report}};
}

Json InspectCheckpoint(const fs::path& path, const std::string& kind) {
  const Checkpoint checkpoint = Checkpoint::Open(path);
  const Json state = checkpoint.Json("state");
  Json result = {{"kind", kind}, {"checkpoint", checkpoint.path().string()}};
  for (const char* key : {"kind", "step", "metrics", "config", "pipeline"})
    if (state.contains(key)) result[key == std::string("kind") ? "of" : key] = state[key];
  result["model"] = InspectSafetensors(checkpoint.path() / "model.safetensors");
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

Json InspectFolder(const fs::path& path) {
  if (fs::exists(path / "dataset.json") || fs::exists(path / "demo.h5ad")) return InspectDataset(path);
  if (fs::exists(path / "manifest.json")) return InspectCheckpoint(path, "checkpoint");
  if (fs::exists(path / "run.json")) return InspectRun(path);
  if (fs::exists(path / "state.json")) {
    const Json state = ReadJson(path / "state.json");
    return {{"kind", "tokens"}, {"files", state.value("_data_files", Json::array()).size()}};
  }
  throw DataError("INSPECT_UNKNOWN", "{}: neither a dataset, a run, a checkpoint nor a .dataset folder", path.string());
}

Json InspectFile(const fs::path& path) {
  const MappedFile file(path);
  const std::string_view head(reinterpret_cast<const char*>(file.bytes().data()), std::min<size_t>(file.bytes().size(), 16));
  if (head.starts_with("\x89HDF\r\n\x1a\n")) return InspectH5ad(path);
  if (head.starts_with("\x89PNG") || head.starts_with("\xff\xd8\xff") || head.starts_with("II*") || head.starts_with("MM"))
    return InspectImage(path);
  if (head.size() > 8 && head[8] == '{') return InspectSafetensors(path);
  if (head.size() > 1 && head[0] == '\x80' && head[1] >= 2 && head[1] <= 5) return InspectPickle(path);
  throw DataError("INSPECT_UNKNOWN", "{}: no format that genvinci reads: h5ad, safetensors, pickle, JPEG, PNG, TIFF",
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
