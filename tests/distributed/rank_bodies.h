#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/temp_folder.h"
#include "genvinci/core/files.h"

// Tests of several ranks: the test program starts itself once a rank, with `--rank-body NAME` and a folder to work in.

namespace genvinci {

using RankBody = void (*)(const fs::path& folder);
std::map<std::string, RankBody>& RankBodies();

struct RankBodyRegistrar {
  RankBodyRegistrar(const char* name, RankBody body) { RankBodies()[name] = body; }
};

// RANK_BODY(Name) { ... } runs in each rank, with `folder`.
#define RANK_BODY(Name)                                                       \
  void RankBody##Name(const ::genvinci::fs::path& folder);                    \
  const ::genvinci::RankBodyRegistrar kRegister##Name{#Name, RankBody##Name}; \
  void RankBody##Name([[maybe_unused]] const ::genvinci::fs::path& folder)

struct RankEnd {
  int code = 0;  // 128 + signal where one ended it
  std::string err;
  double seconds = 0;  // after the start
};

struct RankStart {
  std::string body;
  int world = 2;
  std::vector<int> absent = {};             // ranks that never start
  std::vector<std::string> variables = {};  // "NAME=value", besides torchrun's
  std::vector<std::string> hosts = {};      // each rank's own host name; needs root
  double timeout = 60;                      // then all are killed
  double pause = 0;                         // all are stopped for so many seconds once `folder`/pause is there
};

// Starts the ranks as torchrun would, without anyone watching them, and waits. A free port is found.
std::vector<RankEnd> StartRanks(const fs::path& folder, const RankStart& start);

}  // namespace genvinci
