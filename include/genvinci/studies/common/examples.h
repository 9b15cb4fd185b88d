#pragma once

#include <string>
#include <vector>

#include "genvinci/data/dataset.h"

namespace genvinci {

// A label an observation: obs[label_column], else the type with the largest "proportion:<type>", else "".
std::vector<std::string> LabelsOf(const Dataset& dataset, const std::vector<int64_t>& rows);

// Positions of at most `count` examples, not picked by hand: one of each label by turns, the commonest label first and
// in each label the first ones; in the order of labels. Without labels, positions at equal distances.
std::vector<int64_t> ChooseExamples(const std::vector<std::string>& labels, int64_t count);

}  // namespace genvinci
