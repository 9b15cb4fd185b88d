// What a cluster does to a run: killed processes, full and failing disks, flipped bytes, signals, lost ranks. Every
// case must end in the weights of a run that nothing happened to, to the last bit.
//
// ctest runs some cases of each kind; scripts/fault_campaign.sh all of them (GENVINCI_FAULT_FULL=1).
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "commands/program.h"
#include "core/temp_folder.h"
#include "genvinci/core/json.h"
#include "testing/fault_record.h"
#include "testing/tiny_dataset.h"

extern char** environ;

namespace genvinci {
namespace fault_test {

using testing::AnyOf;
using testing::HasSubstr;
using Clock = std::chrono::steady_clock;

std::string Flags(int64_t steps, int64_t batch) {
  return fmt::format(
      "pretrain --dataset tiny --model tiny --max_steps {} --batch_size {} --save_steps 3 --eval_steps 6 --log_steps 1 "
      "--threads 1 --device cpu --seed 3 --quiet ",
      steps, batch);
}
const std::string kTrain = Flags(12, 4);
// Longer than anyone waits.
const std::string kTrainOn = Flags(100000, 4);

bool IsFull() { return std::getenv("GENVINCI_FAULT_FULL") != nullptr; }
int64_t Count(int64_t full, int64_t some) { return IsFull() ? full : some; }

// A line a kind of fault, for the campaign's report.
void Record(const std::string& kind, int64_t cases, int64_t passed, const Json& more = Json::object()) {
  EXPECT_EQ(passed, cases) << kind;
  RecordFaults(kind, cases, passed, more);
}

class FaultRun : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TempFolder>();
    MakeTinyDataset(*folder_ / "tiny");
    ASSERT_EQ(Train("warm_up").code, 0);  // caches are written
    ASSERT_EQ(Train("straight").code, 0);
  }
  static void TearDownTestSuite() { folder_.reset(); }
  void SetUp() override { fs::remove_all(Path("run")); }

  static fs::path Path(const std::string& name) { return *folder_ / name; }
  static Outcome Train(const std::string& output, const std::string& more = "", const std::string& before = "") {
    return Genvinci(folder_->path(), kTrain + "--output " + output + " " + more, before);
  }
  static Outcome TrainOn(const std::string& more) {
    return Genvinci(folder_->path(), kTrainOn + "--output run " + more);
  }

  // Goes on with what a fault left in `run`, and compares.
  static bool EndsAsStraight(const std::string& flags = kTrain + "--output run ") {
    const bool has_begun = fs::exists(Path("run") / "run.json");
    if (!has_begun) fs::remove_all(Path("run"));
    const Outcome rest = Genvinci(folder_->path(), flags + (has_begun ? "--resume auto" : ""));
    EXPECT_EQ(rest.code, 0) << rest.err;
    return rest.code == 0 && IsAsStraight("run");
  }

  static bool IsAsStraight(const std::string& run) {
    const fs::path a = Path("straight/checkpoints/step-12"), b = Path(run) / "checkpoints/step-12";
    bool same = true;
    for (const char* file : {"model.safetensors", "ema.safetensors", "optimizer.safetensors"})
      same = same && fs::exists(b / file) && Slurp(a / file) == Slurp(b / file);
    EXPECT_TRUE(same) << run;
    for (const auto& entry : fs::directory_iterator(Path(run) / "checkpoints"))
      EXPECT_FALSE(entry.path().filename().string().starts_with(".")) << entry.path();
    return same && LossesOf(run) == LossesOf("straight");
  }

  static std::vector<std::string> LossesOf(const std::string& run) {
    std::vector<std::string> losses;
    if (!fs::exists(Path(run) / "metrics.jsonl")) return losses;
    std::istringstream lines(Slurp(Path(run) / "metrics.jsonl"));
    for (std::string line; std::getline(lines, line);) {
      const Json row = ParseJson(line, run);
      if (row.contains("loss"))
        losses.push_back(fmt::format("{} {:a}", row["step"].get<int64_t>(), row["loss"].get<double>()));
    }
    return losses;
  }

  // The shim's environment; `fault` as it takes it.
  static std::string Shim(const std::string& fault, const std::string& more = "") {
    return fmt::format("GENVINCI_FAULT='{}' GENVINCI_FAULT_UNDER='{}' {} LD_PRELOAD='{}'", fault, Path("run").string(),
                       more, GENVINCI_FAULT_SHIM);
  }

  // How often each call is made in a run that nothing happens to.
  static std::map<std::string, int64_t> Calls() {
    fs::remove_all(Path("run"));
    EXPECT_EQ(Train("run", "", Shim("", "GENVINCI_FAULT_COUNT='" + Path("counts").string() + "'")).code, 0);
    std::map<std::string, int64_t> calls;
    std::istringstream lines(Slurp(Path("counts")));
    std::string op;
    for (int64_t count = 0; lines >> op >> count;) calls[op] = count;
    return calls;
  }

  static std::unique_ptr<TempFolder> folder_;
};
std::unique_ptr<TempFolder> FaultRun::folder_;

// So many numbers from 1 to `last`, evenly spread.
std::vector<int64_t> Spread(int64_t last, int64_t count) {
  std::set<int64_t> chosen;
  count = std::min(count, last);
  for (int64_t i = 0; i < count; ++i) chosen.insert(1 + i * last / count);
  return {chosen.begin(), chosen.end()};
}

TEST_F(FaultRun, KilledAtAnyCallThatWrites) {
  const auto calls = Calls();
  int64_t cases = 0, passed = 0;
  for (const auto& [op, what, share] :
       std::vector<std::tuple<std::string, std::string, int64_t>>{{"open", "kill", 30},
                                                                  {"write", "kill", 30},
                                                                  {"write", "torn", 30},
                                                                  {"fsync", "kill", 26},
                                                                  {"rename", "kill", 30}}) {
    for (const int64_t n : Spread(calls.at(op), Count(share, 1))) {
      fs::remove_all(Path("run"));
      const Outcome killed = Train("run", "", Shim(fmt::format("{}:{}:{}:once", op, n, what)));
      EXPECT_EQ(killed.code, 128 + SIGKILL) << op << " " << n;
      ++cases;
      passed += EndsAsStraight();
    }
  }
  Record("kill -9 before and amid open, write, fsync and rename", cases, passed);
}

// A rank's or a run's process, in the background.
class Background {
 public:
  Background(const fs::path& folder, const std::string& arguments, const std::string& before = "")
      : err_(folder / "background.txt") {
    const std::string command =
        fmt::format("cd '{}' && {} exec '{}' {} 2>'{}' >/dev/null", folder.string(),
                    before.empty() ? "" : "export " + before + ";", GENVINCI_BINARY, arguments, err_.string());
    const char* argv[] = {"sh", "-c", command.c_str(), nullptr};
    posix_spawn(&pid_, "/bin/sh", nullptr, nullptr, const_cast<char**>(argv), environ);
  }
  ~Background() {
    if (!has_ended_) ::kill(pid_, SIGKILL), Wait();
  }
  pid_t pid() const { return pid_; }
  void Signal(int signal) const { ::kill(pid_, signal); }
  bool HasEnded() {
    int status = 0;
    if (!has_ended_ && ::waitpid(pid_, &status, WNOHANG) == pid_) Take(status);
    return has_ended_;
  }
  int Wait() {
    int status = 0;
    if (!has_ended_ && ::waitpid(pid_, &status, 0) == pid_) Take(status);
    return code_;
  }
  // False: it was still there.
  bool WaitFor(double seconds) {
    const auto end = Clock::now() + std::chrono::duration<double>(seconds);
    while (!HasEnded() && Clock::now() < end) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return HasEnded();
  }
  int code() const { return code_; }
  std::string err() const { return ReadFile(err_); }

 private:
  void Take(int status) {
    code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    has_ended_ = true;
  }
  fs::path err_;
  pid_t pid_ = 0;
  int code_ = 0;
  bool has_ended_ = false;
};

void Sleep(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

bool WaitUntil(const std::function<bool()>& holds, double seconds = 30) {
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  while (!holds() && Clock::now() < end) Sleep(0.005);
  return holds();
}

TEST_F(FaultRun, KilledAtAnyTime) {
  std::mt19937 random(1);
  const auto start = Clock::now();
  ASSERT_EQ(Train("run").code, 0);
  const double whole = std::chrono::duration<double>(Clock::now() - start).count();
  int64_t passed = 0;
  const int64_t cases = Count(50, 2);
  for (int64_t i = 0; i < cases; ++i) {
    fs::remove_all(Path("run"));
    // Several times in one run, until it is through.
    for (int kills = 0; kills < 3; ++kills) {
      Background run(folder_->path(),
                     kTrain + "--output run" + (fs::exists(Path("run/run.json")) ? " --resume auto" : ""));
      if (run.WaitFor(std::uniform_real_distribution<double>(0.2 * whole, whole)(random))) break;
      run.Signal(SIGKILL);
      run.Wait();
    }
    passed += EndsAsStraight();
  }
  Record("kill -9 at random times, up to three in a run", cases, passed);
}

TEST_F(FaultRun, AFailingDiskLosesNothing) {
  const auto calls = Calls();
  struct Kind {
    std::string op, what;
    bool recovers;  // to be tried again, not an error
  };
  int64_t cases = 0, passed = 0, errors = 0;
  for (const Kind& kind : std::vector<Kind>{{"open", "ENOSPC", false},
                                            {"open", "EIO", false},
                                            {"open", "EINTR", true},
                                            {"write", "ENOSPC", false},
                                            {"write", "EIO", false},
                                            {"write", "EINTR", true},
                                            {"write", "short", true},
                                            {"fsync", "ENOSPC", false},
                                            {"fsync", "EIO", false},
                                            {"fsync", "EINTR", true},
                                            {"rename", "ENOSPC", false},
                                            {"rename", "EIO", false}}) {
    for (const char* mode : {"once", "always"}) {
      const bool always = std::string(mode) == "always";
      if (kind.what == "EINTR" && always) continue;  // no system does so
      if (always && kind.op != "write" && !IsFull()) continue;
      for (const int64_t n : Spread(calls.at(kind.op), Count(18, 1))) {
        fs::remove_all(Path("run"));
        const std::string fault = fmt::format("{}:{}:{}:{}", kind.op, n, kind.what, mode);
        const Outcome hit = Train("run", "", Shim(fault));
        ++cases;
        // A log line that cannot be written ends no run.
        bool good = hit.code == 0 || (hit.code == 74 && !kind.recovers);
        EXPECT_TRUE(good) << fault << ": " << hit.code << " " << hit.err;
        if (hit.code == 74) {
          ++errors;
          EXPECT_THAT(LastLine(hit.err), HasSubstr("genvinci: error[")) << fault;
          EXPECT_THAT(LastLine(hit.err), HasSubstr(Path("run").filename().string())) << fault;
          EXPECT_THAT(LastLine(hit.err),
                      AnyOf(HasSubstr("errno"), HasSubstr("No space left"), HasSubstr("Input/output")))
              << fault;
        }
        good = good && (hit.code == 0 ? IsAsStraight("run") : EndsAsStraight());
        EXPECT_TRUE(good) << fault;
        passed += good;
      }
    }
  }
  Record("n-th open, write, fsync or rename fails: ENOSPC, EIO, EINTR, short write; once and for good", cases, passed,
         {{"errors_told", errors}});
}

TEST_F(FaultRun, AFullFilesystemLosesNothing) {
  if (::geteuid() != 0) GTEST_SKIP() << "mounting a small file system needs root";
  const fs::path small = Path("small");
  fs::create_directory(small);
  // Room for the first checkpoints and not for the last.
  const uint64_t checkpoint = [] {
    uint64_t bytes = 0;
    for (const auto& entry : fs::recursive_directory_iterator(Path("straight/checkpoints/step-12")))
      bytes += entry.file_size();
    return bytes;
  }();
  int64_t cases = 0, passed = 0;
  for (const double room : {0.5, 1.7, 2.5}) {
    const std::string mount =
        fmt::format("mount -t tmpfs -o size={} none '{}'",
                    static_cast<uint64_t>(room * static_cast<double>(checkpoint)) + 200000, small.string());
    if (std::system(mount.c_str()) != 0) GTEST_SKIP() << "cannot mount a tmpfs here";
    const Outcome full = Train("small/run");
    ++cases;
    bool good = full.code == 74 && full.err.find("No space left") != std::string::npos;
    EXPECT_TRUE(good) << full.code << " " << full.err;
    // On a larger disk it goes on with what was saved.
    fs::remove_all(Path("run"));
    fs::copy(small / "run", Path("run"), fs::copy_options::recursive);
    std::system(fmt::format("umount '{}'", small.string()).c_str());
    good = good && EndsAsStraight();
    passed += good;
  }
  ++cases;
  const Outcome device = Train("/dev/full");
  passed += device.code == 73 || device.code == 74;
  EXPECT_THAT(device.err, HasSubstr("genvinci: error["));
  Record("a full file system (tmpfs), /dev/full", cases, passed);
}

TEST_F(FaultRun, AFlippedByteIsNoticedAndTheOneBeforeIsTaken) {
  std::mt19937 random(2);
  ASSERT_EQ(Train("half", "--max_minutes 0.000001").code, 0);  // step 1
  // Two checkpoints: a signal's, and that of step 3.
  fs::remove_all(Path("half"));
  {
    Background run(folder_->path(), kTrain + "--output half");
    ASSERT_TRUE(WaitUntil([&] { return fs::exists(Path("half/checkpoints/step-9/manifest.json")) || run.HasEnded(); }));
    run.Signal(SIGKILL);
    run.Wait();
  }
  const auto steps = [&] {
    std::vector<int64_t> found;
    for (const auto& entry : fs::directory_iterator(Path("half/checkpoints"))) {
      const std::string name = entry.path().filename();
      if (name.starts_with("step-")) found.push_back(std::stoll(name.substr(5)));
    }
    std::sort(found.begin(), found.end());
    return found;
  }();
  ASSERT_GE(steps.size(), 2u);
  const fs::path latest = Path("half/checkpoints") / fmt::format("step-{}", steps.back());
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(latest)) files.push_back(entry.path().filename());
  std::sort(files.begin(), files.end());
  const int64_t cases = Count(100, 3);
  int64_t passed = 0;
  for (int64_t i = 0; i < cases; ++i) {
    fs::remove_all(Path("run"));
    fs::copy(Path("half"), Path("run"), fs::copy_options::recursive);
    const fs::path file = Path("run/checkpoints") / latest.filename() / files[static_cast<size_t>(i) % files.size()];
    std::string bytes = Slurp(file);
    bytes[random() % bytes.size()] ^= static_cast<char>(1 << (random() % 8));
    Spill(file, bytes);
    const Outcome rest = Train("run", "--resume auto");
    EXPECT_EQ(rest.code, 0) << rest.err;
    const bool told =
        rest.err.find(fmt::format("falling back to step-{}", steps[steps.size() - 2])) != std::string::npos;
    EXPECT_TRUE(told) << file << " " << rest.err;
    passed += rest.code == 0 && told && IsAsStraight("run");
  }
  Record("one flipped byte in a checkpoint's files or manifest", cases, passed);
}

TEST_F(FaultRun, SignalsSaveFirst) {
  std::mt19937 random(3);
  const int64_t cases = Count(110, 3);
  int64_t passed = 0, after_end = 0;
  const auto has_begun = [&](Background& run) { return fs::exists(Path("run/run.json")) || run.HasEnded(); };
  Background whole(folder_->path(), kTrain + "--output run");
  ASSERT_TRUE(WaitUntil([&] { return has_begun(whole); }));
  const auto begin = Clock::now();
  ASSERT_TRUE(WaitUntil([&] { return fs::exists(Path("run/checkpoints/step-12")); })) << whole.err();
  const double span = std::chrono::duration<double>(Clock::now() - begin).count();
  ASSERT_EQ(whole.Wait(), 0);
  for (int64_t i = 0; i < cases; ++i) {
    fs::remove_all(Path("run"));
    const int signal = i % 3 == 0 ? SIGUSR1 : SIGTERM;
    const bool twice = i % 3 == 2;
    Background run(folder_->path(), kTrain + "--output run");
    ASSERT_TRUE(WaitUntil([&] { return has_begun(run); }));
    Sleep(std::uniform_real_distribution<double>(0, span)(random));
    run.Signal(signal);
    if (twice) run.Signal(signal);
    const int code = run.Wait();
    after_end += code == 0;
    bool good = code == 0 || code == (signal == SIGUSR1 ? 75 : 143);
    EXPECT_TRUE(good) << code << " " << run.err();
    if (code != 0) good = good && run.err().find("saved step") != std::string::npos;
    good = good && (code == 0 ? IsAsStraight("run") : EndsAsStraight());
    passed += good;
  }
  Record("SIGTERM, SIGUSR1, SIGTERM twice", cases, passed, {{"had_ended_before", after_end}});
}

TEST_F(FaultRun, TwoRunsInOneFolder) {
  Background first(folder_->path(), kTrainOn + "--output run");
  ASSERT_TRUE(WaitUntil([&] { return fs::exists(Path("run/checkpoints/latest")) || first.HasEnded(); }));
  const Outcome second = TrainOn("--resume auto");
  ExpectError(second, 73, "RUN_IN_USE", "another process works in this folder");
  // The lock of one that was killed is taken over.
  first.Signal(SIGKILL);
  first.Wait();
  const Outcome third = TrainOn("--resume auto --max_minutes 0.000001");
  EXPECT_EQ(third.code, 0) << third.err;
  Record("two runs in one folder; a lock that a dead process left", 2, 2 - (second.code != 73) - (third.code != 0));
}

// --- Two ranks that the program starts itself.

// Batches of 2 on each: those of 4 of the run above, but summed otherwise.
const std::string kTwo = "--devices 2 --rank_timeout 4 --init_timeout 30 --output run ";
const std::string kRanks = Flags(12, 2) + kTwo;
const std::string kRanksOn = Flags(100000, 2) + kTwo;

std::vector<pid_t> ChildrenOf(pid_t pid) {
  std::vector<pid_t> children;
  std::ifstream file(fmt::format("/proc/{0}/task/{0}/children", pid));
  for (pid_t child = 0; file >> child;) children.push_back(child);
  return children;
}

// 'R', 'S', 'T' (stopped), ...; 'Z' where it is gone too.
char StateOf(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string text;
  return std::getline(file, text) ? text.at(text.rfind(')') + 2) : 'Z';
}

bool IsAlive(pid_t pid) { return StateOf(pid) != 'Z'; }

class FaultLaunchedRanks : public FaultRun {
 protected:
  static void SetUpTestSuite() {
    FaultRun::SetUpTestSuite();
    ASSERT_EQ(Genvinci(folder_->path(), kRanks).code, 0);
    fs::remove_all(Path("straight"));
    fs::rename(Path("run"), Path("straight"));
  }

  // Starts 4000 steps, waits for a checkpoint, does `fault` to the ranks (their pids), and expects all to be gone.
  void Lose(const std::function<void(const std::vector<pid_t>&)>& fault, const std::string& name, int rank,
            double within) {
    fs::remove_all(Path("run"));
    Background run(folder_->path(), kRanksOn);
    ASSERT_TRUE(WaitUntil([&] { return fs::exists(Path("run/checkpoints/latest")) || run.HasEnded(); })) << run.err();
    const std::vector<pid_t> ranks = ChildrenOf(run.pid());
    ASSERT_EQ(ranks.size(), 2u);
    const auto at = Clock::now();
    fault(ranks);
    ASSERT_TRUE(run.WaitFor(within + 10));
    const double took = std::chrono::duration<double>(Clock::now() - at).count();
    EXPECT_LE(took, within);
    EXPECT_EQ(run.code(), 71) << run.err();
    EXPECT_THAT(LastLine(run.err()), testing::StartsWith("genvinci: error[" + name + "]: "));
    EXPECT_THAT(LastLine(run.err()), HasSubstr(fmt::format("rank {} of 2 on ", rank)));
    EXPECT_THAT(LastLine(run.err()), testing::ContainsRegex("step [1-9]"));
    for (const pid_t pid : ranks) EXPECT_FALSE(IsAlive(pid)) << "left behind: " << run.err();
    passed_ += took <= within && run.code() == 71;
    fs::remove_all(Path("run"));
  }
  int64_t passed_ = 0;
};

TEST_F(FaultLaunchedRanks, AKilledRankEndsAllAndIsNamed) {
  const int64_t rounds = Count(20, 1);
  for (int64_t i = 0; i < rounds; ++i) {
    const int rank = static_cast<int>(i % 2);
    Lose([&](const auto& ranks) { ::kill(ranks[static_cast<size_t>(rank)], SIGKILL); }, "RANK_DEAD", rank, 5);
  }
  Record("a rank is killed (--devices 2): all end within 5 s, named", rounds, passed_);
}

TEST_F(FaultLaunchedRanks, AStoppedRankEndsAllAndIsNamed) {
  if (!IsFull()) GTEST_SKIP() << "FaultRanks and FaultLocalRanks stop one: GENVINCI_FAULT_FULL=1 runs it";
  const int64_t rounds = 20;
  for (int64_t i = 0; i < rounds; ++i) {
    const int rank = static_cast<int>((i + 1) % 2);
    Lose([&](const auto& ranks) { ::kill(ranks[static_cast<size_t>(rank)], SIGSTOP); }, "RANK_HUNG", rank, 4 + 5);
  }
  Record("a rank is stopped (--devices 2): all end within the timeout + 5 s, named", rounds, passed_);
}

TEST_F(FaultLaunchedRanks, AKilledLauncherLeavesNoOrphan) {
  Background run(folder_->path(), kRanksOn);
  ASSERT_TRUE(WaitUntil([&] { return fs::exists(Path("run/checkpoints/latest")) || run.HasEnded(); })) << run.err();
  const std::vector<pid_t> ranks = ChildrenOf(run.pid());
  run.Signal(SIGKILL);
  run.Wait();
  EXPECT_TRUE(WaitUntil([&] { return !IsAlive(ranks.at(0)) && !IsAlive(ranks.at(1)); }, 5));
  Record("the launcher is killed: no orphan", 1, !IsAlive(ranks.at(0)) && !IsAlive(ranks.at(1)));
}

TEST_F(FaultLaunchedRanks, SignalsAreAgreedOn) {
  int64_t passed = 0, cases = 0;
  for (const bool to_one : {false, true}) {
    for (const auto& [signal, code] : std::map<int, int>{{SIGTERM, 143}, {SIGUSR1, 75}, {SIGINT, 130}}) {
      if (!IsFull() && signal != (to_one ? SIGUSR1 : SIGTERM)) continue;
      fs::remove_all(Path("run"));
      // A disk so slow that a checkpoint takes longer than a lost rank is waited for.
      Background run(folder_->path(), kRanks, Shim("fsync:1:slow:always"));
      ASSERT_TRUE(WaitUntil([&] { return !LossesOf("run").empty() || run.HasEnded(); })) << run.err();
      if (to_one)
        ::kill(ChildrenOf(run.pid()).at(1), signal);
      else
        run.Signal(signal);
      bool good = run.Wait() == code;
      EXPECT_TRUE(good) << run.code() << " " << run.err();
      const std::string err = run.err();
      good = good && err.find("saved step") != std::string::npos;
      EXPECT_TRUE(good) << err;
      good = good && EndsAsStraight(kRanks);
      passed += good;
      ++cases;
    }
  }
  Record("SIGTERM, SIGUSR1, SIGINT to the launcher of two ranks, or to one of them", cases, passed);
}

TEST_F(FaultLaunchedRanks, CtrlZStopsAllForLongerThanTheTimeoutAndTheyGoOn) {
  Background run(folder_->path(), kRanks);
  ASSERT_TRUE(WaitUntil([&] { return fs::exists(Path("run/log.rank1.txt")) || run.HasEnded(); })) << run.err();
  const std::vector<pid_t> ranks = ChildrenOf(run.pid());
  run.Signal(SIGTSTP);
  EXPECT_TRUE(WaitUntil([&] { return StateOf(run.pid()) == 'T'; }, 5));
  Sleep(7);
  int64_t stopped = 0;
  for (const pid_t pid : ranks) stopped += StateOf(pid) == 'T';
  EXPECT_EQ(stopped, 2);
  run.Signal(SIGCONT);
  EXPECT_EQ(run.Wait(), 0) << run.err();
  Record("Ctrl-Z, and fg after longer than the timeout", 1, stopped == 2 && run.code() == 0 && IsAsStraight("run"));
}

TEST_F(FaultLaunchedRanks, OneDiesWhileSavingAndTheRunGoesOnByItself) {
  int64_t cases = 0, passed = 0;
  for (const int64_t n : Count(4, 1) == 4 ? std::vector<int64_t>{13, 16, 19, 22} : std::vector<int64_t>{16}) {
    fs::remove_all(Path("run"));
    // The shim counts in each process: every start gets one checkpoint further before it is killed.
    const Outcome outcome =
        Genvinci(folder_->path(), kRanks + "--max_restarts 20", Shim(fmt::format("rename:{}:kill:once", n)));
    ++cases;
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr("error[RANK_DEAD]: rank 0 of 2"));
    EXPECT_THAT(outcome.err, HasSubstr("starting the ranks again, 1 of 20"));
    passed += outcome.code == 0 && IsAsStraight("run");
  }
  Record("the main rank dies while it saves; --max_restarts goes on", cases, passed);
}

}  // namespace fault_test
}  // namespace genvinci
