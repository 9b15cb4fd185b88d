#pragma once

#include <string>
#include <vector>

#include "genvinci/io/image.h"
#include "genvinci/technologies/prepare_options.h"
#include "testing/test_folder.h"

namespace genvinci {

// Two sections of 5 x 5 spots, 60 px apart, centres from (50, 50) on a 400 x 400 image whose red is x / 2 and green y
// / 2. The last column of each count table is a gene that the other section lacks.
inline constexpr int64_t kFakeSide = 400, kFakePitch = 60, kFakeSpots = 5;
inline const std::vector<std::string> kFakeGenes = {"ACTB", "TP53", "EPCAM", "CD3E", "VIM", "NOT_A_GENE"};

inline Image FakeSectionImage() {
  Image image(kFakeSide, kFakeSide, 3);
  for (int64_t y = 0; y < kFakeSide; ++y)
    for (int64_t x = 0; x < kFakeSide; ++x) {
      image.At(x, y)[0] = static_cast<uint8_t>(x / 2);
      image.At(x, y)[1] = static_cast<uint8_t>(y / 2);
      image.At(x, y)[2] = 10;
    }
  return image;
}

// Counts of spot (x, y), different for every spot and section; the fake gene has 2.
inline std::vector<int64_t> FakeCounts(int64_t x, int64_t y, int64_t section) {
  return {10 + x, 20 + y, 3 + section, x * y, 1, 2, 7};
}

inline void WriteFakeSection(const fs::path& folder, const std::string& name, int64_t index) {
  std::string counts, selection = "x\ty\tnew_x\tnew_y\tpixel_x\tpixel_y\tselected\n";
  for (const std::string& gene : kFakeGenes) counts += "\t" + gene;
  counts += index == 0 ? "\tESR1\n" : "\tERBB2\n";
  std::string annotation = "\tpatient_id\tids\tlabel\tx\ty\n", proportion = "\ttumour\tstroma\n";
  for (int64_t x = 0; x < kFakeSpots; ++x)
    for (int64_t y = 0; y < kFakeSpots; ++y) {
      counts += fmt::format("{}x{}", x, y);
      for (const int64_t count : FakeCounts(x, y, index)) counts += fmt::format("\t{}", count);
      counts += "\n";
      selection += fmt::format("{0}\t{1}\t{0}.1\t{1}.1\t{2}\t{3}\t1\n", x, y, 50 + kFakePitch * x, 50 + kFakePitch * y);
      annotation += fmt::format("{}\t{}\t{}\t{}\t{}\t{}\n", x * 5 + y, name[0], name, x < 2 ? "left" : "right", x, y);
      proportion += fmt::format("{}x{}\t{}\t{}\n", x, y, x / 4.0, 1 - x / 4.0);
    }
  WriteText(folder / (name + ".tsv.gz"), counts);
  WriteText(folder / (name + "_selection.tsv"), selection);
  WriteText(folder / (name + "-cluster-annotation.tsv.gz"), annotation);
  WriteText(folder / (name + "-proportion.tsv"), proportion);
  WritePng(folder / (name + ".png"), FakeSectionImage());
}

inline void WriteFakeSt(const fs::path& folder) {
  fs::create_directories(folder);
  WriteFakeSection(folder, "A1", 0);
  WriteFakeSection(folder, "B1", 1);
}

inline PrepareOptions FakeOptions(const TestFolder& folder) {
  PrepareOptions options;
  options.input = (folder / "st").string();
  options.common.output = (folder / "out").string();
  options.patch_size = 40;
  options.test_values = {"B1"};
  return options;
}

}  // namespace genvinci
