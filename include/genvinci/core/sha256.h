#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "genvinci/core/files.h"

struct evp_md_ctx_st;  // OpenSSL's EVP_MD_CTX

namespace genvinci {

// Lower-case hexadecimal SHA-256 (FIPS 180-4) of bytes that come piece by piece.
class Sha256Sum {
 public:
  Sha256Sum();
  void Add(std::string_view bytes);
  void Add(std::span<const std::byte> bytes) { Add({reinterpret_cast<const char*>(bytes.data()), bytes.size()}); }
  std::string Hex();  // once

 private:
  std::unique_ptr<evp_md_ctx_st, void (*)(evp_md_ctx_st*)> context_;
};

std::string Sha256(std::string_view bytes);
inline std::string Sha256(std::span<const std::byte> bytes) {
  return Sha256({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}
std::string Sha256OfFile(const fs::path& path);  // MissingFileError, IoError

}  // namespace genvinci
