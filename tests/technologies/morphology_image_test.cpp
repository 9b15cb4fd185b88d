#include "../../src/technologies/morphology_image.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <random>

namespace genvinci {
namespace morphology_image_test {

// Sum of a channel in whole px.
double AreaOf(const Image& image, int64_t channel) {
  double sum = 0;
  for (int64_t y = 0; y < image.height; ++y)
    for (int64_t x = 0; x < image.width; ++x) sum += image.At(x, y)[channel] / 255.0;
  return sum;
}

TEST(Morphology, CoversWhatTheFormulaSays) {
  // A soma of 6 um and, far from it, a straight axon and a tapering dendrite of their own, at 0.5 um a px.
  const Swc swc{{{kSwcSoma, 0, 0, 0, 6, -1},
                 {kSwcAxon, -50, 30, 0, 2, -1},
                 {kSwcAxon, 50, 40, 9, 2, 1},
                 {kSwcBasal, -50, -40, 0, 4, -1},
                 {kSwcApical, 50, -40, 0, 1, 3}},
                3};
  const MorphologyImage drawn = DrawMorphology(swc, {256, 0.5, 1, false});
  const double pi = std::numbers::pi;
  EXPECT_NEAR(AreaOf(drawn.image, 0), pi * 12 * 12, 0.01 * pi * 144);
  const double length = 2 * std::hypot(100, 10);
  EXPECT_NEAR(AreaOf(drawn.image, 1), length * 8 + pi * 16, 0.01 * length * 8);
  EXPECT_NEAR(AreaOf(drawn.image, 2), 200 * (8 + 2) + pi * (64 + 4) / 2, 0.01 * 2000);
  EXPECT_EQ(drawn.share_cut, 0);
}

TEST(Morphology, KeepsSizeAndSideAndBits) {
  Swc swc{{{kSwcSoma, 100, 200, 0, 5, -1}, {kSwcApical, 100, 230, 0, 0.01, 0}, {kSwcAxon, 130, 200, 0, 0.01, 0}}, 1};
  const MorphologyView as_is{64, 1, 1, false};
  const Image image = DrawMorphology(swc, as_is).image;
  // Thin neurites are a px wide; y counts as rows do, so that the dendrite goes down.
  EXPECT_GT(image.At(32, 50)[2], 100);
  EXPECT_EQ(image.At(32, 14)[2], 0);
  EXPECT_GT(image.At(50, 32)[1], 100);
  EXPECT_EQ(image.At(50, 32)[2], 0);
  // A neurite leaves the soma as wide as it is.
  EXPECT_EQ(image.At(35, 40)[2], 0);
  EXPECT_EQ(image.At(32, 32)[0], 255);
  const Image upright = DrawMorphology(swc, {64, 1, 1, true}).image;
  EXPECT_GT(upright.At(32, 14)[2], 100);
  EXPECT_EQ(upright.At(32, 50)[2], 0);
  // In another unit, and with its points in another order, the same bits.
  Swc other{{swc.points[1], swc.points[2], swc.points[0]}, 1};
  other.points[0].parent = other.points[1].parent = 2;
  for (SwcPoint& point : other.points)
    point = {point.type, point.x * 2, point.y * 2, point.z, point.radius * 2, point.parent};
  EXPECT_EQ(DrawMorphology(other, {64, 1, 0.5, false}).image.bytes, image.bytes);
  // Of both neurites 10 of 30 um lie outside.
  EXPECT_NEAR(DrawMorphology(swc, {40, 1, 1, false}).share_cut, 1.0 / 3, 1e-9);
}

// The hull of two discs: two sectors and the trapezoids between the tangent points.
TEST(Morphology, TapersByTheTangents) {
  const double a = 20, b = 4, length = 60, pi = std::numbers::pi;
  const double angle = std::asin((a - b) / length);
  const double area = a * a * (pi / 2 + angle) + b * b * (pi / 2 - angle) + length * std::cos(angle) * (a + b);
  for (const double turn : {0.0, 0.3, 1.0, 2.2}) {
    const Swc swc{{{kSwcAxon, 0, 0, 0, a, -1}, {kSwcAxon, length * std::cos(turn), length * std::sin(turn), 0, b, 0}},
                  1};
    EXPECT_NEAR(AreaOf(DrawMorphology(swc, {256, 1, 1, false}).image, 1), area, 0.005 * area) << turn;
  }
  // A disc that holds the other is all there is.
  const Swc held{{{kSwcAxon, 0, 0, 0, a, -1}, {kSwcAxon, 6, 0, 0, b, 0}}, 1};
  EXPECT_NEAR(AreaOf(DrawMorphology(held, {256, 1, 1, false}).image, 1), pi * a * a, 0.005 * pi * a * a);
}

// A line thinner than a px covers as much wherever it lies.
TEST(Morphology, CoversAPixelsWidthWhereverItLies) {
  for (const double shift : {0.0, 0.2, 0.5, 0.7}) {
    const Swc swc{{{kSwcSoma, 0, 0, 0, 1, -1}, {kSwcAxon, -40, shift, 0, 0, -1}, {kSwcAxon, 40, shift, 0, 0, 1}}, 2};
    const Image image = DrawMorphology(swc, {128, 1, 1, false}).image;
    double column = 0;
    for (int64_t y = 0; y < 128; ++y) column += image.At(64, y)[1] / 255.0;
    EXPECT_NEAR(column, 1, 0.01) << shift;
  }
}

TEST(Morphology, DrawsEachKindOfSomaAsItIsMeant) {
  const MorphologyView view{128, 1, 1, false};
  const double pi = std::numbers::pi;
  const auto area = [&](const Swc& swc) { return AreaOf(DrawMorphology(swc, view).image, 0); };
  // NeuroMorpho's three points stand for one ball, not for a rod twice as long.
  EXPECT_NEAR(area({{{kSwcSoma, 5, 5, 0, 20, -1}, {kSwcSoma, 5, -15, 0, 20, 0}, {kSwcSoma, 5, 25, 0, 20, 0}}, 1}),
              pi * 400, 0.01 * pi * 400);
  // An outline of 40 x 30 is full, less half a px at each edge, that its own line gives back.
  const Swc outline{
      {{kSwcSoma, 0, 0, 0, 0, -1}, {kSwcSoma, 40, 0, 0, 0, 0}, {kSwcSoma, 40, 30, 0, 0, 1}, {kSwcSoma, 0, 30, 0, 0, 2}},
      1};
  EXPECT_NEAR(area(outline), 40 * 30 + (40 + 30 + 30) * 0.5, 15);
  EXPECT_EQ(DrawMorphology(outline, view).image.At(64, 64)[0], 255);
  // Cylinders on top of each other.
  EXPECT_NEAR(area({{{kSwcSoma, 0, 0, 0, 10, -1}, {kSwcSoma, 0, 30, 0, 10, 0}}, 1}), 600 + pi * 100, 10);
  // A soma that hangs on a neurite does not swell it.
  const Image image = DrawMorphology({{{kSwcBasal, 50, 0, 0, 1, -1}, {kSwcSoma, 0, 0, 0, 10, 0}}, 1}, view).image;
  EXPECT_NEAR(AreaOf(image, 0), pi * 100, 3);
  EXPECT_EQ(image.At(64 + 30, 64 + 3)[0], 0);
  EXPECT_EQ(image.At(64 + 30, 64)[2], 255);
}

TEST(Morphology, CountsWhatLeavesTheImage) {
  // A quarter of the axon's 80 um lies outside of 120 um, and where both ends do, the middle is in.
  const Swc one{{{kSwcSoma, 0, 0, 0, 1, -1}, {kSwcAxon, 0, 0, 0, 0, 0}, {kSwcAxon, 80, 0, 0, 0, 1}}, 1};
  EXPECT_NEAR(DrawMorphology(one, {120, 1, 1, false}).share_cut, 0.25, 1e-9);
  const Swc two{{{kSwcSoma, 0, 0, 0, 1, -1}, {kSwcAxon, -100, 5, 0, 0, -1}, {kSwcAxon, 100, 5, 0, 0, 1}}, 2};
  EXPECT_NEAR(DrawMorphology(two, {120, 1, 1, false}).share_cut, 0.4, 1e-9);
  // Far beyond what whole numbers of px hold.
  const Swc far{{{kSwcSoma, 0, 0, 0, 1, -1}, {kSwcAxon, 9e8, -9e8, 0, 9e8, 0}}, 1};
  EXPECT_GT(DrawMorphology(far, {32, 1e-4, 1e6, false}).share_cut, 0.99);
}

TEST(Morphology, GivesTheSameBitsInAnyOrder) {
  std::mt19937 random(7);
  const auto number = [&](double most) { return most * (static_cast<double>(random() % 20001) / 10000 - 1); };
  Swc swc;
  for (int64_t k = 0; k < 60; ++k)
    swc.points.push_back({k < 5 ? kSwcSoma : 2 + k % 3, number(k < 5 ? 5 : 60), number(k < 5 ? 5 : 60), number(9),
                          1 + number(1), k == 0 ? -1 : static_cast<int64_t>(random() % static_cast<uint32_t>(k))});
  std::vector<size_t> order(swc.points.size()), place(swc.points.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::shuffle(order.begin() + 5, order.end(), random);
  std::reverse(order.begin(), order.end());
  for (size_t k = 0; k < order.size(); ++k) place[order[k]] = k;
  Swc other;
  for (const size_t from : order) {
    SwcPoint point = swc.points[from];
    if (point.parent >= 0) point.parent = static_cast<int64_t>(place[static_cast<size_t>(point.parent)]);
    other.points.push_back(point);
  }
  const MorphologyView view{96, 1.3, 1, true};
  EXPECT_EQ(DrawMorphology(swc, view).image.bytes, DrawMorphology(other, view).image.bytes);
}

}  // namespace morphology_image_test
}  // namespace genvinci
