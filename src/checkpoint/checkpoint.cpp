#include "genvinci/checkpoint/checkpoint.h"

#include <sys/stat.h>

#include <algorithm>
#include <ctime>
#include <iterator>
#include <map>
#include <mutex>
#include <system_error>
#include <vector>

#include "genvinci/core/error.h"
#include "genvinci/core/log.h"
#include "genvinci/core/sha256.h"
#include "genvinci/core/text.h"

namespace genvinci {
namespace {

constexpr int kFormat = 1;
constexpr const char* kManifest = "manifest.json";

fs::path FolderOf(const fs::path& run) { return run / "checkpoints"; }
std::string NameOf(int64_t step) { return fmt::format("step-{}", step); }

std::optional<int64_t> StepOf(const std::string& name) {
  int64_t step = 0;
  if (!name.starts_with("step-") || !ParseInteger(name.substr(5), step) || NameOf(step) != name) return std::nullopt;
  return step;
}

// Ascending.
std::vector<int64_t> StepsIn(const fs::path& run) {
  std::vector<int64_t> steps;
  std::error_code error;
  for (fs::directory_iterator it(FolderOf(run), error), end; !error && it != end; it.increment(error)) {
    if (const auto step = StepOf(it->path().filename().string())) steps.push_back(*step);
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

// What a killed process left half-written or half-removed; the run's lock keeps others from working here.
void RemoveLeftovers(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> leftovers;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (it->path().filename().string().starts_with(".")) leftovers.push_back(it->path());
  }
  for (const fs::path& path : leftovers) fs::remove_all(path, error);
}

// Under a hidden name first, so that a half-removed checkpoint is never taken for one.
void RemoveFolder(const fs::path& path) {
  const fs::path hidden = path.parent_path() / fmt::format(".old-{}", path.filename().string());
  std::error_code error;
  fs::remove_all(hidden, error);
  fs::rename(path, hidden, error);
  if (!error) fs::remove_all(hidden, error);
  if (error) Log("{}: could not be removed: {}", path.string(), error.message());
}

fs::path WithoutSlash(const fs::path& path) { return path.has_filename() ? path : path.parent_path(); }

std::string SelfSum(const Json& files) { return Sha256(DumpJson(files)); }

// Sums that were worked out in this process. A file that changed, or could have within its time stamp's granularity, is
// read again.
class KnownSums {
 public:
  std::string Of(const fs::path& path) {
    struct stat now {};
    const bool known = ::stat(path.c_str(), &now) == 0;
    const State state{now.st_ino, now.st_size, Nanoseconds(now.st_mtim), Nanoseconds(now.st_ctim)};
    const std::lock_guard lock(mutex_);
    if (const auto found = sums_.find(path); known && found != sums_.end() && found->second.first == state)
      return found->second.second;
    const std::string sum = Sha256OfFile(path);
    timespec clock{};
    ::clock_gettime(CLOCK_REALTIME, &clock);
    if (known && Nanoseconds(clock) - state.changed > kGranularity) sums_[path] = {state, sum};
    return sum;
  }

 private:
  static constexpr int64_t kGranularity = 2'000'000'000;
  struct State {
    uint64_t inode = 0;
    int64_t size = 0, modified = 0, changed = 0;
    bool operator==(const State&) const = default;
  };
  static int64_t Nanoseconds(const timespec& time) { return time.tv_sec * 1'000'000'000 + time.tv_nsec; }

  std::mutex mutex_;
  std::map<fs::path, std::pair<State, std::string>> sums_;
};

KnownSums& TheKnownSums() {
  static KnownSums sums;
  return sums;
}

// Only a run that is resumed reads these.
bool IsForResuming(const std::string& name) {
  return name == "optimizer.safetensors" || name == "gradients.safetensors";
}

void RequireSum(const fs::path& file, const Json& sum) {
  if (TheKnownSums().Of(file) == sum.get<std::string>()) return;
  throw DataError("CKPT_DAMAGED", "{}: its sha256 is not the one in {}: use another checkpoint of the run",
                  file.string(), kManifest);
}

// The manifest's files, those that `use` needs verified.
Json Verify(const fs::path& folder, CheckpointUse use) {
  const fs::path path = folder / kManifest;
  const std::string text = ReadFile(path);
  const auto damaged = [&](const std::string& what) {
    return DataError("CKPT_MANIFEST", "{}: {}: use another checkpoint of the run", path.string(), what);
  };
  const Json manifest = ParseJson(text, path.string());
  // Compared as text, no byte of it goes unchecked.
  if (!manifest.is_object() || DumpJson(manifest, 2) + "\n" != text) throw damaged("is not as it was written");
  if (manifest.value("format", Json()) != Json(kFormat)) throw damaged("is of a format that this version cannot read");
  const auto step = StepOf(folder.filename().string());
  const Json named = manifest.value("step", Json());
  if (!named.is_number_integer() || (step && named != Json(*step))) throw damaged("is of another step");
  const Json files = manifest.value("files", Json());
  if (!files.is_object() || manifest.value("sha256", Json()) != Json(SelfSum(files)))
    throw damaged("its own sum does not agree");
  for (const auto& [name, sum] : files.items()) {
    if (use == CheckpointUse::kWeights && IsForResuming(name)) continue;
    RequireSum(folder / name, sum);
  }
  return files;
}

// Where to look, the first choice first.
std::vector<fs::path> Candidates(const fs::path& run, const std::string& which) {
  std::vector<int64_t> steps = StepsIn(run);
  std::reverse(steps.begin(), steps.end());
  if (const auto step = StepOf(which)) return {FolderOf(run) / which};
  if (which == "best") {
    const auto best = PointedStep(run, "best");
    const auto found = best ? std::find(steps.begin(), steps.end(), *best) : steps.end();
    if (found != steps.end())
      std::rotate(steps.begin(), found, found + 1);
    else if (!steps.empty())
      Warn("{}: names no checkpoint that is there: taking the latest", (run / "best").string());
  }
  std::vector<fs::path> paths;
  for (const int64_t step : steps) paths.push_back(FolderOf(run) / NameOf(step));
  return paths;
}

}  // namespace

fs::path RunOf(const fs::path& checkpoint) {
  fs::path path = WithoutSlash(checkpoint);
  // A relative path may be too short to name the run.
  if (std::distance(path.begin(), path.end()) < 3) path = fs::absolute(path);
  const fs::path parent = path.parent_path();
  return parent.filename() == "checkpoints" ? parent.parent_path() : parent;
}

std::optional<int64_t> PointedStep(const fs::path& run, const std::string& pointer) {
  std::error_code error;
  const fs::path path = FolderOf(run) / pointer;
  if (!fs::is_regular_file(path, error)) return std::nullopt;
  std::string name = ReadFile(path, 1000);
  while (!name.empty() && name.back() == '\n') name.pop_back();
  return StepOf(name);
}

void PointTo(const fs::path& run, const std::string& pointer, int64_t step) {
  // A process may have been killed at the very last pointer of a run, after which nothing is saved.
  RemoveLeftovers(FolderOf(run));
  if (PointedStep(run, pointer) != step) WriteFileAtomic(FolderOf(run) / pointer, NameOf(step) + "\n");
}

CheckpointWriter::CheckpointWriter(const fs::path& run, int64_t step)
    : run_(run), target_(FolderOf(run) / NameOf(step)), step_(step) {
  MakeFolder(FolderOf(run));
  RemoveLeftovers(FolderOf(run));
  // A step is saved twice when the one after it is cut short, or when its checkpoint was damaged.
  staged_ = std::make_unique<StagedFolder>(target_, /*may_exist=*/true);
}

std::string CheckpointWriter::Tensors(const std::string& file, const NamedTensors& tensors) {
  const std::string name = file + ".safetensors", sum = WriteTensors(staged_->path() / name, tensors);
  files_[name] = sum;
  return sum;
}

bool CheckpointWriter::Link(const std::string& file, int64_t step, const std::string& sum) {
  const std::string name = file + ".safetensors";
  std::error_code error;
  fs::create_hard_link(FolderOf(run_) / NameOf(step) / name, staged_->path() / name, error);
  if (!error) files_[name] = sum;
  return !error;
}

void CheckpointWriter::Json(const std::string& file, const genvinci::Json& value) {
  const std::string name = file + ".json";
  WriteJson(staged_->path() / name, value);
  files_[name] = Sha256OfFile(staged_->path() / name);
}

genvinci::Json CheckpointWriter::Vocabulary(const genvinci::Vocabulary& vocabulary) {
  if (vocabulary.fingerprint() != Vocabulary::GeneformerV1().fingerprint()) Json("vocabulary", vocabulary.ToJson());
  return {{"name", vocabulary.name()}, {"fingerprint", vocabulary.fingerprint()}, {"size", vocabulary.size()}};
}

void CheckpointWriter::Commit(bool best, int64_t keep) {
  WriteJson(staged_->path() / kManifest,
            {{"format", kFormat}, {"step", step_}, {"files", files_}, {"sha256", SelfSum(files_)}});
  staged_->CommitInPlace();
  PointTo(run_, "latest", step_);
  if (best) PointTo(run_, "best", step_);
  std::vector<int64_t> steps = StepsIn(run_);
  const auto kept = PointedStep(run_, "best");
  for (size_t i = 0; i + static_cast<size_t>(keep) < steps.size(); ++i) {
    if (steps[i] != kept) RemoveFolder(FolderOf(run_) / NameOf(steps[i]));
  }
}

Checkpoint Checkpoint::Open(const fs::path& given, const std::string& which, CheckpointUse use) {
  const fs::path path = WithoutSlash(given);
  Checkpoint checkpoint;
  std::error_code error;
  const bool is_checkpoint = fs::exists(path / kManifest, error) || StepOf(path.filename().string()).has_value();
  const std::vector<fs::path> candidates = is_checkpoint ? std::vector<fs::path>{path} : Candidates(path, which);
  for (size_t i = 0; i < candidates.size(); ++i) {
    try {
      checkpoint.files_ = Verify(candidates[i], use);
      checkpoint.path_ = candidates[i];
      checkpoint.step_ = StepOf(candidates[i].filename().string()).value_or(0);
      return checkpoint;
    } catch (const Error& damaged) {
      if (i + 1 == candidates.size()) throw;
      Warn("{}; falling back to {}", damaged.what(), candidates[i + 1].filename().string());
    }
  }
  throw MissingFileError("CKPT_MISSING", "{}: holds no checkpoint: give a run that has saved one", path.string());
}

bool Checkpoint::Has(const std::string& file) const { return files_.contains(file); }

std::shared_ptr<SafetensorsFile> Checkpoint::Tensors(const std::string& file) const {
  const std::string name = file + ".safetensors";
  if (!Has(name)) throw DataError("CKPT_FILE", "{}: has no {}", path_.string(), name);
  if (IsForResuming(name)) RequireSum(path_ / name, files_[name]);
  return std::make_shared<SafetensorsFile>(path_ / name);
}

std::shared_ptr<TensorFile> Checkpoint::Weights() const {
  std::shared_ptr<TensorFile> model = Tensors("model");
  if (!Has("frozen.safetensors")) return model;
  return std::make_shared<JoinedTensorFiles>(std::vector<std::shared_ptr<const TensorFile>>{model, Tensors("frozen")});
}

genvinci::Json Checkpoint::Json(const std::string& file) const {
  const std::string name = file + ".json";
  if (!Has(name)) throw DataError("CKPT_FILE", "{}: has no {}", path_.string(), name);
  return ReadJson(path_ / name);
}

genvinci::Json Checkpoint::RequireKind(const std::string& kind) const {
  genvinci::Json state = Json("state");
  const genvinci::Json found = state.is_object() ? state.value("kind", genvinci::Json("unknown")) : genvinci::Json();
  if (found != genvinci::Json(kind))
    throw DataError("CKPT_KIND", "{}: is a checkpoint of kind {}, not \"{}\": give a run of that kind", path_.string(),
                    DumpJson(found), kind);
  return state;
}

genvinci::Vocabulary Checkpoint::Vocabulary() const {
  const genvinci::Json state = Json("state");
  const genvinci::Json expected =
      state.value("vocabulary", genvinci::Json::object()).value("fingerprint", genvinci::Json());
  genvinci::Vocabulary vocabulary =
      Has("vocabulary.json") ? genvinci::Vocabulary::FromJson(Json("vocabulary"), (path_ / "vocabulary.json").string())
                             : genvinci::Vocabulary::GeneformerV1();
  if (expected != genvinci::Json(vocabulary.fingerprint()))
    throw DataError("CKPT_VOCABULARY", "{}: was trained with another vocabulary than the one built into this version",
                    path_.string());
  return vocabulary;
}

void Checkpoint::LoadInto(torch::nn::Module& module, const std::string& prefix) const {
  LoadState(module, prefix, *Weights(), path_ / "model.safetensors");
  if (!Has("ema.safetensors")) return;
  const auto averaged = Tensors("ema");
  const torch::NoGradGuard no_grad;
  for (const auto& [name, tensor] : StateOf(module, prefix)) {
    if (!averaged->Has(name)) continue;
    const torch::Tensor value = BorrowTensor(averaged->View(name));
    if (value.sizes() != tensor.sizes())
      throw DataError("CKPT_TENSORS", "{}: {} has another shape than in model.safetensors",
                      (path_ / "ema.safetensors").string(), name);
    torch::Tensor(tensor).copy_(value);
    averaged->Release(name);
  }
}

}  // namespace genvinci
