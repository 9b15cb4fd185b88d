#include "pickle_globals.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace genvinci::internal {
namespace {

constexpr auto kAllowed = std::to_array<std::string_view>({
    "__builtin__.bytearray",
    "__builtin__.bytes",
    "__builtin__.complex",
    "__builtin__.dict",
    "__builtin__.frozenset",
    "__builtin__.list",
    "__builtin__.object",
    "__builtin__.set",
    "__builtin__.slice",
    "__builtin__.tuple",
    "__builtin__.xrange",
    "_codecs.encode",
    "argparse.Namespace",
    "builtins.bool",
    "builtins.bytearray",
    "builtins.bytes",
    "builtins.complex",
    "builtins.dict",
    "builtins.float",
    "builtins.frozenset",
    "builtins.int",
    "builtins.list",
    "builtins.object",
    "builtins.range",
    "builtins.set",
    "builtins.slice",
    "builtins.str",
    "builtins.tuple",
    "collections.Counter",
    "collections.OrderedDict",
    "collections.defaultdict",
    "collections.deque",
    "copy_reg._reconstructor",
    "copyreg._reconstructor",
    "datetime.date",
    "datetime.datetime",
    "datetime.timedelta",
    "datetime.timezone",
    "numpy._core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "numpy.core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy.dtype",
    "numpy.ndarray",
    "pathlib.Path",
    "pathlib.PosixPath",
    "pathlib.PurePosixPath",
    "pathlib.WindowsPath",
    "torch.BFloat16Storage",
    "torch.BoolStorage",
    "torch.ByteStorage",
    "torch.CharStorage",
    "torch.DoubleStorage",
    "torch.FloatStorage",
    "torch.HalfStorage",
    "torch.IntStorage",
    "torch.LongStorage",
    "torch.ShortStorage",
    "torch.Size",
    "torch.Tensor",
    "torch._tensor._rebuild_from_type_v2",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_tensor_v3",
    "torch.bfloat16",
    "torch.bool",
    "torch.device",
    "torch.float16",
    "torch.float32",
    "torch.float64",
    "torch.int16",
    "torch.int32",
    "torch.int64",
    "torch.int8",
    "torch.nn.parameter.Parameter",
    "torch.storage.TypedStorage",
    "torch.storage.UntypedStorage",
    "torch.storage._TypedStorage",
    "torch.storage._UntypedStorage",
    "torch.uint8",
});

// Modules whose other names are refused: torch, numpy, and what of Python's library can run, load or reach something.
constexpr auto kGuarded = std::to_array<std::string_view>({
    "__builtin__", "__main__",    "_codecs",   "_io",       "_pickle",    "_posixsubprocess",
    "aiohttp",     "antigravity", "ast",       "asyncio",   "atexit",     "bdb",
    "bisect",      "builtins",    "cProfile",  "code",      "codecs",     "codeop",
    "commands",    "copy_reg",    "copyreg",   "ctypes",    "dill",       "dis",
    "distutils",   "doctest",     "ensurepip", "fileinput", "ftplib",     "functools",
    "gc",          "glob",        "http",      "httplib",   "idlelib",    "imaplib",
    "imp",         "importlib",   "inspect",   "io",        "itertools",  "joblib",
    "lib2to3",     "linecache",   "logging",   "marshal",   "mmap",       "multiprocessing",
    "nt",          "ntpath",      "numpy",     "operator",  "os",         "pdb",
    "pickle",      "pip",         "pkgutil",   "platform",  "poplib",     "posix",
    "posixpath",   "profile",     "pty",       "pydoc",     "requests",   "resource",
    "runpy",       "select",      "shelve",    "shutil",    "signal",     "site",
    "smtplib",     "socket",      "sqlite3",   "ssl",       "subprocess", "sys",
    "tarfile",     "tempfile",    "test",      "threading", "timeit",     "torch",
    "trace",       "types",       "unittest",  "urllib",    "urllib2",    "uuid",
    "venv",        "webbrowser",  "weakref",   "xmlrpc",    "zipfile",    "zipimport",
});

bool Contains(const auto& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

template <typename T>
T Load(const std::string& bytes, bool big_endian) {
  std::array<char, sizeof(T)> raw;
  std::memcpy(raw.data(), bytes.data(), sizeof(T));
  if (big_endian == (std::endian::native == std::endian::little)) std::reverse(raw.begin(), raw.end());
  return std::bit_cast<T>(raw);
}

template <typename T, typename Number>
bool Store(const std::string& bytes, bool big_endian, PickleValue& out) {
  if (bytes.size() != sizeof(T)) return false;
  const T value = Load<T>(bytes, big_endian);
  if constexpr (std::is_same_v<T, uint64_t>) {
    if (value > static_cast<uint64_t>(INT64_MAX)) return false;
  }
  out.value = static_cast<Number>(value);
  return true;
}

bool Decode(std::string_view code, const std::string& bytes, bool big, PickleValue& out) {
  if (code == "i1") return Store<int8_t, int64_t>(bytes, big, out);
  if (code == "i2") return Store<int16_t, int64_t>(bytes, big, out);
  if (code == "i4") return Store<int32_t, int64_t>(bytes, big, out);
  if (code == "i8") return Store<int64_t, int64_t>(bytes, big, out);
  if (code == "u1") return Store<uint8_t, int64_t>(bytes, big, out);
  if (code == "u2") return Store<uint16_t, int64_t>(bytes, big, out);
  if (code == "u4") return Store<uint32_t, int64_t>(bytes, big, out);
  if (code == "u8") return Store<uint64_t, int64_t>(bytes, big, out);
  if (code == "f4") return Store<float, double>(bytes, big, out);
  if (code == "f8") return Store<double, double>(bytes, big, out);
  if (code == "b1") return Store<uint8_t, bool>(bytes, big, out);
  return false;
}

// A dtype is an object numpy.dtype('i2', ...) with the state (version, '<', ...).
bool IsBigEndian(const PickleObject& dtype) {
  const PickleTuple* state = dtype.state ? dtype.state->As<PickleTuple>() : nullptr;
  const std::string* order = state && state->items.size() > 1 ? state->items[1]->As<std::string>() : nullptr;
  return order && *order == ">";
}

}  // namespace

bool IsHarmlessGlobal(const PickleGlobal& global) {
  const std::string full = global.module + "." + global.name;
  return Contains(kAllowed, full) || !Contains(kGuarded, full.substr(0, full.find('.')));
}

bool IsNumpyScalar(const PickleGlobal& global) {
  return global.name == "scalar" &&
         (global.module == "numpy.core.multiarray" || global.module == "numpy._core.multiarray");
}

bool IsDictType(const PickleGlobal& global) {
  return (global.module == "collections" && (global.name == "OrderedDict" || global.name == "defaultdict")) ||
         ((global.module == "builtins" || global.module == "__builtin__") && global.name == "dict");
}

bool NumpyScalar(const PickleTuple& arguments, PickleValue& out) {
  if (arguments.items.size() != 2) return false;
  const PickleObject* dtype = arguments.items[0]->As<PickleObject>();
  const PickleBytes* bytes = arguments.items[1]->As<PickleBytes>();
  if (!dtype || !bytes || dtype->type->module != "numpy" || dtype->type->name != "dtype") return false;
  const PickleTuple* parts = dtype->arguments->As<PickleTuple>();
  const std::string* code = parts && !parts->items.empty() ? parts->items[0]->As<std::string>() : nullptr;
  return code && Decode(*code, bytes->bytes, IsBigEndian(*dtype), out);
}

}  // namespace genvinci::internal
