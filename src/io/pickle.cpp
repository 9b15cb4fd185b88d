#include "genvinci/io/pickle.h"

#include <array>
#include <bit>
#include <limits>

#include "genvinci/core/error.h"
#include "genvinci/core/text.h"
#include "pickle_machine.h"
#include "pickle_text.h"

namespace genvinci {
namespace internal {
namespace {

constexpr int64_t kSmallIntegers = 4096;  // made once, as Python does for fewer: lists of lengths stay small

}  // namespace

PicklePointer PickleMachine::Run(size_t* consumed) {
  const std::array<Handler, 256>& handlers = Handlers();
  while (true) {
    opcode_at_ = at_;
    const unsigned char opcode = static_cast<unsigned char>(Take(1)[0]);
    if (opcode == '.') break;
    (this->*handlers[opcode])();
  }
  const MutableRef result = Pop();
  if (consumed) {
    *consumed = at_;
  } else if (at_ != bytes_.size()) {
    Fail("PICKLE_TRAILING", "{} bytes follow the end", bytes_.size() - at_);
  }
  return PicklePointer(arena_, result);
}

std::string_view PickleMachine::Take(uint64_t size) {
  if (frame_end_ != 0 && at_ == frame_end_) frame_end_ = 0;
  const size_t end = frame_end_ != 0 ? frame_end_ : bytes_.size();
  if (size > end - at_) {
    Fail("PICKLE_CUT", "needs {} bytes and {} are left{}", size, end - at_, frame_end_ != 0 ? " in the frame" : "");
  }
  at_ += size;
  return bytes_.substr(at_ - size, size);
}

std::string_view PickleMachine::TakeLine() {
  const size_t newline = bytes_.find('\n', at_);
  if (newline == std::string_view::npos) Fail("PICKLE_CUT", "a line without an end");
  const std::string_view line = Take(newline + 1 - at_);
  return line.substr(0, line.size() - 1);
}

void PickleMachine::Unknown() {
  const unsigned opcode = static_cast<unsigned char>(bytes_[opcode_at_]);
  if (opcode >= 0x96 && opcode <= 0x98) Fail("PICKLE_PROTOCOL", "protocol 5 is not supported; write protocol 4");
  Fail("PICKLE_OPCODE", "opcode 0x{:02x} is unknown or not supported", opcode);
}

void PickleMachine::Proto() {
  const unsigned version = TakeNumber<uint8_t>();
  if (version > 4) Fail("PICKLE_PROTOCOL", "protocol {} is not supported; write protocol 4", version);
}

void PickleMachine::Frame() {
  const uint64_t size = TakeNumber<uint64_t>();
  if (frame_end_ != 0 && at_ != frame_end_) Fail("PICKLE_FRAME", "a frame inside a frame");
  if (size == 0 || size > bytes_.size() - at_) {
    Fail("PICKLE_FRAME", "a frame of {} bytes and {} are left", size, bytes_.size() - at_);
  }
  frame_end_ = at_ + size;
}

void PickleMachine::PopOne() {
  if (!marks_.empty() && marks_.back() == stack_.size()) {
    marks_.pop_back();
  } else {
    Pop();
  }
}

std::vector<PickleRef> PickleMachine::PopToMark() {
  if (marks_.empty()) Fail("PICKLE_MARK", "no mark on the stack");
  std::vector<PickleRef> items(stack_.begin() + marks_.back(), stack_.end());
  stack_.resize(marks_.back());
  marks_.pop_back();
  return items;
}

// Only these few conversions copy what is already there; a file could repeat them without end.
void PickleMachine::ChargeCopy(size_t size) {
  copied_ += size;
  if (copied_ > bytes_.size()) Fail("PICKLE_LIMIT", "the same values are copied over and over");
}

MutableRef PickleMachine::MakeInteger(int64_t value) {
  if (value < 0 || value >= kSmallIntegers) return Make(value);
  if (small_integers_.empty()) small_integers_.resize(kSmallIntegers, nullptr);
  MutableRef& cached = small_integers_[value];
  if (!cached) cached = Make(value);
  return cached;
}

void PickleMachine::TextInt() {
  const std::string_view text = TakeLine();
  int64_t value = 0;
  if (text == "00" || text == "01") return Push(text == "01" ? true_ : false_);
  if (!ParseInteger(text, value)) Fail("PICKLE_NUMBER", "'{}' is no integer", text.substr(0, 40));
  Push(MakeInteger(value));
}

void PickleMachine::TextLong() {
  std::string_view text = TakeLine();
  if (text.ends_with('L')) text.remove_suffix(1);
  int64_t value = 0;
  if (!ParseInteger(text, value)) Fail("PICKLE_NUMBER", "'{}' is no integer of 64 bits", text.substr(0, 40));
  Push(MakeInteger(value));
}

void PickleMachine::TextFloat() {
  const std::string_view text = TakeLine();
  double value = 0;
  if (text == "inf" || text == "-inf") {
    value = text[0] == '-' ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity();
  } else if (text == "nan") {
    value = std::numeric_limits<double>::quiet_NaN();
  } else if (!ParseNumber(text, value)) {
    Fail("PICKLE_NUMBER", "'{}' is no number", text.substr(0, 40));
  }
  Push(Make(value));
}

void PickleMachine::TextString() {
  std::string value;
  if (!DecodeQuotedString(TakeLine(), value)) Fail("PICKLE_TEXT", "a malformed quoted string");
  Push(Make(std::move(value)));
}

void PickleMachine::TextUnicode() {
  std::string value;
  if (!DecodeRawUnicode(TakeLine(), value)) Fail("PICKLE_TEXT", "a malformed unicode escape");
  Push(Make(std::move(value)));
}

template <typename Size>
void PickleMachine::Long() {
  const Size size = TakeNumber<Size>();
  if constexpr (std::is_signed_v<Size>) {
    if (size < 0) Fail("PICKLE_NUMBER", "an integer of {} bytes", size);
  }
  const std::string_view raw = Take(size);
  if (raw.size() > 8) return Push(Make(PickleBytes{std::string(raw)}));
  uint64_t value = !raw.empty() && (raw.back() & 0x80) ? ~uint64_t{0} : 0;
  for (size_t i = raw.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(raw[i]);
  Push(MakeInteger(static_cast<int64_t>(value)));
}

void PickleMachine::BinaryFloat() {
  uint64_t value = 0;
  for (const char byte : Take(8)) value = value << 8 | static_cast<unsigned char>(byte);
  Push(Make(std::bit_cast<double>(value)));
}

template <typename Size>
void PickleMachine::Unicode() {
  const std::string_view text = Take(TakeNumber<Size>());
  if (!IsUtf8(text)) Fail("PICKLE_TEXT", "text that is not UTF-8");
  Push(Make(std::string(text)));
}

template <typename Size>
void PickleMachine::Bytes() {
  Push(Make(PickleBytes{std::string(Take(TakeNumber<Size>()))}));
}

template <typename Size>
void PickleMachine::Ascii() {
  const Size size = TakeNumber<Size>();
  if constexpr (std::is_signed_v<Size>) {
    if (size < 0) Fail("PICKLE_TEXT", "a string of {} bytes", size);
  }
  const std::string_view text = Take(size);
  for (const char c : text) {
    if (static_cast<unsigned char>(c) > 127) Fail("PICKLE_TEXT", "a Python 2 string that is not ASCII");
  }
  Push(Make(std::string(text)));
}

template <size_t kCount>
void PickleMachine::TupleN() {
  Need(kCount);
  std::vector<PickleRef> items(stack_.end() - kCount, stack_.end());
  stack_.resize(stack_.size() - kCount);
  Push(Make(PickleTuple{std::move(items)}));
}

const std::array<PickleMachine::Handler, 256>& PickleMachine::Handlers() {
  static const std::array<Handler, 256> handlers = [] {
    using M = PickleMachine;
    std::array<Handler, 256> h;
    h.fill(&M::Unknown);
    const std::pair<unsigned, Handler> known[] = {
        {'(', &M::Mark},
        {'0', &M::PopOne},
        {'1', &M::PopMark},
        {'2', &M::Dup},
        {'N', &M::None},
        {0x88, &M::True},
        {0x89, &M::False},
        {'I', &M::TextInt},
        {'L', &M::TextLong},
        {'F', &M::TextFloat},
        {'S', &M::TextString},
        {'V', &M::TextUnicode},
        {'J', &M::Integer<int32_t>},
        {'K', &M::Integer<uint8_t>},
        {'M', &M::Integer<uint16_t>},
        {0x8a, &M::Long<uint8_t>},
        {0x8b, &M::Long<int32_t>},
        {'G', &M::BinaryFloat},
        {'X', &M::Unicode<uint32_t>},
        {0x8c, &M::Unicode<uint8_t>},
        {0x8d, &M::Unicode<uint64_t>},
        {'B', &M::Bytes<uint32_t>},
        {'C', &M::Bytes<uint8_t>},
        {0x8e, &M::Bytes<uint64_t>},
        {'T', &M::Ascii<int32_t>},
        {'U', &M::Ascii<uint8_t>},
        {']', &M::EmptyList},
        {'}', &M::EmptyDict},
        {')', &M::EmptyTuple},
        {0x8f, &M::EmptySet},
        {0x91, &M::FrozenSet},
        {'l', &M::List},
        {'t', &M::Tuple},
        {0x85, &M::TupleN<1>},
        {0x86, &M::TupleN<2>},
        {0x87, &M::TupleN<3>},
        {'d', &M::Dict},
        {'a', &M::Append},
        {'e', &M::Appends},
        {0x90, &M::Appends},
        {'s', &M::SetItem},
        {'u', &M::SetItems},
        {'g', &M::TextGet},
        {'h', &M::Get<uint8_t>},
        {'j', &M::Get<uint32_t>},
        {'p', &M::TextPut},
        {'q', &M::Put<uint8_t>},
        {'r', &M::Put<uint32_t>},
        {0x94, &M::Memoize},
        {'c', &M::Global},
        {0x93, &M::StackGlobal},
        {'i', &M::Inst},
        {'o', &M::Obj},
        {'R', &M::Reduce},
        {0x81, &M::NewObj},
        {0x92, &M::NewObjEx},
        {'b', &M::Build},
        {'P', &M::PersistentText},
        {'Q', &M::PersistentBinary},
        {0x80, &M::Proto},
        {0x95, &M::Frame},
    };
    for (const auto& [opcode, handler] : known) h[opcode] = handler;
    return h;
  }();
  return handlers;
}

}  // namespace internal

PicklePointer ParsePickle(std::string_view bytes, std::string_view source, size_t* consumed) {
  return internal::PickleMachine(bytes, source).Run(consumed);
}

PicklePointer ReadPickle(const fs::path& path) { return ParsePickle(ReadFile(path, uint64_t{1} << 30), path.string()); }

std::string Describe(const PickleValue& value) {
  if (const auto* global = value.As<PickleGlobal>())
    return fmt::format("the global {}.{}", global->module, global->name);
  if (const auto* object = value.As<PickleObject>()) {
    return fmt::format("an inert {}.{}", object->type->module, object->type->name);
  }
  constexpr const char* kNames[] = {"None",  "a bool", "an int",  "a float", "a str",
                                    "bytes", "a list", "a tuple", "a dict"};
  return kNames[value.value.index()];
}

}  // namespace genvinci
