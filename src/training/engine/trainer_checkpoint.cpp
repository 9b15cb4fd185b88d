// What a training run saves, and how it goes on from it.
#include <set>

#include "genvinci/checkpoint/run_state.h"
#include "genvinci/core/error.h"
#include "genvinci/core/text.h"
#include "genvinci/training/engine/trainer.h"

namespace genvinci {
namespace {

std::string RankName(int rank, const std::string& name) { return fmt::format("rank{}.{}", rank, name); }

// Those that want no gradient.
std::set<const torch::TensorImpl*> FrozenParameters(const torch::nn::Module& module) {
  std::set<const torch::TensorImpl*> frozen;
  for (const torch::Tensor& parameter : module.parameters()) {
    if (!parameter.requires_grad()) frozen.insert(parameter.unsafeGetTensorImpl());
  }
  return frozen;
}

}  // namespace

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
    NamedTensors& model = content.tensors.emplace_back("model", NamedTensors()).second;
    const std::set<const torch::TensorImpl*> frozen = FrozenParameters(task_.module());
    for (const auto& item : task_.State())
      (frozen.contains(item.second.unsafeGetTensorImpl()) ? content.frozen : model).push_back(item);
    if (ema_.enabled()) content.tensors.emplace_back("ema", ema_.State());
    content.tensors.emplace_back("optimizer", optimizer);
    content.state.update(State());
    content.vocabulary = task_.vocabulary();
    log_->Flush();
    writer_.Write(std::move(content));
  });
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
      // Off the device at once, which has no room for those of all ranks.
      if (having[rank].item<int>() != 0) gradients.emplace_back(RankName(rank, name), all[rank].cpu());
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
  RunState state;
  state.format = RunState::kFormat;
  state.kind = task_.kind();
  state.step = step_;
  state.total_steps = total_steps_;
  state.finished = IsFinished() && !evaluation_is_due_;
  state.evaluation_is_due = evaluation_is_due_;
  state.evaluations_since_best = since_best_;
  state.order = {position_.epoch, position_.taken,
                 position_.ordered_for > 0 ? position_.ordered_for : order_.batch_size(), order_.steps_per_epoch(),
                 samples_};
  state.world = ranks_.world();
  state.loss_scale = scale_.State();
  state.log = log_->State();
  state.metrics = last_metrics_;
  state.best = best_;
  state.seconds = Seconds();
  state.options = identity_.options;
  state.facts = identity_.facts;
  Json json = ToJson(state);
  json["rng"] = {{"seed", seed_}, {"streams", "of (seed, epoch, item) and (seed, step, rank)"}};
  json.update(task_.Describe());
  return json;
}

void Trainer::Resume(const Checkpoint& checkpoint) {
  const Json json = checkpoint.RequireKind(task_.kind());
  const RunState state = RunState::Of(json, (checkpoint.path() / "state.json").string());
  if (state.format != RunState::kFormat)
    throw DataError("CKPT_CONFIG", "{}: its state.json is of another version: start a new run",
                    checkpoint.path().string());
  task_.Load(*checkpoint.Weights(), checkpoint.path() / "model.safetensors");
  optimizer_.Load(*checkpoint.Tensors("optimizer"), checkpoint.path() / "optimizer.safetensors");
  if (ema_.enabled() && checkpoint.Has("ema.safetensors"))
    ema_.Load(*checkpoint.Tensors("ema"), checkpoint.path() / "ema.safetensors");
  step_ = state.step;
  const RunState::Order& order = state.order;
  position_ = {order.epoch, order.taken};
  if (order.batch && *order.batch != order_.batch_size() && position_.taken > 0) position_.ordered_for = *order.batch;
  samples_ = order.samples;
  seconds_before_ = state.seconds;
  last_metrics_ = state.metrics;
  best_ = state.best;
  since_best_ = state.evaluations_since_best;
  scale_.Load(state.loss_scale);
  if (log_) log_->Load(state.log);
  const bool is_exact = order.steps_per_epoch == order_.steps_per_epoch() && state.total_steps == total_steps_ &&
                        state.world == ranks_.world();
  if (!is_exact && !options_.allow_inexact_resume)
    throw ConfigError("RESUME_OPTIONS", "{}: its training part or length is not this one's: start a new run",
                      checkpoint.path().string());
  if (!is_exact) total_steps_ = PlannedSteps(options_, step_ + order_.StepsLeft(position_, options_.epochs));
  // Part of a step is of use to the same ranks and batches alone.
  if (json.contains("partial") && !run_.is_inexact) ResumePartial(checkpoint, json["partial"]);
  evaluation_is_due_ = state.evaluation_is_due;
  saved_step_ = evaluated_step_ = evaluation_is_due_ ? -1 : step_;
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

}  // namespace genvinci
