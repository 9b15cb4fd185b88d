#pragma once

#include <chrono>
#include <string>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include "genvinci/launch/rank_environment.h"

namespace genvinci {

// The store that ranks meet in and tell each other things by. Rank 0 serves it, or torchrun's agent does.

std::string StoreName(const RankEnvironment& environment);  // "host:port"
std::chrono::milliseconds Milliseconds(double seconds);

// The same store under a prefix of this start of the ranks.
c10::intrusive_ptr<c10d::Store> StoreOfThisStart(const c10::intrusive_ptr<c10d::Store>& store,
                                          const RankEnvironment& environment);
// RankError RANK_STORE where this rank cannot serve it, RANK_MISSING where it is not served within init_timeout.
c10::intrusive_ptr<c10d::Store> OpenStore(const RankEnvironment& environment, const RankOptions& options);
// Returns when all ranks are there. RankError RANK_MISSING names those that are not within init_timeout; Interrupted.
void AwaitRanks(c10d::Store& store, const RankEnvironment& environment, const RankOptions& options);
// A store ends with the rank that serves it: that one waits until the others have said their last words, some seconds
// at most, and one after a failure.
void AwaitLastWords(c10d::Store& store, const RankEnvironment& environment, bool has_failed);

}  // namespace genvinci
