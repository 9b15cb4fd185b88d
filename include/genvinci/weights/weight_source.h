#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "genvinci/core/json.h"
#include "genvinci/io/tensor_file.h"

namespace genvinci {

// Weights as they lie on disk: one file or the shards of one model, under the names of whoever wrote them.
class WeightSource {
 public:
  // `path` is one of
  //   a safetensors file, a PyTorch checkpoint (zip file or older stream), an index of shards (*.index.json);
  //   a folder of Hugging Face or diffusers with one of them under its usual name (model.safetensors,
  //   diffusion_pytorch_model.safetensors, pytorch_model.bin, ...), or with `part` ("unet", "vae") as a folder in it;
  //   a checkpoint folder of genvinci, or a run, whose best checkpoint counts, with averaged weights where there are
  //   any.
  // MissingFileError; DataError WEIGHTS_UNKNOWN for what is none of these, WEIGHTS_SHARDS for an index that does not
  // fit its shards, and the readers' own.
  static WeightSource Open(const fs::path& path, const std::string& part = "");
  // A path that is there and is neither a run nor a checkpoint of genvinci.
  static bool IsForeign(const fs::path& path);

  const fs::path& path() const { return path_; }
  fs::path Folder() const;  // that the weights lie in
  const std::vector<std::string>& names() const { return names_; }
  bool Has(const std::string& name) const { return file_of_.count(name) > 0; }
  const std::vector<int64_t>& Shape(const std::string& name) const { return FileOf(name).Shape(name); }
  DType Type(const std::string& name) const { return FileOf(name).Type(name); }
  const TensorView& View(const std::string& name) const { return FileOf(name).View(name); }
  // Brings the bytes of some tensors into memory.
  void Fetch(const std::vector<std::string>& names) const;
  // What keeps a tensor's view valid. DataError TENSOR_NAME.
  std::shared_ptr<const TensorFile> OwnerOf(const std::string& name) const;
  // The tensor's bytes need not stay in memory until they are looked at again.
  void Release(const std::string& name) const { FileOf(name).Release(name); }
  // The config.json beside the weights, or genvinci's own state.json; null where there is none.
  const Json& config() const { return config_; }
  void set_config(Json config) { config_ = std::move(config); }

  // Whether averaged weights (CompVis's model_ema.) are wanted where there are others too.
  bool wants_averaged() const { return wants_averaged_; }
  void set_wants_averaged(bool wanted) { wants_averaged_ = wanted; }

  // What stands before `ending` in the one name that ends so ("model.diffusion_model." of "input_blocks.0.0.weight");
  // the shortest where there are several. False where there is none.
  bool FindPrefix(const std::string& ending, std::string& prefix) const;

 private:
  const TensorFile& FileOf(const std::string& name) const { return *OwnerOf(name); }
  void Take(std::shared_ptr<TensorFile> file);
  void OpenIndex(const fs::path& path);
  void OpenFile(const fs::path& path);

  fs::path path_;
  std::vector<std::shared_ptr<TensorFile>> files_;
  std::map<std::string, std::shared_ptr<const TensorFile>> file_of_;
  std::vector<std::string> names_;
  Json config_;
  bool wants_averaged_ = false;
};

}  // namespace genvinci
