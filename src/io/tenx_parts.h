#pragma once

#include "genvinci/io/tenx_matrix.h"

namespace genvinci {

// The two forms that TenxMatrix::Open reads.
std::unique_ptr<TenxMatrix> OpenTenxHdf5(const fs::path& path);
std::unique_ptr<TenxMatrix> OpenTenxFolder(const fs::path& path);

}  // namespace genvinci
