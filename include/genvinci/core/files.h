#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace genvinci {

namespace fs = std::filesystem;

// The whole file. MissingFileError (FILE_MISSING) or IoError (FILE_READ, also for a folder).
// Over `limit` bytes: DataError (FILE_SIZE).
std::string ReadFile(const fs::path& path, uint64_t limit = uint64_t{1} << 32);

// Throws MissingFileError (FILE_MISSING) with `hint` as what to do.
void RequireFile(const fs::path& path, std::string_view hint = "check the path");

// Written beside `path`, fsynced, renamed over it, parent fsynced: either the old or the whole new file is there.
// IoError (FILE_WRITE) names path and errno; nothing is left behind. What is no plain file (a device) is not replaced.
void WriteFileAtomic(const fs::path& path, std::string_view bytes);
void WriteFileAtomic(const fs::path& path, std::span<const std::byte> bytes);

// The same for writers that need a path (HDF5, images): `write` gets a temporary name in the same folder that ends as
// `path` does; when it returns, the file is fsynced and renamed; when it throws, it is removed.
void WriteFileAtomic(const fs::path& path, const std::function<void(const fs::path&)>& write);

// Appends; when writing fails (IoError FILE_WRITE), the file is as long as before.
void AppendToFile(const fs::path& path, std::string_view bytes);

// Hands over the file piece by piece. MissingFileError, IoError.
void ReadBlocks(const fs::path& path, const std::function<void(std::string_view)>& use);

// create_directories with our errors (IoError DIR_CREATE).
void MakeFolder(const fs::path& path);

// A folder that appears whole or not at all: fill path(), then Commit() fsyncs its files and renames it to `target`.
// Not committed: removed by the destructor. OverwriteError (OUTPUT_EXISTS) when `target` is there and not empty, unless
// it `may_exist`.
class StagedFolder {
 public:
  explicit StagedFolder(fs::path target, bool may_exist = false);
  ~StagedFolder();
  StagedFolder(const StagedFolder&) = delete;
  StagedFolder& operator=(const StagedFolder&) = delete;

  const fs::path& path() const { return staged_; }
  void Commit();
  // Takes the place of what is at `target`, which is removed after; where the file system can, in one step, so that the
  // one or the other is there at any time.
  void CommitInPlace();

 private:
  void SyncStaged() const;
  fs::path target_, staged_;
  bool committed_ = false;
};

void SyncPath(const fs::path& path);  // fsync of a file or folder

// A file mapped into memory, whose bytes are private: a write through a pointer that was cast reaches neither the file
// nor another mapping. MissingFileError, IoError.
class MappedFile {
 public:
  explicit MappedFile(const fs::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  // The pages that lie in this part need not stay in memory; they are read again when they are looked at. A part of
  // other memory is left alone.
  void Release(std::span<const std::byte> part) const;
  // Brings this part into memory in one sweep, as fast as the disk reads; without it each page is waited for. IoError.
  void Fetch(std::span<const std::byte> part) const;

 private:
  fs::path path_;
  int descriptor_ = -1;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// Names for files made from obs_names: letters, digits, '-', '_', '.' and '+' stay, every other byte becomes %XX; an
// empty name, "." and ".." are escaped too. Injective.
std::string EscapeFileName(std::string_view name);

// The name of the folder that a path, perhaps with a slash at its end, leads to.
std::string FolderName(const fs::path& path);

}  // namespace genvinci
