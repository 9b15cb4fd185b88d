#include "genvinci/training/feeds/gene_start.h"

#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/run_folder.h"
#include "genvinci/data/tokens.h"
#include "genvinci/weights/load.h"
#include "genvinci/weights/load_runs.h"

namespace genvinci {

GeneStart GeneStart::Open(const std::string& dataset, const std::string& pretrain_mlm_path,
                          const std::string& vocabulary) {
  if (pretrain_mlm_path.empty()) return {Vocabulary::Open(vocabulary), std::nullopt};
  if (WeightSource::IsForeign(pretrain_mlm_path)) return {Vocabulary::Open(vocabulary), pretrain_mlm_path};
  const fs::path pretraining = ResolveRun(dataset, "mlm", pretrain_mlm_path);
  const Checkpoint checkpoint = Checkpoint::Open(pretraining);
  checkpoint.RequireKind("mlm");
  Vocabulary trained = checkpoint.Vocabulary();
  if (!vocabulary.empty() && Vocabulary::Open(vocabulary).fingerprint() != trained.fingerprint())
    throw DataError("CKPT_VOCABULARY", "{}: was trained with another vocabulary than {}: leave vocabulary out",
                    pretraining.string(), vocabulary);
  return {std::move(trained), pretraining};
}

void GeneStart::Load(GeneTransformer& transformer, Json& sources) const {
  if (pretraining && WeightSource::IsForeign(*pretraining)) {
    LoadTransformerWeights(WeightSource::Open(*pretraining), transformer);
    sources["transformer"] = pretraining->string();
  } else if (pretraining) {
    sources["transformer"] = LoadTransformer(*pretraining, transformer).path().string();
  } else {
    Log("pretrain_mlm_path is empty: the gene transformer starts from scratch");
  }
}

ProfileTokens TokensOf(const Dataset& dataset, const Vocabulary& vocabulary, int64_t max_tokens) {
  const TokenizedDataset tokenized = TokenizeDataset(dataset, vocabulary, max_tokens);
  Log("{}: {}", dataset.path().string(), tokenized.coverage.Text());
  return tokenized.tokens;
}

void Freeze(torch::nn::Module& module) {
  for (auto& parameter : module.parameters()) parameter.set_requires_grad(false);
}

}  // namespace genvinci
