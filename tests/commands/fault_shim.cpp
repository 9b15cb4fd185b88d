// Preloaded into the program: makes its n-th open, write, fsync or rename below a folder fail, or kills it there.
//
//   GENVINCI_FAULT        op:n:what:mode, such as write:17:ENOSPC:once. op: open, write, fsync, rename. what: ENOSPC,
//   EIO,
//                         EINTR, short (half is written), kill (before), torn (half is written, then killed), slow
//                         (half a second later). mode: once, always (that one and all after it).
//   GENVINCI_FAULT_UNDER  the folder
//   GENVINCI_FAULT_COUNT  a file that gets "op count" lines when the program ends
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

enum Op { kOpen, kWrite, kFsync, kRename, kOps };
const char* const kNames[kOps] = {"open", "write", "fsync", "rename"};

template <typename Function>
Function Next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

struct Plan {
  Plan() {
    if (const char* path = std::getenv("GENVINCI_FAULT_UNDER")) under = path;
    const char* text = std::getenv("GENVINCI_FAULT");
    char op_name[16] = {}, what_name[16] = {}, mode_name[16] = {};
    long at = 0;
    if (!text || std::sscanf(text, "%15[^:]:%ld:%15[^:]:%15s", op_name, &at, what_name, mode_name) != 4) return;
    for (int i = 0; i < kOps; ++i) {
      if (std::strcmp(kNames[i], op_name) == 0) op = i;
    }
    n = at;
    what = what_name;
    always = std::strcmp(mode_name, "always") == 0;
  }
  ~Plan() {
    const char* path = std::getenv("GENVINCI_FAULT_COUNT");
    if (!path) return;
    if (FILE* file = std::fopen(path, "w")) {
      for (int i = 0; i < kOps; ++i) std::fprintf(file, "%s %ld\n", kNames[i], counts[i].load());
      std::fclose(file);
    }
  }
  std::string under, what;
  int op = -1;
  long n = 0;
  bool always = false;
  std::atomic<long> counts[kOps] = {};
};

Plan& ThePlan() {
  static Plan plan;
  return plan;
}

// What is to happen to this call: "" for nothing.
std::string Fate(Op op, const char* path) {
  Plan& plan = ThePlan();
  if (plan.under.empty() || !path || std::strncmp(path, plan.under.c_str(), plan.under.size()) != 0) return "";
  const long number = ++plan.counts[op];
  const bool due = plan.op == op && (number == plan.n || (plan.always && number > plan.n));
  if (!due) return "";
  if (plan.what == "kill") ::kill(::getpid(), SIGKILL);
  if (plan.what == "slow") ::usleep(500'000);
  return plan.what;
}

// True: the call fails with errno set.
bool Fails(const std::string& fate) {
  if (fate == "ENOSPC")
    errno = ENOSPC;
  else if (fate == "EIO")
    errno = EIO;
  else if (fate == "EINTR")
    errno = EINTR;
  else
    return false;
  return true;
}

std::string PathOf(int descriptor) {
  char path[PATH_MAX] = {};
  const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
  return ::readlink(link.c_str(), path, sizeof(path) - 1) > 0 ? path : "";
}

std::string Absolute(const char* path) {
  if (!path || path[0] == '/') return path ? path : "";
  char folder[PATH_MAX] = {};
  return ::getcwd(folder, sizeof(folder)) ? std::string(folder) + "/" + path : path;
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(list, mode_t) : 0;
  va_end(list);
  if (Fails(Fate(kOpen, Absolute(path).c_str()))) return -1;
  return Next<int (*)(const char*, int, ...)>("open")(path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(list, mode_t) : 0;
  va_end(list);
  if (Fails(Fate(kOpen, Absolute(path).c_str()))) return -1;
  return Next<int (*)(const char*, int, ...)>("open64")(path, flags, mode);
}

ssize_t write(int descriptor, const void* bytes, size_t size) {
  const auto next = Next<ssize_t (*)(int, const void*, size_t)>("write");
  const std::string fate = Fate(kWrite, PathOf(descriptor).c_str());
  if (Fails(fate)) return -1;
  if (fate == "torn") {
    next(descriptor, bytes, size / 2);
    ::kill(::getpid(), SIGKILL);
  }
  return next(descriptor, bytes, fate == "short" && size > 1 ? size / 2 : size);
}

// What libstdc++'s files write large pieces with.
ssize_t writev(int descriptor, const struct iovec* parts, int count) {
  const std::string fate = Fate(kWrite, PathOf(descriptor).c_str());
  if (Fails(fate)) return -1;
  const auto next = Next<ssize_t (*)(int, const struct iovec*, int)>("writev");
  if (fate == "torn" || (fate == "short" && count > 0 && parts[0].iov_len > 1)) {
    const ssize_t written =
        Next<ssize_t (*)(int, const void*, size_t)>("write")(descriptor, parts[0].iov_base, parts[0].iov_len / 2);
    if (fate == "torn") ::kill(::getpid(), SIGKILL);
    return written;
  }
  return next(descriptor, parts, count);
}

int fsync(int descriptor) {
  if (Fails(Fate(kFsync, PathOf(descriptor).c_str()))) return -1;
  return Next<int (*)(int)>("fsync")(descriptor);
}

int rename(const char* from, const char* to) {
  if (Fails(Fate(kRename, Absolute(to).c_str()))) return -1;
  return Next<int (*)(const char*, const char*)>("rename")(from, to);
}

int renameat2(int from_folder, const char* from, int to_folder, const char* to, unsigned flags) {
  if (Fails(Fate(kRename, Absolute(to).c_str()))) return -1;
  return Next<int (*)(int, const char*, int, const char*, unsigned)>("renameat2")(from_folder, from, to_folder, to,
                                                                                  flags);
}

}  // extern "C"
