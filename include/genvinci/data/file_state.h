#pragma once

#include <string>

#include "genvinci/core/files.h"

namespace genvinci {

// Names, sizes and times of a file, or of the files of a folder: what tells that they are others, where reading them
// would take longer than what is saved by knowing.
std::string FileState(const fs::path& path);

}  // namespace genvinci
