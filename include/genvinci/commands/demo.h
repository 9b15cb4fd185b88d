#pragma once

#include "genvinci/commands/demo_options.h"
#include "genvinci/core/json.h"

namespace genvinci {

// The whole pipeline on the virtual tissue: prepare, pretrain, autoencoder, finetune, generate, evaluate. Ends by telling
// where pictures and scores are. Writes dataset/demo_<time>/ and output/... below the current folder, or below --output.
Json Demo(const DemoOptions& options);

}  // namespace genvinci
