#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>
#include <sstream>

#include "core/temp_folder.h"

namespace genvinci {
namespace layers_test {

// scripts/check_layers on a made-up tree; what it prints, with its exit status as the last line.
std::string CheckLayers(const TempFolder& folder) {
  const std::string output = (folder / "out.txt").string();
  const std::string command = std::string(GENVINCI_SOURCE_DIR) + "/scripts/check_layers " + folder.path().string();
  const int status = std::system((command + " > " + output + " 2>&1").c_str());
  return Slurp(output) + std::to_string(WEXITSTATUS(status));
}

TEST(Layers, LowerRowsAndOptionsHeadersAreFine) {
  const TempFolder folder;
  Spill(folder / "include/genvinci/nn/a.h", "#include <torch/torch.h>\n#include \"genvinci/tensor/b.h\"\n");
  Spill(folder / "src/cli/a.cpp",
        "#include <CLI/CLI.hpp>\n#include \"genvinci/training/training_options.h\"\n#include "
        "\"genvinci/commands/entry.h\"\n");
  Spill(folder / "src/io/a.cpp", "#include <hdf5.h>\n#include <arrow/api.h>\n#include <opencv2/core.hpp>\n");
  Spill(folder / "src/io/own.h", "#include <hdf5.h>\n");
  Spill(folder / "apps/genvinci/main.cpp", "#include \"genvinci/cli/main.h\"\n#include \"genvinci/core/error.h\"\n");
  EXPECT_EQ(CheckLayers(folder), "0");
}

TEST(Layers, ViolationsAreNamedByLine) {
  const std::pair<const char*, const char*> cases[] = {
      {"src/core/a.cpp", "#include \"genvinci/io/x.h\""},
      {"src/genes/a.cpp", "#include <torch/torch.h>"},
      {"src/report/a.cpp", "#include <torch/torch.h>"},
      {"include/genvinci/cli/a.h", "# include <c10/util/x.h>"},
      {"include/genvinci/io/a.h", "#include <hdf5.h>"},
      {"src/data/a.cpp", "#include <opencv2/core.hpp>"},
      {"src/checkpoint/a.cpp", "#include <zlib.h>"},
      {"src/commands/a.cpp", "#include <CLI/CLI.hpp>"},
      {"include/genvinci/nn/x_options.h", "#include <ATen/ATen.h>"},
      {"src/generation/a.cpp", "#include \"genvinci/training/x_options.h\""},
      {"src/studies/a.cpp", "#include \"genvinci/commands/x.h\""},
      {"src/cli/a.cpp", "#include \"genvinci/nn/x.h\""},
      {"include/genvinci/nn/y_options.h", "#include \"genvinci/tensor/x.h\""},
      {"src/other/a.cpp", "\n"},
      {"apps/genvinci/main.cpp", "#include <torch/torch.h>"},
  };
  // One tree with all of them: each has to be named, and nothing else.
  const TempFolder folder;
  std::set<std::string> expected;
  for (const auto& [path, line] : cases) {
    Spill(folder / path, std::string("\n") + line + "\n");
    expected.insert(std::string(path) + (line[0] == '#' ? ":2" : ":1"));
  }
  std::istringstream text(CheckLayers(folder));
  std::set<std::string> named;
  std::string line;
  while (std::getline(text, line) && line != "1") named.insert(line.substr(0, line.find(": ")));
  EXPECT_EQ(line, "1");
  EXPECT_EQ(named, expected);
}

}  // namespace layers_test
}  // namespace genvinci
