#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "core/temp_folder.h"
#include "genvinci/models/model_options.h"
#include "genvinci/training/tasks/tasks.h"
#include "testing/tiny_dataset.h"
#include "testing/tiny_run.h"

// Options of the tiny model sizes on the dataset <folder>/tiny.

namespace genvinci {

inline std::vector<Json> Rows(const fs::path& run, const std::string& key) {
  std::vector<Json> rows;
  std::ifstream file(run / "metrics.jsonl");
  for (std::string line; std::getline(file, line);) {
    Json row = Json::parse(line);
    if (row.contains(key)) rows.push_back(std::move(row));
  }
  return rows;
}

inline std::map<int64_t, double> Losses(const fs::path& run) {
  std::map<int64_t, double> losses;
  for (const Json& row : Rows(run, "loss")) EXPECT_TRUE(losses.emplace(row["step"], row["loss"]).second);
  return losses;
}

class TinyTraining {
 public:
  explicit TinyTraining(fs::path folder) : folder_(std::move(folder)) {}

  std::string Path(const std::string& name) const { return (folder_ / name).string(); }

  static TrainingOptions Training() {
    TrainingOptions training;
    training.max_steps = 12;
    training.batch_size = 5;
    training.lr = 2e-3;
    training.warmup_steps = 2;
    training.ema_decay = 0.9;
    training.eval_steps = 6;
    training.save_steps = 6;
    training.log_steps = 1;
    return training;
  }
  PretrainOptions PretrainSetup(const std::string& output) const {
    PretrainOptions options;
    options.dataset = Path("tiny");
    options.common.output = Path(output);
    options.transformer = ModelPreset("tiny").transformer;
    options.training = Training();
    options.training.lr = 1e-2;
    return options;
  }
  AutoencoderOptions AutoencoderSetup(const std::string& output) const {
    AutoencoderOptions options;
    options.dataset = Path("tiny");
    options.common.output = Path(output);
    options.autoencoder = ModelPreset("tiny").autoencoder;
    options.training = Training();
    options.edge_weight = 0.5;
    return options;
  }
  AlignOptions AlignSetup(const std::string& output) const {
    if (!fs::exists(Path("mlm"))) Pretrain(PretrainSetup("mlm"));
    AlignOptions options;
    options.dataset = Path("tiny");
    options.common.output = Path(output);
    options.aligner = AlignerPreset("tiny");
    options.pretrain_mlm_path = Path("mlm");
    options.training = Training();
    options.training.lr = 5e-3;
    return options;
  }
  FinetuneOptions FinetuneSetup(const std::string& output) const {
    if (!fs::exists(Path("mlm"))) Pretrain(PretrainSetup("mlm"));
    if (!fs::exists(Path("ae"))) TrainAutoencoder(AutoencoderSetup("ae"));
    FinetuneOptions options;
    options.dataset = Path("tiny");
    options.common.output = Path(output);
    options.models = ModelPreset("tiny");
    options.pretrain_mlm_path = Path("mlm");
    options.autoencoder_path = Path("ae");
    options.gene_dropout = 0.2;
    options.condition_dropout = 0.3;
    options.sampling.steps = 4;
    options.sampling.guidance = 1.5;
    options.training = Training();
    return options;
  }

 private:
  fs::path folder_;
};

}  // namespace genvinci
