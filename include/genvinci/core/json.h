#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace genvinci {

using Json = nlohmann::ordered_json;

// Strict reading: duplicate keys, nesting over 64, bad UTF-8 and trailing text are a DataError (JSON_SYNTAX,
// JSON_DUPLICATE_KEY, JSON_DEPTH) that names `source`.
Json ParseJson(std::string_view text, std::string_view source);
Json ReadJson(const std::filesystem::path& path);
// The text of `value`, on one line or indented. NaN and Inf are written as null; a text that is not UTF-8 is a
// DataError (JSON_UTF8).
std::string DumpJson(const Json& value, int indent = -1);
// Atomic, indented by two, with a final newline, as DumpJson writes.
void WriteJson(const std::filesystem::path& path, const Json& value);

}  // namespace genvinci
