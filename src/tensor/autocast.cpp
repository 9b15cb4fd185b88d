#include "genvinci/tensor/autocast.h"

#include <ATen/autocast_mode.h>

namespace genvinci {

Autocast::Autocast(const torch::Device& device, const std::string& precision)
    : device_(device.type()), active_(precision != "fp32") {
  if (!active_) return;
  was_enabled_ = at::autocast::is_autocast_enabled(device_);
  former_ = at::autocast::get_autocast_dtype(device_);
  at::autocast::increment_nesting();
  at::autocast::set_autocast_enabled(device_, true);
  at::autocast::set_autocast_dtype(device_, precision == "bf16" ? torch::kBFloat16 : torch::kFloat16);
}

std::string Autocast::Current(const torch::Device& device) {
  if (!at::autocast::is_autocast_enabled(device.type())) return "fp32";
  return at::autocast::get_autocast_dtype(device.type()) == torch::kBFloat16 ? "bf16" : "fp16";
}

Autocast::~Autocast() {
  if (!active_) return;
  // Copies of weights that were made for this pass are of no use to the next.
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(device_, was_enabled_);
  at::autocast::set_autocast_dtype(device_, former_);
}

}  // namespace genvinci
