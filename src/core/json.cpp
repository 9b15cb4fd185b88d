#include "genvinci/core/json.h"

#include <string>
#include <unordered_set>
#include <vector>

#include "genvinci/core/error.h"
#include "genvinci/core/files.h"

namespace genvinci {
namespace {

constexpr size_t kMaxDepth = 64;

// Builds the value event by event. nlohmann's own reader keeps the last of two equal keys without a word, and its
// ordered object looks through all keys at each insertion, which is quadratic for a vocabulary.
class StrictBuilder : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return Put(nullptr); }
  bool boolean(bool value) override { return Put(value); }
  bool number_integer(number_integer_t value) override { return Put(value); }
  bool number_unsigned(number_unsigned_t value) override { return Put(value); }
  bool number_float(number_float_t value, const string_t&) override { return Put(value); }
  bool string(string_t& value) override { return Put(std::move(value)); }
  bool binary(binary_t& value) override { return Put(std::move(value)); }
  bool start_object(size_t) override { return Open(Json::object()); }
  bool start_array(size_t) override { return Open(Json::array()); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }

  bool key(string_t& name) override {
    if (!levels_.back().keys.insert(name).second)
      return Fail("JSON_DUPLICATE_KEY", "key '" + name + "' is there twice");
    key_ = std::move(name);
    return true;
  }

  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    std::string text = error.what();
    if (const size_t end = text.find("] "); text.starts_with('[') && end != std::string::npos) text.erase(0, end + 2);
    return Fail("JSON_SYNTAX", "byte " + std::to_string(position) + ": " + text);
  }

  Json TakeRoot() { return std::move(root_); }
  const char* error_name() const { return error_name_; }
  const std::string& error() const { return error_; }

 private:
  struct Level {
    Json* value;
    std::unordered_set<std::string> keys;
  };

  bool Fail(const char* name, std::string text) {
    error_name_ = name;
    // The offending token can be as long as the file.
    error_ = text.size() <= 300 ? std::move(text) : text.substr(0, 200) + "..." + text.substr(text.size() - 80);
    return false;
  }

  Json* Insert(Json value) {
    if (levels_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Json& parent = *levels_.back().value;
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    auto& members = parent.get_ref<Json::object_t&>();
    members.push_back({std::move(key_), std::move(value)});
    return &members.back().second;
  }

  bool Put(Json value) {
    Insert(std::move(value));
    return true;
  }

  bool Open(Json value) {
    if (levels_.size() == kMaxDepth) return Fail("JSON_DEPTH", "nested deeper than 64 levels");
    levels_.push_back({Insert(std::move(value)), {}});
    return true;
  }

  bool Close() {
    levels_.pop_back();
    return true;
  }

  Json root_;
  std::vector<Level> levels_;
  std::string key_;
  const char* error_name_ = "";
  std::string error_;
};

}  // namespace

Json ParseJson(std::string_view text, std::string_view source) {
  StrictBuilder builder;
  if (!Json::sax_parse(text.begin(), text.end(), &builder))
    throw DataError(builder.error_name(), "{}: {}", source, builder.error());
  return builder.TakeRoot();
}

Json ReadJson(const std::filesystem::path& path) { return ParseJson(ReadFile(path), path.string()); }

std::string DumpJson(const Json& value, int indent) {
  try {
    return value.dump(indent);
  } catch (const nlohmann::json::exception&) {
    throw DataError("JSON_UTF8", "a text in {} is not UTF-8",
                    value.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace).substr(0, 200));
  }
}

void WriteJson(const std::filesystem::path& path, const Json& value) {
  WriteFileAtomic(path, DumpJson(value, /*indent=*/2) + "\n");
}

}  // namespace genvinci
