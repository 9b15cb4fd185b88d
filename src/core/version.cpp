#include "genvinci/core/version.h"

#include <fmt/format.h>
#include <openssl/crypto.h>

#include <nlohmann/json.hpp>

namespace genvinci {

std::string BuildInfo() {
#ifdef __OPTIMIZE__
  const char* const speed = "optimised";
#else
  const char* const speed = "not optimised";
#endif
#ifdef __clang__
  const char* const compiler = "clang";
#else
  const char* const compiler = "gcc";
#endif
#ifdef __SANITIZE_ADDRESS__
  const char* const checks = ", sanitizers";
#else
  const char* const checks = "";
#endif
  return fmt::format("genvinci {} ({} {}, {}{}; fmt {}.{}.{}, nlohmann-json {}.{}.{}, {})", kVersion, compiler,
                     __VERSION__, speed, checks, FMT_VERSION / 10000, FMT_VERSION / 100 % 100, FMT_VERSION % 100,
                     NLOHMANN_JSON_VERSION_MAJOR, NLOHMANN_JSON_VERSION_MINOR, NLOHMANN_JSON_VERSION_PATCH,
                     OpenSSL_version(OPENSSL_VERSION));
}

}  // namespace genvinci
