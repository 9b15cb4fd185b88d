#include "genvinci/io/swc.h"

#include <gmock/gmock.h>

#include "testing/test_folder.h"

namespace genvinci {
namespace swc_test {

using ::testing::HasSubstr;

class SwcFile : public ::testing::Test {
 protected:
  Swc Read(const std::string& text) {
    WriteText(folder_ / "cell.swc", text);
    return ReadSwc(folder_ / "cell.swc");
  }
  Caught Refused(const std::string& text) {
    return Catch([&] { Read(text); });
  }
  TestFolder folder_;
};

TEST_F(SwcFile, ReadsAnyOrderIdsAndSeparators) {
  const Swc swc = Read(
      "\xEF\xBB\xBF# id,type,x,y,z,r,pid\r\n\r\n 7 3 1.5 -2 0 0.25 0 extra\r\n0\t1\t0 0 0 4 -1\r\n9.0 2 5 5 5 0 "
      "7.0\n12,4,1,1,1,1,-1");
  ASSERT_EQ(swc.points.size(), 4u);
  EXPECT_EQ(swc.roots, 2);
  EXPECT_EQ(swc.points[0].parent, 1);
  EXPECT_EQ(swc.points[1].parent, -1);
  EXPECT_EQ(swc.points[2].parent, 0);
  EXPECT_EQ(swc.points[0].y, -2);
  EXPECT_EQ(swc.points[3].type, kSwcApical);
}

TEST_F(SwcFile, RefusesWhatIsNoTreeWithItsLine) {
  EXPECT_EQ(Refused("# nothing\n").name, "SWC_EMPTY");
  EXPECT_EQ(Refused("1 1 0 0 0 1\n").name, "SWC_FORMAT");
  EXPECT_EQ(Refused("1 1 0 0 nan 1 -1\n").name, "SWC_FORMAT");
  EXPECT_EQ(Refused("1.5 1 0 0 0 1 -1\n").name, "SWC_FORMAT");
  EXPECT_EQ(Refused("1 1 0 0 0 -1 -1\n").name, "SWC_RADIUS");
  EXPECT_EQ(Refused("1 1 0 0 0 1 -1\n1 3 0 0 0 1 1\n").name, "SWC_ID");
  EXPECT_EQ(Refused("1 1 0 0 0 1 2\n2 3 0 0 0 1 3\n3 3 0 0 0 1 1\n").name, "SWC_CYCLE");
  EXPECT_EQ(Refused("1 1 0 0 0 1 1\n").name, "SWC_CYCLE");
  const Caught orphan = Refused("1 1 0 0 0 1 -1\n2 3 0 0 0 1 9\n");
  EXPECT_EQ(orphan.name, "SWC_PARENT");
  EXPECT_THAT(orphan.text, HasSubstr("line 2: its parent, point 9"));
  EXPECT_EQ(Catch([&] { ReadSwc(folder_ / "none.swc"); }).name, "FILE_MISSING");
}

}  // namespace swc_test
}  // namespace genvinci
