#include "genvinci/core/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <system_error>
#include <utility>

#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/text.h"
#include "genvinci/core/version.h"

namespace genvinci {
namespace {

constexpr const char* kLockName = ".lock";

std::string& CommandLineText() {
  static std::string text;
  return text;
}

std::string LocalTime(const char* format) {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::localtime_r(&now, &parts);
  char text[64];
  return std::string(text, std::strftime(text, sizeof(text), format, &parts));
}

// The names of the folders in `path`, in order; a run's "_10" comes after its "_9".
std::vector<std::string> FolderNames(const fs::path& path) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    std::error_code ignored;
    if (!name.starts_with('.') && it->is_directory(ignored)) names.push_back(name);
  }
  const auto key = [](const std::string& name) {
    constexpr size_t kStamp = 13;  // yymmdd_HHMMSS
    return std::make_tuple(name.substr(0, kStamp), name.size(), name);
  };
  std::sort(names.begin(), names.end(), [&](const auto& a, const auto& b) { return key(a) < key(b); });
  return names;
}

std::string NamesText(const fs::path& path) {
  std::vector<std::string> names = FolderNames(path);
  if (names.empty()) return fmt::format("{} holds none", path.string());
  constexpr size_t kMost = 20;
  const bool more = names.size() > kMost;
  if (more) names.erase(names.begin(), names.end() - kMost);
  return fmt::format("{} holds {}{}", path.string(), more ? "..., " : "", JoinText(names, ", "));
}

void RequirePlainName(const std::string& name) {
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos)
    throw UsageError("RUN_NAME", "'{}': is no name for a folder: give one without slashes", name);
}

// `.lock` alone is what a run that died at once leaves; a new run may start there.
bool HoldsOutput(const fs::path& path) {
  std::error_code error;
  if (!fs::exists(path, error)) return false;
  if (!fs::is_directory(path, error)) return true;
  fs::directory_iterator it(path, error), end;
  for (; !error && it != end; it.increment(error)) {
    if (it->path().filename() != kLockName) return true;
  }
  return static_cast<bool>(error);  // what cannot be listed is not taken for empty
}

// The descriptor that holds the lock. The system drops it with the process, however that ends.
int Lock(const fs::path& folder) {
  const fs::path path = folder / kLockName;
  int lock = -1;
  do {
    lock = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  } while (lock < 0 && errno == EINTR);
  if (lock < 0)
    throw IoError("FILE_WRITE", "{}: creating failed: {} (errno {}): check the folder's permissions", path.string(),
                  std::generic_category().message(errno), errno);
  if (::flock(lock, LOCK_EX | LOCK_NB) == 0) return lock;
  const int error = errno;
  if (error == ENOSYS || error == EOPNOTSUPP || error == ENOLCK) {
    Warn("{}: this file system has no locks ({}): make sure that no other process works in this folder",
         folder.string(), std::generic_category().message(error));
    return lock;
  }
  ::close(lock);
  if (error == EWOULDBLOCK)
    throw OverwriteError("RUN_IN_USE", "{}: another process works in this folder: wait for it or choose another place",
                         folder.string());
  throw IoError("FILE_WRITE", "{}: locking failed: {} (errno {})", path.string(),
                std::generic_category().message(error), error);
}

fs::path NewStampedFolder(const fs::path& parent) {
  MakeFolder(parent);
  const std::string stamp = LocalTime("%y%m%d_%H%M%S");
  for (int i = 1;; ++i) {
    const fs::path path = parent / (i == 1 ? stamp : fmt::format("{}_{}", stamp, i));
    std::error_code error;
    if (fs::create_directory(path, error)) return path;
    if (error) MakeFolder(path);  // throws with the reason
  }
}

// A process that was killed may have left half a row.
void CutTornRow(const fs::path& path) {
  std::error_code error;
  if (!fs::exists(path, error)) return;
  const std::string text = ReadFile(path);
  const size_t whole = text.rfind('\n') == std::string::npos ? 0 : text.rfind('\n') + 1;
  if (whole < text.size()) WriteFileAtomic(path, std::string_view(text).substr(0, whole));
}

}  // namespace

RunFolder::RunFolder(fs::path path, int lock) : path_(std::move(path)), lock_(lock) {}

RunFolder::RunFolder(RunFolder&& other) noexcept
    : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, -1)) {}

RunFolder::~RunFolder() {
  if (lock_ < 0) return;
  SetLogFile({});
  ::close(lock_);
}

RunFolder RunFolder::Create(const std::string& dataset, const std::string& kind, const std::string& output) {
  fs::path path = output;
  if (output.empty()) {
    RequirePlainName(dataset);
    RequirePlainName(kind);
    path = NewStampedFolder(fs::path("output") / dataset / kind);
  }
  const auto refuse_used = [&] {
    if (!HoldsOutput(path)) return;
    // Whether it is in use is the better thing to say, where it is.
    std::error_code ignored;
    if (fs::exists(path / kLockName, ignored)) ::close(Lock(path));
    throw OverwriteError("OUTPUT_EXISTS", "{}: holds something already: choose another place or remove it",
                         path.string());
  };
  refuse_used();
  MakeFolder(path);
  RunFolder run(path, Lock(path));
  if (HoldsOutput(path))
    throw OverwriteError("RUN_IN_USE", "{}: another process has just written here: choose another place",
                         path.string());
  SetLogFile(path / "log.txt");
  return run;
}

RunFolder RunFolder::Reopen(const fs::path& path) {
  std::error_code error;
  if (!fs::is_directory(path, error))
    throw MissingFileError("RUN_MISSING", "{}: there is no such run: check the path", path.string());
  RunFolder run(path, Lock(path));
  CutTornRow(path / "metrics.jsonl");
  SetLogFile(path / "log.txt");
  return run;
}

RunFolder RunFolder::Follow(const fs::path& path, const std::string& name) {
  SetLogFile(path / fmt::format("log.{}.txt", name));
  return RunFolder(path, -1);
}

void RunFolder::WriteRunJson(const std::string& command, const Json& options, const Json& facts) {
  Json run = {{"command", command},  {"command_line", CommandLine()},
              {"version", kVersion}, {"build", BuildInfo()},
              {"host", HostName()},  {"started", LocalTime("%Y-%m-%dT%H:%M:%S%z")}};
  const Json common = options.value("common", Json::object());
  if (common.contains("seed")) run["seed"] = common["seed"];
  if (!JobId().empty()) run["job"] = JobId();
  run["options"] = options;
  run["facts"] = facts;
  const fs::path path = path_ / "run.json";
  std::error_code error;
  if (fs::exists(path, error)) {
    Json earlier = ReadJson(path);
    Json all = earlier.value("earlier", Json::array());
    earlier.erase("earlier");
    all.push_back(std::move(earlier));
    run["earlier"] = std::move(all);
  }
  WriteJson(path, run);
}

void RunFolder::AppendMetrics(const Json& row) { AppendToFile(path_ / "metrics.jsonl", DumpJson(row) + "\n"); }

std::string HostName() {
  char name[256] = {};
  return ::gethostname(name, sizeof(name) - 1) == 0 ? name : "";
}

std::string JobId() {
  const char* job = std::getenv("SLURM_JOB_ID");
  return job ? job : "";
}

void SetCommandLine(const std::string& command_line) { CommandLineText() = command_line; }

const std::string& CommandLine() { return CommandLineText(); }

fs::path ResolveRun(const std::string& dataset, const std::string& kind, const std::string& reference) {
  const fs::path runs = fs::path("output") / dataset / kind;
  std::error_code error;
  if (reference == "latest") {
    if (const auto names = FolderNames(runs); !names.empty()) {
      Log("latest {} run of {}: {}", kind, dataset, (runs / names.back()).string());
      return runs / names.back();
    }
  } else if (!reference.empty()) {
    if (fs::is_directory(reference, error)) return reference;
    if (fs::is_directory(runs / reference, error)) return runs / reference;
  }
  throw MissingFileError("RUN_MISSING", "'{}': there is no such run; {}: give a folder, one of these, or latest",
                         reference, NamesText(runs));
}

fs::path ResolveDataset(const std::string& name_or_path) {
  const fs::path named = fs::path("dataset") / name_or_path;
  std::error_code error;
  if (!name_or_path.empty()) {
    for (const fs::path& path : {fs::path(name_or_path), named}) {
      if (fs::exists(path / "dataset.json", error)) return path;
    }
    for (const fs::path& path : {fs::path(name_or_path), named}) {
      if (fs::is_directory(path, error)) return path;
    }
  }
  throw MissingFileError("DATASET_MISSING", "'{}': there is no such dataset; {}: give a folder or one of these",
                         name_or_path, NamesText("dataset"));
}

}  // namespace genvinci
