#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "genvinci/core/files.h"

namespace genvinci {

// TensorBoard scalars: events.out.tfevents.<seconds>.genvinci in `folder`, which must exist (TFRecord with masked
// CRC-32C; one Event protobuf a scalar, kept as float32). TensorBoard and its Python event reader open it; a second
// writer in the same second appends. IoError FILE_WRITE.
class EventWriter {
 public:
  explicit EventWriter(const fs::path& folder);
  ~EventWriter();
  void Scalar(const std::string& tag, int64_t step, double value);
  void Flush();  // what was written so far can be read; the destructor does so too

 private:
  struct File;
  std::unique_ptr<File> file_;
};

}  // namespace genvinci
