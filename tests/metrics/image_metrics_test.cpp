#include "genvinci/metrics/image_metrics.h"

#include <gtest/gtest.h>

#include <cmath>

#include "genvinci/core/error.h"
#include "genvinci/tensor/convert.h"

namespace genvinci {
namespace image_metrics_test {

// From scikit-image and numpy; scripts/golden/metrics.py says how.
torch::Tensor Golden(const std::string& name) {
  static const SafetensorsFile file(GENVINCI_SOURCE_DIR "/tests/metrics/data/image_metrics.safetensors");
  return ToTensor(file.View(name));
}

class ImageMetrics : public testing::TestWithParam<std::string> {
 protected:
  void ExpectNear(const torch::Tensor& scores, const std::string& metric) {
    EXPECT_EQ(scores.scalar_type(), torch::kFloat64);
    EXPECT_LT((scores - Golden(GetParam() + "." + metric)).abs().max().item<double>(), 1e-6) << metric;
  }
  torch::Tensor real_ = Golden(GetParam() + ".real"), made_ = Golden(GetParam() + ".made");
};

TEST_P(ImageMetrics, EqualScikitImage) {
  ExpectNear(StructuralSimilarity(real_, made_), "ssim");
  ExpectNear(PeakSignalToNoise(real_, made_), "psnr");
  ExpectNear(MeanSquaredError(real_, made_), "mse");
  ExpectNear(PixelCorrelation(real_, made_), "pcc");
}

TEST_P(ImageMetrics, TakeFloatsToo) {
  ExpectNear(StructuralSimilarity(real_.to(torch::kFloat32), made_.to(torch::kFloat32)), "ssim");
  ExpectNear(PeakSignalToNoise(real_.to(torch::kFloat32), made_.to(torch::kFloat32)), "psnr");
}

INSTANTIATE_TEST_SUITE_P(Golden, ImageMetrics, testing::Values("grey", "rgb"));

TEST(ImageMetricsOf, EqualImagesAreBest) {
  const torch::Tensor image = Golden("rgb.real").slice(0, 0, 1);
  EXPECT_DOUBLE_EQ(StructuralSimilarity(image, image).item<double>(), 1);
  EXPECT_DOUBLE_EQ(MeanSquaredError(image, image).item<double>(), 0);
  EXPECT_TRUE(std::isinf(PeakSignalToNoise(image, image).item<double>()));
  EXPECT_NEAR(PixelCorrelation(image, image).item<double>(), 1, 1e-12);
}

TEST(ImageMetricsOf, AConstantImageCorrelatesWithNothing) {
  const torch::Tensor image = Golden("grey.real");
  EXPECT_TRUE(PixelCorrelation(image, torch::full_like(image, 7)).isnan().all().item<bool>());
}

TEST(ImageMetricsOf, RefuseOtherShapesAndSmallImages) {
  const torch::Tensor image = torch::zeros({1, 3, 8, 8});
  EXPECT_THROW(MeanSquaredError(image, torch::zeros({1, 1, 8, 8})), InternalError);
  EXPECT_THROW(StructuralSimilarity(torch::zeros({1, 3, 6, 8}), torch::zeros({1, 3, 6, 8})), InternalError);
}

}  // namespace image_metrics_test
}  // namespace genvinci
