#include <liblzf/lzf.h>

#include <algorithm>
#include <climits>
#include <mutex>

#include "hdf5_util.h"

namespace genvinci {
namespace {

// LZF's longest match: 264 bytes from 3.
constexpr size_t kLzfRatio = 88;

// h5py's filter 32000, reading only. values[2] is the chunk's size, which CheckHdf5Safety has compared; h5py leaves it
// out for texts of variable length, where the most that the format can hold is the limit.
size_t UnpackLzf(unsigned flags, size_t n_values, const unsigned values[], size_t n_bytes, size_t* capacity,
                 void** buffer) {
  if (!(flags & H5Z_FLAG_REVERSE)) return 0;
  const bool known = n_values > 2 && values[2] != 0;
  const size_t size = known ? values[2] : kLzfRatio * (n_bytes + 1);
  void* unpacked = size > UINT_MAX || n_bytes > UINT_MAX ? nullptr : H5allocate_memory(size, /*clear=*/true);
  if (unpacked == nullptr) return 0;
  const unsigned got = lzf_decompress(*buffer, static_cast<unsigned>(n_bytes), unpacked, static_cast<unsigned>(size));
  if (got == 0) {
    H5free_memory(unpacked);
    return 0;
  }
  H5free_memory(*buffer);
  *buffer = unpacked;
  *capacity = size;
  return got;
}

}  // namespace

void PrepareHdf5() {
  static std::once_flag once;
  std::call_once(once, [] {
    // What a damaged file left behind would crash HDF5's cleaning up at exit; files are closed by their owners.
    H5dont_atexit();
    H5open();
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
    H5PLset_loading_state(0);
    H5Lunregister(H5L_TYPE_EXTERNAL);
    static const H5Z_class2_t lzf = {H5Z_CLASS_T_VERS, 32000, 1, 1, "lzf", nullptr, nullptr, UnpackLzf};
    H5Zregister(&lzf);
  });
  // The setting is one of each thread in a thread-safe HDF5.
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

std::string Hdf5Reason() {
  std::string reason = "no reason given";
  const auto keep = [](unsigned, const H5E_error2_t* error, void* out) -> herr_t {
    if (error->desc != nullptr) *static_cast<std::string*>(out) = error->desc;
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, keep, &reason);
  // A failing system call is told in several lines; the system's words are enough.
  static const std::string kSystem = "error message = '";
  if (const size_t start = reason.find(kSystem); start != std::string::npos) {
    reason = reason.substr(start + kSystem.size());
    reason.resize(std::min(reason.find('\''), reason.size()));
  }
  reason.resize(std::min(reason.find('\n'), reason.size()));
  return reason;
}

}  // namespace genvinci
