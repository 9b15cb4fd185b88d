#include "genvinci/tensor/tensor_cache.h"

#include <map>

#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/sha256.h"

namespace genvinci {
namespace {

using Sums = std::map<std::string, std::string>;

std::string SumOfBytes(const TensorView& view) {
  return Sha256({reinterpret_cast<const char*>(view.bytes.data()), view.bytes.size()});
}

std::string Combined(const Sums& sums) {
  std::string text;
  for (const auto& [name, sum] : sums) text += name + " " + sum + "\n";
  return Sha256(text);
}

std::string SumOf(const SafetensorsFile& file) {
  Sums sums;
  for (const std::string& name : file.names()) sums[name] = SumOfBytes(file.View(name));
  return Combined(sums);
}

std::string SumOf(const NamedTensors& tensors) {
  Sums sums;
  for (const auto& [name, tensor] : tensors) {
    const torch::Tensor bytes = tensor.detach().to(torch::kCPU).contiguous();
    sums[name] = SumOfBytes(ViewOf(bytes));
  }
  return Combined(sums);
}

std::string Entry(const SafetensorsFile& file, const char* name) {
  const auto found = file.metadata().find(name);
  return found == file.metadata().end() ? "" : found->second;
}

}  // namespace

TensorCache::TensorCache(fs::path path, std::string_view key, std::string what)
    : path_(std::move(path)), key_(Sha256(key)), what_(std::move(what)) {}

std::shared_ptr<SafetensorsFile> TensorCache::Open() const {
  std::error_code error;
  if (!fs::exists(path_, error)) return nullptr;
  try {
    auto file = std::make_shared<SafetensorsFile>(path_);
    if (Entry(*file, "key") != key_) return nullptr;
    if (Entry(*file, "sha256") == SumOf(*file)) return file;
    Log("{}: is damaged: making {} anew", path_.string(), what_);
  } catch (const Error& damaged) {
    Log("{}: making {} anew", damaged.what(), what_);
  }
  return nullptr;
}

void TensorCache::Keep(const NamedTensors& tensors) const {
  try {
    MakeFolder(path_.parent_path());
    WriteTensors(path_, tensors, {{"key", key_}, {"sha256", SumOf(tensors)}});
  } catch (const Error& error) {
    Log("{} not kept: {}", what_, error.what());
  }
}

}  // namespace genvinci
