#pragma once

#include "genvinci/core/files.h"

namespace genvinci {

// Adds a line to test_reads.jsonl in RunOf(checkpoint), and returns how often the run has been scored on its test part
// so far, this time included. IoError where it cannot be written: a count that can be lost says nothing.
int64_t CountTestRead(const fs::path& checkpoint);

}  // namespace genvinci
