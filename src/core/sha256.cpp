#include "genvinci/core/sha256.h"

#include <openssl/evp.h>

#include "genvinci/core/error.h"

namespace genvinci {

Sha256Sum::Sha256Sum() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
  GENVINCI_CHECK(context_ && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1, "OpenSSL has no SHA-256");
}

void Sha256Sum::Add(std::string_view bytes) {
  GENVINCI_CHECK(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
}

std::string Sha256Sum::Hex() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  GENVINCI_CHECK(EVP_DigestFinal_ex(context_.get(), digest, &size) == 1);
  return fmt::format("{:02x}", fmt::join(digest, digest + size, ""));
}

std::string Sha256(std::string_view bytes) {
  Sha256Sum sum;
  sum.Add(bytes);
  return sum.Hex();
}

std::string Sha256OfFile(const fs::path& path) {
  Sha256Sum sum;
  ReadBlocks(path, [&](std::string_view block) { sum.Add(block); });
  return sum.Hex();
}

}  // namespace genvinci
