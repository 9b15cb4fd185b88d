#include "genvinci/core/files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <set>
#include <thread>

#include "core/temp_folder.h"
#include "genvinci/core/sha256.h"

namespace genvinci {
namespace files_test {

using ::testing::EndsWith;
using ::testing::HasSubstr;

// A file size limit for the scope: writing beyond it fails part-way, as on a full disk.
class SizeLimit {
 public:
  explicit SizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~SizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  sighandler_t handler_;
};

TEST(ReadFile, GivesEveryByte) {
  const TempFolder folder;
  std::string bytes(3000001, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 7);
  Spill(folder / "x", bytes);
  EXPECT_EQ(ReadFile(folder / "x"), bytes);
  EXPECT_EQ(ReadFile(folder / "x", bytes.size()).size(), bytes.size());
  Spill(folder / "empty", "");
  EXPECT_EQ(ReadFile(folder / "empty"), "");
}

TEST(ReadFile, RefusesMissingFolderAndTooLarge) {
  const TempFolder folder;
  const Error missing = CatchError("FILE_MISSING", [&] { ReadFile(folder / "none"); });
  EXPECT_THAT(missing.what(), HasSubstr((folder / "none").string()));
  EXPECT_EQ(missing.exit_code(), ExitCode::kMissingFile);
  EXPECT_EQ(CatchError("FILE_READ", [&] { ReadFile(folder.path()); }).exit_code(), ExitCode::kIo);
  Spill(folder / "x", "12345");
  CatchError("FILE_SIZE", [&] { ReadFile(folder / "x", 4); });
  CatchError("FILE_MISSING", [&] { ReadFile(folder / "x/y"); });
  // It has no size beforehand, and no end.
  CatchError("FILE_SIZE", [&] { ReadFile("/dev/zero", 5000000); });
}

TEST(RequireFile, SaysWhatToDo) {
  const TempFolder folder;
  const Error error = CatchError("FILE_MISSING", [&] { RequireFile(folder / "a", "run prepare first"); });
  EXPECT_THAT(error.what(), EndsWith(": run prepare first"));
  EXPECT_NO_THROW(RequireFile(folder.path()));
}

TEST(WriteFileAtomic, ReplacesAndLeavesNothingElse) {
  const TempFolder folder;
  WriteFileAtomic(folder / "x.bin", std::string("one"));
  WriteFileAtomic(folder / "x.bin", std::string("second"));
  EXPECT_EQ(Slurp(folder / "x.bin"), "second");
  const std::byte bytes[] = {std::byte{0}, std::byte{255}};
  WriteFileAtomic(folder / "y", bytes);
  EXPECT_EQ(Slurp(folder / "y"), std::string("\0\xff", 2));
  EXPECT_EQ(folder.Count(), 2);
}

TEST(WriteFileAtomic, FullDiskKeepsTheOldFile) {
  const TempFolder folder;
  Spill(folder / "x", "old");
  const SizeLimit limit(10000);
  const Error error = CatchError("FILE_WRITE", [&] { WriteFileAtomic(folder / "x", std::string(20000, 'a')); });
  EXPECT_THAT(error.what(), HasSubstr((folder / "x").string() + ": writing failed: File too large (errno 27)"));
  EXPECT_EQ(error.exit_code(), ExitCode::kIo);
  EXPECT_EQ(Slurp(folder / "x"), "old");
  EXPECT_EQ(folder.Count(), 1);
}

TEST(WriteFileAtomic, RefusesWhatIsNoPlainFile) {
  const TempFolder folder;
  CatchError("FILE_WRITE", [&] { WriteFileAtomic(folder.path(), std::string("x")); });
  CatchError("FILE_WRITE", [&] { WriteFileAtomic(folder.path() / "new/", std::string("x")); });
  CatchError("FILE_WRITE", [] { WriteFileAtomic("/dev/full", std::string("x")); });
  EXPECT_TRUE(fs::is_character_file("/dev/full"));
  const Error error = CatchError("FILE_WRITE", [&] { WriteFileAtomic(folder / "no/x", std::string("x")); });
  EXPECT_THAT(error.what(), HasSubstr("No such file or directory (errno 2)"));
  EXPECT_EQ(folder.Count(), 0);
}

TEST(WriteFileAtomic, LongNamesWork) {
  const TempFolder folder;
  const std::string name(255, 'n');
  WriteFileAtomic(folder / name, std::string("x"));
  EXPECT_EQ(Slurp(folder / name), "x");
}

TEST(WriteFileAtomic, WriterGetsANameThatEndsTheSame) {
  const TempFolder folder;
  WriteFileAtomic(folder / "a.ome.tif", [&](const fs::path& path) {
    EXPECT_EQ(path.parent_path(), folder.path());
    EXPECT_THAT(path.string(), EndsWith("a.ome.tif"));
    EXPECT_FALSE(fs::exists(folder / "a.ome.tif"));
    Spill(path, "image");
  });
  EXPECT_EQ(Slurp(folder / "a.ome.tif"), "image");
  EXPECT_EQ(folder.Count(), 1);
}

TEST(WriteFileAtomic, ThrowingWriterLeavesTheOldFile) {
  const TempFolder folder;
  Spill(folder / "a", "old");
  const auto fail = [](const fs::path& path) {
    Spill(path, "half");
    throw std::runtime_error("no");
  };
  EXPECT_THROW(WriteFileAtomic(folder / "a", fail), std::runtime_error);
  CatchError("FILE_WRITE", [&] { WriteFileAtomic(folder / "a", [](const fs::path&) {}); });
  EXPECT_EQ(Slurp(folder / "a"), "old");
  EXPECT_EQ(folder.Count(), 1);
}

TEST(WriteFileAtomic, ManyThreadsNeverMixTheirBytes) {
  const TempFolder folder;
  std::vector<std::thread> threads;
  for (char c = 'a'; c < 'e'; ++c)
    threads.emplace_back([&folder, c] {
      for (int i = 0; i < 10; ++i) WriteFileAtomic(folder / "x", std::string(5000, c));
    });
  for (std::thread& thread : threads) thread.join();
  const std::string text = Slurp(folder / "x");
  EXPECT_EQ(text, std::string(5000, text.at(0)));
  EXPECT_EQ(folder.Count(), 1);
}

TEST(AppendToFile, AppendsAndTakesBackAHalfWrite) {
  const TempFolder folder;
  AppendToFile(folder / "log", "one\n");
  AppendToFile(folder / "log", "two\n");
  EXPECT_EQ(Slurp(folder / "log"), "one\ntwo\n");
  const SizeLimit limit(100);
  CatchError("FILE_WRITE", [&] { AppendToFile(folder / "log", std::string(200, 'x')); });
  EXPECT_EQ(Slurp(folder / "log"), "one\ntwo\n");
}

TEST(AppendToFile, FullDeviceSaysSo) {
  const Error error = CatchError("FILE_WRITE", [] { AppendToFile("/dev/full", "x"); });
  EXPECT_STREQ(
      error.what(),
      "/dev/full: writing failed: No space left on device (errno 28): free some space or choose another place");
}

TEST(AppendToFile, GoesOnAfterSignalsAndShortWrites) {
  const TempFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  struct sigaction action {
  }, before{};
  action.sa_handler = [](int) {};  // without SA_RESTART: calls end with EINTR
  ::sigaction(SIGUSR2, &action, &before);
  const pthread_t writer = ::pthread_self();
  std::string received;
  std::thread reader([&] {
    for (int i = 0; i < 5; ++i) {
      ::usleep(2000);
      ::pthread_kill(writer, SIGUSR2);
    }
    std::ifstream pipe(folder / "pipe", std::ios::binary);
    std::string block(50000, '\0');
    while (pipe.read(block.data(), 50000) || pipe.gcount() > 0) {
      received.append(block, 0, static_cast<size_t>(pipe.gcount()));
      ::pthread_kill(writer, SIGUSR2);
      ::usleep(1000);
    }
  });
  std::string sent(1000000, 'x');
  for (size_t i = 0; i < sent.size(); i += 3) sent[i] = static_cast<char>(i);
  AppendToFile(folder / "pipe", sent);
  reader.join();
  ::sigaction(SIGUSR2, &before, nullptr);
  EXPECT_EQ(received, sent);
}

TEST(MakeFolder, MakesParentsAndRefusesAFile) {
  const TempFolder folder;
  MakeFolder(folder / "a/b/c");
  MakeFolder(folder / "a/b/c");
  EXPECT_TRUE(fs::is_directory(folder / "a/b/c"));
  Spill(folder / "file", "x");
  EXPECT_EQ(CatchError("DIR_CREATE", [&] { MakeFolder(folder / "file"); }).exit_code(), ExitCode::kIo);
  CatchError("DIR_CREATE", [&] { MakeFolder(folder / "file/x"); });
}

TEST(StagedFolder, AppearsWholeOrNotAtAll) {
  const TempFolder folder;
  {
    StagedFolder dropped(folder / "out");
    Spill(dropped.path() / "sub/x", "1");
  }
  EXPECT_EQ(folder.Count(), 0);
  StagedFolder staged(folder / "out/");
  Spill(staged.path() / "sub/x", "1");
  EXPECT_FALSE(fs::exists(folder / "out"));
  staged.Commit();
  EXPECT_EQ(Slurp(folder / "out/sub/x"), "1");
  EXPECT_EQ(folder.Count(), 1);
}

TEST(StagedFolder, TakesAnEmptyTargetAndNoOther) {
  const TempFolder folder;
  fs::create_directory(folder / "empty");
  StagedFolder staged(folder / "empty");
  Spill(staged.path() / "x", "1");
  staged.Commit();
  EXPECT_EQ(Slurp(folder / "empty/x"), "1");
  EXPECT_EQ(CatchError("OUTPUT_EXISTS", [&] { StagedFolder(folder / "empty"); }).exit_code(),
            ExitCode::kWouldOverwrite);
  Spill(folder / "file", "x");
  CatchError("OUTPUT_EXISTS", [&] { StagedFolder(folder / "file"); });
  EXPECT_EQ(folder.Count(), 2);
}

TEST(StagedFolder, TargetFilledMeanwhileIsKept) {
  const TempFolder folder;
  {
    StagedFolder staged(folder / "out");
    Spill(staged.path() / "x", "mine");
    Spill(folder / "out/x", "theirs");
    CatchError("OUTPUT_EXISTS", [&] { staged.Commit(); });
  }
  EXPECT_EQ(Slurp(folder / "out/x"), "theirs");
  EXPECT_EQ(folder.Count(), 1);
}

TEST(MappedFile, ReleasesItsOwnPagesAlone) {
  const TempFolder folder;
  const std::string text(20000, 'x');
  Spill(folder / "x", text);
  const MappedFile file(folder / "x");
  file.Release(file.bytes());
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()), text);
  const std::vector<std::byte> other(20000, std::byte{7});
  file.Release(other);
  EXPECT_EQ(other, std::vector<std::byte>(20000, std::byte{7}));
}

TEST(MappedFile, FetchesItsOwnPagesAndKeepsWritesPrivate) {
  const TempFolder folder;
  Spill(folder / "x", std::string(20000, 'x'));
  const MappedFile file(folder / "x");
  file.Fetch(file.bytes().subspan(5000, 9000));
  file.Fetch(file.bytes().subspan(0, 0));
  const std::vector<std::byte> other(20000, std::byte{7});
  file.Fetch(other);
  EXPECT_EQ(file.bytes()[5001], std::byte{'x'});
  // As a model's weights that lie in it may be written to.
  const_cast<std::byte&>(file.bytes()[3]) = std::byte{'y'};
  EXPECT_EQ(file.bytes()[3], std::byte{'y'});
  EXPECT_EQ(ReadFile(folder / "x"), std::string(20000, 'x'));
}

TEST(MappedFile, ShowsTheBytes) {
  const TempFolder folder;
  Spill(folder / "x", "abc");
  const MappedFile file(folder / "x");
  ASSERT_EQ(file.bytes().size(), 3u);
  EXPECT_EQ(file.bytes()[2], std::byte{'c'});
  Spill(folder / "empty", "");
  EXPECT_TRUE(MappedFile(folder / "empty").bytes().empty());
  CatchError("FILE_MISSING", [&] { MappedFile(folder / "none"); });
  CatchError("FILE_READ", [&] { MappedFile(folder.path()); });
}

// The vectors of FIPS 180-4's examples.
TEST(Sha256, KnownDigests) {
  EXPECT_EQ(Sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256(std::string(1000000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, FileInPieces) {
  const TempFolder folder;
  Spill(folder / "x", std::string(1000000, 'a') + std::string(2000000, 'b'));
  EXPECT_EQ(Sha256OfFile(folder / "x"), Sha256(std::string(1000000, 'a') + std::string(2000000, 'b')));
  CatchError("FILE_MISSING", [&] { Sha256OfFile(folder / "none"); });
  CatchError("FILE_READ", [&] { Sha256OfFile(folder.path()); });
}

TEST(EscapeFileName, KeepsPlainNamesAndEscapesTheRest) {
  EXPECT_EQ(EscapeFileName("A1_spot-7x9.b+"), "A1_spot-7x9.b+");
  EXPECT_EQ(EscapeFileName("a/b c"), "a%2Fb%20c");
  EXPECT_EQ(EscapeFileName("50%"), "50%25");
  EXPECT_EQ(EscapeFileName(".."), "%2E%2E");
  EXPECT_EQ(EscapeFileName("..."), "...");
  EXPECT_EQ(EscapeFileName("\xc3\xa4"), "%C3%A4");
  EXPECT_EQ(EscapeFileName(std::string_view("\0", 1)), "%00");
}

TEST(EscapeFileName, DifferentNamesStayDifferent) {
  std::set<std::string> escaped;
  std::vector<std::string> names = {"", ".", "..", "...", "%", "%%", "%2E", "%2E%2E", "%25", "a/b", "a%2Fb", "a%b"};
  for (int c = 0; c < 256; ++c) {
    if (c != '.' && c != '%') names.push_back(std::string(1, static_cast<char>(c)));
  }
  for (const std::string& name : names) {
    const std::string text = EscapeFileName(name);
    EXPECT_TRUE(escaped.insert(text).second) << name;
    EXPECT_TRUE(!text.empty() && text != "." && text != ".." && text.find('/') == std::string::npos) << name;
  }
}

}  // namespace files_test
}  // namespace genvinci
