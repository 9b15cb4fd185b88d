#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "genvinci/core/files.h"
#include "genvinci/io/tensor_view.h"

namespace genvinci {

// Named tensors of a file. Views stay valid while it lives.
class TensorFile {
 public:
  virtual ~TensorFile() = default;

  const fs::path& path() const { return path_; }
  const std::vector<std::string>& names() const { return names_; }  // in the order of the file
  bool Has(const std::string& name) const { return views_.count(name) > 0; }
  // DataError TENSOR_NAME names the nearest.
  virtual const TensorView& View(const std::string& name) const;
  // What View would say, before the bytes were looked at.
  const std::vector<int64_t>& Shape(const std::string& name) const { return Find(name).shape; }
  DType Type(const std::string& name) const { return Find(name).dtype; }
  // Brings the bytes of some tensors into memory, in the file's order.
  virtual void Fetch(const std::vector<std::string>& names) const;
  // The tensor's bytes need not stay in memory until they are looked at again.
  virtual void Release(const std::string& name) const { ReleasePart(Find(name).bytes); }
  // The same of a part of a view's bytes.
  void ReleasePart(std::span<const std::byte> part) const {
    if (file_) file_->Release(part);
  }

 protected:
  explicit TensorFile(fs::path path) : path_(std::move(path)) {}
  const TensorView& Find(const std::string& name) const;
  std::span<const std::byte> Map() {
    file_ = std::make_unique<MappedFile>(path_);
    return file_->bytes();
  }
  void Add(const std::string& name, TensorView view) {
    names_.push_back(name);
    views_[name] = std::move(view);
  }

 private:
  fs::path path_;
  std::unique_ptr<MappedFile> file_;
  std::vector<std::string> names_;
  std::map<std::string, TensorView> views_;
};

// The tensors of several files as if they were one, whose path is the first's. DataError TENSOR_NAME where two files
// have one name.
class JoinedTensorFiles final : public TensorFile {
 public:
  explicit JoinedTensorFiles(std::vector<std::shared_ptr<const TensorFile>> files);
  void Fetch(const std::vector<std::string>& names) const override;
  void Release(const std::string& name) const override;

 private:
  std::vector<std::shared_ptr<const TensorFile>> files_;
};

}  // namespace genvinci
