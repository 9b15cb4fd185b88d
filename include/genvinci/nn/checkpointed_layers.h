#pragma once

#include <torch/torch.h>

#include <functional>

namespace genvinci {

using LayerFunction = std::function<torch::Tensor(const torch::autograd::variable_list& inputs)>;

// Base of models that run layer after layer and can be set to keep only what goes in and out of each: gradient
// checkpointing (Chen et al. 2016). The backward pass runs a layer again, with the same drop-out and under the same
// autocast, so the numbers do not change.
class CheckpointedLayers {
 public:
  virtual ~CheckpointedLayers() = default;
  void SetCheckpointing(bool on) { checkpoints_ = on; }

 protected:
  // `run` is the layer's forward pass; it must not depend on tensors other than `inputs` and the layer's own.
  torch::Tensor RunLayer(torch::nn::Module& layer, const torch::autograd::variable_list& inputs,
                         const LayerFunction& run) const;

 private:
  bool checkpoints_ = false;
};

// Of every such model in `module`.
void SetGradientCheckpointing(torch::nn::Module& module, bool on);

}  // namespace genvinci
