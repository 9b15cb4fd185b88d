#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "genvinci/core/text.h"
#include "genvinci/io/h5ad.h"
#include "genvinci/io/image.h"
#include "testing/test_folder.h"

namespace genvinci {

// An h5ad with integer X-like counts times `factor`, a layer-free file.
inline void WriteFakeH5ad(const fs::path& path, const std::vector<std::string>& names, float factor,
                          bool with_spatial) {
  DataFrame obs, var;
  obs.index = names;
  std::vector<std::string> donors;
  for (size_t i = 0; i < names.size(); ++i) donors.push_back(i % 2 ? "D1" : "D2");
  obs.Set("donor_id", FrameColumn::Categorical(donors));
  obs.Set("score", FrameColumn::Floats(std::vector<double>(names.size(), 0.5)));
  var.index = {"ACTB", "TP53", "EPCAM"};
  var.Set("ensg_id", FrameColumn::Strings({"ENSG00000075624", "ENSG00000141510", "ENSG00000119888"}));
  H5adWriter writer(path, obs, var);
  if (with_spatial) {
    DenseArray spatial{static_cast<int64_t>(names.size()), 2, {}};
    for (size_t i = 0; i < names.size(); ++i)
      spatial.values.insert(spatial.values.end(), {10.0 * static_cast<double>(i), 100});
    writer.SetObsm("spatial", spatial);
  }
  DenseArray embedding{static_cast<int64_t>(names.size()), 1, {}};
  for (size_t i = 0; i < names.size(); ++i) embedding.values.push_back(static_cast<double>(i));
  writer.SetObsm("X_scgpt", embedding);
  for (size_t i = 0; i < names.size(); ++i)
    writer.AppendDense(std::vector<float>{factor, static_cast<float>(i) * factor, 2 * factor});
  writer.Finish();
}

inline void WritePatch(const fs::path& path, uint8_t value, int64_t side = 16) {
  Image image(side, side, 3);
  std::fill(image.bytes.begin(), image.bytes.end(), value);
  WritePng(path, image);
}

inline const std::vector<std::string> kCellNames = {"a", "b", "c/1", "d"};

inline void WriteCells(const TestFolder& folder) {
  WriteFakeH5ad(folder / "cells.h5ad", kCellNames, 1, /*with_spatial=*/false);
  fs::create_directories(folder / "images");
  for (size_t i = 0; i < kCellNames.size(); ++i)
    WritePatch(folder / "images" / (EscapeFileName(kCellNames[i]) + ".png"), static_cast<uint8_t>(10 * i));
}

}  // namespace genvinci
