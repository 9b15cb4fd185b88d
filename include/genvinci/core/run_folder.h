#pragma once

#include <string>

#include "genvinci/core/files.h"
#include "genvinci/core/json.h"
#include "genvinci/core/options.h"

namespace genvinci {

// What every command shares.
struct CommonOptions {
  std::string output;  // empty: the command's default place
  int64_t seed = 0;
  std::string device = "auto";
  int64_t threads = 0;  // 0: all cores
  bool quiet = false;
  std::string log_level = "info";
  bool json = false;

  template <typename Visitor>
  void Fields(Visitor& v) {
    v.Group("Output");
    v("output", output, "file or folder to write (default: a place of the command's own)", kDecidesNoNumber);
    v("json", json, "print the result as one line of JSON on stdout", kDecidesNoNumber);
    v("quiet", quiet, "print only warnings and errors on stderr", kDecidesNoNumber);
    v("log_level", log_level, "least severe level that is logged, on stderr and in the run's log.txt",
      Choices{{"trace", "debug", "info", "warn", "error"}}, kDecidesNoNumber);
    v.Group("Devices");
    v("device", device, "cpu, cuda, cuda:N or auto", kDecidesNoNumber);
    v("threads", threads, "compute threads (0: all cores)", kDecidesNoNumber);
    v.Group("General");
    v("seed", seed, "seed of all random numbers");
  }
};

// One run: output/<dataset>/<kind>/<yymmdd_HHMMSS>/ with run.json, log.txt and metrics.jsonl. While the object lives,
// the folder is locked (OverwriteError RUN_IN_USE for a second one; a dead process's lock is taken over) and log lines
// go to its log.txt too.
class RunFolder {
 public:
  // A new folder under `root` (default "output"), or exactly `output` where given. OverwriteError (OUTPUT_EXISTS) when
  // `output` holds something already.
  static RunFolder Create(const std::string& dataset, const std::string& kind, const std::string& output);
  // An existing run, to be resumed.
  static RunFolder Reopen(const fs::path& path);
  // The same run from another process that only logs, to log.<name>.txt: no lock is taken.
  static RunFolder Follow(const fs::path& path, const std::string& name);

  RunFolder(RunFolder&&) noexcept;
  RunFolder& operator=(RunFolder&&) = delete;
  ~RunFolder();

  const fs::path& path() const { return path_; }
  // run.json: command line, resolved options, versions, seeds and `facts` (data fingerprints, ...). A resumed run
  // keeps what its run.json said before under "earlier".
  void WriteRunJson(const std::string& command, const Json& options, const Json& facts);
  // Appends one object to metrics.jsonl.
  void AppendMetrics(const Json& row);

 private:
  RunFolder(fs::path path, int lock);
  fs::path path_;
  int lock_ = -1;
};

// This machine's name.
std::string HostName();
// Of the batch system (SLURM_JOB_ID); a job that is put back in the queue keeps it. Empty: none.
std::string JobId();

// The argument vector as given, for run.json; main sets it once.
void SetCommandLine(const std::string& command_line);
const std::string& CommandLine();

// Finds what a flag names. A run: its folder, or its timestamp under output/<dataset>/<kind>/, or "latest" there.
// MissingFileError (RUN_MISSING) names the runs that are there.
fs::path ResolveRun(const std::string& dataset, const std::string& kind, const std::string& reference);
// A dataset: a folder's path, or a name under dataset/. MissingFileError (DATASET_MISSING) names those that are there.
fs::path ResolveDataset(const std::string& name_or_path);

}  // namespace genvinci
