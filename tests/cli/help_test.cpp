#include "genvinci/cli/help.h"

#include <gmock/gmock.h>

namespace genvinci {
namespace help_test {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

class HelpTest : public ::testing::Test {
 protected:
  HelpTest() : root_("", "genvinci"), commands_(MakeSubcommands(root_)) {}
  std::string Help(const std::string& name, size_t width = 100) const {
    for (const auto& command : commands_) {
      if (command->text().name == name) return CommandHelp(*command, width);
    }
    ADD_FAILURE() << name;
    return "";
  }

  CLI::App root_;
  Subcommands commands_;
};

// 5e-5 is the reference's learning rate, which only the larger sizes have (training/default_options.h).
TEST_F(HelpTest, ShowsWhatHoldsForSmallAndWhatDiffers) {
  const std::string help = Help("finetune", 1000);
  EXPECT_THAT(help, ContainsRegex("--lr NUMBER +learning rate .default: 0.002; base, genvinci-sd15: 5e-05]"));
  EXPECT_THAT(help, HasSubstr("[default: cosine; base, genvinci-sd15: linear]"));
  EXPECT_THAT(help, HasSubstr("[default: 8000; tiny: 40; base, genvinci-sd15: 0]"));
  EXPECT_THAT(help,
              HasSubstr("keep the gene transformer as pretrained [default: on (off: --set freeze_transformer=false); "
                        "base, genvinci-sd15: off]"));
}

TEST_F(HelpTest, NamesEveryChoice) {
  const std::string help = Help("finetune", 1000);
  for (const char* choices : {"tiny, small, base, genvinci-sd15", "linear, cosine, constant", "fp32, bf16, fp16",
                              "ddim, plms, pndm, dpmsolver++, unipc, euler, euler_ancestral, heun"})
    EXPECT_THAT(help, HasSubstr(choices));
}

TEST_F(HelpTest, ListsEveryFlagOnceUnderItsGroup) {
  const std::string help = Help("finetune");
  for (const char* group : {"Input", "Model", "Training", "Sampling", "Checkpoints", "Devices", "Output", "Examples"})
    EXPECT_THAT(help, HasSubstr(std::string("\n") + group + "\n"));
  const size_t training = help.find("\nTraining\n"), devices = help.find("\nDevices\n");
  EXPECT_LT(training, help.find("--lr "));
  EXPECT_LT(devices, help.find("--precision "));
  EXPECT_EQ(help.find("--lr "), help.rfind("--lr "));
  EXPECT_THAT(Help("prepare"), HasSubstr("\nSplit\n"));
}

TEST_F(HelpTest, KeepsToTheWidth) {
  for (const auto& command : commands_) {
    const std::string help = CommandHelp(*command, 80);
    for (const std::string_view line : SplitText(help, '\n')) EXPECT_LE(line.size(), 80u) << line;
  }
}

TEST_F(HelpTest, EveryCommandHasThreeExamplesThatParse) {
  for (const auto& command : commands_) {
    ASSERT_EQ(command->text().examples.size(), 3u) << command->text().name;
    for (const std::string& example : command->text().examples) {
      CLI::App root("", "genvinci");
      const Subcommands fresh = MakeSubcommands(root);
      ASSERT_EQ(example.rfind("genvinci " + command->text().name, 0), 0u) << example;
      EXPECT_NO_THROW(root.parse(example.substr(9), /*program_name_included=*/false)) << example;
      for (const auto& parsed : fresh) {
        if (!parsed->app().parsed()) continue;
        EXPECT_NO_THROW(parsed->Given()) << example;
      }
    }
  }
}

TEST_F(HelpTest, MarkdownListsNestedOptionsToo) {
  const std::string markdown = CommandsMarkdown(commands_);
  EXPECT_THAT(markdown, HasSubstr("## finetune\n"));
  EXPECT_THAT(markdown, HasSubstr("`diffusion.objective`"));
  EXPECT_THAT(Help("finetune"), Not(HasSubstr("diffusion.objective")));
}

}  // namespace help_test
}  // namespace genvinci
