#include "genvinci/core/files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <system_error>
#include <utility>

#include "genvinci/core/error.h"

namespace genvinci {
namespace {

constexpr int kPopulateRead = 22;  // MADV_POPULATE_READ, which older headers lack

std::string ErrnoText(int error) { return std::generic_category().message(error); }

[[noreturn]] void WriteFailed(const fs::path& path, std::string_view step, int error) {
  const char* advice = "check the path and its permissions";
  if (error == ENOSPC || error == EDQUOT) advice = "free some space or choose another place";
  if (error == EFBIG) advice = "raise the file size limit (ulimit -f)";
  if (error == EIO) advice = "check the disk";
  throw IoError("FILE_WRITE", "{}: {} failed: {} (errno {}): {}", path.string(), step, ErrnoText(error), error, advice);
}

[[noreturn]] void ReadFailed(const fs::path& path, int error) {
  if (error == ENOENT || error == ENOTDIR)
    throw MissingFileError("FILE_MISSING", "{}: there is no such file: check the path", path.string());
  throw IoError("FILE_READ", "{}: reading failed: {} (errno {})", path.string(), ErrnoText(error), error);
}

// Repeats a call that a signal broke off.
template <typename Call>
auto Retry(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  int get() const { return descriptor_; }
  int Take() { return std::exchange(descriptor_, -1); }
  // Some file systems tell of a failed write only here. Linux frees the descriptor even when it says EINTR.
  bool Close() { return ::close(std::exchange(descriptor_, -1)) == 0 || errno == EINTR; }

 private:
  int descriptor_;
};

int OpenToRead(const fs::path& path) {
  const int descriptor = Retry([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); });
  if (descriptor < 0) ReadFailed(path, errno);
  return descriptor;
}

// The size of a file that is open; a folder opens too, and is refused here.
uint64_t SizeOfOpen(int descriptor, const fs::path& path) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) ReadFailed(path, errno);
  if (S_ISDIR(status.st_mode)) ReadFailed(path, EISDIR);
  return static_cast<uint64_t>(status.st_size);
}

// Hands over the file in pieces.
void ForEachBlock(int descriptor, const fs::path& path, const std::function<void(std::string_view)>& use) {
  std::string block(size_t{1} << 20, '\0');
  while (true) {
    const ssize_t count = Retry([&] { return ::read(descriptor, block.data(), block.size()); });
    if (count < 0) ReadFailed(path, errno);
    if (count == 0) return;
    use(std::string_view(block).substr(0, static_cast<size_t>(count)));
  }
}

void WriteAll(int descriptor, std::string_view bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t count = Retry([&] { return ::write(descriptor, bytes.data(), bytes.size()); });
    if (count < 0) WriteFailed(path, "writing", errno);
    if (count == 0) WriteFailed(path, "writing", ENOSPC);
    bytes.remove_prefix(static_cast<size_t>(count));
  }
}

fs::path FolderOf(const fs::path& path) { return path.has_parent_path() ? path.parent_path() : fs::path("."); }

// A name in the same folder that no other process or thread takes; it ends as `path` does.
fs::path TemporaryBeside(const fs::path& path) {
  static std::atomic<uint64_t> counter{0};
  std::string name = path.filename().string();
  if (name.size() > 200) name = name.substr(name.size() - 200);
  return FolderOf(path) / fmt::format(".tmp-{}-{}-{}", ::getpid(), counter++, name);
}

// Removes what stands under a temporary name unless it became the file.
class Temporary {
 public:
  explicit Temporary(const fs::path& target) : target_(target), path_(TemporaryBeside(target)) {
    std::error_code error;
    const fs::file_status status = fs::status(target, error);
    if (fs::exists(status) && !fs::is_regular_file(status))
      throw IoError("FILE_WRITE", "{}: is there and is not a plain file: choose another name", target.string());
    if (!target.has_filename())
      throw IoError("FILE_WRITE", "'{}': is not the name of a file: choose another name", target.string());
  }
  ~Temporary() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;

  const fs::path& path() const { return path_; }

  void Rename() {
    if (::rename(path_.c_str(), target_.c_str()) != 0) WriteFailed(target_, "renaming", errno);
    path_.clear();
    SyncPath(FolderOf(target_));
  }

 private:
  const fs::path& target_;
  fs::path path_;
};

void SyncAs(const fs::path& path, const fs::path& shown) {
  File file(Retry([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); }));
  if (file.get() < 0) WriteFailed(shown, "opening for fsync", errno);
  if (Retry([&] { return ::fsync(file.get()); }) == 0) return;
  // A file system that cannot sync folders says EINVAL.
  std::error_code ignored;
  if (const int error = errno; error != EINVAL || !fs::is_directory(path, ignored)) WriteFailed(shown, "fsync", error);
}

bool HoldsSomething(const fs::path& path) {
  std::error_code error;
  if (!fs::exists(path, error)) return false;
  return !fs::is_directory(path, error) || !fs::is_empty(path, error);
}

[[noreturn]] void OutputExists(const fs::path& path) {
  throw OverwriteError("OUTPUT_EXISTS", "{}: is there already: choose another place or remove it", path.string());
}

}  // namespace

std::string ReadFile(const fs::path& path, uint64_t limit) {
  File file(OpenToRead(path));
  const uint64_t size = SizeOfOpen(file.get(), path);
  std::string bytes;
  const auto check = [&](uint64_t total) {
    if (total > limit)
      throw DataError("FILE_SIZE", "{}: has {} bytes or more, over the limit of {}", path.string(), total, limit);
  };
  check(size);
  bytes.reserve(size);
  ForEachBlock(file.get(), path, [&](std::string_view block) {
    check(bytes.size() + block.size());
    bytes.append(block);
  });
  return bytes;
}

void RequireFile(const fs::path& path, std::string_view hint) {
  std::error_code error;
  if (!fs::exists(path, error))
    throw MissingFileError("FILE_MISSING", "{}: there is no such file: {}", path.string(), hint);
}

void WriteFileAtomic(const fs::path& path, std::string_view bytes) {
  Temporary temporary(path);
  File file(Retry([&] { return ::open(temporary.path().c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666); }));
  if (file.get() < 0) WriteFailed(path, "creating", errno);
  WriteAll(file.get(), bytes, path);
  if (Retry([&] { return ::fsync(file.get()); }) != 0) WriteFailed(path, "fsync", errno);
  if (!file.Close()) WriteFailed(path, "closing", errno);
  temporary.Rename();
}

void WriteFileAtomic(const fs::path& path, std::span<const std::byte> bytes) {
  WriteFileAtomic(path, std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

void WriteFileAtomic(const fs::path& path, const std::function<void(const fs::path&)>& write) {
  Temporary temporary(path);
  write(temporary.path());
  SyncAs(temporary.path(), path);
  temporary.Rename();
}

void AppendToFile(const fs::path& path, std::string_view bytes) {
  File file(Retry([&] { return ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666); }));
  if (file.get() < 0) WriteFailed(path, "opening", errno);
  const off_t before = ::lseek(file.get(), 0, SEEK_END);
  try {
    WriteAll(file.get(), bytes, path);
  } catch (const IoError&) {
    // A device cannot be cut, and needs not be.
    if (before >= 0 && ::ftruncate(file.get(), before) != 0 && errno != EINVAL) WriteFailed(path, "cutting", errno);
    throw;
  }
  if (!file.Close()) WriteFailed(path, "closing", errno);
}

void MakeFolder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  std::error_code ignored;
  if (!error && !fs::is_directory(path, ignored)) error = std::make_error_code(std::errc::not_a_directory);
  if (error)
    throw IoError("DIR_CREATE", "{}: the folder cannot be made: {} (errno {}): check the path and its permissions",
                  path.string(), error.message(), error.value());
}

StagedFolder::StagedFolder(fs::path target, bool may_exist) : target_(std::move(target)) {
  // "out/" has no file name to build the temporary one from.
  if (!target_.has_filename()) target_ = target_.parent_path();
  if (!may_exist && HoldsSomething(target_)) OutputExists(target_);
  staged_ = TemporaryBeside(target_);
  MakeFolder(staged_);
}

StagedFolder::~StagedFolder() {
  std::error_code ignored;
  if (!committed_) fs::remove_all(staged_, ignored);
}

void StagedFolder::SyncStaged() const {
  std::error_code error;
  for (fs::recursive_directory_iterator it(staged_, error), end; !error && it != end; it.increment(error)) {
    if (!it->is_symlink()) SyncAs(it->path(), target_ / it->path().lexically_relative(staged_));
  }
  if (error) WriteFailed(target_, "listing", error.value());
  SyncAs(staged_, target_);
}

void StagedFolder::CommitInPlace() {
  std::error_code error;
  if (!fs::exists(target_, error)) return Commit();
  SyncStaged();
  if (::renameat2(AT_FDCWD, staged_.c_str(), AT_FDCWD, target_.c_str(), RENAME_EXCHANGE) != 0) {
    const fs::path aside = TemporaryBeside(target_);
    if (::rename(target_.c_str(), aside.c_str()) != 0 || ::rename(staged_.c_str(), target_.c_str()) != 0)
      WriteFailed(target_, "renaming", errno);
    staged_ = aside;
  }
  committed_ = true;
  SyncPath(FolderOf(target_));
  fs::remove_all(staged_, error);  // what was there before
}

void StagedFolder::Commit() {
  SyncStaged();
  if (::rename(staged_.c_str(), target_.c_str()) != 0) {
    if (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR) OutputExists(target_);
    WriteFailed(target_, "renaming", errno);
  }
  committed_ = true;
  SyncPath(FolderOf(target_));
}

void SyncPath(const fs::path& path) { SyncAs(path, path); }

MappedFile::MappedFile(const fs::path& path) : path_(path) {
  File file(OpenToRead(path));
  size_ = SizeOfOpen(file.get(), path);
  if (size_ == 0) return;
  void* const data = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, file.get(), 0);
  if (data == MAP_FAILED) ReadFailed(path, errno);
  data_ = static_cast<const std::byte*>(data);
  descriptor_ = file.Take();
}

void MappedFile::Release(std::span<const std::byte> part) const {
  // What was copied out of the file is not the file's.
  if (part.data() < data_ || part.data() + part.size() > data_ + size_) return;
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(part.data()) + page - 1) / page * page;
  const uintptr_t end = reinterpret_cast<uintptr_t>(part.data() + part.size()) / page * page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);  // a hint: it may fail
}

void MappedFile::Fetch(std::span<const std::byte> part) const {
  if (part.empty() || part.data() < data_ || part.data() + part.size() > data_ + size_) return;
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const uintptr_t begin = reinterpret_cast<uintptr_t>(part.data()) / page * page;
  const uintptr_t end = reinterpret_cast<uintptr_t>(part.data() + part.size());
  void* const start = reinterpret_cast<void*>(begin);
  // Plain reads keep the disk busy where page faults, even of many pages at once, wait for it in turns.
  std::vector<unsigned char> is_there((end - begin + page - 1) / page);
  const bool known = ::mincore(start, end - begin, is_there.data()) == 0;
  const bool all_there = known && std::all_of(is_there.begin(), is_there.end(), [](auto flag) { return flag & 1; });
  if (!all_there) {
    std::vector<std::byte> block(size_t{1} << 20);
    uint64_t at = begin - reinterpret_cast<uintptr_t>(data_);
    const uint64_t stop = at + (end - begin);
    while (at < stop) {
      const ssize_t count = Retry([&] {
        return ::pread(descriptor_, block.data(), std::min<uint64_t>(block.size(), stop - at), static_cast<off_t>(at));
      });
      if (count < 0) ReadFailed(path_, errno);
      if (count == 0) ReadFailed(path_, EIO);  // it was longer when it was mapped
      at += static_cast<uint64_t>(count);
    }
  }
  ::madvise(start, end - begin, kPopulateRead);  // a hint, which kernels before 5.14 do not know
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::string EscapeFileName(std::string_view name) {
  constexpr std::string_view kPlain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.+";
  if (name.empty()) return "%";  // no other name gives a lone percent sign
  const bool dots = name == "." || name == "..";
  std::string escaped;
  for (const char c : name) {
    if (kPlain.find(c) != std::string_view::npos && !dots)
      escaped += c;
    else
      escaped += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return escaped;
}

void ReadBlocks(const fs::path& path, const std::function<void(std::string_view)>& use) {
  File file(OpenToRead(path));
  SizeOfOpen(file.get(), path);
  ForEachBlock(file.get(), path, use);
}

std::string FolderName(const fs::path& path) {
  const fs::path whole = fs::absolute(path).lexically_normal();
  return (whole.has_filename() ? whole : whole.parent_path()).filename().string();
}

}  // namespace genvinci
