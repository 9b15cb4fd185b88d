#include "pickle_text.h"

#include <charconv>
#include <cstdint>

namespace genvinci::internal {
namespace {

void AppendUtf8(uint32_t code, std::string& out) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | code >> 18);
    out += static_cast<char>(0x80 | (code >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

bool Hexadecimal(std::string_view digits, size_t count, uint32_t& value) {
  if (digits.size() < count) return false;
  const char* end = digits.data() + count;
  return std::from_chars(digits.data(), end, value, 16).ptr == end;
}

// The character at the front of `text`, which is taken off; false when it is no UTF-8.
bool TakeUtf8(std::string_view& text, uint32_t& code) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  const size_t size = first < 0x80 ? 1 : first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : first >> 3 == 30 ? 4 : 0;
  if (size == 0 || text.size() < size) return false;
  code = size == 1 ? first : first & (0xFF >> (size + 1));
  for (size_t i = 1; i < size; ++i) {
    if (byte(i) >> 6 != 2) return false;
    code = code << 6 | (byte(i) & 0x3F);
  }
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  text.remove_prefix(size);
  return code >= kLeast[size] && code <= 0x10FFFF;
}

}  // namespace

bool IsUtf8(std::string_view text) {
  uint32_t code = 0;
  while (!text.empty()) {
    if (!TakeUtf8(text, code)) return false;
  }
  return true;
}

bool Latin1FromUtf8(std::string_view text, std::string& out) {
  uint32_t code = 0;
  while (!text.empty()) {
    if (!TakeUtf8(text, code) || code > 0xFF) return false;
    out += static_cast<char>(code);
  }
  return true;
}

bool DecodeRawUnicode(std::string_view line, std::string& out) {
  while (!line.empty()) {
    const bool escape = line.size() >= 2 && line[0] == '\\' && (line[1] == 'u' || line[1] == 'U');
    const size_t digits = !escape ? 0 : line[1] == 'u' ? 4 : 8;
    uint32_t code = static_cast<unsigned char>(line[0]);
    if (escape && (!Hexadecimal(line.substr(2), digits, code) || code > 0x10FFFF)) return false;
    AppendUtf8(code, out);
    line.remove_prefix(escape ? 2 + digits : 1);
  }
  return true;
}

bool DecodeQuotedString(std::string_view line, std::string& out) {
  if (line.size() < 2 || line.front() != line.back() || (line[0] != '\'' && line[0] != '"')) return false;
  line = line.substr(1, line.size() - 2);
  constexpr std::string_view kLetters = "\\'\"abfnrtv", kMeanings = "\\'\"\a\b\f\n\r\t\v";
  while (!line.empty()) {
    uint32_t code = static_cast<unsigned char>(line[0]);
    size_t size = 1;
    if (code == '\\') {
      if (line.size() < 2) return false;
      const size_t letter = kLetters.find(line[1]);
      if (letter != std::string_view::npos) {
        code = kMeanings[letter];
        size = 2;
      } else if (line[1] == 'x' && Hexadecimal(line.substr(2), 2, code)) {
        size = 4;
      } else {
        return false;
      }
    }
    if (code > 127) return false;
    out += static_cast<char>(code);
    line.remove_prefix(size);
  }
  return true;
}

}  // namespace genvinci::internal
