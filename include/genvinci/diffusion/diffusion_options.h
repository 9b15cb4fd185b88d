#pragma once

#include <string>

#include "genvinci/core/options.h"
#include "genvinci/diffusion/sampler_options.h"

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

}  // namespace genvinci
