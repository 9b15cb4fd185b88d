#include "genvinci/diffusion/condition_table.h"

#include <algorithm>
#include <set>

#include "genvinci/core/error.h"
#include "genvinci/data/vectors.h"
#include "genvinci/tensor/eval_guard.h"

namespace genvinci {
namespace {

constexpr int64_t kEncodeBatch = 16;

torch::Tensor ReadVectors(const Dataset& dataset, const std::string& source) {
  if (source.empty()) return {};
  const DenseArray array = LoadVectors(dataset, source);
  return torch::tensor(array.values, torch::kFloat32).view({array.rows, array.columns});
}

int64_t Width(const torch::Tensor& table_NV) { return table_NV.defined() ? table_NV.size(1) : 0; }

torch::Tensor Rows(const torch::Tensor& table_NV, const std::vector<int64_t>& rows) {
  return table_NV.defined() ? table_NV.index_select(0, torch::tensor(rows, torch::kInt64)) : torch::Tensor();
}

void RequireEqual(const char* what, int64_t given, int64_t trained) {
  if (given != trained)
    throw DataError("CONDITION_SIZES", "{}: {}, the model was trained with {}", what, given, trained);
}

}  // namespace

ConditionTable::ConditionTable(const Dataset& dataset, const ConditionSources& sources)
    : vectors_NV_(ReadVectors(dataset, sources.vector)), second_NV_(ReadVectors(dataset, sources.second_vector)) {
  if (sources.neighbours > 0) neighbours_ = FindNeighbours(dataset, sources.neighbours);
}

void ConditionTable::SetSizes(ModelOptions& models) const {
  if (vectors_NV_.defined()) {
    models.conditioner.kind = "vector";
    models.conditioner.vector_dim = Width(vectors_NV_);
  }
  models.second.neighbours = neighbours_.count;
  models.second.neighbour_dim = vectors_NV_.defined() ? Width(vectors_NV_) : models.transformer.hidden;
  models.second.vector_dim = Width(second_NV_);
}

void ConditionTable::RequireSizes(const ModelOptions& models) const {
  RequireEqual("numbers of an observation's vector", Width(vectors_NV_),
               models.conditioner.ReadsGenes() ? 0 : models.conditioner.vector_dim);
  RequireEqual("numbers of an observation's second vector", Width(second_NV_), models.second.vector_dim);
  RequireEqual("neighbours", neighbours_.count, models.second.neighbours);
}

void ConditionTable::ReadNeighboursBy(ProfileEmbedder profiles, bool is_frozen) {
  const int64_t count = profiles.tokens().size();
  embeddings_NE_ = torch::zeros({count, profiles.transformer()->config().hidden});
  is_known_.assign(static_cast<size_t>(count), false);
  profiles_ = std::move(profiles);
  is_frozen_ = is_frozen;
}

torch::Tensor ConditionTable::Vectors(const std::vector<int64_t>& observations) const {
  return Rows(vectors_NV_, observations);
}

ExtraInputs ConditionTable::Extra(const std::vector<int64_t>& observations) {
  ExtraInputs inputs;
  inputs.vector_BV = Rows(second_NV_, observations);
  if (neighbours_.count == 0) return inputs;
  const int64_t k = neighbours_.count;
  const auto batch = static_cast<int64_t>(observations.size());
  std::vector<int64_t> around;
  std::vector<float> offsets;
  for (const int64_t i : observations) {
    around.insert(around.end(), neighbours_.index.begin() + i * k, neighbours_.index.begin() + (i + 1) * k);
    offsets.insert(offsets.end(), neighbours_.offsets.begin() + 2 * i * k,
                   neighbours_.offsets.begin() + 2 * (i + 1) * k);
  }
  inputs.present_BK = torch::tensor(around, torch::kInt64).view({batch, k}) >= 0;
  inputs.offsets_BK2 = torch::tensor(offsets, torch::kFloat32).view({batch, k, 2});
  // One that is not there is not read; any row stands in for it.
  for (int64_t& i : around) i = std::max<int64_t>(i, 0);
  inputs.neighbours_BKE = Embed(around).view({batch, k, -1});
  return inputs;
}

torch::Tensor ConditionTable::Embed(const std::vector<int64_t>& observations) {
  if (vectors_NV_.defined()) return Vectors(observations);
  GENVINCI_CHECK(profiles_, "neighbours without a transformer to read them");
  std::vector<int64_t> wanted;
  for (const int64_t i : std::set<int64_t>(observations.begin(), observations.end())) {
    if (!is_frozen_ || !is_known_[static_cast<size_t>(i)]) wanted.push_back(i);
  }
  for (size_t first = 0; first < wanted.size(); first += kEncodeBatch) {
    const auto end = std::min(wanted.size(), first + kEncodeBatch);
    const std::vector<int64_t> some(wanted.begin() + static_cast<int64_t>(first),
                                    wanted.begin() + static_cast<int64_t>(end));
    embeddings_NE_.index_copy_(0, torch::tensor(some, torch::kInt64), MeanStates(some));
    for (const int64_t i : some) is_known_[static_cast<size_t>(i)] = true;
  }
  return Rows(embeddings_NE_, observations);
}

torch::Tensor ConditionTable::MeanStates(const std::vector<int64_t>& observations) const {
  const torch::NoGradGuard no_grad;
  const EvalGuard eval(*profiles_->transformer());
  const EncodedProfiles profiles = profiles_->Encode(observations);
  return MeanOverTokens(profiles.hidden_BLD, profiles.tokens_BL).cpu();
}

}  // namespace genvinci
