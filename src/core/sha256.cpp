#include <openssl/evp.h>

#include <memory>

#include "genvinci/core/error.h"
#include "genvinci/core/files.h"

namespace genvinci {
namespace {

class Hasher {
 public:
  Hasher() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
    GENVINCI_CHECK(context_ && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1, "OpenSSL has no SHA-256");
  }

  void Add(std::string_view bytes) {
    GENVINCI_CHECK(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
  }

  std::string Hex() {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    GENVINCI_CHECK(EVP_DigestFinal_ex(context_.get(), digest, &size) == 1);
    return fmt::format("{:02x}", fmt::join(digest, digest + size, ""));
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

}  // namespace

std::string Sha256(std::string_view bytes) {
  Hasher hasher;
  hasher.Add(bytes);
  return hasher.Hex();
}

std::string Sha256OfFile(const fs::path& path) {
  Hasher hasher;
  ReadBlocks(path, [&](std::string_view block) { hasher.Add(block); });
  return hasher.Hex();
}

}  // namespace genvinci
