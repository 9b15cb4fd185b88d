#include "genvinci/tensor/convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "core/temp_folder.h"
#include "genvinci/core/error.h"
#include "testing/tensors.h"

namespace genvinci {
namespace convert_test {

using testing::HasSubstr;

constexpr DType kAll[] = {DType::kF64, DType::kF32, DType::kF16, DType::kBF16, DType::kI64,
                          DType::kI32, DType::kI16, DType::kI8,  DType::kU8,   DType::kBool};

std::string LoadError(torch::nn::Module& module, const std::string& prefix, const fs::path& path) {
  try {
    LoadState(module, prefix, SafetensorsFile(path), path);
  } catch (const DataError& error) {
    EXPECT_EQ(error.name(), "CKPT_TENSORS");
    return error.what();
  }
  return "";
}

TEST(Convert, EveryTypeSurvivesAFile) {
  const TempFolder folder;
  NamedTensors tensors;
  for (const DType dtype : kAll) {
    EXPECT_EQ(FromTorch(ToTorch(dtype)), dtype);
    tensors.emplace_back(std::string(Name(dtype)), torch::arange(6).remainder(2).to(ToTorch(dtype)).view({2, 3}).t());
  }
  tensors.emplace_back("scalar", torch::tensor(3.5));
  tensors.emplace_back("empty", torch::empty({0, 4}));
  const fs::path path = folder.path() / "t.safetensors";
  WriteTensors(path, tensors, {{"key", "value"}});
  const SafetensorsFile file(path);
  EXPECT_EQ(file.metadata().at("key"), "value");
  for (const auto& [name, tensor] : tensors) {
    const torch::Tensor read = ToTensor(file.View(name));
    EXPECT_EQ(read.scalar_type(), tensor.scalar_type());
    EXPECT_TRUE(torch::equal(read, tensor)) << name;
  }
  EXPECT_THROW(FromTorch(torch::kComplexFloat), InternalError);
}

TEST(Convert, ViewNeedsContiguousMemory) { EXPECT_THROW(ViewOf(torch::zeros({2, 3}).t()), InternalError); }

torch::nn::Sequential Network() { return torch::nn::Sequential(torch::nn::Linear(3, 4), torch::nn::BatchNorm1d(4)); }

TEST(LoadState, RestoresParametersAndBuffers) {
  const TempFolder folder;
  const fs::path path = folder.path() / "model.safetensors";
  torch::nn::Sequential from = Network(), to = Network();
  from->forward(torch::randn({5, 3}));  // moves the running statistics
  NamedTensors state = StateOf(*from, "unet");
  EXPECT_EQ(state.front().first, "unet.0.weight");
  EXPECT_EQ(state.size(), 7u);
  state.emplace_back("other.weight", torch::zeros({1}));  // outside of the prefix: not ours
  WriteTensors(path, state);
  LoadState(*to, "unet", SafetensorsFile(path), path);
  const NamedTensors loaded = StateOf(*to, "unet");
  for (size_t i = 0; i < loaded.size(); ++i) EXPECT_TRUE(torch::equal(loaded[i].second, state[i].second));
}

TEST(LoadState, KeepsTheMemoryFormat) {
  const TempFolder folder;
  const fs::path path = folder.path() / "model.safetensors";
  torch::nn::Conv2d from(2, 3, 3), to(2, 3, 3);
  to->weight.set_data(to->weight.contiguous(at::MemoryFormat::ChannelsLast));
  WriteTensors(path, StateOf(*from, ""));
  LoadState(*to, "", SafetensorsFile(path), path);
  EXPECT_TRUE(to->weight.is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_TRUE(torch::equal(to->weight, from->weight));
}

TEST(LoadState, NamesWhatDoesNotFit) {
  const TempFolder folder;
  const fs::path path = folder.path() / "model.safetensors";
  torch::nn::Sequential network = Network();
  NamedTensors state = StateOf(*network, "m");
  state[0].second = torch::zeros({4, 9});
  state[1].second = torch::zeros({4}, torch::kInt64);
  state[2].first = "m.1.wrong";
  WriteTensors(path, state);
  const torch::Tensor before = network->parameters()[0].detach().clone();
  const std::string error = LoadError(*network, "m", path);
  EXPECT_THAT(error, HasSubstr(path.string()));
  EXPECT_THAT(error, HasSubstr("m.0.weight has shape [4, 9], the model [4, 3]"));
  EXPECT_THAT(error, HasSubstr("m.0.bias holds I64, the model F32"));
  EXPECT_THAT(error, HasSubstr("m.1.weight is missing"));
  EXPECT_THAT(error, HasSubstr("m.1.wrong is not in the model"));
  EXPECT_TRUE(torch::equal(before, network->parameters()[0]));
}

TEST(LoadState, ListsTenProblems) {
  const TempFolder folder;
  const fs::path path = folder.path() / "model.safetensors";
  NamedTensors surplus;
  for (int i = 0; i < 30; ++i) surplus.emplace_back("m.x" + std::to_string(i), torch::zeros({1}));
  WriteTensors(path, surplus);
  torch::nn::Linear network(1, 1);
  const std::string error = LoadError(*network, "m", path);
  EXPECT_THAT(error, HasSubstr("32 of its tensors"));
  EXPECT_THAT(error, testing::Not(HasSubstr("m.x9 ")));
}

TEST(ImageTensor, MapsTheWholeRange) {
  Image image(2, 1, 3);
  image.bytes = {0, 51, 255, 102, 128, 1};
  const torch::Tensor tensor = ImageToTensor(image);
  ASSERT_EQ(tensor.sizes(), (std::vector<int64_t>{3, 1, 2}));
  const torch::Tensor expected = torch::tensor({{{-1.0f, -0.2f}}, {{-0.6f, 1 / 255.0f}}, {{1.0f, 2 / 255.0f - 1}}});
  EXPECT_TRUE(torch::allclose(tensor, expected, 0, 1e-6));
  EXPECT_EQ(TensorToImage(tensor).bytes, image.bytes);
}

TEST(ImageTensor, EveryByteComesBack) {
  Image image(16, 16, 1);
  for (size_t i = 0; i < 256; ++i) image.bytes[i] = static_cast<uint8_t>(i);
  EXPECT_EQ(TensorToImage(ImageToTensor(image)).bytes, image.bytes);
}

TEST(ImageTensor, ClampsAndRounds) {
  const Image image = TensorToImage(torch::tensor({-7.0f, 9.0f, 0.001f, 0.01f}).view({1, 2, 2}));
  EXPECT_EQ(image.bytes, (std::vector<uint8_t>{0, 255, 128, 129}));
}

TEST(ImageTensor, ReadsSixteenBits) {
  Image image(1, 2, 1, 16);
  const uint16_t values[] = {0, 65535};
  std::memcpy(image.bytes.data(), values, sizeof values);
  EXPECT_TRUE(torch::allclose(ImageToTensor(image), torch::tensor({-1.0f, 1.0f}).view({1, 2, 1})));
}

}  // namespace convert_test
}  // namespace genvinci
