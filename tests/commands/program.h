#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <string>

#include "genvinci/core/files.h"
#include "genvinci/core/text.h"

// Runs the built program as a user does.

namespace genvinci {

struct Outcome {
  int code = 0;
  std::string out, err;
};

inline Outcome Genvinci(const fs::path& folder, const std::string& arguments, const std::string& before = "") {
  const fs::path err = folder / "stderr.txt";
  const std::string command =
      fmt::format("cd '{}' && {} '{}' {} 2>'{}'", folder.string(), before, GENVINCI_BINARY, arguments, err.string());
  Outcome outcome;
  FILE* pipe = popen(command.c_str(), "r");
  std::array<char, 4096> buffer;
  while (const size_t n = fread(buffer.data(), 1, buffer.size(), pipe)) outcome.out.append(buffer.data(), n);
  const int status = pclose(pipe);
  outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  outcome.err = ReadFile(err);
  return outcome;
}

inline std::string LastLine(const std::string& text) {
  std::string line;
  for (std::string_view part : SplitText(text, '\n'))
    if (!part.empty()) line = part;
  return line;
}

// The command fails with `code`, and its last line is the one-line error `name` that holds `text`.
inline void ExpectError(const Outcome& outcome, int code, const std::string& name, const std::string& text) {
  EXPECT_EQ(outcome.code, code) << outcome.err;
  EXPECT_THAT(LastLine(outcome.err), testing::StartsWith("genvinci: error[" + name + "]: "));
  EXPECT_THAT(LastLine(outcome.err), testing::HasSubstr(text));
}

}  // namespace genvinci
