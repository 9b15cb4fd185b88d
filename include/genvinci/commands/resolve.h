#pragma once

#include "genvinci/core/json.h"
#include "genvinci/generation/generate_options.h"
#include "genvinci/training/training_options.h"

namespace genvinci {

// From the options that were given to all of them: the command's defaults for the model size, then what was given.
// ConfigError for what does not fit together.
PretrainOptions ResolvePretrain(const Json& given);
AutoencoderOptions ResolveAutoencoder(const Json& given);
AlignOptions ResolveAlign(const Json& given);
FinetuneOptions ResolveFinetune(const Json& given);
// The checkpoint's own sampling is the default.
GenerateOptions ResolveGenerate(const Json& given);

}  // namespace genvinci
