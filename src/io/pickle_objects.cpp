#include <algorithm>

#include "genvinci/core/text.h"
#include "pickle_globals.h"
#include "pickle_machine.h"
#include "pickle_text.h"

namespace genvinci::internal {

void PickleMachine::Dict() {
  const std::vector<PickleRef> items = PopToMark();
  const MutableRef dict = Make(PickleDict{});
  SetIn(dict, items);
  Push(dict);
}

void PickleMachine::Append() {
  const MutableRef item = Pop();
  AppendTo(Top(), {item});
}

void PickleMachine::Appends() {
  const std::vector<PickleRef> items = PopToMark();
  AppendTo(Top(), items);
}

void PickleMachine::AppendTo(MutableRef target, const std::vector<PickleRef>& items) {
  if (auto* list = std::get_if<PickleList>(&target->value)) {
    list->items.insert(list->items.end(), items.begin(), items.end());
  } else {
    auto* object = Expect<PickleObject>(target, "a list");
    object->items.insert(object->items.end(), items.begin(), items.end());
  }
}

void PickleMachine::SetItem() {
  const MutableRef value = Pop(), key = Pop();
  SetIn(Top(), {key, value});
}

void PickleMachine::SetItems() {
  const std::vector<PickleRef> items = PopToMark();
  SetIn(Top(), items);
}

void PickleMachine::SetIn(MutableRef target, const std::vector<PickleRef>& items) {
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

void PickleMachine::CheckKey(PickleRef key) const {
  if (key->As<PickleList>() || key->As<PickleDict>()) Fail("PICKLE_TYPE", "{} as a key", Describe(*key));
}

void PickleMachine::TextGet() {
  int64_t index = 0;
  if (!ParseInteger(TakeLine(), index) || index < 0) Fail("PICKLE_MEMO", "a bad memo index");
  GetAt(index);
}

void PickleMachine::TextPut() {
  int64_t index = 0;
  if (!ParseInteger(TakeLine(), index) || index < 0) Fail("PICKLE_MEMO", "a bad memo index");
  PutAt(index);
}

void PickleMachine::GetAt(uint64_t index) {
  if (index >= memo_.size() || !memo_[index]) Fail("PICKLE_MEMO", "nothing is in the memo at {}", index);
  Push(memo_[index]);
}

void PickleMachine::PutAt(uint64_t index) {
  const size_t limit = std::min(bytes_.size(), kMaxPickleMemo);
  if (index >= limit) Fail("PICKLE_MEMO", "memo index {}, the limit is {}", index, limit);
  const MutableRef value = Top();
  if (index >= memo_.size()) memo_.resize(index + 1, nullptr);
  if (!memo_[index]) ++memo_count_;
  memo_[index] = value;
}

MutableRef PickleMachine::MakeGlobal(std::string module, std::string name) {
  PickleGlobal global{std::move(module), std::move(name)};
  if (global.module.size() + global.name.size() > 1000) Fail("PICKLE_GLOBAL", "a global's name is over 1,000 bytes");
  if (!IsHarmlessGlobal(global)) {
    Fail("PICKLE_GLOBAL", "it names {}.{}, which no data file needs (nothing was run)", global.module, global.name);
  }
  return Make(std::move(global));
}

void PickleMachine::Global() {
  const std::string_view module = TakeLine(), name = TakeLine();
  if (!IsUtf8(module) || !IsUtf8(name)) Fail("PICKLE_TEXT", "text that is not UTF-8");
  Push(MakeGlobal(std::string(module), std::string(name)));
}

void PickleMachine::StackGlobal() {
  const MutableRef name = Pop(), module = Pop();
  Push(MakeGlobal(*Expect<std::string>(module, "a module's name"), *Expect<std::string>(name, "a global's name")));
}

MutableRef PickleMachine::MakeObject(PickleRef type, PickleRef arguments) {
  return Make(PickleObject{type->As<PickleGlobal>(), arguments, nullptr, {}});
}

MutableRef PickleMachine::MakeSet(std::vector<PickleRef> items) {
  const MutableRef set = MakeObject(Make(PickleGlobal{"builtins", "set"}), empty_tuple_);
  std::get<PickleObject>(set->value).items = std::move(items);
  return set;
}

MutableRef PickleMachine::MakePersistent(PickleRef id) {
  return MakeObject(Make(PickleGlobal{"persistent", "id"}), Make(PickleTuple{{id}}));
}

void PickleMachine::PersistentText() { Push(MakePersistent(Make(std::string(TakeLine())))); }

void PickleMachine::Inst() {
  const std::string_view module = TakeLine(), name = TakeLine();
  const MutableRef arguments = Make(PickleTuple{PopToMark()});
  Push(MakeObject(MakeGlobal(std::string(module), std::string(name)), arguments));
}

void PickleMachine::Obj() {
  std::vector<PickleRef> items = PopToMark();
  if (items.empty() || !items[0]->As<PickleGlobal>()) Fail("PICKLE_TYPE", "OBJ without a class");
  const PickleRef type = items[0];
  items.erase(items.begin());
  Push(MakeObject(type, Make(PickleTuple{std::move(items)})));
}

void PickleMachine::Reduce() {
  const MutableRef arguments = Pop(), callable = Pop();
  Push(Call(callable, arguments));
}

void PickleMachine::NewObj() {
  const MutableRef arguments = Pop(), type = Pop();
  Expect<PickleGlobal>(type, "a class");
  Push(Call(type, arguments));
}

void PickleMachine::NewObjEx() {
  const MutableRef named = Pop(), arguments = Pop(), type = Pop();
  Expect<PickleGlobal>(type, "a class");
  Expect<PickleTuple>(arguments, "a tuple of arguments");
  Expect<PickleDict>(named, "a dictionary of arguments");
  const MutableRef object = MakeObject(type, arguments);
  std::get<PickleObject>(object->value).items.push_back(named);
  Push(object);
}

// What is known to be plain data becomes plain data; everything else stays what it is, a name with arguments.
MutableRef PickleMachine::Call(MutableRef callable, MutableRef arguments) {
  const auto& tuple = *Expect<PickleTuple>(arguments, "a tuple of arguments");
  const auto& global = *Expect<PickleGlobal>(callable, "a global");
  if (IsDictType(global)) return CallDict(tuple, arguments, callable);
  if (global.module == "_codecs" && global.name == "encode") {
    if (auto encoded = CallEncode(tuple)) return Make(PickleBytes{std::move(*encoded)});
  }
  if (IsNumpyScalar(global)) {
    PickleValue number;
    if (!NumpyScalar(tuple, number)) Fail("PICKLE_NUMPY", "a numpy scalar of a type that is not supported");
    if (const int64_t* integer = number.As<int64_t>()) return MakeInteger(*integer);
    return Make(std::move(number.value));
  }
  return MakeObject(callable, arguments);
}

// OrderedDict() or OrderedDict([[key, value], ...]), defaultdict(type).
MutableRef PickleMachine::CallDict(const PickleTuple& arguments, MutableRef whole, MutableRef type) {
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

std::optional<std::string> PickleMachine::CallEncode(const PickleTuple& arguments) {
  if (arguments.items.size() != 2) return std::nullopt;
  const std::string* text = arguments.items[0]->As<std::string>();
  const std::string* codec = arguments.items[1]->As<std::string>();
  if (!text || !codec || (*codec != "latin1" && *codec != "latin-1")) return std::nullopt;
  ChargeCopy(text->size());
  std::string out;
  if (!Latin1FromUtf8(*text, out)) Fail("PICKLE_TEXT", "text that is not latin-1");
  return out;
}

void PickleMachine::Build() {
  const MutableRef state = Pop();
  auto* object = std::get_if<PickleObject>(&Top()->value);
  // A dictionary that was an OrderedDict or defaultdict may carry attributes: an empty or a plain state changes
  // nothing.
  if (!object && Top()->As<PickleDict>() && state->As<PickleDict>()) return;
  if (!object) Fail("PICKLE_TYPE", "BUILD on {}", Describe(*Top()));
  object->state = state;
}

}  // namespace genvinci::internal
