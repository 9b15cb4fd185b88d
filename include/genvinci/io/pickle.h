#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "genvinci/core/files.h"

namespace genvinci {

struct PickleValue;
// Values of one pickle belong together: a reference is valid while the pointer that ParsePickle gave lives. Values may
// be shared and, in hostile files, refer to themselves, so walk them to a known depth.
using PickleRef = const PickleValue*;
using PicklePointer = std::shared_ptr<const PickleValue>;

// A callable or class that the pickle names. It is never imported or called.
struct PickleGlobal {
  std::string module, name;
};

// What REDUCE, NEWOBJ, OBJ, INST or BUILD made: inert, the parts are kept to be looked at. A persistent id is an object
// of the type "persistent.id" with the id as its only argument; a set is a "builtins.set".
struct PickleObject {
  const PickleGlobal* type;      // never null
  PickleRef arguments;           // a tuple
  PickleRef state = nullptr;     // from BUILD, may be null
  std::vector<PickleRef> items;  // appended; what SETITEMS put is a tuple of key and value
};

struct PickleList {
  std::vector<PickleRef> items;
};
struct PickleTuple {
  std::vector<PickleRef> items;
};
struct PickleDict {
  std::vector<std::pair<PickleRef, PickleRef>> items;  // in insertion order; a key set twice is there twice
};
// An integer beyond int64 comes as its bytes too (little-endian two's complement).
struct PickleBytes {
  std::string bytes;
};
struct PickleNone {};

struct PickleValue {
  std::variant<PickleNone, bool, int64_t, double, std::string, PickleBytes, PickleList, PickleTuple, PickleDict,
               PickleGlobal, PickleObject>
      value;

  template <typename T>
  const T* As() const {
    return std::get_if<T>(&value);
  }
};

// Reads pickle protocols 0 to 4 of an untrusted file without executing anything: it stands against pickles that run
// code when Python opens them, and that grow or nest without end. Numpy scalars of int, float and bool types (REDUCE of
// numpy.core.multiarray.scalar, also numpy._core) come back as plain numbers, OrderedDict and defaultdict as
// dictionaries, _codecs.encode of a latin-1 text as bytes. Any other global stays inert, except that one of torch,
// numpy or Python's own library which data files do not use is refused (PICKLE_GLOBAL).
//
// The stack, the memo (never beyond 1,000,000) and copies are capped in proportion to the file's size, values at
// 10,000,000; nested values are destroyed without recursion. Errors are DataErrors PICKLE_* naming the byte offset.
//
// Bytes after the pickle's end are an error, unless `consumed` is given, which then tells where it ended.
PicklePointer ParsePickle(std::string_view bytes, std::string_view source, size_t* consumed = nullptr);
PicklePointer ReadPickle(const fs::path& path);

// "an int", "a list", "an inert os.path.join": for error messages.
std::string Describe(const PickleValue& value);

}  // namespace genvinci
