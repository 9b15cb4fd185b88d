#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace genvinci {

// The candidate with the least edit distance to `name`, or "" when none is within a third of its length (at least 2).
std::string NearestName(std::string_view name, const std::vector<std::string>& candidates);

// ": did you mean 'x'?" or "".
std::string DidYouMean(std::string_view name, const std::vector<std::string>& candidates);

std::vector<std::string_view> SplitText(std::string_view text, char separator);
std::string JoinText(const std::vector<std::string>& parts, std::string_view separator);

// The whole text as a finite number; false otherwise (empty, "1,5", "1e999", "nan", trailing characters).
bool ParseNumber(std::string_view text, double& value);
bool ParseInteger(std::string_view text, int64_t& value);

std::string HumanBytes(double bytes);      // "1.2 GB"
std::string HumanSeconds(double seconds);  // "2m 05s"

}  // namespace genvinci
