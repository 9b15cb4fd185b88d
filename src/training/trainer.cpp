#include "genvinci/training/trainer.h"

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
#include "genvinci/training/lr_schedule.h"

namespace genvinci {
namespace {

constexpr int kStateFormat = 3;
constexpr size_t kItemsNamed = 16;

int64_t TotalSteps(const TrainingOptions& options, int64_t by_epochs) {
  if (options.epochs == 0 && options.max_steps == 0)
    throw ConfigError("TRAIN_LENGTH", "training: neither epochs nor max_steps is set: give one");
  if (options.epochs == 0) return options.max_steps;
  return options.max_steps == 0 ? by_epochs : std::min(by_epochs, options.max_steps);
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

std::string RankName(int rank, const std::string& name) { return fmt::format("rank{}.{}", rank, name); }

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
  total_steps_ = TotalSteps(options, order_.StepsLeft({}, options.epochs));
  if (run_.checkpoint) Resume(*run_.checkpoint);
}

Json Trainer::Run() {
  int64_t parameters = 0;
  for (const auto& [name, parameter] : optimizer_.parameters()) parameters += parameter.numel();
  Log("training {}: {} items, {} parameters, {} steps ({} an epoch){}", task_.kind(), task_.size(), parameters,
      total_steps_, order_.steps_per_epoch(), ranks_.world() == 1 ? "" : fmt::format(", {} ranks", ranks_.world()));
  if (log_) log_->Start(total_steps_ - step_);
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
  if (!IsFinished() && saved_step_ != step_) Save(Evaluate());
  writer_.Wait();
  ranks_.Barrier();
  if (!IsFinished())
    Log("max_minutes {} is over at step {} of {}: saved; go on with --resume auto", options_.max_minutes, step_,
        total_steps_);
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
    if (asked_.signal == 0 || is_last) continue;
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
  step.numbers.gradient_norm = optimizer_.ClipGradients(options_.grad_clip);
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
  const bool last = step_ == total_steps_;
  const bool evaluates = last || IsDue(options_.eval_steps);
  const bool best = evaluates && Evaluate();
  if (evaluates || IsDue(options_.save_steps)) Save(best);
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

// Ranks that have drifted apart train no model at all.
void Trainer::RequireRanksAgree() {
  if (ranks_.world() == 1) return;
  const torch::NoGradGuard no_grad;
  torch::Tensor sum = torch::zeros({1}, torch::kFloat64);
  for (const auto& [name, parameter] : optimizer_.parameters())
    sum += parameter.detach().to(torch::kFloat64).square().sum().cpu();
  const torch::Tensor all = ranks_.Gather(sum);
  GENVINCI_CHECK(all.eq(all[0]).all().item<bool>(), "step {}: the ranks' weights are not the same", step_);
}

void Trainer::Save(bool best, const Step* partial) {
  if (saved_step_ == step_ && !partial) return;
  saved_step_ = step_;
  const NamedTensors optimizer = optimizer_.State();
  CheckpointContent content{step_, best, options_.keep_last};
  if (partial) {
    content.tensors.emplace_back("gradients", PartialGradients());
    content.state["partial"] = GatherPartial(*partial);
  }
  ranks_.OnMain([&] {
    {
      const torch::NoGradGuard no_grad;
      const Ema::Applied averaged(ema_);
      task_.module().eval();
      task_.BeforeSave();
    }
    content.tensors.emplace_back("model", task_.State());
    if (ema_.enabled()) content.tensors.emplace_back("ema", ema_.State());
    content.tensors.emplace_back("optimizer", optimizer);
    content.state.update(State());
    if (task_.vocabulary()) content.vocabulary = *task_.vocabulary();
    log_->Flush();
    writer_.Write(std::move(content));
  });
}

void Trainer::Stop(int signal, const Step* partial) {
  Save(/*best=*/false, partial);
  writer_.Wait();
  ranks_.Barrier();
  throw Interrupted(signal,
                    fmt::format("saved step {} in {}: go on with --resume auto", step_, run_.folder.path().string()));
}

// What each rank has summed up of a step that is cut: a sum over ranks now would round otherwise than one at its end.
NamedTensors Trainer::PartialGradients() const {
  NamedTensors gradients;
  for (const auto& [name, parameter] : optimizer_.parameters()) {
    const torch::Tensor mine = parameter.grad().defined() ? parameter.grad().contiguous() : torch::Tensor();
    torch::Tensor has = torch::tensor({static_cast<int>(mine.defined())});
    const torch::Tensor having = ranks_.Gather(has).flatten();
    if (having.sum().item<int>() == 0) continue;
    const torch::Tensor all = ranks_.Gather(mine.defined() ? mine : torch::zeros_like(parameter.detach()).contiguous());
    for (int rank = 0; ranks_.is_main() && rank < ranks_.world(); ++rank) {
      if (having[rank].item<int>() != 0) gradients.emplace_back(RankName(rank, name), all[rank]);
    }
  }
  return gradients;
}

// A line of JSON from each rank.
Json Trainer::GatherPartial(const Step& step) {
  Json parts = Json::array();
  for (const auto& [name, value] : step.numbers.parts) parts.push_back({name, value});
  std::string mine = Json{{"loss", step.numbers.loss}, {"parts", parts}}.dump() + "\n";
  const torch::Tensor bytes = torch::from_blob(mine.data(), {static_cast<int64_t>(mine.size())}, torch::kUInt8);
  const torch::Tensor all = ranks_.GatherRows(bytes);
  const std::string lines(all.data_ptr<uint8_t>(), all.data_ptr<uint8_t>() + all.numel());
  Json ranks = Json::array();
  for (const std::string_view line : SplitText(lines, '\n')) {
    if (!line.empty()) ranks.push_back(ParseJson(line, "a rank's numbers"));
  }
  return {{"batches_done", step.batches_done}, {"ranks", ranks}};
}

Json Trainer::State() const {
  Json state = {{"format", kStateFormat}, {"kind", task_.kind()}, {"step", step_}};
  state.update(task_.Describe());
  state["total_steps"] = total_steps_;
  state["finished"] = IsFinished();
  state["evaluations_since_best"] = since_best_;
  state["order"] = {{"epoch", position_.epoch},
                    {"taken", position_.taken},
                    {"steps_per_epoch", order_.steps_per_epoch()},
                    {"samples", samples_}};
  state["rng"] = {{"seed", seed_}, {"streams", "of (seed, epoch, item) and (seed, step, rank)"}};
  state["world"] = ranks_.world();
  state["loss_scale"] = scale_.State();
  state["log"] = log_->State();
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
  if (ema_.enabled() && checkpoint.Has("ema.safetensors"))
    ema_.Load(*checkpoint.Tensors("ema"), checkpoint.path() / "ema.safetensors");
  step_ = state.at("step").get<int64_t>();
  const Json& order = state.at("order");
  position_ = {order.at("epoch").get<int64_t>(), order.at("taken").get<int64_t>()};
  samples_ = order.at("samples").get<int64_t>();
  seconds_before_ = state.at("seconds").get<double>();
  last_metrics_ = state.at("metrics");
  best_ = state.at("best");
  since_best_ = state.at("evaluations_since_best").get<int64_t>();
  scale_.Load(state.at("loss_scale"));
  if (log_) log_->Load(state.at("log"));
  const bool is_exact = order.at("steps_per_epoch") == Json(order_.steps_per_epoch()) &&
                        state.at("total_steps") == Json(total_steps_) && state.at("world") == Json(ranks_.world());
  if (!is_exact && !options_.allow_inexact_resume)
    throw ConfigError("RESUME_OPTIONS", "{}: its training part or length is not this one's: start a new run",
                      checkpoint.path().string());
  if (!is_exact) total_steps_ = TotalSteps(options_, step_ + order_.StepsLeft(position_, options_.epochs));
  // Part of a step is of use to the same ranks and batches alone.
  if (state.contains("partial") && !run_.is_inexact) ResumePartial(checkpoint, state.at("partial"));
  saved_step_ = evaluated_step_ = step_;
  if (!ranks_.is_main()) return;
  // A crash may have kept the pointers from following.
  PointTo(run_.folder.path(), "latest", step_);
  if (best_.is_object() && best_.at("step") == Json(step_)) PointTo(run_.folder.path(), "best", step_);
}

void Trainer::ResumePartial(const Checkpoint& checkpoint, const Json& partial) {
  const auto file = checkpoint.Tensors("gradients");
  for (auto [name, parameter] : optimizer_.parameters()) {
    const std::string saved = RankName(ranks_.rank(), name);
    if (!file->Has(saved)) continue;
    parameter.mutable_grad() = torch::empty_like(parameter.detach());
    const torch::NoGradGuard no_grad;
    parameter.mutable_grad().copy_(ToTensor(file->View(saved)));
  }
  const Json& mine = partial.at("ranks").at(static_cast<size_t>(ranks_.rank()));
  resumed_.emplace();
  resumed_->batches_done = partial.at("batches_done").get<size_t>();
  resumed_->numbers.loss = mine.at("loss").get<double>();
  for (const Json& part : mine.at("parts")) resumed_->numbers.Add(part.at(0), part.at(1).get<double>());
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
