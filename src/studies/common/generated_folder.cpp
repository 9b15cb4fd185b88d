#include "genvinci/studies/common/generated_folder.h"

#include <cstring>
#include <unordered_map>

#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/generation/output_images.h"

namespace genvinci {
namespace {

template <typename T>
T Field(const Json& json, const char* key, const fs::path& source) {
  try {
    return json.at(key).get<T>();
  } catch (const Json::exception&) {
    throw DataError("GENERATION_FIELD", "{}: '{}' is missing or of another type: generate again", source.string(), key);
  }
}

// Older versions kept three of the options.
SamplerOptions SamplingIn(const Json& json, const fs::path& source) {
  SamplerOptions sampling;
  if (json.contains("sampling")) {
    FromJson(json["sampling"], sampling, source.string());
    return sampling;
  }
  sampling.steps = Field<int64_t>(json, "steps", source);
  sampling.guidance = Field<double>(json, "guidance", source);
  sampling.guidance_rescale = Field<double>(json, "guidance_rescale", source);
  return sampling;
}

// The newest generation.json's folder among those in `runs`; empty: there is none.
fs::path NewestIn(const std::vector<fs::path>& runs) {
  fs::path newest;
  std::error_code error;
  for (const fs::path& run : runs)
    for (const fs::directory_entry& entry : fs::directory_iterator(run / "generated", error)) {
      const fs::path file = entry.path() / "generation.json";
      if (!fs::exists(file)) continue;
      if (newest.empty() || fs::last_write_time(file) > fs::last_write_time(newest / "generation.json"))
        newest = entry.path();
    }
  return newest;
}

}  // namespace

fs::path FindGenerated(const std::string& reference, const std::string& dataset) {
  if (fs::exists(fs::path(reference) / "generation.json")) return reference;
  std::vector<fs::path> runs = {reference};
  if (reference == "latest") {
    if (dataset.empty()) throw UsageError("GENERATED_LATEST", "--generated latest: give --dataset too");
    std::error_code error;
    for (const fs::directory_entry& run :
         fs::directory_iterator(fs::path("output") / FolderName(dataset) / "ldm", error))
      runs.push_back(run.path());
  }
  const fs::path newest = NewestIn(runs);
  if (newest.empty()) return reference;
  Log("scoring {}", newest.string());
  return newest;
}

GeneratedFolder GeneratedFolder::Open(const fs::path& path) {
  const fs::path source = path / "generation.json";
  RequireFile(source, "give a folder that genvinci generate wrote");
  const Json json = ReadJson(source);
  GeneratedFolder folder;
  folder.path = path;
  folder.checkpoint = Field<std::string>(json, "checkpoint", source);
  folder.dataset = Field<std::string>(json, "dataset", source);
  folder.split = Field<std::string>(json, "split", source);
  folder.n = Field<int64_t>(json, "n", source);
  folder.num_samples = Field<int64_t>(json, "num_samples", source);
  folder.img_size = Field<int64_t>(json, "img_size", source);
  folder.sampling = SamplingIn(json, source);
  folder.channels = Field<std::vector<std::string>>(json, "channels", source);
  folder.observations = Field<std::vector<std::string>>(json, "observations", source);
  if (folder.n < 1 || folder.num_samples < 1 || static_cast<int64_t>(folder.observations.size()) != folder.n) {
    throw DataError("GENERATION_FIELD", "{}: {} observations are named, n is {}, num_samples {}: generate again",
                    source.string(), folder.observations.size(), folder.n, folder.num_samples);
  }
  if (!Field<bool>(json, "has_real", source)) {
    throw DataError("GENERATION_NO_REAL", "{}: its dataset has no images to compare with: evaluate needs real images",
                    source.string());
  }
  return folder;
}

Image GeneratedFolder::Load(int64_t i, int64_t k) const {
  const std::string stem = fmt::format("{}_{}", i, k);
  Image image = ReadOutputImage(path, stem, static_cast<int64_t>(channels.size()));
  if (image.width != img_size || image.height != img_size) {
    throw DataError("GENERATED_IMAGE", "{}: {} x {} px, generation.json says {}: generate again",
                    (path / stem).string(), image.width, image.height, img_size);
  }
  return image;
}

torch::Tensor GeneratedFolder::LoadReal(int64_t i) const { return BytesOf(Load(i, 0)); }

torch::Tensor GeneratedFolder::LoadSamples(int64_t i) const {
  std::vector<torch::Tensor> samples;
  for (int64_t k = 1; k <= num_samples; ++k) samples.push_back(BytesOf(Load(i, k)));
  return torch::stack(samples);
}

std::vector<int64_t> GeneratedFolder::RowsIn(const Dataset& dataset) const {
  std::unordered_map<std::string, int64_t> row_of;
  for (int64_t row = 0; row < dataset.size(); ++row) row_of.emplace(dataset.obs_name(row), row);
  std::vector<int64_t> rows;
  for (const std::string& name : observations) {
    const auto found = row_of.find(name);
    if (found == row_of.end()) {
      throw DataError("GENERATION_OBSERVATION",
                      "{}: observation '{}' is not in {}: give the dataset it was generated "
                      "for",
                      (path / "generation.json").string(), name, dataset.path().string());
    }
    rows.push_back(found->second);
  }
  return rows;
}

torch::Tensor BytesOf(const Image& image) {
  GENVINCI_CHECK(image.bits == 8, "{} bits", image.bits);
  const torch::Tensor pixels_HWC = torch::empty({image.height, image.width, image.channels}, torch::kUInt8);
  std::memcpy(pixels_HWC.data_ptr<uint8_t>(), image.bytes.data(), image.bytes.size());
  return pixels_HWC.permute({2, 0, 1}).contiguous();
}

Image ImageOfBytes(const torch::Tensor& image_CHW) {
  const torch::Tensor pixels_HWC = image_CHW.permute({1, 2, 0}).contiguous();
  Image image(image_CHW.size(2), image_CHW.size(1), image_CHW.size(0));
  std::memcpy(image.bytes.data(), pixels_HWC.const_data_ptr<uint8_t>(), image.bytes.size());
  return image;
}

}  // namespace genvinci
