#pragma once

#include <array>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "genvinci/core/error.h"
#include "genvinci/io/pickle.h"

namespace genvinci::internal {

inline constexpr size_t kMaxPickleMemo = 1'000'000;
inline constexpr size_t kMaxPickleValues = 10'000'000;

using MutableRef = PickleValue*;

// All values of one pickle; references between them own nothing, so that neither depth nor cycles matter at the end.
struct PickleArena {
  std::deque<PickleValue> values;
};

// A pickle's stack machine: the loop and the values are in pickle.cpp, the containers, the memo and the objects in
// pickle_objects.cpp.
class PickleMachine {
 public:
  PickleMachine(std::string_view bytes, std::string_view source)
      : bytes_(bytes), source_(source), arena_(new PickleArena) {
    none_ = Make(PickleNone{});
    true_ = Make(true);
    false_ = Make(false);
    empty_tuple_ = Make(PickleTuple{});
  }

  PicklePointer Run(size_t* consumed);

 private:
  using Handler = void (PickleMachine::*)();
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
    if (arena_->values.size() >= kMaxPickleValues) Fail("PICKLE_LIMIT", "more than {} values", kMaxPickleValues);
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
  std::shared_ptr<PickleArena> arena_;
  MutableRef none_, true_, false_, empty_tuple_;
  std::vector<MutableRef> small_integers_;
  size_t at_ = 0, opcode_at_ = 0;
  size_t frame_end_ = 0;  // 0: outside a frame
  std::vector<MutableRef> stack_;
  std::vector<size_t> marks_;
  std::vector<MutableRef> memo_;
  size_t memo_count_ = 0, copied_ = 0;
};

}  // namespace genvinci::internal
