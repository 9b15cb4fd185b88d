#pragma once

#include <torch/torch.h>

#include <string>
#include <utility>

namespace genvinci {

// Sub-modules under dotted names ("encoder.layer.0.output.dense"), so that a module's parameters are called as in the
// Python model whose weights it reads. Scopes between the dots are plain modules, made when first named.

// The scope at `path` below `root`; "" is root itself.
torch::nn::Module& ScopeAt(torch::nn::Module& root, const std::string& path);

// "a.b.c" -> {"a.b", "c"}; "c" -> {"", "c"}.
std::pair<std::string, std::string> SplitName(const std::string& path);

template <typename Holder>
Holder RegisterAt(torch::nn::Module& root, const std::string& path, Holder module) {
  const auto [scope, name] = SplitName(path);
  ScopeAt(root, scope).register_module(name, module);
  return module;
}

}  // namespace genvinci
