#include "genvinci/training/tasks/finetune_loss.h"

namespace genvinci {

torch::Tensor SemanticLoss(const torch::Tensor& semantic_BE, const torch::Tensor& embeddings_BE) {
  return 1 - torch::cosine_similarity(semantic_BE, embeddings_BE);
}

StepLoss FinetuneLoss(PipelineImpl& pipeline, const Condition& condition, const FinetuneBatch& batch,
                      double semantic_weight) {
  const torch::Tensor diffusion =
      pipeline.Loss(batch.latents_BCHW, condition, batch.timesteps_B, batch.noise_BCHW).mean();
  if (!batch.embeddings_BE.defined()) return {diffusion, {}};
  const torch::Tensor semantic = SemanticLoss(condition.semantic_BE, batch.embeddings_BE).mean();
  return {diffusion + semantic_weight * semantic, {{"diffusion", diffusion.detach()}, {"semantic", semantic.detach()}}};
}

}  // namespace genvinci
