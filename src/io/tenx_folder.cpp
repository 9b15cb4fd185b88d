#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "genvinci/core/error.h"
#include "genvinci/core/text.h"
#include "genvinci/io/table.h"
#include "line_reader.h"
#include "tenx_parts.h"

namespace genvinci {
namespace {

constexpr size_t kMostLine = 65536;
constexpr int64_t kMostEntries = int64_t{1} << 25;  // of a matrix that is not in the order of barcodes, kept at a time

fs::path FindPart(const fs::path& folder, const std::vector<std::string>& names) {
  for (const std::string& name : names)
    for (const char* ending : {"", ".gz"})
      if (fs::is_regular_file(folder / (name + ending))) return folder / (name + ending);
  throw MissingFileError("TENX_FILE", "{}: holds no {} (nor .gz): fetch the whole folder", folder.string(),
                         JoinText(names, " or "));
}

// The entries of a MatrixMarket file (coordinate, general; integer or real), checked one by one.
class EntryReader {
 public:
  struct Entry {
    int64_t feature = 0, barcode = 0;  // from 0
    float count = 0;
  };

  explicit EntryReader(const fs::path& path) : lines_(path, kMostLine) {
    std::span<char> line;
    if (!lines_.Next(line)) Fail("MTX_CUT", "is empty: fetch it again");
    std::string head(line.begin(), line.end());
    std::transform(head.begin(), head.end(), head.begin(), [](unsigned char c) { return std::tolower(c); });
    if (!head.starts_with("%%matrixmarket matrix coordinate integer general") &&
        !head.starts_with("%%matrixmarket matrix coordinate real general"))
      Fail("MTX_FORMAT", "is no MatrixMarket file of integer or real coordinates");
    do {
      if (!lines_.Next(line)) Fail("MTX_CUT", "has no line of sizes: fetch it again");
    } while (IsBlank(line) || line[0] == '%');
    const char* at = line.data();
    features_ = Integer(at, line);
    barcodes_ = Integer(at, line);
    entries_ = Integer(at, line);
    RequireEnd(at, line);
  }

  int64_t features() const { return features_; }
  int64_t barcodes() const { return barcodes_; }
  int64_t entries() const { return entries_; }

  std::optional<Entry> Next() {
    std::span<char> line;
    do {
      if (!lines_.Next(line)) {
        if (read_ != entries_)
          Fail("MTX_CUT", fmt::format("ends after {} of {} counts: fetch it again", read_, entries_));
        return std::nullopt;
      }
    } while (IsBlank(line));
    if (++read_ > entries_) Fail("MTX_CUT", fmt::format("holds more than the {} counts it states", entries_));
    const char* at = line.data();
    Entry entry;
    entry.feature = Integer(at, line) - 1;
    entry.barcode = Integer(at, line) - 1;
    entry.count = Number(at, line);
    RequireEnd(at, line);
    if (entry.feature < 0 || entry.feature >= features_ || entry.barcode < 0 || entry.barcode >= barcodes_)
      Fail("MTX_INDEX", fmt::format("feature {}, barcode {} of {} x {}", entry.feature + 1, entry.barcode + 1,
                                    features_, barcodes_));
    if (!(entry.count >= 0 && entry.count <= std::numeric_limits<float>::max()))
      Fail("MTX_VALUE", fmt::format("{} is no count: counts are finite and not negative", entry.count));
    return entry;
  }

  [[noreturn]] void Fail(const char* name, const std::string& what) const {
    throw DataError(name, "{}: line {}: {}", lines_.path().string(), lines_.line(), what);
  }

 private:
  static bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\r'; }
  static bool IsBlank(std::span<const char> line) { return std::all_of(line.begin(), line.end(), IsSpace); }

  template <typename T>
  T Parse(const char*& at, std::span<const char> line) const {
    const char* end = line.data() + line.size();
    while (at < end && IsSpace(*at)) ++at;
    T value{};
    const auto [rest, error] = std::from_chars(at, end, value);
    if (error != std::errc() || (rest < end && !IsSpace(*rest)))
      Fail("MTX_FORMAT",
           fmt::format("'{}' is not three numbers", std::string(line.data(), std::min<size_t>(line.size(), 40))));
    at = rest;
    return value;
  }
  int64_t Integer(const char*& at, std::span<const char> line) const { return Parse<int64_t>(at, line); }
  float Number(const char*& at, std::span<const char> line) const { return Parse<float>(at, line); }

  void RequireEnd(const char* at, std::span<const char> line) const {
    if (!IsBlank({at, static_cast<size_t>(line.data() + line.size() - at)}))
      Fail("MTX_FORMAT",
           fmt::format("'{}' is more than three numbers", std::string(line.data(), std::min<size_t>(line.size(), 40))));
  }

  LineReader lines_;
  int64_t features_ = 0, barcodes_ = 0, entries_ = 0, read_ = 0;
};

class TenxFolder : public TenxMatrix {
 public:
  explicit TenxFolder(const fs::path& path) : TenxMatrix(path), entries_(FindPart(path, {"matrix.mtx"})) {
    const fs::path barcodes = FindPart(path, {"barcodes.tsv"}),
                   features = FindPart(path, {"features.tsv", "genes.tsv"});
    ForEachLine(barcodes, [&](const auto& fields) { barcodes_.emplace_back(fields[0]); });
    ForEachLine(features, [&](const auto& fields) {
      const std::string id(fields[0]);
      features_.push_back({id, fields.size() > 1 ? std::string(fields[1]) : id,
                           fields.size() > 2 ? std::string(fields[2]) : "", false});
    });
    CheckTables();
    CountEntries();
  }

  void ForEachBatch(int64_t batch_rows, const BatchUser& use) const override {
    GENVINCI_CHECK(batch_rows > 0, "batch_rows is {}", batch_rows);
    const int64_t rows = static_cast<int64_t>(barcodes_.size());
    std::optional<Pass> pass;
    for (int64_t first = 0; first < rows;) {
      int64_t last = first + 1;
      const int64_t most = is_sorted_ ? first + batch_rows : rows;
      while (last < std::min(most, rows) && (is_sorted_ || starts_[last + 1] - starts_[first] <= kMostEntries)) ++last;
      if (!pass || !is_sorted_) pass.emplace(entries_);
      Turn(*pass, first, last, batch_rows, use);
      first = last;
    }
    if (pass && is_sorted_ && pass->pending) pass->reader.Fail("MTX_INDEX", "the file has changed while it was read");
  }

 private:
  // A way through the file; what was read and belongs to later rows waits.
  struct Pass {
    explicit Pass(const fs::path& path) : reader(path), pending(reader.Next()) {}
    EntryReader reader;
    std::optional<EntryReader::Entry> pending;
  };

  template <typename Use>
  static void ForEachLine(const fs::path& path, const Use& use) {
    TableReader table(path);
    use(std::vector<std::string_view>(table.header().begin(), table.header().end()));
    std::vector<std::string_view> fields;
    while (table.Next(fields)) use(fields);
  }

  void CountEntries() {
    EntryReader reader(entries_);
    if (reader.features() != static_cast<int64_t>(features_.size()) ||
        reader.barcodes() != static_cast<int64_t>(barcodes_.size()))
      throw DataError("TENX_SHAPE",
                      "{}: is {} x {}, the tables beside it name {} features and {} barcodes: fetch the folder again",
                      entries_.string(), reader.features(), reader.barcodes(), features_.size(), barcodes_.size());
    starts_.assign(barcodes_.size() + 1, 0);
    int64_t before = 0;
    while (const auto entry = reader.Next()) {
      ++starts_[static_cast<size_t>(entry->barcode) + 1];
      is_sorted_ = is_sorted_ && entry->barcode >= before;
      before = entry->barcode;
    }
    for (size_t k = 1; k < starts_.size(); ++k) starts_[k] += starts_[k - 1];
  }

  // Rows [first, last), of which `pass` has not gone beyond the first entry.
  void Turn(Pass& pass, int64_t first, int64_t last, int64_t batch_rows, const BatchUser& use) const {
    const int64_t base = starts_[first];
    std::vector<std::pair<int32_t, float>> values(static_cast<size_t>(starts_[last] - base));
    std::vector<int64_t> next(starts_.begin() + first, starts_.begin() + last);
    for (; pass.pending && !(is_sorted_ && pass.pending->barcode >= last); pass.pending = pass.reader.Next()) {
      const int64_t row = pass.pending->barcode;
      if (row < first || row >= last) continue;
      const auto at = static_cast<size_t>(next[row - first]++ - base);
      if (at >= values.size()) pass.reader.Fail("MTX_INDEX", "the file has changed while it was read");
      values[at] = {static_cast<int32_t>(pass.pending->feature), pass.pending->count};
    }
    SparseRows batch;
    batch.columns = static_cast<int64_t>(features_.size());
    batch.first_row = first;
    for (int64_t row = first; row < last; ++row) {
      const auto begin = values.begin() + (starts_[row] - base), end = values.begin() + (starts_[row + 1] - base);
      std::sort(begin, end);
      for (auto at = begin; at != end; ++at) {
        if (at != begin && at->first == (at - 1)->first)
          throw DataError("MTX_DUPLICATE", "{}: feature {} of barcode {} is there twice: check the file",
                          entries_.string(), features_[static_cast<size_t>(at->first)].id,
                          barcodes_[static_cast<size_t>(row)]);
        if (at->second == 0) continue;
        batch.indices.push_back(at->first);
        batch.values.push_back(at->second);
      }
      batch.offsets.push_back(static_cast<int64_t>(batch.indices.size()));
      if (batch.rows() < batch_rows && row + 1 < last) continue;
      use(batch);
      batch.first_row = row + 1;
      batch.offsets.assign(1, 0);
      batch.indices.clear();
      batch.values.clear();
    }
  }

  fs::path entries_;
  std::vector<int64_t> starts_;  // entries before each barcode
  bool is_sorted_ = true;        // by barcode, as 10x writes it
};

}  // namespace

std::unique_ptr<TenxMatrix> OpenTenxFolder(const fs::path& path) { return std::make_unique<TenxFolder>(path); }

}  // namespace genvinci
