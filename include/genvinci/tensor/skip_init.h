#pragma once

#include <c10/core/impl/LocalDispatchKeySet.h>

namespace genvinci {

// While it lives, filling a tensor with random numbers (uniform_, normal_) does nothing on this thread: for models all
// of whose weights come from a file. Drawing 860 million numbers that are thrown away takes longer than reading the
// file.
class SkipRandomInit {
 public:
  SkipRandomInit();

 private:
  c10::impl::IncludeDispatchKeyGuard guard_;
};

}  // namespace genvinci
