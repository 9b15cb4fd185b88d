#include "genvinci/checkpoint/background_writer.h"

#include "genvinci/core/log.h"
#include "genvinci/core/memory.h"
#include "genvinci/core/text.h"

namespace genvinci {
namespace {

uint64_t BytesOf(const CheckpointContent& content) {
  uint64_t bytes = 0;
  for (const auto& [file, tensors] : content.tensors) {
    for (const auto& [name, tensor] : tensors) bytes += static_cast<uint64_t>(tensor.numel() * tensor.element_size());
  }
  return bytes;
}

// As it is now, whatever training does to it next, and laid out as it is written: work on tensors in the writing thread
// would start a second team of compute threads beside the one that trains.
void Snapshot(CheckpointContent& content) {
  const torch::NoGradGuard no_grad;
  for (auto& [file, tensors] : content.tensors) {
    for (auto& [name, tensor] : tensors)
      tensor = torch::empty(tensor.sizes(), tensor.options().device(torch::kCPU).requires_grad(false)).copy_(tensor);
  }
}

}  // namespace

BackgroundWriter::~BackgroundWriter() {
  if (thread_.joinable()) thread_.join();
}

void BackgroundWriter::Write(CheckpointContent content) {
  Wait();
  const uint64_t bytes = BytesOf(content);
  if (bytes > AvailableMemory() / 2) {
    if (!has_warned_)
      Log("a copy of the checkpoint's {} does not fit into memory: training waits while it is written",
          HumanBytes(static_cast<double>(bytes)));
    has_warned_ = true;
    Commit(content);
    return;
  }
  Snapshot(content);
  done_ = false;
  thread_ = std::thread([this, content = std::move(content)] {
    // A thread's edge: the training thread throws it again.
    try {
      Commit(content);
    } catch (...) {
      error_ = std::current_exception();
    }
    done_ = true;
  });
}

void BackgroundWriter::Wait() {
  if (thread_.joinable()) thread_.join();
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

void BackgroundWriter::Check() {
  if (done_) Wait();
}

void BackgroundWriter::CommitFrozen(const CheckpointContent& content, CheckpointWriter& writer) {
  // A step that is saved again takes the place of the last, which leaves no file to share but its neighbour's.
  const bool again = last_ == content.step;
  if (again || !before_last_ || !writer.Link("frozen", *before_last_, frozen_sum_))
    frozen_sum_ = writer.Tensors("frozen", content.frozen);
  if (!again) before_last_ = std::exchange(last_, content.step);
}

void BackgroundWriter::Commit(const CheckpointContent& content) {
  CheckpointWriter writer(run_, content.step);
  for (const auto& [file, tensors] : content.tensors) writer.Tensors(file, tensors);
  if (!content.frozen.empty()) CommitFrozen(content, writer);
  Json state = content.state;
  if (content.vocabulary) state["vocabulary"] = writer.Vocabulary(*content.vocabulary);
  writer.Json("state", state);
  writer.Commit(content.best, content.keep_last);
  Log("saved step {}{}", content.step, content.best ? " (the best so far)" : "");
}

}  // namespace genvinci
