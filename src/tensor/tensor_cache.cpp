#include "genvinci/tensor/tensor_cache.h"

#include <algorithm>
#include <exception>
#include <map>
#include <span>
#include <system_error>

#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/sha256.h"
#include "genvinci/core/text.h"

namespace genvinci {
namespace {

using Sums = std::map<std::string, std::string>;

constexpr size_t kSummedBytes = 32 << 20;

std::string Combined(const Sums& sums) {
  std::string text;
  for (const auto& [name, sum] : sums) text += name + " " + sum + "\n";
  return Sha256(text);
}

std::string SumOf(const SafetensorsFile& file) {
  Sums sums;
  for (const std::string& name : file.names()) {
    Sha256Sum sum;
    std::span<const std::byte> rest = file.View(name).bytes;
    while (!rest.empty()) {
      const auto part = rest.first(std::min(rest.size(), kSummedBytes));
      sum.Add(part);
      file.ReleasePart(part);
      rest = rest.subspan(part.size());
    }
    sums[name] = sum.Hex();
  }
  return Combined(sums);
}

std::string SumOf(const NamedTensors& tensors) {
  Sums sums;
  for (const auto& [name, tensor] : tensors) {
    const torch::Tensor bytes = tensor.detach().to(torch::kCPU).contiguous();
    sums[name] = Sha256(ViewOf(bytes).bytes);
  }
  return Combined(sums);
}

std::string Entry(const SafetensorsFile& file, const char* name) {
  const auto found = file.metadata().find(name);
  return found == file.metadata().end() ? "" : found->second;
}

}  // namespace

TensorCache::TensorCache(fs::path path, std::string_view key, std::string what)
    : path_(std::move(path)), key_(Sha256(key)), what_(std::move(what)) {}

std::shared_ptr<SafetensorsFile> TensorCache::Open() const {
  std::error_code error;
  if (!fs::exists(path_, error)) return nullptr;
  try {
    auto file = std::make_shared<SafetensorsFile>(path_);
    if (Entry(*file, "key") != key_) return nullptr;
    if (Entry(*file, "sha256") == SumOf(*file)) return file;
    Log("{}: is damaged: making {} anew", path_.string(), what_);
  } catch (const Error& damaged) {
    Log("{}: making {} anew", damaged.what(), what_);
  }
  return nullptr;
}

void TensorCache::Keep(const NamedTensors& tensors) const {
  try {
    MakeFolder(path_.parent_path());
    WriteTensors(path_, tensors, {{"key", key_}, {"sha256", SumOf(tensors)}});
  } catch (const Error& error) {
    Log("{} not kept: {}", what_, error.what());
  }
}

bool TensorCache::HasRoomFor(const std::vector<TensorShape>& tensors) const {
  double bytes = 0;
  for (const TensorShape& tensor : tensors) bytes += static_cast<double>(BytesOf(tensor));
  const fs::path folder = path_.parent_path();
  try {
    MakeFolder(folder);
  } catch (const Error& failure) {
    Log("{} not kept: {}", what_, failure.what());
    return false;
  }
  // The file system must not be filled to its brim. Where it does not say, writing will.
  std::error_code unknown;
  const auto free = static_cast<double>(fs::space(folder, unknown).available);
  if (unknown || bytes < 0.9 * free) return true;
  Log("{} not kept: they need {}, {} are free in {}", what_, HumanBytes(bytes), HumanBytes(free), folder.string());
  return false;
}

std::shared_ptr<SafetensorsFile> TensorCache::KeepRows(const std::vector<TensorShape>& tensors,
                                                       const std::function<void(const PutRows& put)>& make) const {
  if (!HasRoomFor(tensors)) return nullptr;
  std::string failure;
  std::exception_ptr of_maker;
  try {
    WriteFileAtomic(path_, [&](const fs::path& temporary) {
      const std::string placeholder(Sha256("").size(), '0');
      SafetensorsPieces pieces(temporary, tensors, {{"key", key_}, {"sha256", placeholder}});
      const PutRows put = [&](const std::string& name, int64_t first_row, const torch::Tensor& rows) {
        // Whoever makes them in step with other processes goes on to the end.
        if (!failure.empty() || rows.size(0) == 0) return;
        const torch::Tensor bytes = rows.detach().to(torch::kCPU).contiguous();
        const auto row_bytes = bytes.nbytes() / static_cast<size_t>(bytes.size(0));
        try {
          pieces.Write(name, static_cast<uint64_t>(first_row) * row_bytes, ViewOf(bytes).bytes);
        } catch (const IoError& error) {
          failure = error.what();
        }
      };
      try {
        make(put);
      } catch (...) {
        of_maker = std::current_exception();
        throw;
      }
      if (!failure.empty()) throw IoError("FILE_WRITE", "{}", failure);
      pieces.SetMetadata({{"key", key_}, {"sha256", SumOf(SafetensorsFile(temporary))}});
    });
    // Its bytes were summed just now.
    return std::make_shared<SafetensorsFile>(path_);
  } catch (const IoError& error) {
    if (of_maker) std::rethrow_exception(of_maker);
    Log("{} not kept: {}", what_, error.what());
  }
  return nullptr;
}

}  // namespace genvinci
