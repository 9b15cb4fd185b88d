#pragma once

#include "genvinci/core/files.h"

namespace genvinci {

// Adds a line to <run>/test_reads.jsonl of the run that the checkpoint (<run>/checkpoints/step-<n>) is of, and returns
// how often its test part has been scored so far, this time included. A run that cannot be written is an IoError: a
// count that can be lost says nothing.
int64_t CountTestRead(const fs::path& checkpoint);

}  // namespace genvinci
