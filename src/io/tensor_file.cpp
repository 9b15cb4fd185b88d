#include "genvinci/io/tensor_file.h"

#include "genvinci/core/error.h"
#include "genvinci/core/text.h"

namespace genvinci {

const TensorView& TensorFile::Find(const std::string& name) const {
  const auto found = views_.find(name);
  if (found == views_.end())
    throw DataError("TENSOR_NAME", "{}: has no tensor '{}'{}", path_.string(), name, DidYouMean(name, names_));
  return found->second;
}

const TensorView& TensorFile::View(const std::string& name) const { return Find(name); }

}  // namespace genvinci
