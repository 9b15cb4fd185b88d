#pragma once

#include <string>

#include "genvinci/core/options.h"

namespace genvinci {

// The noise process and what the network predicts; the defaults are the reference's (Stable Diffusion's).
struct DiffusionConfig {
  int64_t steps = 1000;
  double beta_start = 0.00085;
  double beta_end = 0.012;
  std::string objective = "eps";
  double min_snr_gamma = 0;

  template <typename Visitor>
  void Fields(Visitor& v) {
    v("steps", steps, "noise steps", Range{2, 100000});
    v("beta_start", beta_start, "first beta; linear in its square root", Range{1e-8, 1});
    v("beta_end", beta_end, "last beta", Range{1e-8, 1});
    v("objective", objective, "what the network predicts", Choices{{"eps", "v"}});
    v("min_snr_gamma", min_snr_gamma, "min-SNR loss weighting (Hang et al. 2023), 0 = off; 5 is usual", Range{0, 1000});
  }
};

struct SamplerOptions {
  std::string sampler = "ddim";
  int64_t steps = 50;
  double eta = 0;
  double guidance = 1;
  double guidance_rescale = 0;

  template <typename Visitor>
  void Fields(Visitor& v) {
    v("sampler", sampler, "sampler", Choices{{"ddim"}});
    v("steps", steps, "sampling steps", Range{1, 1000});
    v("eta", eta, "DDIM's share of fresh noise, 0 = none", Range{0, 1});
    v("guidance", guidance, "guidance scale w in u + w (c - u); 1 = off", Range{0, 100});
    v("guidance_rescale", guidance_rescale,
      "share of the guided prediction that is brought back to the deviation of the unguided one, 0 = none",
      Range{0, 1});
  }
};

}  // namespace genvinci
