#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <string>

#include "genvinci/core/error.h"

namespace genvinci {

// A new folder that goes with the object.
class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "genvinci_XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed for " + name);
    path_ = name;
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

  // How many entries it has, hidden ones too.
  int Count() const { return static_cast<int>(std::distance(std::filesystem::directory_iterator(path_), {})); }

 private:
  std::filesystem::path path_;
};

// Reading and writing that does not go through what is tested.
inline std::string Slurp(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void Spill(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

// Lines of a log file less their times, which must be there.
inline std::string WithoutTimes(const std::string& text) {
  static const std::regex time(R"((^|\n)\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} )");
  return std::regex_replace(text, time, "$1");
}

// Runs `call`, which has to throw our Error named `name`; gives the error to look into its text.
template <typename Call>
Error CatchError(const std::string& name, Call call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.name(), name) << error.what();
    return error;
  }
  ADD_FAILURE() << "nothing was thrown, expected " << name;
  return Error(ExitCode::kOk, "", "");
}

}  // namespace genvinci
