#include "genvinci/training/feeds/condition_feed.h"

namespace genvinci {

ConditionFeed::ConditionFeed(Pipeline pipeline, std::shared_ptr<ConditionTable> table,
                             std::vector<int64_t> observations, const ProfileTokens& tokens, bool transformer_is_frozen)
    : pipeline_(std::move(pipeline)), table_(std::move(table)), observations_(std::move(observations)) {
  if (!pipeline_->config().models.conditioner.ReadsGenes()) return;
  profiles_.emplace(ProfileEmbedder(pipeline_->transformer, tokens.Select(observations_),
                                    pipeline_->conditioner->needs_full_length()),
                    transformer_is_frozen);
}

Condition ConditionFeed::Read(const std::vector<int64_t>& items) {
  ItemDraws none({}, {});
  return ReadDropped(items, /*gene_dropout=*/0, none);
}

Condition ConditionFeed::ReadDropped(const std::vector<int64_t>& items, double gene_dropout, ItemDraws& draws) {
  std::vector<int64_t> rows;
  for (const int64_t item : items) rows.push_back(observations_[static_cast<size_t>(item)]);
  EncodedProfiles profiles;
  if (profiles_)
    profiles = profiles_->EncodeDropped(items, gene_dropout, draws);
  else
    profiles.vector_BV = table_->Vectors(rows);
  return pipeline_->Read(profiles, table_->Extra(rows));
}

}  // namespace genvinci
