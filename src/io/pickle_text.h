#pragma once

#include <string>
#include <string_view>

namespace genvinci::internal {

// UTF-8 as Python's "surrogatepass" reads it: surrogates alone are accepted, overlong forms are not.
bool IsUtf8(std::string_view text);

// Protocol 0's texts. False when malformed. The string becomes UTF-8 and must be ASCII after its escapes.
bool DecodeQuotedString(std::string_view line, std::string& out);  // 'a\n' or "a\n"
bool DecodeRawUnicode(std::string_view line, std::string& out);    // latin-1 with \uXXXX and \UXXXXXXXX

// False when a character is beyond latin-1.
bool Latin1FromUtf8(std::string_view text, std::string& out);

}  // namespace genvinci::internal
