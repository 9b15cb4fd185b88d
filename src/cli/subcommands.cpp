#include "genvinci/cli/subcommand.h"

namespace genvinci {
namespace {

struct SubcommandMaker {
  CLI::App& root;
  std::vector<std::unique_ptr<Subcommand>> all = {};

  template <typename Options>
  void Command(CommandText text) {
    all.push_back(std::make_unique<OptionsSubcommand<Options>>(root, std::move(text)));
  }
};

}  // namespace

std::vector<std::unique_ptr<Subcommand>> MakeSubcommands(CLI::App& root) {
  SubcommandMaker maker{root};
  ForEachCommand(maker);
  return std::move(maker.all);
}

}  // namespace genvinci
