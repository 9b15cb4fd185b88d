#include "genvinci/core/memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/sysinfo.h>

#include "core/temp_folder.h"

namespace genvinci {
namespace memory_test {

using ::testing::HasSubstr;

class MemoryOf : public ::testing::Test {
 protected:
  MemoryOf() {
    Spill(folder_ / "proc/meminfo", "MemTotal: 9000 kB\nMemFree: 1 kB\nMemAvailable: 8000 kB\nBuffers: 5 kB\n");
  }
  uint64_t Available() const { return internal::AvailableMemoryUnder(folder_.path().string()); }
  void Write(const std::string& name, const std::string& text) { Spill(folder_ / name, text); }

  TempFolder folder_;
};

TEST(Memory, IsSomeOfTheMachines) {
  struct sysinfo info {};
  ASSERT_EQ(::sysinfo(&info), 0);
  EXPECT_GT(AvailableMemory(), 1000000u);
  EXPECT_LE(AvailableMemory(), uint64_t{info.totalram} * info.mem_unit);
}

TEST(Memory, RequireNamesNeedAndAdvice) {
  EXPECT_NO_THROW(RequireMemory(1000, "a test", "nothing"));
  const Error error =
      CatchError("MEMORY", [] { RequireMemory(uint64_t{1} << 62, "slide.tif", "use a smaller patch"); });
  EXPECT_THAT(error.what(), HasSubstr("slide.tif: needs 4.6 EB of memory, "));
  EXPECT_THAT(error.what(), HasSubstr(": use a smaller patch"));
  EXPECT_EQ(error.exit_code(), ExitCode::kBadData);
}

TEST_F(MemoryOf, MachineWithoutLimit) {
  EXPECT_EQ(Available(), 8000u * 1024);
  Write("proc/self/cgroup", "0::/job\n");
  Write("sys/fs/cgroup/job/memory.max", "max\n");
  Write("sys/fs/cgroup/job/memory.current", "123\n");
  EXPECT_EQ(Available(), 8000u * 1024);
}

TEST_F(MemoryOf, GroupLimitLessItsUse) {
  Write("proc/self/cgroup", "0::/slice/job\n");
  Write("sys/fs/cgroup/slice/job/memory.max", "5000000\n");
  Write("sys/fs/cgroup/slice/job/memory.current", "2000000\n");
  EXPECT_EQ(Available(), 3000000u);
  // Cached file pages are given back.
  Write("sys/fs/cgroup/slice/job/memory.stat", "anon 5\ninactive_file 500000\nactive_file 7\n");
  EXPECT_EQ(Available(), 3500000u);
  // The group above is tighter.
  Write("sys/fs/cgroup/slice/memory.max", "1000000\n");
  Write("sys/fs/cgroup/slice/memory.current", "900000\n");
  EXPECT_EQ(Available(), 100000u);
  Write("sys/fs/cgroup/slice/memory.current", "1900000\n");
  EXPECT_EQ(Available(), 0u);
}

TEST_F(MemoryOf, ContainerSeesItsLimitAtTheTop) {
  Write("proc/self/cgroup", "0::/\n");
  Write("sys/fs/cgroup/memory.max", "4000\n");
  Write("sys/fs/cgroup/memory.current", "1000\n");
  EXPECT_EQ(Available(), 3000u);
}

TEST_F(MemoryOf, VersionOneGroups) {
  Write("proc/self/cgroup", "5:cpu,cpuacct:/docker/a\n4:memory:/docker/a\n");
  Write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  Write("sys/fs/cgroup/memory/memory.usage_in_bytes", "100\n");
  EXPECT_EQ(Available(), 8000u * 1024);
  Write("sys/fs/cgroup/memory/docker/a/memory.limit_in_bytes", "6000\n");
  Write("sys/fs/cgroup/memory/docker/a/memory.usage_in_bytes", "1000\n");
  EXPECT_EQ(Available(), 5000u);
}

}  // namespace memory_test
}  // namespace genvinci
