#pragma once

#include "genvinci/core/json.h"
#include "genvinci/training/training_options.h"

namespace genvinci {

// Each trains to its end (or max_minutes, or a signal) and returns its result: {"run": folder, "best_step": n,
// metrics}. Pretrain also reads a dataset's test part once, with its best checkpoint: "test", kept in test.json.
Json Pretrain(const PretrainOptions& options);
Json TrainAutoencoder(const AutoencoderOptions& options);
Json TrainAligner(const AlignOptions& options);
Json Finetune(const FinetuneOptions& options);

}  // namespace genvinci
