#include "genvinci/io/swc.h"

#include <gmock/gmock.h>

#include "testing/test_folder.h"

namespace genvinci {
namespace swc_test {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

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
  EXPECT_THAT(Refused("1 1 0 0 0 1 -1\n\n# a comment\n2 3 0 0 0 1 3\n3 3 0 0 0 1 2\n").text, HasSubstr("line 4: "));
  EXPECT_EQ(Catch([&] { ReadSwc(folder_ / "none.swc"); }).name, "FILE_MISSING");
}

TEST_F(SwcFile, RefusesNumbersThatNoTracingHas) {
  EXPECT_EQ(Refused("1 1 0 0 0 inf -1\n").name, "SWC_FORMAT");
  EXPECT_EQ(Refused("1 1 0 0 0 nan -1\n").name, "SWC_FORMAT");
  EXPECT_EQ(Refused("1e300 1 0 0 0 1 -1\n").name, "SWC_FORMAT");
  EXPECT_EQ(Refused("1 1 0 0 0 1 -1e300\n").name, "SWC_FORMAT");
  EXPECT_EQ(Refused("1 1 1e10 0 0 1 -1\n").name, "SWC_RANGE");
  EXPECT_EQ(Refused("1 1 0 0 0 1e10 -1\n").name, "SWC_RANGE");
}

TEST_F(SwcFile, SaysLengthsExtentAndUnits) {
  const Swc swc =
      Read("# SCALE 1.0 1.0 1.0\r\n# traced by hand\n1 1 0 0 0 4 -1\n2 2 3 4 0 0 1\n3 2 3 4 12 1 2\n4 7 -6 -8 0 0 1\n");
  EXPECT_THAT(swc.unit_notes, ElementsAre("# SCALE 1.0 1.0 1.0"));
  const SwcFacts facts = FactsOf(swc);
  EXPECT_THAT(facts.length_of_type, ElementsAre(Pair(2, DoubleNear(17, 1e-9)), Pair(7, DoubleNear(10, 1e-9))));
  EXPECT_EQ(facts.zero_radii, 2);
  EXPECT_THAT(facts.low, ElementsAre(-6, -8, 0));
  EXPECT_THAT(facts.high, ElementsAre(3, 4, 12));
}

TEST_F(SwcFile, TellsHowTheSomaIsMeant) {
  const auto soma = [&](const std::string& text) { return FactsOf(Read(text)).soma; };
  EXPECT_EQ(soma("1 3 0 0 0 1 -1\n"), SwcSoma::kNone);
  EXPECT_EQ(soma("1 1 0 0 0 1 -1\n2 1 9 0 0 1 -1\n"), SwcSoma::kPoints);
  EXPECT_EQ(soma("1 1 0 0 0 2 -1\n2 1 0 -2 0 2 1\n3 1 0 2 0 2 1\n"), SwcSoma::kThreePoint);
  EXPECT_EQ(soma("1 1 0 0 0 2 -1\n2 1 0 2 0 2 1\n3 1 0 4 0 2 2\n4 1 0 6 0 2 3\n"), SwcSoma::kCylinders);
  // Corners of a square, the first in the middle of the file.
  const Swc square = Read("3 1 4 4 0 0 2\n1 1 0 0 0 0 -1\n2 1 4 0 0 0 1\n4 1 0 4 0 0 3\n");
  const SwcFacts facts = FactsOf(square);
  EXPECT_EQ(facts.soma, SwcSoma::kOutline);
  EXPECT_THAT(facts.soma_points, ElementsAre(1, 2, 0, 3));
}

}  // namespace swc_test
}  // namespace genvinci
