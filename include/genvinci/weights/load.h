#pragma once

#include <torch/torch.h>

#include <string>
#include <vector>

#include "genvinci/models/autoencoder.h"
#include "genvinci/models/conditioner.h"
#include "genvinci/models/gene_transformer.h"
#include "genvinci/models/inception.h"
#include "genvinci/models/lpips.h"
#include "genvinci/models/unet.h"
#include "genvinci/models/vision_transformer.h"
#include "genvinci/weights/layout.h"

namespace genvinci {

// What does not fit between a model and a source, one line a tensor.
struct LoadReport {
  std::vector<std::string> problems;
  int64_t loaded = 0;
};

struct LoadOptions {
  // Takes what fits and reports the rest by a warning, in place of refusing.
  bool partial = false;
  // Tensors of the model's own type stay where the file is mapped, which loads at the speed of the disk and takes no
  // second copy. What is written to them is the model's alone; the file must not be cut short while the model lives.
  bool in_place = false;
  // Beginnings of our names that may be missing (the head of a transformer whose head is not asked for).
  std::vector<std::string> optional = {};
};

// Copies every parameter and buffer of `module` from the source, converted to the module's type. Shapes must be equal
// but for axes of 1 at the end (a linear layer where we have a 1 x 1 convolution). A missing, surplus (within the
// layout's prefix) or mis-shaped tensor is a DataError WEIGHTS_TENSORS that lists the first ten, with the nearest
// names; counters of batch norms (num_batches_tracked) may be missing.
LoadReport LoadWeights(torch::nn::Module& module, const WeightSource& source, const Layout& layout,
                       const LoadOptions& options = {});

// LoadWeights' checks alone.
void RequireFit(torch::nn::Module& module, const WeightSource& source, const Layout& layout,
                const LoadOptions& options = {});

// Load a source's gene transformer, whose head the source may lack, or its UNet into an existing model.
// DataError WEIGHTS_MODEL, and LoadWeights'.
void LoadTransformerWeights(const WeightSource& source, GeneTransformer& transformer);
void LoadUNetWeights(const WeightSource& source, UNet& unet);

// Models of the sizes that the source has, in evaluation mode on the CPU, in_place. DataError WEIGHTS_MODEL where the
// source holds none, and LoadWeights'.
UNet OpenUNet(const WeightSource& source, const LoadOptions& options = {});
Autoencoder OpenAutoencoder(const WeightSource& source, const LoadOptions& options = {});
// `with_head`: the masked-language head must be there.
GeneTransformer OpenGeneTransformer(const WeightSource& source, bool with_head, LoadOptions options = {});
// The reference stores the time path with its UNet. Without it in the source (HasTimePath), the conditioner's time
// condition is meaningless.
std::shared_ptr<ConditionerImpl> OpenConditioner(const WeightSource& source, const GeneTransformerConfig& transformer,
                                                 LoadOptions options = {});
bool HasTimePath(const WeightSource& source);
VisionTransformer OpenVisionTransformer(const WeightSource& source, const LoadOptions& options = {});
Inception OpenInception(const WeightSource& source, const LoadOptions& options = {});
Lpips OpenLpips(const WeightSource& source, const LoadOptions& options = {});

}  // namespace genvinci
