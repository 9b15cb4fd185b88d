#include "genvinci/weights/weight_source.h"

#include <array>

#include "genvinci/checkpoint/checkpoint.h"
#include "genvinci/core/error.h"
#include "genvinci/core/text.h"
#include "genvinci/io/safetensors.h"
#include "genvinci/io/torch_checkpoint.h"

namespace genvinci {
namespace {

constexpr auto kUsualNames = std::to_array<const char*>(
    {"model.safetensors", "diffusion_pytorch_model.safetensors", "open_clip_model.safetensors",
     "model.safetensors.index.json", "diffusion_pytorch_model.safetensors.index.json", "pytorch_model.bin",
     "diffusion_pytorch_model.bin", "open_clip_pytorch_model.bin", "pytorch_model.bin.index.json",
     "diffusion_pytorch_model.bin.index.json"});

bool IsSafetensors(const fs::path& path) { return path.extension() == ".safetensors"; }
bool IsIndex(const fs::path& path) { return path.string().ends_with(".index.json"); }

fs::path UsualFile(const fs::path& folder) {
  std::error_code error;
  for (const char* name : kUsualNames) {
    if (fs::exists(folder / name, error)) return folder / name;
  }
  return {};
}

bool IsOwn(const fs::path& folder) {
  std::error_code error;
  return fs::exists(folder / "manifest.json", error) || fs::is_directory(folder / "checkpoints", error);
}

}  // namespace

bool WeightSource::IsForeign(const fs::path& path) {
  std::error_code error;
  return !path.empty() && fs::exists(path, error) && !IsOwn(path);
}

WeightSource WeightSource::Open(const fs::path& path, const std::string& part) {
  WeightSource source;
  source.path_ = path;
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    RequireFile(path, "give a weight file, or a folder that holds one");
    source.OpenFile(path);
    if (fs::exists(path.parent_path() / "config.json", error))
      source.config_ = ReadJson(path.parent_path() / "config.json");
    return source;
  }
  if (IsOwn(path)) {
    const Checkpoint checkpoint = Checkpoint::Open(path);
    source.path_ = checkpoint.path();
    source.Take(checkpoint.Weights());
    if (checkpoint.Has("ema.safetensors")) source.Take(checkpoint.Tensors("ema"));
    source.config_ = checkpoint.Json("state");
    return source;
  }
  const fs::path folder = !part.empty() && fs::is_directory(path / part, error) ? path / part : path;
  const fs::path file = UsualFile(folder);
  if (file.empty()) {
    throw DataError("WEIGHTS_UNKNOWN",
                    "{}: holds none of {}: give the weight file itself, or a folder of Hugging Face, diffusers or "
                    "genvinci",
                    folder.string(), JoinText(std::vector<std::string>(kUsualNames.begin(), kUsualNames.end()), ", "));
  }
  source.OpenFile(file);
  if (fs::exists(folder / "config.json", error)) source.config_ = ReadJson(folder / "config.json");
  return source;
}

void WeightSource::OpenFile(const fs::path& path) {
  if (IsIndex(path)) return OpenIndex(path);
  if (IsSafetensors(path)) return Take(std::make_shared<SafetensorsFile>(path));
  if (TorchCheckpoint::Looks(path)) return Take(std::make_shared<TorchCheckpoint>(path));
  throw DataError("WEIGHTS_UNKNOWN", "{}: is neither safetensors nor a PyTorch checkpoint", path.string());
}

void WeightSource::OpenIndex(const fs::path& path) {
  const Json index = ReadJson(path);
  const Json* map = index.is_object() && index.contains("weight_map") ? &index["weight_map"] : nullptr;
  if (!map || !map->is_object())
    throw DataError("WEIGHTS_SHARDS", "{}: has no \"weight_map\" from tensors to files", path.string());
  std::map<std::string, std::vector<std::string>> names_of;
  for (const auto& [name, shard] : map->items()) {
    if (!shard.is_string() || fs::path(shard.get<std::string>()).filename() != shard.get<std::string>())
      throw DataError("WEIGHTS_SHARDS", "{}: the shard of '{}' is no file name", path.string(), name);
    names_of[shard.get<std::string>()].push_back(name);
  }
  for (const auto& [shard, names] : names_of) {
    OpenFile(path.parent_path() / shard);
    const TensorFile& file = *files_.back();
    for (const std::string& name : names) {
      if (!file.Has(name))
        throw DataError("WEIGHTS_SHARDS", "{}: '{}' should be in {} and is not", path.string(), name, shard);
    }
  }
}

// Of two files with the same name in them the later counts: averaged weights come behind the plain ones.
void WeightSource::Take(std::shared_ptr<TensorFile> file) {
  for (const std::string& name : file->names()) {
    if (!Has(name)) names_.push_back(name);
    file_of_[name] = file;
  }
  files_.push_back(std::move(file));
}

fs::path WeightSource::Folder() const { return files_.at(0)->path().parent_path(); }

std::shared_ptr<const TensorFile> WeightSource::OwnerOf(const std::string& name) const {
  const auto found = file_of_.find(name);
  if (found == file_of_.end())
    throw DataError("TENSOR_NAME", "{}: has no tensor '{}'{}", path_.string(), name, DidYouMean(name, names_));
  return found->second;
}

void WeightSource::Fetch(const std::vector<std::string>& names) const {
  for (const auto& file : files_) {
    std::vector<std::string> here;
    for (const std::string& name : names) {
      if (&FileOf(name) == file.get()) here.push_back(name);
    }
    file->Fetch(here);
  }
}

bool WeightSource::FindPrefix(const std::string& ending, std::string& prefix) const {
  bool is_found = false;
  for (const std::string& name : names_) {
    if (!name.ends_with(ending)) continue;
    const std::string before = name.substr(0, name.size() - ending.size());
    if (!before.empty() && before.back() != '.') continue;
    if (!is_found || before.size() < prefix.size()) prefix = before;
    is_found = true;
  }
  return is_found;
}

}  // namespace genvinci
