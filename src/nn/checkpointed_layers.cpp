#include "genvinci/nn/checkpointed_layers.h"

#include <mutex>
#include <optional>

#include "genvinci/tensor/autocast.h"

namespace genvinci {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// The default generator of a device, put back when it goes.
class GeneratorState {
 public:
  explicit GeneratorState(const torch::Device& device) : generator_(at::globalContext().defaultGenerator(device)) {
    former_ = Current();
  }
  ~GeneratorState() { Set(former_); }
  GeneratorState(const GeneratorState&) = delete;
  GeneratorState& operator=(const GeneratorState&) = delete;

  torch::Tensor Current() {
    const std::lock_guard lock(generator_.mutex());
    return generator_.get_state();
  }
  void Set(const torch::Tensor& state) {
    const std::lock_guard lock(generator_.mutex());
    generator_.set_state(state);
  }

 private:
  at::Generator generator_;
  torch::Tensor former_;
};

// What the backward pass needs to run the layer again.
struct Layer : torch::CustomClassHolder {
  LayerFunction run;  // of the inputs that are defined
  size_t inputs = 0;
  torch::Device device = torch::kCPU;
  std::string precision;
  torch::Tensor generator_state;
};

class Checkpoint : public torch::autograd::Function<Checkpoint> {
 public:
  // tensors: the layer's inputs first, then its parameters, which are inputs so that their gradients go the usual way.
  static torch::Tensor forward(AutogradContext* context, const c10::intrusive_ptr<Layer>& layer,
                               at::TensorList tensors) {
    context->save_for_backward(tensors.vec());
    context->saved_data["layer"] = torch::IValue::make_capsule(layer);
    return layer->run(tensors.slice(0, layer->inputs).vec());
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto layer = c10::static_intrusive_pointer_cast<Layer>(context->saved_data["layer"].toCapsule());
    variable_list tensors = context->get_saved_variables();
    variable_list wanted;
    for (size_t i = 0; i < tensors.size(); ++i) {
      const bool has_gradient = tensors[i].requires_grad();
      if (i < layer->inputs) tensors[i] = tensors[i].detach().requires_grad_(has_gradient);
      if (has_gradient) wanted.push_back(tensors[i]);
    }
    torch::Tensor again;
    {
      const torch::AutoGradMode with_grad(true);
      GeneratorState generator(layer->device);
      generator.Set(layer->generator_state);
      const Autocast autocast(layer->device, layer->precision);
      again = layer->run(at::TensorList(tensors).slice(0, layer->inputs).vec());
    }
    const variable_list found = torch::autograd::grad({again}, wanted, {gradients[0]}, /*retain_graph=*/false,
                                                      /*create_graph=*/false, /*allow_unused=*/true);
    variable_list all = {{}};  // of `layer`
    size_t next = 0;
    for (const torch::Tensor& tensor : tensors) all.push_back(tensor.requires_grad() ? found[next++] : torch::Tensor());
    return all;
  }
};

// `run` as a function of the defined ones among `inputs`.
LayerFunction OfDefined(const LayerFunction& run, const variable_list& inputs) {
  std::vector<bool> defined;
  for (const torch::Tensor& input : inputs) defined.push_back(input.defined());
  return [run, defined](const variable_list& some) {
    variable_list all;
    size_t next = 0;
    for (const bool is_defined : defined) all.push_back(is_defined ? some[next++] : torch::Tensor());
    return run(all);
  };
}

}  // namespace

torch::Tensor CheckpointedLayers::RunLayer(torch::nn::Module& layer, const variable_list& inputs,
                                           const LayerFunction& run) const {
  if (!checkpoints_ || !torch::GradMode::is_enabled() || !layer.is_training()) return run(inputs);
  auto kept = c10::make_intrusive<Layer>();
  variable_list tensors;
  for (const torch::Tensor& input : inputs) {
    if (input.defined()) tensors.push_back(input);
  }
  kept->run = OfDefined(run, inputs);
  kept->inputs = tensors.size();
  kept->device = inputs.front().device();
  kept->precision = Autocast::Current(kept->device);
  kept->generator_state = GeneratorState(kept->device).Current();
  for (const torch::Tensor& parameter : layer.parameters()) {
    if (parameter.requires_grad()) tensors.push_back(parameter);
  }
  const at::TensorList list(tensors);
  return Checkpoint::apply(kept, list);
}

void SetGradientCheckpointing(torch::nn::Module& module, bool on) {
  for (const auto& part : module.modules()) {
    if (auto* layers = dynamic_cast<CheckpointedLayers*>(part.get())) layers->SetCheckpointing(on);
  }
}

}  // namespace genvinci
