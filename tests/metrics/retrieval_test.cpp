#include "genvinci/metrics/retrieval.h"

#include <gtest/gtest.h>

namespace genvinci {
namespace retrieval_test {

TEST(RetrievalAt, CountsOwnTargetsAmongTheNearest) {
  // Own targets (the diagonal) come first, second, third and last.
  const torch::Tensor similarity = torch::tensor({{9.0, 1.0, 2.0, 3.0},  //
                                                  {8.0, 7.0, 1.0, 0.0},
                                                  {5.0, 6.0, 4.0, 1.0},
                                                  {3.0, 2.0, 1.0, 0.0}});
  EXPECT_DOUBLE_EQ(RetrievalAt(similarity, 1), 0.25);
  EXPECT_DOUBLE_EQ(RetrievalAt(similarity, 2), 0.5);
  EXPECT_DOUBLE_EQ(RetrievalAt(similarity, 3), 0.75);
  EXPECT_DOUBLE_EQ(RetrievalAt(similarity, 4), 1);
}

TEST(RetrievalAt, TiesBringNothing) {
  EXPECT_DOUBLE_EQ(RetrievalAt(torch::ones({6, 6}), 5), 0);
  EXPECT_DOUBLE_EQ(RetrievalAt(torch::ones({6, 6}), 6), 1);
}

}  // namespace retrieval_test
}  // namespace genvinci
