#include "genvinci/io/tensor_file.h"

#include <algorithm>
#include <iterator>

#include "genvinci/core/error.h"
#include "genvinci/core/text.h"

namespace genvinci {

const TensorView& TensorFile::Find(const std::string& name) const {
  const auto found = views_.find(name);
  if (found == views_.end())
    throw DataError("TENSOR_NAME", "{}: has no tensor '{}'{}", path_.string(), name, DidYouMean(name, names_));
  return found->second;
}

const TensorView& TensorFile::View(const std::string& name) const { return Find(name); }

void TensorFile::Fetch(const std::vector<std::string>& names) const {
  std::vector<std::span<const std::byte>> parts;
  for (const std::string& name : names) parts.push_back(Find(name).bytes);
  std::sort(parts.begin(), parts.end(), [](const auto& a, const auto& b) { return a.data() < b.data(); });
  // In few sweeps: tensors that lie (but for some padding) behind one another are one.
  constexpr std::ptrdiff_t kGap = 1 << 16;
  std::span<const std::byte> sweep;
  for (const auto& part : parts) {
    const bool follows = !sweep.empty() && part.data() - (sweep.data() + sweep.size()) <= kGap;
    if (!follows) file_->Fetch(sweep);
    const std::byte* const start = follows ? sweep.data() : part.data();
    sweep = {start, std::max(follows ? sweep.data() + sweep.size() : start, part.data() + part.size())};
  }
  file_->Fetch(sweep);
}

JoinedTensorFiles::JoinedTensorFiles(std::vector<std::shared_ptr<const TensorFile>> files)
    : TensorFile(files.at(0)->path()), files_(std::move(files)) {
  for (const auto& file : files_) {
    for (const std::string& name : file->names()) {
      if (Has(name)) throw DataError("TENSOR_NAME", "{}: has '{}' as another file has", file->path().string(), name);
      Add(name, file->View(name));
    }
  }
}

void JoinedTensorFiles::Fetch(const std::vector<std::string>& names) const {
  for (const auto& file : files_) {
    std::vector<std::string> its;
    std::copy_if(names.begin(), names.end(), std::back_inserter(its),
                 [&](const auto& name) { return file->Has(name); });
    if (!its.empty()) file->Fetch(its);
  }
}

void JoinedTensorFiles::Release(const std::string& name) const {
  for (const auto& file : files_) {
    if (file->Has(name)) file->Release(name);
  }
}

}  // namespace genvinci
