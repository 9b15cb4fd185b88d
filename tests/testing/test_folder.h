#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "genvinci/core/error.h"
#include "genvinci/core/files.h"
#include "genvinci/core/log.h"
#include "genvinci/io/gzip.h"

namespace genvinci {

// A folder that is gone after the test.
class TestFolder {
 public:
  TestFolder() {
    std::string name = (fs::temp_directory_path() / "genvinci_data_XXXXXX").string();
    if (!mkdtemp(name.data())) ADD_FAILURE() << "no temporary folder";
    path_ = name;
    SetQuiet(/*quiet=*/true);
  }
  ~TestFolder() { fs::remove_all(path_); }
  fs::path operator/(const std::string& name) const { return path_ / name; }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

inline void WriteText(const fs::path& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary);
  out << (path.extension() == ".gz" ? Gzip(text) : text);
}

// The name of the error that `run` throws, with its text and exit code; "" when there is none.
struct Caught {
  std::string name, text;
  ExitCode code = ExitCode::kOk;
};

inline Caught Catch(const std::function<void()>& run) {
  try {
    run();
  } catch (const Error& error) {
    return {error.name(), error.what(), error.exit_code()};
  }
  return {};
}

}  // namespace genvinci
