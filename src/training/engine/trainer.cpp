#include "genvinci/training/engine/trainer.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/signals.h"
#include "genvinci/core/text.h"
#include "genvinci/nn/checkpointed_layers.h"
#include "genvinci/nn/sync_batch_norm.h"
#include "genvinci/tensor/autocast.h"
#include "genvinci/tensor/random.h"
#include "genvinci/training/engine/lr_schedule.h"
#include "genvinci/training/engine/run_task.h"

namespace genvinci {
namespace {

constexpr size_t kItemsNamed = 16;
// What is saved amid a step are the sums of each rank: beyond so many it takes longer than the rest of the step.
constexpr int kMostRanksSavedAmid = 8;

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
                 const TrainingOptions& options, RankGroup& ranks)
    : task_(task),
      run_(run),
      identity_(identity),
      options_(options),
      ranks_(ranks),
      seed_(common.seed),
      order_(task, options, common.seed, ranks),
      optimizer_(task.Trained(), {.weight_decay = options.weight_decay, .beta2 = options.beta2, .zero = options.zero},
                 ranks),
      reducer_(task.Trained(), ranks),
      ema_(task.Trained(), options.ema_decay, options.ema_device == "host"),
      scale_(options.precision == "fp16"),
      vote_(ranks),
      writer_(run.folder.path()) {
  if (ranks.is_main()) log_ = std::make_unique<TrainingLog>(run.folder);
  SynchroniseBatchNorm(task.module(), ranks);
  SetGradientCheckpointing(task.module(), options.gradient_checkpointing);
  total_steps_ = PlannedSteps(options, order_.StepsLeft({}, options.epochs));
  if (run_.checkpoint) Resume(*run_.checkpoint);
  RequireRanksAgree();
}

Json Trainer::Run() {
  int64_t parameters = 0;
  for (const auto& [name, parameter] : optimizer_.parameters()) parameters += parameter.numel();
  Log("training {}: {} items, {} parameters, {} steps ({} an epoch){}", task_.kind(), task_.size(), parameters,
      total_steps_, order_.steps_per_epoch(), ranks_.world() == 1 ? "" : fmt::format(", {} ranks", ranks_.world()));
  if (log_) log_->Start(total_steps_ - step_);
  if (evaluation_is_due_) EvaluateAndSave();
  // One step at least, so that whoever restarts a run that is short of time gets on.
  while (!IsFinished() && !asked_.time_is_up) {
    Step step = Fetch();
    ForwardBackward(step);
    Reduce(step);
    Update(step);
    if (log_)
      log_->Step(step_, step.numbers, samples_, Seconds(), step_ % options_.log_steps == 0 || step_ == total_steps_);
    AfterStep();
    writer_.Check();
    if (asked_.signal != 0) Stop(asked_.signal);
  }
  if (log_) log_->End();
  if (step_ < total_steps_ && IsFinished()) Log("no better evaluation for {}: stopped at step {}", since_best_, step_);
  if (!IsFinished() && saved_step_ != step_) EvaluateAndSave();
  writer_.Wait();
  ranks_.Barrier();
  if (!IsFinished())
    Log("max_minutes {} is over at step {} of {}: saved; go on with the same command and --resume auto",
        options_.max_minutes, step_, total_steps_);
  return Result();
}

Trainer::Step Trainer::Fetch() {
  ranks_.SetStep(step_ + 1);
  Step step = resumed_ ? std::move(*resumed_) : Step();
  const bool is_resumed = resumed_.has_value();
  resumed_.reset();
  step.order = order_.At(position_);
  Weigh(step);
  step.numbers.lr = LearningRate(options_, step_, total_steps_);
  if (!is_resumed) optimizer_.ZeroGrad();
  return step;
}

void Trainer::Weigh(Step& step) {
  for (const auto& batch : step.order.batches)
    step.weights.push_back(task_.Weight(batch.mine, {seed_, step.order.epoch}));
  // Who weighs items alike knows the sum without asking.
  step.weight = task_.WeighsItemsAlike()
                    ? static_cast<double>(step.order.samples)
                    : ranks_.Sum({std::accumulate(step.weights.begin(), step.weights.end(), 0.0)})[0];
}

void Trainer::ForwardBackward(Step& step) {
  task_.module().train();
  for (; step.batches_done < step.order.batches.size(); ++step.batches_done) {
    const bool is_last = step.batches_done + 1 == step.order.batches.size();
    vote_.Begin(TimeIsUp());
    if (is_last) reducer_.Begin();
    RunBatch(step, step.batches_done);
    asked_ = vote_.End();
    if (asked_.signal == 0 || is_last || ranks_.world() > kMostRanksSavedAmid) continue;
    ++step.batches_done;
    Stop(asked_.signal, &step);
  }
}

void Trainer::RunBatch(Step& step, size_t batch) {
  const std::vector<int64_t>& mine = step.order.batches[batch].mine;
  // A rank that has none of a short last batch keeps step with one that counts for nothing.
  const bool idle = mine.empty();
  const std::vector<int64_t> items = idle ? std::vector<int64_t>{step.order.batches[batch].all.front()} : mine;
  const DrawKey key{seed_, step.order.epoch};
  if (idle) SetBatchNormShare(task_.module(), 0);
  at::manual_seed(StreamKey(seed_, "step", {step_, static_cast<int64_t>(batch), ranks_.rank()}));
  StepLoss loss;
  {
    const Autocast autocast(ranks_.device(), options_.precision);
    loss = task_.Loss(items, key);
  }
  if (idle) SetBatchNormShare(task_.module(), 1);
  const double share = idle ? 0 : step.weights[batch] / step.weight;
  const double value = loss.loss.item<double>();
  // In fp16 the gradient tells.
  if (!std::isfinite(value) && !idle && !scale_.enabled()) NotFinite(step, fmt::format("the loss is {}", value));
  if (!idle) {
    step.numbers.loss += share * value;
    for (const auto& [name, part] : loss.parts) step.numbers.Add(name, share * part.item<double>());
  }
  const double factor = share * scale_.scale();
  (factor == 1 ? loss.loss : loss.loss * factor).backward();
}

// This rank's sums become those of all. An idle rank does not know which parts there are; the main rank never is idle.
void Trainer::Reduce(Step& step) {
  reducer_.Finish();
  if (ranks_.world() == 1) return;
  const auto is_short = [&](const auto& batch) { return static_cast<int>(batch.all.size()) < ranks_.world(); };
  if (std::any_of(step.order.batches.begin(), step.order.batches.end(), is_short)) {
    Json names = Json::array();
    for (const auto& [name, value] : step.numbers.parts) names.push_back(name);
    for (const Json& name : ranks_.Broadcast(names)) step.numbers.Add(name, 0);
  }
  std::vector<double> values = {step.numbers.loss};
  for (const auto& [name, value] : step.numbers.parts) values.push_back(value);
  values = ranks_.Sum(values);
  step.numbers.loss = values[0];
  for (size_t i = 0; i < step.numbers.parts.size(); ++i) step.numbers.parts[i].second = values[i + 1];
}

void Trainer::Update(Step& step) {
  optimizer_.ScaleGradients(1 / scale_.scale());
  step.numbers.gradient_norm = GradientNorm();
  optimizer_.ClipGradients(step.numbers.gradient_norm, options_.grad_clip);
  const bool finite = std::isfinite(step.numbers.gradient_norm);
  if (!finite && !scale_.enabled()) NotFinite(step, fmt::format("the gradient norm is {}", step.numbers.gradient_norm));
  if (!scale_.Update(finite))
    NotFinite(step, fmt::format("{} updates in a row overflowed in fp16", LossScale::kMostSkipped));
  if (finite) {
    optimizer_.Step(step.numbers.lr);
    ema_.Update(step_);
  } else {
    Log("step {}: the gradient overflowed in fp16: left out, the loss scale is now {}", step_ + 1, scale_.scale());
  }
  ++step_;
  samples_ += step.order.samples;
  position_ = step.order.next;
}

void Trainer::NotFinite(const Step& step, std::string_view what) const {
  std::vector<std::string> names;
  int64_t count = 0;
  for (const auto& batch : step.order.batches) {
    count += static_cast<int64_t>(batch.mine.size());
    for (const int64_t item : batch.mine) {
      if (names.size() < kItemsNamed) names.push_back(task_.ItemName(item));
    }
  }
  if (static_cast<int64_t>(names.size()) < count) names.push_back("...");
  throw NotFiniteError("TRAIN_NOT_FINITE",
                       "{}: step {}: {}, before the update; observations {}: lower training.lr, or look at these "
                       "observations; the last checkpoint is untouched",
                       run_.folder.path().string(), step_ + 1, what, JoinText(names, ", "));
}

void Trainer::AfterStep() {
  if (step_ == total_steps_ || IsDue(options_.eval_steps))
    EvaluateAndSave();
  else if (IsDue(options_.save_steps))
    Save(/*best=*/false);
}

void Trainer::EvaluateAndSave() {
  bool best = false;
  evaluation_is_due_ = true;
  // Drawing val images may take longer than a scheduler waits.
  try {
    best = Evaluate();
  } catch (const Interrupted&) {
    evaluated_step_ = -1;
    vote_.Begin(/*time_is_up=*/false);
    Stop(vote_.End().signal);
  }
  evaluation_is_due_ = false;
  Save(best);
}

bool Trainer::IsDue(int64_t every) const { return every > 0 ? step_ % every == 0 : position_.taken == 0; }

bool Trainer::Evaluate() {
  if (evaluated_step_ == step_) return false;
  evaluated_step_ = step_;
  RequireRanksAgree();
  Json found;
  {
    const torch::NoGradGuard no_grad;
    const Ema::Applied averaged(ema_);
    task_.module().eval();
    const std::optional<Evaluation> evaluation = task_.Evaluate(step_);
    if (evaluation)
      found = {{"metrics", evaluation->metrics},
               {"selection", evaluation->selection},
               {"higher_is_better", evaluation->higher_is_better}};
  }
  if (found.is_null()) {
    // Without a val part the latest is the best.
    best_ = {{"step", step_}, {"metrics", Json::object()}};
    return true;
  }
  // Sums of floating-point numbers may differ in their last digit; decisions must not.
  TakeEvaluation(ranks_.Broadcast(found));
  return best_.is_object() && best_["step"] == Json(step_);
}

void Trainer::TakeEvaluation(const Json& evaluation) {
  last_metrics_ = evaluation.at("metrics");
  Log("step {} (epoch {:.2f}): {}", step_, Epoch(), MetricsText(last_metrics_));
  if (log_) log_->Evaluation(step_, last_metrics_, Seconds());
  const std::string selection = evaluation.at("selection");
  const Json& chosen = last_metrics_.at(selection);
  const double value = chosen.is_number() ? chosen.get<double>() : std::nan("");
  if (!std::isfinite(value)) {
    Warn("step {}: {} is {}: not taken for the best", step_, selection, value);
    return;
  }
  const double former = best_.is_object() ? best_["metrics"].value(selection, std::nan("")) : std::nan("");
  const bool higher = evaluation.at("higher_is_better").get<bool>();
  const bool best = std::isnan(former) || (higher ? value > former : value < former);
  if (best) best_ = {{"step", step_}, {"metrics", last_metrics_}};
  since_best_ = best ? 0 : since_best_ + 1;
}

// All ranks must clip alike, and how a sum rounds depends on the machine.
double Trainer::GradientNorm() {
  const double mine = optimizer_.GradientNorm();
  if (ranks_.world() == 1) return mine;
  torch::Tensor norm = torch::tensor({mine}, torch::kFloat64);
  ranks_.Broadcast(norm);
  return norm.item<double>();
}

// Ranks that have drifted apart, or begun with other weights, train no model at all.
void Trainer::RequireRanksAgree() {
  if (ranks_.world() == 1) return;
  const torch::NoGradGuard no_grad;
  torch::Tensor sum = torch::zeros({1}, torch::kInt64);
  const auto add = [&](const torch::Tensor& tensor) {
    // As whole numbers, whose sum does not depend on its order.
    const torch::Tensor values = tensor.detach().contiguous();
    const bool is_float = values.scalar_type() == torch::kFloat32;
    sum = sum * 31 + (is_float ? values.view(torch::kInt32) : values).sum(torch::kInt64).cpu();
  };
  for (const torch::Tensor& parameter : task_.module().parameters()) add(parameter);
  for (const torch::Tensor& buffer : task_.module().buffers()) add(buffer);
  const torch::Tensor all = ranks_.Gather(sum);
  for (int rank = 1; rank < ranks_.world(); ++rank) {
    if (all[rank].equal(all[0])) continue;
    throw ConfigError("RANKS_DIFFER",
                      "step {}: the weights of rank {} are not the main rank's: give all ranks the same files and "
                      "processors of one kind",
                      step_, rank);
  }
}

void Trainer::Stop(int signal, const Step* partial) {
  Save(/*best=*/false, partial);
  writer_.Wait();
  ranks_.Barrier();
  throw Interrupted(signal, fmt::format("saved step {} in {}: go on with the same command and --resume auto", step_,
                                        run_.folder.path().string()));
}

bool Trainer::IsFinished() const {
  return step_ >= total_steps_ || (options_.patience > 0 && since_best_ >= options_.patience);
}

bool Trainer::TimeIsUp() const {
  const std::chrono::duration<double, std::ratio<60>> minutes = std::chrono::steady_clock::now() - start_;
  return options_.max_minutes > 0 && minutes.count() >= options_.max_minutes;
}

double Trainer::Seconds() const {
  return seconds_before_ + std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

double Trainer::Epoch() const {
  return static_cast<double>(position_.epoch) +
         static_cast<double>(position_.taken) / static_cast<double>(std::max<int64_t>(1, task_.size()));
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
