#pragma once

#include <optional>
#include <string>

#include "genvinci/io/data_frame.h"
#include "hdf5_util.h"

namespace genvinci {

// Reads obs or var at `element` in any of AnnData's forms: a group (dataframe 0.1.0 with __categories, 0.2.0) or,
// before 0.7, a compound dataset whose categories are in uns/<column>_categories. Columns of an unknown kind are
// skipped with a warning. DataError: H5_MISSING, H5_TYPE, H5_LENGTH (a column of another length than the index),
// H5_CODE (a category code outside of the categories).
DataFrame ReadFrame(const Hdf5File& file, const std::string& element);

}  // namespace genvinci
