#pragma once

#include <optional>
#include <string>

#include "genvinci/core/options.h"

namespace genvinci {

// The noise process and what the network predicts; the defaults are the reference's (Stable Diffusion's).
struct DiffusionConfig {
  int64_t steps = 1000;
  double beta_start = 0.00085;
  double beta_end = 0.012;
  std::string beta_schedule = "scaled_linear";
  bool rescale_betas_zero_snr = false;
  std::string objective = "eps";
  double min_snr_gamma = 0;

  template <typename Visitor>
  void Fields(Visitor& v) {
    v("steps", steps, "noise steps", Range{2, 100000});
    v("beta_start", beta_start, "first beta", Range{1e-8, 1});
    v("beta_end", beta_end, "last beta", Range{1e-8, 1});
    v("beta_schedule", beta_schedule,
      "betas between first and last: linear in their square root, as Stable Diffusion; linear; or cosine",
      Choices{{"scaled_linear", "linear", "squaredcos_cap_v2"}});
    v("rescale_betas_zero_snr", rescale_betas_zero_snr,
      "the noisiest images hold no signal (Lin et al. 2023); not with eps");
    v("objective", objective, "what the network predicts: noise, v, or the velocity of a rectified flow, without betas",
      Choices{{"eps", "v", "flow"}});
    v("min_snr_gamma", min_snr_gamma, "min-SNR loss weighting (Hang et al. 2023), 0 = off; 5 is usual", Range{0, 1000});
  }
};

struct SamplerOptions {
  std::string sampler = "ddim";
  int64_t steps = 50;
  double eta = 0;
  double guidance = 1;
  double guidance_rescale = 0;
  std::optional<double> second_guidance = {};

  double SecondGuidance() const { return second_guidance.value_or(guidance); }

  template <typename Visitor>
  void Fields(Visitor& v) {
    v.Group("Sampling");
    v("sampler", sampler, "sampling method; plms is the reference's, pndm the same as in diffusers",
      Choices{{"ddim", "plms", "pndm", "dpmsolver++", "unipc", "euler", "euler_ancestral", "heun"}});
    v("steps", steps, "sampling steps", Range{1, 1000});
    v("eta", eta, "amount of fresh noise in each step of ddim (0: none)", Range{0, 1});
    v("guidance", guidance, "guidance scale w in u + w (c - u); 1: no guidance", Range{0, 100});
    v("guidance_rescale", guidance_rescale,
      "how far the guided prediction is scaled back to the standard deviation of the conditional one (0: not at all)",
      Range{0, 1});
    v("second_guidance", second_guidance,
      "guidance scale of the extra condition (neighbours, second vector; default: that of --guidance)", Range{0, 100});
  }
};

}  // namespace genvinci
