#include "genvinci/io/pickle.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <deque>
#include <limits>
#include <optional>

#include "genvinci/core/error.h"
#include "genvinci/core/text.h"
#include "pickle_globals.h"
#include "pickle_text.h"

namespace genvinci {
namespace {

constexpr size_t kMaxMemo = 1'000'000;
constexpr size_t kMaxValues = 10'000'000;
constexpr int64_t kSmallIntegers = 4096;  // made once, as Python does for fewer: lists of lengths stay small

using MutableRef = PickleValue*;

// All values of one pickle; references between them own nothing, so that neither depth nor cycles matter at the end.
struct Arena {
  std::deque<PickleValue> values;
};

class Machine {
 public:
  Machine(std::string_view bytes, std::string_view source) : bytes_(bytes), source_(source), arena_(new Arena) {
    none_ = Make(PickleNone{});
    true_ = Make(true);
    false_ = Make(false);
    empty_tuple_ = Make(PickleTuple{});
  }

  PicklePointer Run(size_t* consumed);

 private:
  using Handler = void (Machine::*)();
  static const std::array<Handler, 256>& Handlers();

  template <typename... Args>
  [[noreturn]] void Fail(std::string_view name, fmt::format_string<Args...> format, Args&&... args) const {
    throw DataError(name, "{}: byte {}: {}: this is no pickle that can be read", source_, opcode_at_,
                    fmt::format(format, std::forward<Args>(args)...));
  }

  // The bytes of an opcode's argument.
  std::string_view Take(uint64_t size);
  std::string_view TakeLine();
  template <typename T>
  T TakeNumber() {
    T value;
    std::memcpy(&value, Take(sizeof(T)).data(), sizeof(T));
    return value;
  }

  // Values and the stack.
  template <typename T>
  MutableRef Make(T value) {
    if (arena_->values.size() >= kMaxValues) Fail("PICKLE_LIMIT", "more than {} values", kMaxValues);
    return &arena_->values.emplace_back(PickleValue{std::move(value)});
  }
  MutableRef MakeInteger(int64_t value);
  void Push(MutableRef value) { stack_.push_back(value); }
  size_t Floor() const { return marks_.empty() ? 0 : marks_.back(); }
  void Need(size_t count) const {
    if (stack_.size() - Floor() < count) Fail("PICKLE_STACK", "the stack is empty");
  }
  MutableRef Pop() {
    Need(1);
    MutableRef value = stack_.back();
    stack_.pop_back();
    return value;
  }
  MutableRef Top() {
    Need(1);
    return stack_.back();
  }
  std::vector<PickleRef> PopToMark();
  template <typename T>
  T* Expect(MutableRef value, const char* what) {
    T* typed = std::get_if<T>(&value->value);
    if (!typed) Fail("PICKLE_TYPE", "{} where {} was expected", Describe(*value), what);
    return typed;
  }
  void ChargeCopy(size_t size);

  // Opcodes.
  void Unknown();
  void Proto();
  void Frame();
  void Mark() { marks_.push_back(stack_.size()); }
  void PopOne();
  void PopMark() { PopToMark(); }
  void Dup() { Push(Top()); }
  void None() { Push(none_); }
  void True() { Push(true_); }
  void False() { Push(false_); }
  void TextInt();
  void TextLong();
  void TextFloat();
  void TextString();
  void TextUnicode();
  template <typename T>
  void Integer() {
    Push(MakeInteger(TakeNumber<T>()));
  }
  template <typename Size>
  void Long();
  void BinaryFloat();
  template <typename Size>
  void Unicode();
  template <typename Size>
  void Bytes();
  template <typename Size>
  void Ascii();
  void EmptyList() { Push(Make(PickleList{})); }
  void EmptyDict() { Push(Make(PickleDict{})); }
  void EmptyTuple() { Push(empty_tuple_); }
  void EmptySet() { Push(MakeSet({})); }
  void FrozenSet() { Push(MakeSet(PopToMark())); }
  void List() { Push(Make(PickleList{PopToMark()})); }
  void Tuple() { Push(Make(PickleTuple{PopToMark()})); }
  template <size_t kCount>
  void TupleN();
  void Dict();
  void Append();
  void Appends();
  void SetItem();
  void SetItems();
  void TextGet();
  void TextPut();
  template <typename T>
  void Get() {
    GetAt(TakeNumber<T>());
  }
  template <typename T>
  void Put() {
    PutAt(TakeNumber<T>());
  }
  void Memoize() { PutAt(memo_count_); }
  void Global();
  void StackGlobal();
  void Inst();
  void Obj();
  void Reduce();
  void NewObj();
  void NewObjEx();
  void Build();
  void PersistentText();
  void PersistentBinary() { Push(MakePersistent(Pop())); }

  void GetAt(uint64_t index);
  void PutAt(uint64_t index);
  void AppendTo(MutableRef target, const std::vector<PickleRef>& items);
  void SetIn(MutableRef target, const std::vector<PickleRef>& items);
  void CheckKey(PickleRef key) const;
  MutableRef MakeGlobal(std::string module, std::string name);
  MutableRef MakeObject(PickleRef type, PickleRef arguments);
  MutableRef MakeSet(std::vector<PickleRef> items);
  MutableRef MakePersistent(PickleRef id);
  MutableRef Call(MutableRef callable, MutableRef arguments);
  MutableRef CallDict(const PickleTuple& arguments, MutableRef whole, MutableRef type);
  std::optional<std::string> CallEncode(const PickleTuple& arguments);

  std::string_view bytes_, source_;
  std::shared_ptr<Arena> arena_;
  MutableRef none_, true_, false_, empty_tuple_;
  std::vector<MutableRef> small_integers_;
  size_t at_ = 0, opcode_at_ = 0;
  size_t frame_end_ = 0;  // 0: outside a frame
  std::vector<MutableRef> stack_;
  std::vector<size_t> marks_;
  std::vector<MutableRef> memo_;
  size_t memo_count_ = 0, copied_ = 0;
};

PicklePointer Machine::Run(size_t* consumed) {
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

std::string_view Machine::Take(uint64_t size) {
  if (frame_end_ != 0 && at_ == frame_end_) frame_end_ = 0;
  const size_t end = frame_end_ != 0 ? frame_end_ : bytes_.size();
  if (size > end - at_) {
    Fail("PICKLE_CUT", "needs {} bytes and {} are left{}", size, end - at_, frame_end_ != 0 ? " in the frame" : "");
  }
  at_ += size;
  return bytes_.substr(at_ - size, size);
}

std::string_view Machine::TakeLine() {
  const size_t newline = bytes_.find('\n', at_);
  if (newline == std::string_view::npos) Fail("PICKLE_CUT", "a line without an end");
  const std::string_view line = Take(newline + 1 - at_);
  return line.substr(0, line.size() - 1);
}

void Machine::Unknown() {
  const unsigned opcode = static_cast<unsigned char>(bytes_[opcode_at_]);
  if (opcode >= 0x96 && opcode <= 0x98) Fail("PICKLE_PROTOCOL", "protocol 5 is not supported; write protocol 4");
  Fail("PICKLE_OPCODE", "opcode 0x{:02x} is unknown or not supported", opcode);
}

void Machine::Proto() {
  const unsigned version = TakeNumber<uint8_t>();
  if (version > 4) Fail("PICKLE_PROTOCOL", "protocol {} is not supported; write protocol 4", version);
}

void Machine::Frame() {
  const uint64_t size = TakeNumber<uint64_t>();
  if (frame_end_ != 0 && at_ != frame_end_) Fail("PICKLE_FRAME", "a frame inside a frame");
  if (size == 0 || size > bytes_.size() - at_) {
    Fail("PICKLE_FRAME", "a frame of {} bytes and {} are left", size, bytes_.size() - at_);
  }
  frame_end_ = at_ + size;
}

void Machine::PopOne() {
  if (!marks_.empty() && marks_.back() == stack_.size()) {
    marks_.pop_back();
  } else {
    Pop();
  }
}

std::vector<PickleRef> Machine::PopToMark() {
  if (marks_.empty()) Fail("PICKLE_MARK", "no mark on the stack");
  std::vector<PickleRef> items(stack_.begin() + marks_.back(), stack_.end());
  stack_.resize(marks_.back());
  marks_.pop_back();
  return items;
}

// Only these few conversions copy what is already there; a file could repeat them without end.
void Machine::ChargeCopy(size_t size) {
  copied_ += size;
  if (copied_ > bytes_.size()) Fail("PICKLE_LIMIT", "the same values are copied over and over");
}

MutableRef Machine::MakeInteger(int64_t value) {
  if (value < 0 || value >= kSmallIntegers) return Make(value);
  if (small_integers_.empty()) small_integers_.resize(kSmallIntegers, nullptr);
  MutableRef& cached = small_integers_[value];
  if (!cached) cached = Make(value);
  return cached;
}

void Machine::TextInt() {
  const std::string_view text = TakeLine();
  int64_t value = 0;
  if (text == "00" || text == "01") return Push(text == "01" ? true_ : false_);
  if (!ParseInteger(text, value)) Fail("PICKLE_NUMBER", "'{}' is no integer", text.substr(0, 40));
  Push(MakeInteger(value));
}

void Machine::TextLong() {
  std::string_view text = TakeLine();
  if (text.ends_with('L')) text.remove_suffix(1);
  int64_t value = 0;
  if (!ParseInteger(text, value)) Fail("PICKLE_NUMBER", "'{}' is no integer of 64 bits", text.substr(0, 40));
  Push(MakeInteger(value));
}

void Machine::TextFloat() {
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

void Machine::TextString() {
  std::string value;
  if (!internal::DecodeQuotedString(TakeLine(), value)) Fail("PICKLE_TEXT", "a malformed quoted string");
  Push(Make(std::move(value)));
}

void Machine::TextUnicode() {
  std::string value;
  if (!internal::DecodeRawUnicode(TakeLine(), value)) Fail("PICKLE_TEXT", "a malformed unicode escape");
  Push(Make(std::move(value)));
}

template <typename Size>
void Machine::Long() {
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

void Machine::BinaryFloat() {
  uint64_t value = 0;
  for (const char byte : Take(8)) value = value << 8 | static_cast<unsigned char>(byte);
  Push(Make(std::bit_cast<double>(value)));
}

template <typename Size>
void Machine::Unicode() {
  const std::string_view text = Take(TakeNumber<Size>());
  if (!internal::IsUtf8(text)) Fail("PICKLE_TEXT", "text that is not UTF-8");
  Push(Make(std::string(text)));
}

template <typename Size>
void Machine::Bytes() {
  Push(Make(PickleBytes{std::string(Take(TakeNumber<Size>()))}));
}

template <typename Size>
void Machine::Ascii() {
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
void Machine::TupleN() {
  Need(kCount);
  std::vector<PickleRef> items(stack_.end() - kCount, stack_.end());
  stack_.resize(stack_.size() - kCount);
  Push(Make(PickleTuple{std::move(items)}));
}

void Machine::Dict() {
  const std::vector<PickleRef> items = PopToMark();
  const MutableRef dict = Make(PickleDict{});
  SetIn(dict, items);
  Push(dict);
}

void Machine::Append() {
  const MutableRef item = Pop();
  AppendTo(Top(), {item});
}

void Machine::Appends() {
  const std::vector<PickleRef> items = PopToMark();
  AppendTo(Top(), items);
}

void Machine::AppendTo(MutableRef target, const std::vector<PickleRef>& items) {
  if (auto* list = std::get_if<PickleList>(&target->value)) {
    list->items.insert(list->items.end(), items.begin(), items.end());
  } else {
    auto* object = Expect<PickleObject>(target, "a list");
    object->items.insert(object->items.end(), items.begin(), items.end());
  }
}

void Machine::SetItem() {
  const MutableRef value = Pop(), key = Pop();
  SetIn(Top(), {key, value});
}

void Machine::SetItems() {
  const std::vector<PickleRef> items = PopToMark();
  SetIn(Top(), items);
}

void Machine::SetIn(MutableRef target, const std::vector<PickleRef>& items) {
  if (items.size() % 2 != 0) Fail("PICKLE_STACK", "a key without a value");
  auto* dict = std::get_if<PickleDict>(&target->value);
  auto* object = dict ? nullptr : Expect<PickleObject>(target, "a dictionary");
  for (size_t i = 0; i < items.size(); i += 2) {
    CheckKey(items[i]);
    if (dict) {
      dict->items.emplace_back(items[i], items[i + 1]);
    } else {
      object->items.push_back(Make(PickleTuple{{items[i], items[i + 1]}}));
    }
  }
}

void Machine::CheckKey(PickleRef key) const {
  if (key->As<PickleList>() || key->As<PickleDict>()) Fail("PICKLE_TYPE", "{} as a key", Describe(*key));
}

void Machine::TextGet() {
  int64_t index = 0;
  if (!ParseInteger(TakeLine(), index) || index < 0) Fail("PICKLE_MEMO", "a bad memo index");
  GetAt(index);
}

void Machine::TextPut() {
  int64_t index = 0;
  if (!ParseInteger(TakeLine(), index) || index < 0) Fail("PICKLE_MEMO", "a bad memo index");
  PutAt(index);
}

void Machine::GetAt(uint64_t index) {
  if (index >= memo_.size() || !memo_[index]) Fail("PICKLE_MEMO", "nothing is in the memo at {}", index);
  Push(memo_[index]);
}

void Machine::PutAt(uint64_t index) {
  const size_t limit = std::min(bytes_.size(), kMaxMemo);
  if (index >= limit) Fail("PICKLE_MEMO", "memo index {}, the limit is {}", index, limit);
  const MutableRef value = Top();
  if (index >= memo_.size()) memo_.resize(index + 1, nullptr);
  if (!memo_[index]) ++memo_count_;
  memo_[index] = value;
}

MutableRef Machine::MakeGlobal(std::string module, std::string name) {
  PickleGlobal global{std::move(module), std::move(name)};
  if (global.module.size() + global.name.size() > 1000) Fail("PICKLE_GLOBAL", "a global's name is over 1,000 bytes");
  if (!internal::IsHarmlessGlobal(global)) {
    Fail("PICKLE_GLOBAL", "it names {}.{}, which no data file needs (nothing was run)", global.module, global.name);
  }
  return Make(std::move(global));
}

void Machine::Global() {
  const std::string_view module = TakeLine(), name = TakeLine();
  if (!internal::IsUtf8(module) || !internal::IsUtf8(name)) Fail("PICKLE_TEXT", "text that is not UTF-8");
  Push(MakeGlobal(std::string(module), std::string(name)));
}

void Machine::StackGlobal() {
  const MutableRef name = Pop(), module = Pop();
  Push(MakeGlobal(*Expect<std::string>(module, "a module's name"), *Expect<std::string>(name, "a global's name")));
}

MutableRef Machine::MakeObject(PickleRef type, PickleRef arguments) {
  return Make(PickleObject{type->As<PickleGlobal>(), arguments, nullptr, {}});
}

MutableRef Machine::MakeSet(std::vector<PickleRef> items) {
  const MutableRef set = MakeObject(Make(PickleGlobal{"builtins", "set"}), empty_tuple_);
  std::get<PickleObject>(set->value).items = std::move(items);
  return set;
}

MutableRef Machine::MakePersistent(PickleRef id) {
  return MakeObject(Make(PickleGlobal{"persistent", "id"}), Make(PickleTuple{{id}}));
}

void Machine::PersistentText() { Push(MakePersistent(Make(std::string(TakeLine())))); }

void Machine::Inst() {
  const std::string_view module = TakeLine(), name = TakeLine();
  const MutableRef arguments = Make(PickleTuple{PopToMark()});
  Push(MakeObject(MakeGlobal(std::string(module), std::string(name)), arguments));
}

void Machine::Obj() {
  std::vector<PickleRef> items = PopToMark();
  if (items.empty() || !items[0]->As<PickleGlobal>()) Fail("PICKLE_TYPE", "OBJ without a class");
  const PickleRef type = items[0];
  items.erase(items.begin());
  Push(MakeObject(type, Make(PickleTuple{std::move(items)})));
}

void Machine::Reduce() {
  const MutableRef arguments = Pop(), callable = Pop();
  Push(Call(callable, arguments));
}

void Machine::NewObj() {
  const MutableRef arguments = Pop(), type = Pop();
  Expect<PickleGlobal>(type, "a class");
  Push(Call(type, arguments));
}

void Machine::NewObjEx() {
  const MutableRef named = Pop(), arguments = Pop(), type = Pop();
  Expect<PickleGlobal>(type, "a class");
  Expect<PickleTuple>(arguments, "a tuple of arguments");
  Expect<PickleDict>(named, "a dictionary of arguments");
  const MutableRef object = MakeObject(type, arguments);
  std::get<PickleObject>(object->value).items.push_back(named);
  Push(object);
}

// What is known to be plain data becomes plain data; everything else stays what it is, a name with arguments.
MutableRef Machine::Call(MutableRef callable, MutableRef arguments) {
  const auto& tuple = *Expect<PickleTuple>(arguments, "a tuple of arguments");
  const auto& global = *Expect<PickleGlobal>(callable, "a global");
  if (internal::IsDictType(global)) return CallDict(tuple, arguments, callable);
  if (global.module == "_codecs" && global.name == "encode") {
    if (auto encoded = CallEncode(tuple)) return Make(PickleBytes{std::move(*encoded)});
  }
  if (internal::IsNumpyScalar(global)) {
    PickleValue number;
    if (!internal::NumpyScalar(tuple, number)) Fail("PICKLE_NUMPY", "a numpy scalar of a type that is not supported");
    if (const int64_t* integer = number.As<int64_t>()) return MakeInteger(*integer);
    return Make(std::move(number.value));
  }
  return MakeObject(callable, arguments);
}

// OrderedDict() or OrderedDict([[key, value], ...]), defaultdict(type).
MutableRef Machine::CallDict(const PickleTuple& arguments, MutableRef whole, MutableRef type) {
  const PickleList* pairs = arguments.items.empty() ? nullptr : arguments.items[0]->As<PickleList>();
  PickleDict dict;
  if (pairs) ChargeCopy(pairs->items.size());
  for (size_t i = 0; pairs && i < pairs->items.size(); ++i) {
    const PickleList* as_list = pairs->items[i]->As<PickleList>();
    const PickleTuple* as_tuple = pairs->items[i]->As<PickleTuple>();
    if (!as_list && !as_tuple) return MakeObject(type, whole);
    const std::vector<PickleRef>& pair = as_list ? as_list->items : as_tuple->items;
    if (pair.size() != 2) return MakeObject(type, whole);
    CheckKey(pair[0]);
    dict.items.emplace_back(pair[0], pair[1]);
  }
  return Make(std::move(dict));
}

std::optional<std::string> Machine::CallEncode(const PickleTuple& arguments) {
  if (arguments.items.size() != 2) return std::nullopt;
  const std::string* text = arguments.items[0]->As<std::string>();
  const std::string* codec = arguments.items[1]->As<std::string>();
  if (!text || !codec || (*codec != "latin1" && *codec != "latin-1")) return std::nullopt;
  ChargeCopy(text->size());
  std::string out;
  if (!internal::Latin1FromUtf8(*text, out)) Fail("PICKLE_TEXT", "text that is not latin-1");
  return out;
}

void Machine::Build() {
  const MutableRef state = Pop();
  auto* object = std::get_if<PickleObject>(&Top()->value);
  // A dictionary that was an OrderedDict or defaultdict may carry attributes: an empty or a plain state changes nothing.
  if (!object && Top()->As<PickleDict>() && state->As<PickleDict>()) return;
  if (!object) Fail("PICKLE_TYPE", "BUILD on {}", Describe(*Top()));
  object->state = state;
}

const std::array<Machine::Handler, 256>& Machine::Handlers() {
  static const std::array<Handler, 256> handlers = [] {
    using M = Machine;
    std::array<Handler, 256> h;
    h.fill(&M::Unknown);
    const std::pair<unsigned, Handler> known[] = {
        {'(', &M::Mark}, {'0', &M::PopOne}, {'1', &M::PopMark}, {'2', &M::Dup}, {'N', &M::None},
        {0x88, &M::True}, {0x89, &M::False}, {'I', &M::TextInt}, {'L', &M::TextLong}, {'F', &M::TextFloat},
        {'S', &M::TextString}, {'V', &M::TextUnicode}, {'J', &M::Integer<int32_t>}, {'K', &M::Integer<uint8_t>},
        {'M', &M::Integer<uint16_t>}, {0x8a, &M::Long<uint8_t>}, {0x8b, &M::Long<int32_t>}, {'G', &M::BinaryFloat},
        {'X', &M::Unicode<uint32_t>}, {0x8c, &M::Unicode<uint8_t>}, {0x8d, &M::Unicode<uint64_t>},
        {'B', &M::Bytes<uint32_t>}, {'C', &M::Bytes<uint8_t>}, {0x8e, &M::Bytes<uint64_t>},
        {'T', &M::Ascii<int32_t>}, {'U', &M::Ascii<uint8_t>}, {']', &M::EmptyList}, {'}', &M::EmptyDict},
        {')', &M::EmptyTuple}, {0x8f, &M::EmptySet}, {0x91, &M::FrozenSet}, {'l', &M::List}, {'t', &M::Tuple},
        {0x85, &M::TupleN<1>}, {0x86, &M::TupleN<2>}, {0x87, &M::TupleN<3>}, {'d', &M::Dict}, {'a', &M::Append},
        {'e', &M::Appends}, {0x90, &M::Appends}, {'s', &M::SetItem}, {'u', &M::SetItems}, {'g', &M::TextGet},
        {'h', &M::Get<uint8_t>}, {'j', &M::Get<uint32_t>}, {'p', &M::TextPut}, {'q', &M::Put<uint8_t>},
        {'r', &M::Put<uint32_t>}, {0x94, &M::Memoize}, {'c', &M::Global}, {0x93, &M::StackGlobal}, {'i', &M::Inst},
        {'o', &M::Obj}, {'R', &M::Reduce}, {0x81, &M::NewObj}, {0x92, &M::NewObjEx}, {'b', &M::Build},
        {'P', &M::PersistentText}, {'Q', &M::PersistentBinary}, {0x80, &M::Proto}, {0x95, &M::Frame},
    };
    for (const auto& [opcode, handler] : known) h[opcode] = handler;
    return h;
  }();
  return handlers;
}

}  // namespace

PicklePointer ParsePickle(std::string_view bytes, std::string_view source, size_t* consumed) {
  return Machine(bytes, source).Run(consumed);
}

PicklePointer ReadPickle(const fs::path& path) { return ParsePickle(ReadFile(path, uint64_t{1} << 30), path.string()); }

std::string Describe(const PickleValue& value) {
  if (const auto* global = value.As<PickleGlobal>()) return fmt::format("the global {}.{}", global->module, global->name);
  if (const auto* object = value.As<PickleObject>()) {
    return fmt::format("an inert {}.{}", object->type->module, object->type->name);
  }
  constexpr const char* kNames[] = {"None", "a bool", "an int", "a float", "a str", "bytes", "a list", "a tuple",
                                    "a dict"};
  return kNames[value.value.index()];
}

}  // namespace genvinci
