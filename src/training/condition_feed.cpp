#include "genvinci/training/condition_feed.h"

#include "genvinci/training/gene_start.h"

namespace genvinci {

ConditionFeed::ConditionFeed(Pipeline pipeline, std::shared_ptr<ConditionTable> table,
                             std::vector<int64_t> observations, const std::vector<std::vector<int32_t>>& tokens,
                             bool transformer_is_frozen)
    : pipeline_(std::move(pipeline)), table_(std::move(table)), observations_(std::move(observations)) {
  if (!pipeline_->config().models.conditioner.ReadsGenes()) return;
  const ProfileStoreOptions options{.frozen = transformer_is_frozen,
                                    .full_length = pipeline_->conditioner->needs_full_length()};
  profiles_.emplace(pipeline_->transformer, Select(tokens, observations_), options);
}

Condition ConditionFeed::ReadDropped(const std::vector<int64_t>& items, double gene_dropout,
                                     torch::Generator generator) {
  std::vector<int64_t> rows;
  for (const int64_t item : items) rows.push_back(observations_[static_cast<size_t>(item)]);
  EncodedProfiles profiles;
  if (profiles_)
    profiles = profiles_->EncodeDropped(items, gene_dropout, std::move(generator));
  else
    profiles.vector_BV = table_->Vectors(rows);
  return pipeline_->Read(profiles, table_->Second(rows));
}

}  // namespace genvinci
