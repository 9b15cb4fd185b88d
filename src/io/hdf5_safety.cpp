#include <algorithm>
#include <set>

#include "genvinci/core/error.h"
#include "hdf5_util.h"

namespace genvinci {
namespace {

constexpr size_t kDeepest = 32;
constexpr size_t kMostObjects = 1'000'000;
constexpr uint64_t kFreeDataBytes = uint64_t{4} << 30;    // declared sizes up to this need no storage behind them
constexpr uint64_t kFreeChunkBytes = uint64_t{64} << 20;  // the same for one chunk
constexpr H5Z_filter_t kLzf = 32000;

std::vector<std::string> LinkNames(hid_t group) {
  std::vector<std::string> names;
  const auto add = [](hid_t, const char* name, const H5L_info_t*, void* out) -> herr_t {
    auto& list = *static_cast<std::vector<std::string>*>(out);
    list.emplace_back(name);
    return list.size() > kMostObjects ? -1 : 0;
  };
  hsize_t position = 0;
  if (H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, &position, add, &names) < 0) names.assign(1, "");
  return names;
}

class Walker {
 public:
  Walker(hid_t file, const std::string& path) : file_(file), path_(path) {}

  void Walk() {
    const Hdf5Handle root(H5Gopen2(file_, "/", H5P_DEFAULT));
    H5O_info_t info;
    if (!root.valid() || H5Oget_info2(root.get(), &info, H5O_INFO_BASIC) < 0) Damaged("/");
    visited_.insert(info.addr);
    std::vector<haddr_t> above{info.addr};
    WalkGroup(root.get(), "", above);
    for (const auto& [element, groups] : soft_links_) CheckSoftLink(element, groups);
  }

 private:
  [[noreturn]] void Damaged(const std::string& element) const {
    throw DataError("H5_READ", "{}: {}: cannot be read ({}): the file is damaged, get it again", path_, element,
                    Hdf5Reason());
  }

  void WalkGroup(hid_t group, const std::string& prefix, std::vector<haddr_t>& above) {
    if (above.size() > kDeepest) {
      throw DataError("H5_DEPTH", "{}: {}: groups nest deeper than {}: not an AnnData file", path_, prefix, kDeepest);
    }
    for (const std::string& name : LinkNames(group)) {
      const std::string element = prefix.empty() ? name : prefix + "/" + name;
      H5L_info_t link;
      if (name.empty() || H5Lget_info(group, name.c_str(), &link, H5P_DEFAULT) < 0) Damaged(element);
      if (link.type == H5L_TYPE_SOFT) {
        soft_links_.emplace_back(element, above);
      } else if (link.type == H5L_TYPE_HARD) {
        WalkObject(group, name, element, above);
      } else {
        throw DataError("H5_EXTERNAL_LINK",
                        "{}: {}: a link to another file, which is never followed: copy its target "
                        "into this file",
                        path_, element);
      }
    }
  }

  void WalkObject(hid_t group, const std::string& name, const std::string& element, std::vector<haddr_t>& above) {
    const Hdf5Handle object(H5Oopen(group, name.c_str(), H5P_DEFAULT));
    H5O_info_t info;
    if (!object.valid() || H5Oget_info2(object.get(), &info, H5O_INFO_BASIC) < 0) Damaged(element);
    if (std::find(above.begin(), above.end(), info.addr) != above.end()) {
      throw DataError("H5_LINK", "{}: {}: a group that holds itself: remove this link", path_, element);
    }
    if (!visited_.insert(info.addr).second) return;
    if (visited_.size() > kMostObjects) {
      throw DataError("H5_SIZE", "{}: over {} objects: not an AnnData file", path_, kMostObjects);
    }
    if (info.type == H5O_TYPE_DATASET) CheckDataset(object.get(), element);
    if (info.type != H5O_TYPE_GROUP) return;
    above.push_back(info.addr);
    WalkGroup(object.get(), element, above);
    above.pop_back();
  }

  void CheckSoftLink(const std::string& element, const std::vector<haddr_t>& above) const {
    const Hdf5Handle object(H5Oopen(file_, element.c_str(), H5P_DEFAULT));
    if (!object.valid()) {
      throw DataError("H5_LINK", "{}: {}: a soft link that loops or points nowhere: remove it", path_, element);
    }
    H5O_info_t info;
    if (H5Oget_info2(object.get(), &info, H5O_INFO_BASIC) < 0) Damaged(element);
    if (std::find(above.begin(), above.end(), info.addr) != above.end()) {
      throw DataError("H5_LINK", "{}: {}: a soft link that loops back to a group around it: remove it", path_, element);
    }
  }

  void CheckDataset(hid_t dataset, const std::string& element) const {
    const Hdf5Handle plist(H5Dget_create_plist(dataset));
    if (!plist.valid()) Damaged(element);
    // Storage first: asking a virtual dataset for its extent would already open other files.
    const H5D_layout_t layout = H5Pget_layout(plist.get());
    if (layout == H5D_VIRTUAL) {
      throw DataError("H5_VIRTUAL",
                      "{}: {}: a virtual dataset, whose values are in other files: copy them into this "
                      "file",
                      path_, element);
    }
    if (layout < 0) Damaged(element);
    if (H5Pget_external_count(plist.get()) != 0) {
      throw DataError("H5_EXTERNAL", "{}: {}: its values are stored in another file: copy them into this one", path_,
                      element);
    }
    const Hdf5Handle type(H5Dget_type(dataset));
    const uint64_t item = type.valid() ? H5Tget_size(type.get()) : 0;
    if (item == 0) Damaged(element);
    const uint64_t stored = H5Dget_storage_size(dataset);
    CheckExtent(dataset, element, item, stored);
    const uint64_t chunk = layout == H5D_CHUNKED ? ChunkBytes(plist.get(), element, item, stored) : 0;
    CheckFilters(plist.get(), element, chunk);
  }

  void CheckExtent(hid_t dataset, const std::string& element, uint64_t item, uint64_t stored) const {
    const Hdf5Handle space(H5Dget_space(dataset));
    hsize_t extent[H5S_MAX_RANK];
    const int rank = space.valid() ? H5Sget_simple_extent_dims(space.get(), extent, nullptr) : -1;
    if (rank < 0) Damaged(element);
    uint64_t bytes = item;
    bool overflow = false;
    for (int axis = 0; axis < rank; ++axis) overflow |= __builtin_mul_overflow(bytes, extent[axis], &bytes);
    if (overflow || (bytes > kFreeDataBytes && bytes / kMostRatio > stored)) {
      throw DataError("H5_SIZE",
                      "{}: {}: declares {} bytes but stores {} (limit: {} times as many): the file is "
                      "damaged or was made to harm",
                      path_, element, overflow ? "over 2^64" : fmt::format("{}", bytes), stored, kMostRatio);
    }
  }

  uint64_t ChunkBytes(hid_t plist, const std::string& element, uint64_t item, uint64_t stored) const {
    hsize_t extent[H5S_MAX_RANK];
    const int rank = H5Pget_chunk(plist, H5S_MAX_RANK, extent);
    if (rank < 0) Damaged(element);
    uint64_t bytes = item;
    bool overflow = false;
    for (int axis = 0; axis < rank; ++axis) overflow |= __builtin_mul_overflow(bytes, extent[axis], &bytes);
    if (overflow || (bytes > kFreeChunkBytes && bytes / kMostRatio > stored)) {
      throw DataError("H5_SIZE",
                      "{}: {}: chunks of {} bytes, but only {} are stored: write it again with smaller "
                      "chunks",
                      path_, element, overflow ? "over 2^64" : fmt::format("{}", bytes), stored);
    }
    return bytes;
  }

  void CheckFilters(hid_t plist, const std::string& element, uint64_t chunk) const {
    const int count = H5Pget_nfilters(plist);
    if (count < 0) Damaged(element);
    for (int i = 0; i < count; ++i) {
      unsigned flags = 0, config = 0, values[8] = {};
      size_t n_values = std::size(values);
      char name[64] = "";
      const H5Z_filter_t id = H5Pget_filter2(plist, i, &flags, &n_values, values, sizeof(name), name, &config);
      if (id != H5Z_FILTER_DEFLATE && id != H5Z_FILTER_SHUFFLE && id != H5Z_FILTER_FLETCHER32 && id != kLzf) {
        throw DataError("H5_FILTER",
                        "{}: {}: compressed by filter {} ({}); gzip, shuffle, fletcher32 and lzf are "
                        "read: write it again with compression=\"gzip\"",
                        path_, element, id, name);
      }
      if (id == kLzf && n_values > 2 && values[2] != 0 && values[2] != chunk) {
        throw DataError("H5_FILTER", "{}: {}: lzf says chunks of {} bytes, they are {}: the file is damaged", path_,
                        element, values[2], chunk);
      }
    }
  }

  hid_t file_;
  const std::string& path_;
  std::set<haddr_t> visited_;
  std::vector<std::pair<std::string, std::vector<haddr_t>>> soft_links_;
};

}  // namespace

void CheckHdf5Safety(hid_t file, const std::string& path) { Walker(file, path).Walk(); }

}  // namespace genvinci
