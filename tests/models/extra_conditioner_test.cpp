#include "genvinci/models/extra_conditioner.h"

#include "testing.h"

namespace genvinci {
namespace extra_conditioner_test {

constexpr int64_t kWidth = 8, kTime = 12, kEmbedding = 5;

ExtraConditioner Make(int64_t neighbours, int64_t vector_dim) {
  torch::manual_seed(3);
  ExtraConditioner model(ExtraConfig{neighbours, kEmbedding, vector_dim}, kWidth, kTime);
  Randomise(*model);
  return model;
}

ExtraInputs Inputs(int64_t neighbours, int64_t vector_dim) {
  torch::manual_seed(4);
  ExtraInputs inputs;
  inputs.neighbours_BKE = torch::randn({3, neighbours, kEmbedding});
  inputs.offsets_BK2 = torch::randn({3, neighbours, 2});
  inputs.present_BK = torch::ones({3, neighbours}, torch::kBool);
  if (vector_dim > 0) inputs.vector_BV = torch::randn({3, vector_dim});
  return inputs;
}

TEST(ExtraConditioner, GivesATokenANeighbourAndSomeOfTheVector) {
  ExtraConditioner model = Make(2, 7);
  const ConditionTokens told = model->forward(Inputs(2, 7));
  EXPECT_EQ(model->tokens(), 2 + ExtraConditionerImpl::kVectorTokens);
  EXPECT_EQ(told.tokens_BLD.sizes().vec(), (std::vector<int64_t>{3, model->tokens(), kWidth}));
  EXPECT_EQ(told.time_BT.sizes().vec(), (std::vector<int64_t>{3, kTime}));
  (told.tokens_BLD.square().sum() + told.time_BT.square().sum()).backward();
  // Nobody is absent here.
  ExpectGradients(*model, {"absent"});
}

TEST(ExtraConditioner, NeighboursAreASet) {
  const torch::NoGradGuard no_grad;
  ExtraConditioner model = Make(4, 0);
  model->eval();
  const ExtraInputs inputs = Inputs(4, 0);
  const torch::Tensor order = torch::tensor({2, 0, 3, 1});
  ExtraInputs turned = inputs;
  turned.neighbours_BKE = inputs.neighbours_BKE.index_select(1, order);
  turned.offsets_BK2 = inputs.offsets_BK2.index_select(1, order);
  const ConditionTokens told = model->forward(inputs), other = model->forward(turned);
  EXPECT_TRUE(other.tokens_BLD.allclose(told.tokens_BLD.index_select(1, order), 1e-5, 1e-6));
  EXPECT_TRUE(other.time_BT.allclose(told.time_BT, 1e-5, 1e-6));
}

TEST(ExtraConditioner, WhatIsAbsentIsNotRead) {
  const torch::NoGradGuard no_grad;
  ExtraConditioner model = Make(3, 0);
  model->eval();
  ExtraInputs inputs = Inputs(3, 0);
  inputs.present_BK.select(1, 2).fill_(false);
  const ConditionTokens told = model->forward(inputs);
  inputs.neighbours_BKE.select(1, 2).fill_(9);
  inputs.offsets_BK2.select(1, 2).fill_(9);
  EXPECT_TRUE(model->forward(inputs).tokens_BLD.equal(told.tokens_BLD));
  // What is there is read, and so is where it is.
  inputs.offsets_BK2.select(1, 1).add_(1);
  const torch::Tensor moved = model->forward(inputs).tokens_BLD;
  EXPECT_TRUE(moved.select(1, 0).equal(told.tokens_BLD.select(1, 0)));
  EXPECT_FALSE(moved.select(1, 1).allclose(told.tokens_BLD.select(1, 1), 1e-3, 1e-3));
}

}  // namespace extra_conditioner_test
}  // namespace genvinci
