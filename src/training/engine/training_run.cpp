#include "genvinci/training/engine/training_run.h"

#include <algorithm>
#include <system_error>

#include "genvinci/checkpoint/run_state.h"
#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/text.h"

namespace genvinci {
namespace {

// What differs of two sets of options or facts, less what is free to.
class Differences {
 public:
  explicit Differences(const std::set<std::string>& free) : free_(free) {}

  void Compare(const std::string& key, const Json& was, const Json& is) {
    if (was == is || free_.contains(key)) return;
    if (!was.is_object() || !is.is_object()) {
      found_.push_back(fmt::format("{} was {}, is {}", key, DumpJson(was), DumpJson(is)));
      return;
    }
    const std::string start = key.empty() ? "" : key + ".";
    for (const auto& [name, value] : was.items()) Compare(start + name, value, is.value(name, Json()));
    for (const auto& [name, value] : is.items()) {
      if (!was.contains(name)) Compare(start + name, Json(), value);
    }
  }

  bool empty() const { return found_.empty(); }
  std::string Text() const { return JoinText(found_, "; "); }

 private:
  const std::set<std::string>& free_;
  std::vector<std::string> found_;
};

// Whether all is the same. What is not, is refused, or warned of where that was asked for.
bool IsSame(const RunIdentity& identity, const Checkpoint& checkpoint, const TrainingOptions& training,
            const RankGroup& ranks) {
  const RunState state =
      RunState::Of(checkpoint.RequireKind(identity.kind), (checkpoint.path() / "state.json").string());
  Differences differences(identity.free_options);
  Json begun_with = identity.default_options;
  begun_with.merge_patch(state.options);
  differences.Compare("", begun_with, identity.options);
  Json facts = state.facts;
  if (!identity.earlier_fingerprint.empty() && state.dataset_fingerprint() == identity.earlier_fingerprint)
    facts["dataset_fingerprint"] = identity.facts.at("dataset_fingerprint");
  differences.Compare("", facts, identity.facts);
  differences.Compare("number of ranks", Json(state.world), Json(ranks.world()));
  if (differences.empty()) return true;
  const std::string text = differences.Text();
  if (!training.allow_inexact_resume)
    throw ConfigError("RESUME_OPTIONS",
                      "{}: cannot continue with the same numbers: {}: give the options of the run, start a new one, or "
                      "--allow_inexact_resume",
                      checkpoint.path().string(), text);
  Warn("{}: continuing under other conditions than it began with: {}", checkpoint.path().string(), text);
  return false;
}

// As the main rank has it.
void RequireSame(const RunIdentity& identity, const Json& chosen, const RankGroup& ranks) {
  Differences differences(identity.free_options);
  differences.Compare("", chosen.at("options"), identity.options);
  differences.Compare("", chosen.at("facts"), identity.facts);
  if (differences.empty()) return;
  throw ConfigError("RANKS_DIFFER", "rank {}: differs from the main rank: {}: start all ranks alike, on the same files",
                    ranks.rank(), differences.Text());
}

bool HasCheckpoints(const fs::path& run) {
  std::error_code error;
  return fs::exists(run / "checkpoints" / "latest", error);
}

// As the state of the latest checkpoint says, without verifying its files, which happens when it is opened.
bool IsUnfinished(const fs::path& run, const RunIdentity& identity) {
  const auto step = PointedStep(run, "latest");
  const fs::path path = run / "checkpoints" / fmt::format("step-{}", step.value_or(-1)) / "state.json";
  std::error_code error;
  if (!fs::exists(path, error)) return true;
  const RunState state = RunState::Of(ReadJson(path), path.string());
  if (!state.finished) return true;
  return identity.is_complete && !identity.is_complete(run, state.options);
}

// The newest name last.
std::vector<fs::path> RunsOf(const std::string& dataset, const std::string& kind) {
  std::vector<fs::path> runs;
  std::error_code error;
  for (fs::directory_iterator it(fs::path("output") / dataset / kind, error), end; !error && it != end;
       it.increment(error)) {
    if (HasCheckpoints(it->path())) runs.push_back(it->path());
  }
  std::sort(runs.begin(), runs.end());
  return runs;
}

bool IsOfThisJob(const fs::path& run) {
  return !JobId().empty() && ReadJson(run / "run.json").value("job", "") == JobId();
}

// Nothing: a new run is to start. A job that was put back in the queue goes on with what it has begun itself; where no
// job's number tells which that is, with none.
std::optional<fs::path> RunToResume(const RunIdentity& identity, const CommonOptions& common, const std::string& resume,
                                    bool of_this_job) {
  if (resume.empty()) return std::nullopt;
  if (resume != "auto") return ResolveRun(identity.dataset, identity.kind, resume);
  if (!common.output.empty()) {
    // A run that was killed before its first checkpoint starts over in its folder.
    std::error_code error;
    if (fs::exists(fs::path(common.output) / "run.json", error)) return common.output;
  } else {
    const std::vector<fs::path> runs = RunsOf(identity.dataset, identity.kind);
    const auto found = std::find_if(runs.rbegin(), runs.rend(), [&](const fs::path& run) {
      return (!of_this_job || IsOfThisJob(run)) && IsUnfinished(run, identity);
    });
    if (found != runs.rend()) return *found;
  }
  Warn("--resume auto: there is no unfinished run of kind {} for {}: a new one starts", identity.kind,
       identity.dataset);
  return std::nullopt;
}

// Rows behind the checkpoint come again.
void CutMetrics(const fs::path& run, int64_t step) {
  const fs::path path = run / "metrics.jsonl";
  std::error_code error;
  if (!fs::exists(path, error)) return;
  const std::string text = ReadFile(path);
  std::string kept;
  for (const std::string_view line : SplitText(text, '\n')) {
    if (line.empty()) continue;
    if (ParseJson(line, path.string()).value("step", int64_t{0}) <= step) kept += std::string(line) + "\n";
  }
  WriteFileAtomic(path, kept);
}

// By the main rank.
TrainingRun OpenAsMain(const RunIdentity& identity, const CommonOptions& common, const TrainingOptions& training,
                       const RankGroup& ranks) {
  const RankEnvironment& environment = ranks.environment();
  const bool is_restart = environment.restart > 0 && training.resume.empty();
  const std::string resume = is_restart ? "auto" : training.resume;
  const std::optional<fs::path> resumed =
      environment.run.empty() ? RunToResume(identity, common, resume, is_restart) : fs::path(environment.run);
  if (!resumed) {
    TrainingRun run{RunFolder::Create(identity.dataset, identity.kind, common.output), std::nullopt};
    run.folder.WriteRunJson(identity.command, identity.options, identity.facts);
    Log("run {}", run.folder.path().string());
    return run;
  }
  // The lock comes first: another process may be writing there.
  TrainingRun run{RunFolder::Reopen(*resumed), std::nullopt};
  // One that was lost before its first checkpoint starts over.
  if ((resume != "auto" && environment.run.empty()) || HasCheckpoints(*resumed)) {
    run.checkpoint = Checkpoint::Open(*resumed, "latest", CheckpointUse::kAll);
    run.is_inexact = !IsSame(identity, *run.checkpoint, training, ranks);
  }
  const int64_t step = run.checkpoint ? run.checkpoint->step() : 0;
  CutMetrics(*resumed, step);
  run.folder.WriteRunJson(identity.command, identity.options, identity.facts);
  Log("run {}: going on from step {}", resumed->string(), step);
  return run;
}

}  // namespace

TrainingRun OpenTrainingRun(const RunIdentity& identity, const CommonOptions& common, const TrainingOptions& training,
                            RankGroup& ranks) {
  if (ranks.is_main()) {
    TrainingRun run = OpenAsMain(identity, common, training, ranks);
    ranks.SetRun(fs::absolute(run.folder.path()).string());
    ranks.Broadcast(Json{{"options", identity.options},
                         {"facts", identity.facts},
                         {"run", run.folder.path().string()},
                         {"checkpoint", run.checkpoint ? run.checkpoint->path().string() : ""},
                         {"is_inexact", run.is_inexact}});
    return run;
  }
  const Json chosen = ranks.Broadcast(Json());
  RequireSame(identity, chosen, ranks);
  const std::string checkpoint = chosen.at("checkpoint");
  TrainingRun run{RunFolder::Follow(chosen.at("run").get<std::string>(), fmt::format("rank{}", ranks.rank())),
                  std::nullopt, chosen.at("is_inexact")};
  if (!checkpoint.empty()) run.checkpoint = Checkpoint::Open(checkpoint, "latest", CheckpointUse::kAll);
  return run;
}

}  // namespace genvinci
