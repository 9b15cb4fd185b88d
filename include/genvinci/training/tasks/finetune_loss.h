#pragma once

#include <torch/torch.h>

#include "genvinci/diffusion/pipeline.h"
#include "genvinci/training/engine/training_task.h"

namespace genvinci {

// What a fine-tuning step learns from, B observations.
struct FinetuneBatch {
  torch::Tensor latents_BCHW;   // normalised
  torch::Tensor noise_BCHW;     // standard normal
  torch::Tensor timesteps_B;    // as Objective::DrawTimesteps gives them
  torch::Tensor embeddings_BE;  // of the images, unit vectors; undefined: no semantic loss
};

// 1 - cos of each observation (B): the reference's second loss.
torch::Tensor SemanticLoss(const torch::Tensor& semantic_BE, const torch::Tensor& embeddings_BE);

// The reference's loss: the diffusion loss, and where there are embeddings `semantic_weight` times the semantic loss,
// each averaged over the batch; the parts are then "diffusion" and "semantic". What is dropped of the condition does
// not touch its semantic path.
StepLoss FinetuneLoss(PipelineImpl& pipeline, const Condition& condition, const FinetuneBatch& batch,
                      double semantic_weight);

}  // namespace genvinci
