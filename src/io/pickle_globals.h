#pragma once

#include "genvinci/io/pickle.h"

namespace genvinci::internal {

// False for a global of torch, numpy or Python's library that data files do not use: it could only be there to be run.
bool IsHarmlessGlobal(const PickleGlobal& global);

bool IsNumpyScalar(const PickleGlobal& global);
bool IsDictType(const PickleGlobal& global);

// The number that numpy.core.multiarray.scalar(dtype, bytes) stands for; false when dtype or size are of another kind.
bool NumpyScalar(const PickleTuple& arguments, PickleValue& out);

}  // namespace genvinci::internal
