#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "genvinci/core/json.h"
#include "genvinci/core/options.h"

namespace genvinci {

// What a model reads of a dataset's observations besides their gene tokens.
struct ConditionSources {
  std::string vector;         // LoadVectors': in place of genes; empty: genes
  std::string second_vector;  // LoadVectors': beside them
  int64_t neighbours = 0;     // how many are read

  template <typename Visitor>
  void Fields(Visitor& v) {
    v("vector", vector, "vectors read in place of genes");
    v("second_vector", second_vector, "vectors read beside them");
    v("neighbours", neighbours, "how many neighbours are read");
  }
};

// The checkpoints and weight files that a model was made from; empty: from scratch, or without one.
struct Sources {
  std::string autoencoder, transformer, unet;
  std::string aligner;  // that its samples were judged by
  ConditionSources conditions;

  template <typename Visitor>
  void Fields(Visitor& v) {
    v("autoencoder", autoencoder, "the autoencoder's checkpoint");
    v("transformer", transformer, "the gene transformer's checkpoint");
    v("unet", unet, "the UNet's weights");
    v("aligner", aligner, "the alignment run's checkpoint");
    v("conditions", conditions, "what is read besides gene tokens");
  }
};

// What state.json of any training run says besides its task's model.
struct RunState {
  static constexpr int64_t kFormat = 3;

  // Where in its training part a run stands.
  struct Order {
    int64_t epoch = 0, taken = 0;  // `taken`: items of this epoch so far
    std::optional<int64_t> batch;  // items a step, by which this epoch was ordered
    int64_t steps_per_epoch = 0;
    int64_t samples = 0;  // since the run began

    template <typename Visitor>
    void Fields(Visitor& v) {
      v("epoch", epoch, "whole epochs so far");
      v("taken", taken, "items of this epoch so far");
      v("batch", batch, "items a step");
      v("steps_per_epoch", steps_per_epoch, "steps an epoch");
      v("samples", samples, "items since the run began");
    }
  };

  struct LossScale {
    double scale = 1;
    int64_t good = 0, skipped = 0;  // updates in a row

    template <typename Visitor>
    void Fields(Visitor& v) {
      v("scale", scale, "what the loss is multiplied by");
      v("good", good, "updates in a row with finite gradients");
      v("skipped", skipped, "updates in a row without");
    }
  };

  int64_t format = 0;  // kFormat where this version wrote it
  std::string kind;    // "mlm", "autoencoder", "align", "ldm"
  int64_t step = 0, total_steps = 0;
  bool finished = false, evaluation_is_due = false;
  int64_t evaluations_since_best = 0;
  Order order;
  int64_t world = 1;  // ranks
  LossScale loss_scale;
  Json log;            // TrainingLog::State
  Json metrics, best;  // of the last evaluation; {"step", "metrics"} of the best; null before there is one
  double seconds = 0;  // of training
  Json options = Json::object(), facts = Json::object();  // RunIdentity's
  Sources sources;

  template <typename Visitor>
  void Fields(Visitor& v) {
    v("format", format, "version of this list");
    v("kind", kind, "kind of run");
    v("step", step, "steps done");
    v("total_steps", total_steps, "steps planned");
    v("finished", finished, "whether the run is done");
    v("evaluation_is_due", evaluation_is_due, "whether this step is still to be evaluated");
    v("evaluations_since_best", evaluations_since_best, "evaluations since the best one");
    v("order", order, "where in the training part it stands");
    v("world", world, "ranks");
    v("loss_scale", loss_scale, "of fp16");
    v("log", log, "sums since the last logged row");
    v("metrics", metrics, "of the last evaluation");
    v("best", best, "the best evaluation");
    v("seconds", seconds, "of training");
    v("options", options, "the command's options");
    v("facts", facts, "fingerprints of what it reads");
    v("sources", sources, "what the model was made from");
  }

  // What `state` says; the task's own keys are left alone. DataError CKPT_CONFIG names `source`, also where a state of
  // this format lacks what a run goes on by; of other formats, fields that are not there keep their defaults.
  static RunState Of(const Json& state, const std::string& source);

  std::string dataset_fingerprint() const { return facts.value("dataset_fingerprint", std::string()); }
};

}  // namespace genvinci
