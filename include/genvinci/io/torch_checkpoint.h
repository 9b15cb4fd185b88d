#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "genvinci/io/tensor_file.h"

namespace genvinci {

// A PyTorch checkpoint: the zip file of torch 1.6 and later, or the older stream. Its pickle goes through ParsePickle:
// nothing is executed, and objects of unknown classes stay inert. Tensors are found in nested dictionaries and lists
// and named by their path ("state_dict.model.out.2.bias"); what is neither is skipped. Every size is checked against
// the storage it lies in before a view is given; tensors that are not contiguous are copied, all together in at most
// the file's size. A storage's checksum is verified when a tensor in it is first viewed.
//
// DataError: ZIP_* (a damaged or foreign zip file), PICKLE_*, TORCH_* (what the pickle says of its tensors cannot be).
class TorchCheckpoint : public TensorFile {
 public:
  explicit TorchCheckpoint(const fs::path& path);
  ~TorchCheckpoint() override;

  const TensorView& View(const std::string& name) const override;

  // Whether a file starts as one of the two does.
  static bool Looks(const fs::path& path);

 private:
  struct Storages;
  std::unique_ptr<Storages> storages_;
};

// Written atomically, as torch.save writes {"state_dict": {name: tensor, ...}}: torch.load opens it, with weights_only
// too. The same tensors give the same bytes.
void WriteTorchCheckpoint(const fs::path& path, const std::vector<std::pair<std::string, TensorView>>& tensors);

}  // namespace genvinci
