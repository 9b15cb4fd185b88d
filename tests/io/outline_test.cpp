#include "genvinci/io/outline.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

#include "testing/test_folder.h"

namespace genvinci {
namespace outline_test {

struct Writer {
  bool big_endian = false;
  std::string bytes = {};
  template <typename T>
  Writer& Put(T value) {
    std::string raw(reinterpret_cast<const char*>(&value), sizeof(T));
    if (big_endian) std::reverse(raw.begin(), raw.end());
    bytes += raw;
    return *this;
  }
  Writer& Head(uint32_t kind) {
    bytes += big_endian ? '\0' : '\1';
    return Put(kind);
  }
  Writer& Square(double x, double y, double side, bool with_z = false) {
    Put<uint32_t>(5);
    for (const auto& [dx, dy] : {std::pair{0., 0.}, {side, 0.}, {side, side}, {0., side}, {0., 0.}}) {
      Put(x + dx).Put(y + dy);
      if (with_z) Put(7.);
    }
    return *this;
  }
};

TEST(Outline, MeasuresWhatTheFormulaSays) {
  for (const bool big : {false, true}) {
    // A square of 10 with a hole of 2 in its left lower corner at (1, 1), and a second part of 4 at (20, 0).
    Writer writer{big};
    writer.Head(6).Put<uint32_t>(2);
    writer.Head(3).Put<uint32_t>(2).Square(0, 0, 10).Square(1, 1, 2);
    writer.Head(3).Put<uint32_t>(1).Square(20, 0, 4);
    const Outline outline = ParseWkb(writer.bytes);
    ASSERT_EQ(outline.rings.size(), 3u);
    const OutlineFacts facts = Measure(outline);
    EXPECT_NEAR(facts.area, 100 - 4 + 16, 1e-9);
    EXPECT_NEAR(facts.centre.x, (100 * 5 - 4 * 2 + 16 * 22) / 112., 1e-9);
    EXPECT_NEAR(facts.centre.y, (100 * 5 - 4 * 2 + 16 * 2) / 112., 1e-9);
  }
}

TEST(Outline, LeavesHeightsOut) {
  for (const uint32_t kind : {1003U, 0x80000003U}) {
    Writer writer;
    writer.Head(kind).Put<uint32_t>(1).Square(2, 3, 2, /*with_z=*/true);
    const OutlineFacts facts = Measure(ParseWkb(writer.bytes));
    EXPECT_NEAR(facts.area, 4, 1e-9);
    EXPECT_NEAR(facts.centre.y, 4, 1e-9);
  }
}

TEST(Outline, RefusesWhatIsCutOrOfAnotherKind) {
  Writer writer;
  writer.Head(3).Put<uint32_t>(1).Square(0, 0, 1);
  for (size_t size = 0; size < writer.bytes.size(); ++size)
    EXPECT_EQ(Catch([&] { ParseWkb(std::string_view(writer.bytes).substr(0, size)); }).name, "WKB") << size;
  EXPECT_EQ(Catch([&] { ParseWkb(writer.bytes + "x"); }).name, "WKB");
  EXPECT_EQ(Catch([&] { ParseWkb(Writer().Head(1).Put(0.).Put(0.).bytes); }).name, "WKB");
  EXPECT_EQ(Catch([&] { ParseWkb(Writer().Head(3).Put<uint32_t>(1).Put<uint32_t>(0xFFFFFFFF).bytes); }).name, "WKB");
  EXPECT_EQ(Catch([&] { ParseWkb(Writer().Head(3).Put<uint32_t>(1).Square(NAN, 0, 1).bytes); }).name, "WKB");
}

}  // namespace outline_test
}  // namespace genvinci
