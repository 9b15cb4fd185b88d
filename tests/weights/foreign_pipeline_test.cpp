#include "genvinci/weights/foreign_pipeline.h"

#include <gtest/gtest.h>

#include "core/temp_folder.h"
#include "genvinci/core/error.h"
#include "genvinci/weights/open_pipeline.h"
#include "testing/foreign_checkpoint.h"
#include "testing/tiny_run.h"
#include "testing/tokens_for.h"

namespace genvinci {
namespace foreign_pipeline_test {

class ForeignPipeline : public testing::Test {
 protected:
  fs::path Write(const std::string& without = "nothing") {
    return WriteForeignCheckpoint(folder_ / "checkpoint_100.safetensors", pipeline_, without);
  }

  torch::NoGradGuard no_grad_;
  TempFolder folder_;
  Pipeline pipeline_ = MakeForeignPipeline();
};

TEST_F(ForeignPipeline, DrawsWhatItsOwnerDraws) {
  LoadedPipeline loaded = OpenForeignPipeline(Write(), 16, torch::kCPU);
  SamplerOptions options = ReferenceSampling();
  EXPECT_EQ(options.sampler, "plms");
  options.steps = 4;
  const std::vector<SampleKey> keys = {{1, 2, 3}, {4, 5, 6}};
  const auto draw = [&](Pipeline pipeline) {
    const torch::Tensor tokens_BL = TokensFor(pipeline, {{5, 9, 77}, {12, 25425}});
    return pipeline->DecodeImages(pipeline->Sample(pipeline->Encode(tokens_BL), keys, options));
  };
  const torch::Tensor ours = draw(loaded.pipeline), theirs = draw(pipeline_);
  EXPECT_GT(theirs.std().item<double>(), 0.01);
  EXPECT_TRUE(ours.allclose(theirs, 1e-5, 1e-6));
  EXPECT_EQ(loaded.vocabulary.size(), 25426);
}

TEST_F(ForeignPipeline, OpensByTheSameDoorAsARun) {
  const fs::path file = Write(), run = MakeTinyRun(folder_ / "run");
  const auto open = [](const fs::path& path) {
    return OpenPipeline({path.string(), "no_dataset", /*img_size=*/32}, torch::kCPU);
  };
  CatchError("RUN_MISSING", [&] { open(folder_ / "checkpoint_7"); });
  const LoadedPipeline foreign = open(file);
  EXPECT_EQ(foreign.path, file);
  EXPECT_EQ(foreign.pipeline->config().img_size, 32);
  EXPECT_EQ(SamplingOf(PipelineReference{file.string(), "no_dataset"}).sampler, "plms");
  // A run knows the size of its images.
  const LoadedPipeline own = open(run);
  EXPECT_EQ(own.path, run / "checkpoints/step-10");
  EXPECT_EQ(own.pipeline->config().img_size, 16);
}

TEST_F(ForeignPipeline, RefusesAFileThatLacksAPart) {
  for (const char* part : {"first_stage_model.", "model.diffusion_model.", "cond_stage_model."}) {
    const fs::path path = Write(part);
    CatchError("WEIGHTS_MODEL", [&] { OpenForeignPipeline(path, 16, torch::kCPU); });
  }
  CatchError("PIPELINE_IMG_SIZE", [&] { OpenForeignPipeline(Write(), 18, torch::kCPU); });
}

}  // namespace foreign_pipeline_test
}  // namespace genvinci
