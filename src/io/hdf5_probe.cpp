#include <fcntl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "genvinci/core/error.h"
#include "hdf5_util.h"

namespace genvinci {
namespace {

constexpr uint64_t kSlabBytes = uint64_t{16} << 20;
constexpr uint64_t kMostStored = uint64_t{64} << 20;  // of larger datasets only the list of chunks is read
constexpr uint64_t kMostUnpacked = uint64_t{256} << 20;
constexpr double kReadSeconds = 1;  // of computing; after this the rest is taken on trust
constexpr double kHangSeconds = 2;  // the same, and one more for each 4 MB of the file
constexpr double kBytesASecond = 4e6;
constexpr rlim_t kExtraMemory = rlim_t{4} << 30;

double Computed() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

void ReadChunkList(hid_t dataset) {
  hsize_t chunks = 0, offset[H5S_MAX_RANK], stored = 0;
  unsigned mask = 0;
  haddr_t address = 0;
  const Hdf5Handle space(H5Dget_space(dataset));
  if (H5Dget_num_chunks(dataset, space.get(), &chunks) < 0 || chunks == 0) return;
  H5Dget_chunk_info(dataset, space.get(), chunks - 1, offset, &mask, &address, &stored);
}

void ReadDataset(hid_t dataset, double deadline) {
  const Hdf5Handle stored_type(H5Dget_type(dataset)), space(H5Dget_space(dataset));
  const Hdf5Handle type(H5Tget_native_type(stored_type.get(), H5T_DIR_DEFAULT));
  hsize_t extent[H5S_MAX_RANK], start[H5S_MAX_RANK] = {};
  const int rank = H5Sget_simple_extent_dims(space.get(), extent, nullptr);
  const int64_t items = H5Sget_simple_extent_npoints(space.get());
  if (!type.valid() || rank < 0 || items <= 0) return;
  const uint64_t item = H5Tget_size(type.get()), bytes = item * items;
  ReadChunkList(dataset);
  if (H5Dget_storage_size(dataset) > kMostStored || bytes > kMostUnpacked) return;
  const hsize_t rows = rank == 0 ? 1 : extent[0];
  const hsize_t step = std::max<hsize_t>(kSlabBytes / std::max<uint64_t>(bytes / rows, 1), 1);
  for (hsize_t first = 0; first < rows && Computed() < deadline; first += step) {
    const hsize_t count = std::min(step, rows - first);
    Hdf5Handle memory(H5Screate(H5S_SCALAR));
    if (rank > 0) {
      start[0] = first;
      extent[0] = count;
      H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start, nullptr, extent, nullptr);
      memory = Hdf5Handle(H5Screate_simple(rank, extent, nullptr));
    }
    void* values = std::calloc(count, bytes / rows);
    if (values == nullptr) return;
    if (H5Dread(dataset, type.get(), memory.get(), space.get(), H5P_DEFAULT, values) < 0) {
      std::free(values);
      return;
    }
    H5Dvlen_reclaim(type.get(), memory.get(), H5P_DEFAULT, values);
    std::free(values);
  }
}

herr_t ReadAttribute(hid_t object, const char* name, const H5A_info_t*, void*) {
  const Hdf5Handle attribute(H5Aopen(object, name, H5P_DEFAULT));
  const Hdf5Handle stored_type(H5Aget_type(attribute.get())), space(H5Aget_space(attribute.get()));
  const Hdf5Handle type(H5Tget_native_type(stored_type.get(), H5T_DIR_DEFAULT));
  const int64_t items = H5Sget_simple_extent_npoints(space.get());
  if (!type.valid() || items <= 0 || static_cast<uint64_t>(items) > kSlabBytes / H5Tget_size(type.get())) return 0;
  void* values = std::calloc(items, H5Tget_size(type.get()));
  if (values != nullptr && H5Aread(attribute.get(), type.get(), values) >= 0) {
    H5Dvlen_reclaim(type.get(), space.get(), H5P_DEFAULT, values);
  }
  std::free(values);
  return 0;
}

herr_t ReadObject(hid_t file, const char* name, const H5O_info_t* info, void* deadline) {
  const Hdf5Handle object(H5Oopen(file, name, H5P_DEFAULT));
  if (!object.valid()) return 0;
  hsize_t position = 0;
  H5Aiterate2(object.get(), H5_INDEX_NAME, H5_ITER_INC, &position, ReadAttribute, nullptr);
  if (info->type == H5O_TYPE_DATASET) ReadDataset(object.get(), *static_cast<double*>(deadline));
  return 0;
}

void ReadAll(const char* path) {
  double deadline = Computed() + kReadSeconds;
  try {
    const Hdf5Handle file(H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT));
    if (!file.valid()) return;
    CheckHdf5Safety(file.get(), path);
    H5Ovisit2(file.get(), H5_INDEX_NAME, H5_ITER_INC, ReadObject, &deadline, H5O_INFO_BASIC);
  } catch (const Error&) {
    // The parent meets the same error and reports it.
  }
}

void LimitChild(const std::filesystem::path& path) {
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  rlimit memory;
  long pages = 0;
  if (FILE* statm = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(statm, "%ld", &pages) == 1 && getrlimit(RLIMIT_AS, &memory) == 0) {
      memory.rlim_cur = std::min(memory.rlim_max, static_cast<rlim_t>(pages) * sysconf(_SC_PAGESIZE) + kExtraMemory);
      setrlimit(RLIMIT_AS, &memory);
    }
    std::fclose(statm);
  }
  for (const int number : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGPROF}) std::signal(number, SIG_DFL);
  const int null = open("/dev/null", O_WRONLY);
  if (null >= 0) dup2(null, STDERR_FILENO);
  std::error_code ignored;
  itimerval timer{};
  timer.it_value.tv_sec = std::lround(kHangSeconds + std::filesystem::file_size(path, ignored) / kBytesASecond);
  setitimer(ITIMER_PROF, &timer, nullptr);
}

// HDF5 calls this while it holds its lock. So no other thread of ours is inside HDF5 at the fork, and the child, whose
// one thread owns the lock, can go on using the library.
herr_t Fork(hid_t, const char*, void* pid) {
  *static_cast<pid_t*>(pid) = fork();
  return 1;
}

}  // namespace

void ProbeHdf5(const std::filesystem::path& path) {
  pid_t child = -1;
  const Hdf5Handle plist(H5Pcreate(H5P_FILE_ACCESS));
  H5Piterate(plist.get(), nullptr, Fork, &child);
  if (child < 0) throw IoError("PROCESS", "{}: no process could be started to check it: close others", path.string());
  if (child == 0) {
    LimitChild(path);
    ReadAll(path.c_str());
    _exit(0);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
  const bool hung = WIFSIGNALED(status) && WTERMSIG(status) == SIGPROF;
  throw DataError("H5_DAMAGED", "{}: the file is damaged so that HDF5 {} when it reads it: get it again", path.string(),
                  hung ? "hangs" : "fails");
}

}  // namespace genvinci
