#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace genvinci {

// One column of a table. Missing: NaN in kFloat, code -1 in kCategorical, missing[i] in the others.
struct FrameColumn {
  enum class Kind { kString, kCategorical, kFloat, kInteger, kBool };
  Kind kind = Kind::kString;
  std::vector<std::string> strings;  // kString: a value a row; kCategorical: the categories
  std::vector<int64_t> integers;     // kInteger, kBool: values; kCategorical: codes, -1 = missing
  std::vector<double> floats;        // kFloat
  std::vector<bool> missing;         // empty: none is

  size_t size() const;
  bool IsMissing(size_t row) const;
  // Row i as text ("" when missing), whatever the kind: "True" / "False", the shortest decimal of a float.
  std::string Text(size_t row) const;

  static FrameColumn Strings(std::vector<std::string> values);
  static FrameColumn Categorical(const std::vector<std::string>& values);  // categories sorted
  static FrameColumn Floats(std::vector<double> values);
  static FrameColumn Integers(std::vector<int64_t> values);
  static FrameColumn Bools(const std::vector<bool>& values);
};

// obs or var: an index of names and columns in order.
struct DataFrame {
  std::vector<std::string> index;
  std::vector<std::pair<std::string, FrameColumn>> columns;

  const FrameColumn* Find(const std::string& name) const;  // nullptr: there is none
  void Set(const std::string& name, FrameColumn column);   // replaces or appends
};

}  // namespace genvinci
