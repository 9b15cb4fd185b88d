#pragma once

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "genvinci/core/files.h"
#include "genvinci/core/json.h"
#include "genvinci/data/dataset.h"
#include "genvinci/genes/vocabulary.h"
#include "genvinci/io/h5ad.h"
#include "genvinci/io/image.h"

namespace genvinci {

// A dataset folder of two cell types, "red" and "blue": each has genes of its own and patches of its colour with a
// bright bar, so that genes tell the image. obsm has "spatial" (a grid five wide) and "X_pca" (the type and noise).
struct TinyDatasetOptions {
  int64_t train = 12, val = 4, test = 4;
  int64_t img_size = 16;
  int64_t genes = 40;
  int64_t channels = 3;  // 1 or 3; 0: no images
};

namespace tiny_dataset {

inline std::vector<float> Counts(int64_t genes, bool red, std::mt19937& random) {
  std::vector<float> counts(static_cast<size_t>(genes));
  for (int64_t g = 0; g < genes; ++g) {
    const double mean = (g % 2 == 0) == red ? 8 : 0.5;
    double value = 0;
    for (int k = 0; k < 16; ++k) value += (random() % 1000) < 1000 * mean / 16 ? 1 : 0;
    counts[static_cast<size_t>(g)] = static_cast<float>(value);
  }
  counts[red ? 0 : 1] += 1;  // never empty
  return counts;
}

inline Image Patch(const TinyDatasetOptions& options, bool red, std::mt19937& random) {
  Image image(options.img_size, options.img_size, options.channels);
  const int64_t bar = static_cast<int64_t>(random() % static_cast<uint32_t>(options.img_size));
  for (int64_t y = 0; y < options.img_size; ++y) {
    for (int64_t x = 0; x < options.img_size; ++x) {
      for (int64_t c = 0; c < options.channels; ++c) {
        const int base = c == (red ? 0 : options.channels - 1) ? 180 : 60;
        image.At(x, y)[c] = static_cast<uint8_t>(base + (x == bar ? 60 : 0) + static_cast<int>(random() % 10));
      }
    }
  }
  return image;
}

}  // namespace tiny_dataset

// Returns `folder`; observations are called spot_0, spot_1, ...: the training part first, then val, then test.
inline fs::path MakeTinyDataset(const fs::path& folder, const TinyDatasetOptions& options = {}) {
  std::mt19937 random(7);
  const int64_t count = options.train + options.val + options.test;
  DataFrame obs, var;
  std::vector<std::string> splits, labels;
  for (int64_t i = 0; i < count; ++i) {
    obs.index.push_back("spot_" + std::to_string(i));
    splits.push_back(i < options.train ? "train" : i < options.train + options.val ? "val" : "test");
    labels.push_back(i % 2 == 0 ? "red" : "blue");
  }
  obs.Set("split", FrameColumn::Categorical(splits));
  obs.Set("label", FrameColumn::Categorical(labels));
  for (int64_t g = 0; g < options.genes; ++g)
    var.index.push_back(Vocabulary::GeneformerV1().genes()[static_cast<size_t>(g * 50)].ensembl_id);
  var.Set("ensg_id", FrameColumn::Strings(var.index));
  MakeFolder(folder);
  H5adWriter writer(folder / "expression.h5ad", obs, var);
  DenseArray spatial{count, 2, {}}, embedding{count, 3, {}};
  for (int64_t i = 0; i < count; ++i) {
    const double noise = 0.1 * std::sin(static_cast<double>(i));
    spatial.values.insert(spatial.values.end(),
                          {100.0 * static_cast<double>(i % 5), 100.0 * static_cast<double>(i / 5)});
    embedding.values.insert(embedding.values.end(), {i % 2 == 0 ? 1.0 : -1.0, noise, 1 - noise});
  }
  writer.SetObsm("spatial", spatial);
  writer.SetObsm("X_pca", embedding);
  if (options.channels > 0) MakeFolder(folder / "patches");
  for (int64_t i = 0; i < count; ++i) {
    const bool red = i % 2 == 0;
    writer.AppendDense(tiny_dataset::Counts(options.genes, red, random));
    if (options.channels > 0)
      WritePng(folder / "patches" / (obs.index[static_cast<size_t>(i)] + ".png"),
               tiny_dataset::Patch(options, red, random));
  }
  writer.Finish();
  DatasetInfo info;
  info.name = folder.filename().string();
  info.technology = "h5ad";
  if (options.channels == 3) info.channels = {"red", "green", "blue"};
  if (options.channels == 1) info.channels = {"DAPI"};
  info.patch_size = info.img_size = options.img_size;
  info.um_per_px = 0.5;
  info.split_kind = "obs:split";
  info.label_column = "label";
  WriteJson(folder / "dataset.json", info.ToJson());
  return folder;
}

}  // namespace genvinci
