#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "genvinci/core/files.h"

namespace genvinci {

// TensorBoard scalars: events.out.tfevents.<seconds>.genvinci in `folder` (TFRecord with masked CRC-32C; one Event
// protobuf a scalar). TensorBoard and its Python event reader open it.
class EventWriter {
 public:
  explicit EventWriter(const fs::path& folder);
  ~EventWriter();
  void Scalar(const std::string& tag, int64_t step, double value);
  void Flush();

 private:
  struct File;
  std::unique_ptr<File> file_;
};

}  // namespace genvinci
