#include "genvinci/commands/demo.h"

#include <cmath>

#include "genvinci/commands/resolve.h"
#include "genvinci/core/log.h"
#include "genvinci/core/progress.h"
#include "genvinci/core/text.h"
#include "genvinci/generation/generate.h"
#include "genvinci/studies/evaluation/evaluate.h"
#include "genvinci/technologies/prepare.h"
#include "genvinci/training/tasks/tasks.h"

namespace genvinci {
namespace {

// How the demo's time is shared out, and how many steps fit in a minute of a two-core machine: the schedules count
// steps, the minutes only stop a slower machine.
struct Part {
  double share;
  double steps_per_minute;
};
constexpr Part kPretrain{0.05, 200};
constexpr Part kAlign{0.05, 1100};
constexpr Part kAutoencoder{0.15, 1750};
constexpr Part kFinetune{0.65, 1100};
constexpr int kStages = 7;

class DemoRun {
 public:
  explicit DemoRun(const DemoOptions& options) : options_(options), start_(std::chrono::steady_clock::now()) {
    root_ = options.common.output.empty() ? fs::path(".") : fs::path(options.common.output);
    name_ = "virtual_" + std::to_string(options.common.seed);
    for (int i = 2; fs::exists(root_ / "dataset" / name_); ++i)
      name_ = fmt::format("virtual_{}_{}", options.common.seed, i);
  }

  Json Run() {
    Prepare();
    const std::string mlm = Train("pretrain", "mlm", kPretrain, {});
    const std::string align = Train("align", "align", kAlign, {{"pretrain_mlm_path", mlm}});
    const std::string autoencoder = Train("autoencoder", "autoencoder", kAutoencoder, {});
    const std::string ldm =
        Train("finetune", "ldm", kFinetune,
              {{"pretrain_mlm_path", mlm}, {"autoencoder_path", autoencoder}, {"align_path", align}});
    return Score(ldm);
  }

 private:
  Json Common(const std::string& output) const {
    Json common = ToJson(options_.common);
    common["output"] = output;
    return common;
  }
  void Stage(const std::string& text) { Log("demo {}/{}: {}", ++stage_, kStages, text); }

  std::string Dataset() const { return (root_ / "dataset" / name_).string(); }

  void Prepare() {
    Stage(fmt::format("a virtual tissue of {} spots, whose genes cause its picture", options_.spots));
    PrepareOptions prepare;
    FromJson({{"common", Common(Dataset())},
              {"technology", "virtual"},
              {"split", "patient"},
              {"img_size", 64},
              {"spots", options_.spots}},
             prepare, "");
    genvinci::Prepare(prepare);
  }

  std::string Train(const std::string& command, const std::string& kind, const Part& part, Json given) {
    const double minutes = options_.minutes * part.share;
    const int64_t steps = std::max<int64_t>(8, std::llround(minutes * part.steps_per_minute));
    Stage(fmt::format("{}, {} steps, at most {}", command, steps, HumanSeconds(60 * minutes)));
    given["common"] = Common((root_ / "output" / name_ / kind / "demo").string());
    given["dataset"] = Dataset();
    given["model"] = options_.model;
    const int64_t every = std::max<int64_t>(1, (steps + 1) / 2);  // evaluating takes its share of the minutes
    given["training"] = {{"max_steps", steps}, {"max_minutes", minutes}, {"eval_steps", every}, {"save_steps", every}};
    const Json result = command == "pretrain"      ? Pretrain(ResolvePretrain(given))
                        : command == "align"       ? TrainAligner(ResolveAlign(given))
                        : command == "autoencoder" ? TrainAutoencoder(ResolveAutoencoder(given))
                                                   : Finetune(ResolveFinetune(given));
    return result.at("run");
  }

  Json Score(const std::string& ldm) {
    Stage(fmt::format("drawing {} images for each profile of the test part", options_.num_samples));
    const Json generated = Generate(ResolveGenerate({{"common", Common((fs::path(ldm) / "generated").string())},
                                                     {"dataset", Dataset()},
                                                     {"checkpoint", ldm},
                                                     {"num_samples", options_.num_samples},
                                                     {"batch_size", 32}}));
    Stage("scores");
    EvaluateOptions evaluate;
    FromJson({{"common", Common("")}, {"generated", generated.at("output")}}, evaluate, "");
    const Json evaluation = Evaluate(evaluate);
    const fs::path folder = generated.at("output").get<std::string>();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    Log("demo: done in {}", HumanSeconds(seconds));
    return {{"report", (folder / "report.html").string()},
            {"pictures", (folder / "evaluation.png").string()},
            {"grid", (folder / "test_samples.png").string()},
            {"scores", (folder / "evaluation.json").string()},
            {"run", ldm},
            {"dataset", Dataset()},
            {"minutes", std::round(seconds / 6) / 10},
            {"metrics", evaluation.at("metrics")}};
  }

  DemoOptions options_;
  std::chrono::steady_clock::time_point start_;
  fs::path root_;
  std::string name_;
  int stage_ = 0;
};

}  // namespace

Json Demo(const DemoOptions& options) { return DemoRun(options).Run(); }

}  // namespace genvinci
