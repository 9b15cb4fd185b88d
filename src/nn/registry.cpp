#include "genvinci/nn/registry.h"

namespace genvinci {

torch::nn::Module& ScopeAt(torch::nn::Module& root, const std::string& path) {
  if (path.empty()) return root;
  const auto [parent_path, name] = SplitName(path);
  torch::nn::Module& parent = ScopeAt(root, parent_path);
  const auto children = parent.named_children();
  if (const auto* child = children.find(name)) return **child;
  return *parent.register_module(name, std::make_shared<torch::nn::Module>());
}

std::pair<std::string, std::string> SplitName(const std::string& path) {
  const size_t dot = path.rfind('.');
  if (dot == std::string::npos) return {"", path};
  return {path.substr(0, dot), path.substr(dot + 1)};
}

}  // namespace genvinci
