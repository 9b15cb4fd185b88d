#include "genvinci/training/trainer.h"

#include <algorithm>
#include <cmath>

#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/signals.h"
#include "genvinci/core/text.h"
#include "genvinci/tensor/random.h"
#include "genvinci/training/lr_schedule.h"

namespace genvinci {
namespace {

constexpr int kStateFormat = 2;
constexpr size_t kItemsNamed = 16;

int64_t StepsPerEpoch(const TrainingTask& task, const TrainingOptions& options, int64_t seed) {
  const auto batches = static_cast<int64_t>(task.EpochBatches(options.batch_size, seed, 0).size());
  if (batches == 0)
    throw DataError("TRAIN_EMPTY", "the training part is empty: prepare the dataset with another split");
  return (batches + options.accumulate - 1) / options.accumulate;
}

int64_t TotalSteps(const TrainingOptions& options, int64_t steps_per_epoch) {
  const int64_t by_epochs = options.epochs * steps_per_epoch;
  if (by_epochs == 0 && options.max_steps == 0)
    throw ConfigError("TRAIN_LENGTH", "training: neither epochs nor max_steps is set: give one");
  if (by_epochs == 0 || options.max_steps == 0) return by_epochs + options.max_steps;
  return std::min(by_epochs, options.max_steps);
}

void AddTo(std::vector<std::pair<std::string, double>>& sums, const std::string& name, double value) {
  const auto found = std::find_if(sums.begin(), sums.end(), [&](const auto& sum) { return sum.first == name; });
  if (found == sums.end())
    sums.emplace_back(name, value);
  else
    found->second += value;
}

std::string MetricsText(const Json& metrics) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : metrics.items()) {
    if (value.is_number_float())
      parts.push_back(fmt::format("{} {:.5g}", name, value.get<double>()));
    else if (value.is_number())
      parts.push_back(fmt::format("{} {}", name, value.get<int64_t>()));
  }
  return JoinText(parts, ", ");
}

}  // namespace

Trainer::Trainer(TrainingTask& task, TrainingRun& run, const RunIdentity& identity, const CommonOptions& common,
                 const TrainingOptions& options)
    : task_(task),
      run_(run),
      identity_(identity),
      options_(options),
      seed_(common.seed),
      optimizer_(task.Trained(), {.weight_decay = options.weight_decay, .beta2 = options.beta2}),
      ema_(task.Trained(), options.ema_decay),
      events_(run.folder.path()),
      steps_per_epoch_(StepsPerEpoch(task, options, common.seed)),
      total_steps_(TotalSteps(options, steps_per_epoch_)) {
  if (run_.checkpoint) Resume(*run_.checkpoint);
}

Json Trainer::Run() {
  int64_t parameters = 0;
  for (const auto& [name, parameter] : optimizer_.parameters()) parameters += parameter.numel();
  Log("training {}: {} items, {} parameters, {} steps ({} an epoch)", task_.kind(), task_.size(), parameters,
      total_steps_, steps_per_epoch_);
  progress_ = std::make_unique<Progress>("training", total_steps_ - step_, "steps");
  // One step at least, so that whoever restarts a run that is short of time gets on.
  for (bool in_time = true; !IsFinished() && in_time; in_time = !TimeIsUp()) {
    if (StopSignal() != 0) {
      Save(/*best=*/false);
      ThrowIfStopped(
          fmt::format("saved step {} in {}: go on with --resume auto", step_, run_.folder.path().string()).c_str());
    }
    Step step = Fetch();
    ForwardBackward(step);
    Update(step);
    LogStep(step);
    AfterStep();
  }
  progress_.reset();
  if (step_ < total_steps_ && IsFinished()) Log("no better evaluation for {}: stopped at step {}", since_best_, step_);
  if (!IsFinished()) {
    if (saved_step_ != step_) Save(Evaluate());
    Log("max_minutes {} is over at step {} of {}: saved; go on with --resume auto", options_.max_minutes, step_,
        total_steps_);
  }
  return Result();
}

Trainer::Step Trainer::Fetch() {
  const int64_t epoch = EpochOf(step_);
  if (epoch != epoch_of_batches_) {
    batches_ = task_.EpochBatches(options_.batch_size, seed_, epoch);
    epoch_of_batches_ = epoch;
  }
  const auto first = static_cast<size_t>((step_ - epoch * steps_per_epoch_) * options_.accumulate);
  const size_t last = std::min(batches_.size(), first + static_cast<size_t>(options_.accumulate));
  Step step;
  step.batches.assign(batches_.begin() + static_cast<int64_t>(first), batches_.begin() + static_cast<int64_t>(last));
  for (const auto& batch : step.batches) step.samples += static_cast<int64_t>(batch.size());
  step.lr = LearningRate(options_, step_, total_steps_);
  return step;
}

void Trainer::ForwardBackward(Step& step) {
  task_.module().train();
  optimizer_.ZeroGrad();
  for (size_t i = 0; i < step.batches.size(); ++i) {
    const std::vector<int64_t> ids = {step_, static_cast<int64_t>(i)};
    at::manual_seed(StreamKey(seed_, "step", ids));
    const StepLoss loss = task_.Loss(step.batches[i], RandomStream(seed_, "batch", ids));
    const double share = static_cast<double>(step.batches[i].size()) / static_cast<double>(step.samples);
    const double value = loss.loss.item<double>();
    if (!std::isfinite(value)) NotFinite(step, fmt::format("the loss is {}", value));
    step.loss += share * value;
    for (const auto& [name, part] : loss.parts) AddTo(step.parts, name, share * part.item<double>());
    (share == 1 ? loss.loss : loss.loss * share).backward();
  }
}

void Trainer::Update(Step& step) {
  step.gradient_norm = optimizer_.ClipGradients(options_.grad_clip);
  if (!std::isfinite(step.gradient_norm)) NotFinite(step, fmt::format("the gradient norm is {}", step.gradient_norm));
  optimizer_.Step(step.lr);
  ema_.Update(step_);
  ++step_;
  samples_ += step.samples;
}

void Trainer::NotFinite(const Step& step, std::string_view what) const {
  std::vector<std::string> names;
  for (const auto& batch : step.batches) {
    for (const int64_t item : batch) {
      if (names.size() < kItemsNamed) names.push_back(task_.ItemName(item));
    }
  }
  if (static_cast<int64_t>(names.size()) < step.samples) names.push_back("...");
  throw NotFiniteError("TRAIN_NOT_FINITE",
                       "{}: step {}: {}, before the update; observations {}: lower training.lr, or look at these "
                       "observations; the last checkpoint is untouched",
                       run_.folder.path().string(), step_ + 1, what, JoinText(names, ", "));
}

void Trainer::LogStep(const Step& step) {
  window_loss_ += step.loss;
  for (const auto& [name, value] : step.parts) AddTo(window_parts_, name, value);
  ++window_;
  progress_->SetNote(fmt::format("loss {:.4g}", window_loss_ / static_cast<double>(window_)));
  progress_->Add(1);
  if (step_ % options_.log_steps != 0 && step_ != total_steps_) return;
  const auto mean = [&](double sum) { return sum / static_cast<double>(window_); };
  Json row = {{"step", step_}, {"loss", mean(window_loss_)}};
  for (const auto& [name, sum] : window_parts_) row[name] = mean(sum);
  row["lr"] = step.lr;
  row["gradient_norm"] = step.gradient_norm;
  row["samples"] = samples_;
  row["seconds"] = Seconds();
  run_.folder.AppendMetrics(row);
  for (const auto& [name, value] : row.items()) {
    if (name != "step") events_.Scalar("train/" + name, step_, value.get<double>());
  }
  window_loss_ = 0;
  window_ = 0;
  window_parts_.clear();
}

void Trainer::AfterStep() {
  const bool last = step_ == total_steps_;
  const bool evaluates = last || IsDue(options_.eval_steps);
  const bool best = evaluates && Evaluate();
  if (evaluates || IsDue(options_.save_steps)) Save(best);
}

bool Trainer::IsDue(int64_t every) const { return step_ % (every > 0 ? every : steps_per_epoch_) == 0; }

bool Trainer::Evaluate() {
  if (evaluated_step_ == step_) return false;
  evaluated_step_ = step_;
  const torch::NoGradGuard no_grad;
  const Ema::Applied averaged(ema_);
  task_.module().eval();
  const std::optional<Evaluation> evaluation = task_.Evaluate(step_);
  if (!evaluation) {
    // Without a val part the latest is the best.
    best_ = {{"step", step_}, {"metrics", Json::object()}};
    return true;
  }
  last_metrics_ = evaluation->metrics;
  Log("step {} (epoch {:.2f}): {}", step_, static_cast<double>(step_) / static_cast<double>(steps_per_epoch_),
      MetricsText(last_metrics_));
  Json row = {{"step", step_}};
  row.update(last_metrics_);
  row["seconds"] = Seconds();
  run_.folder.AppendMetrics(row);
  for (const auto& [name, value] : last_metrics_.items()) {
    if (value.is_number()) events_.Scalar("val/" + name, step_, value.get<double>());
  }
  events_.Flush();
  const double value = last_metrics_.at(evaluation->selection).get<double>();
  if (!std::isfinite(value)) {
    Warn("step {}: {} is {}: not taken for the best", step_, evaluation->selection, value);
    return false;
  }
  const double former = best_.is_object() ? best_["metrics"].value(evaluation->selection, std::nan("")) : std::nan("");
  const bool best = std::isnan(former) || (evaluation->higher_is_better ? value > former : value < former);
  if (best) best_ = {{"step", step_}, {"metrics", last_metrics_}};
  since_best_ = best ? 0 : since_best_ + 1;
  return best;
}

void Trainer::Save(bool best) {
  if (saved_step_ == step_) return;
  {
    const torch::NoGradGuard no_grad;
    const Ema::Applied averaged(ema_);
    task_.module().eval();
    task_.BeforeSave();
  }
  CheckpointWriter writer(run_.folder.path(), step_);
  writer.Tensors("model", task_.State());
  if (ema_.enabled()) writer.Tensors("ema", ema_.State());
  writer.Tensors("optimizer", optimizer_.State());
  Json state = State();
  if (task_.vocabulary()) state["vocabulary"] = writer.Vocabulary(*task_.vocabulary());
  writer.Json("state", state);
  writer.Commit(best);
  events_.Flush();
  saved_step_ = step_;
  Log("saved step {}{}", step_, best ? " (the best so far)" : "");
}

Json Trainer::State() const {
  Json state = {{"format", kStateFormat}, {"kind", task_.kind()}, {"step", step_}};
  state.update(task_.Describe());
  state["total_steps"] = total_steps_;
  state["finished"] = IsFinished();
  state["evaluations_since_best"] = since_best_;
  state["order"] = {{"epoch", EpochOf(step_)},
                    {"position", step_ % steps_per_epoch_},
                    {"steps_per_epoch", steps_per_epoch_},
                    {"samples", samples_}};
  state["rng"] = {{"seed", seed_}, {"streams", "of (seed, step)"}};
  state["metrics"] = last_metrics_;
  state["best"] = best_;
  state["seconds"] = Seconds();
  state["options"] = identity_.options;
  state["facts"] = identity_.facts;
  return state;
}

void Trainer::Resume(const Checkpoint& checkpoint) {
  const Json state = checkpoint.RequireKind(task_.kind());
  if (state.value("format", Json()) != Json(kStateFormat))
    throw DataError("CKPT_CONFIG", "{}: its state.json is of another version: start a new run",
                    checkpoint.path().string());
  task_.Load(*checkpoint.Tensors("model"), checkpoint.path() / "model.safetensors");
  optimizer_.Load(*checkpoint.Tensors("optimizer"), checkpoint.path() / "optimizer.safetensors");
  if (ema_.enabled()) ema_.Load(*checkpoint.Tensors("ema"), checkpoint.path() / "ema.safetensors");
  step_ = state.at("step").get<int64_t>();
  samples_ = state.at("order").at("samples").get<int64_t>();
  seconds_before_ = state.at("seconds").get<double>();
  last_metrics_ = state.at("metrics");
  best_ = state.at("best");
  since_best_ = state.at("evaluations_since_best").get<int64_t>();
  if (state.at("order").at("steps_per_epoch") != Json(steps_per_epoch_) ||
      state.at("total_steps") != Json(total_steps_))
    throw ConfigError("RESUME_OPTIONS", "{}: its training part or length is not this one's: start a new run",
                      checkpoint.path().string());
  saved_step_ = evaluated_step_ = step_;
  // A crash may have kept the pointers from following.
  PointTo(run_.folder.path(), "latest", step_);
  if (best_.is_object() && best_.at("step") == Json(step_)) PointTo(run_.folder.path(), "best", step_);
}

bool Trainer::IsFinished() const {
  return step_ == total_steps_ || (options_.patience > 0 && since_best_ >= options_.patience);
}

bool Trainer::TimeIsUp() const {
  const std::chrono::duration<double, std::ratio<60>> minutes = std::chrono::steady_clock::now() - start_;
  return options_.max_minutes > 0 && minutes.count() >= options_.max_minutes;
}

double Trainer::Seconds() const {
  return seconds_before_ + std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

Json Trainer::Result() const {
  Json result = {{"run", run_.folder.path().string()},
                 {"kind", task_.kind()},
                 {"step", step_},
                 {"finished", IsFinished()},
                 {"best_step", best_.is_object() ? best_["step"] : Json(nullptr)},
                 {"metrics", best_.is_object() ? best_["metrics"] : Json::object()}};
  result["seconds"] = Seconds();
  return result;
}

}  // namespace genvinci
