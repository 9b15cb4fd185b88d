#include "test_reads.h"

#include <algorithm>
#include <chrono>

#include "genvinci/checkpoint/checkpoint.h"
#include "genvinci/core/json.h"
#include "genvinci/core/run_folder.h"

namespace genvinci {

int64_t CountTestRead(const fs::path& checkpoint) {
  const fs::path path = RunOf(checkpoint) / "test_reads.jsonl";
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch());
  AppendToFile(path, DumpJson({{"seconds_since_1970", seconds.count()},
                               {"checkpoint", checkpoint.filename().string()},
                               {"command_line", CommandLine()}}) +
                         "\n");
  const std::string lines = ReadFile(path);
  return std::count(lines.begin(), lines.end(), '\n');
}

}  // namespace genvinci
