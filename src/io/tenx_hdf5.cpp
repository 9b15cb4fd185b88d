#include "genvinci/core/error.h"
#include "h5ad_matrix.h"
#include "tenx_parts.h"

namespace genvinci {
namespace {

// CSC of features x barcodes, which read the other way round is CSR of barcodes x features.
class TenxHdf5 : public TenxMatrix {
 public:
  explicit TenxHdf5(const fs::path& path) : TenxMatrix(path), file_(path) {
    if (!file_.IsGroup("matrix") || !file_.IsDataset("matrix/indptr"))
      throw DataError("TENX_LAYOUT", "{}: holds no group `matrix` with `indptr`: not a matrix of 10x Genomics",
                      path.string());
    barcodes_ = ReadTexts("matrix/barcodes");
    ReadFeatures();
    const std::vector<int64_t> shape = file_.ReadIntegers(file_.OpenArray("matrix/shape"));
    if (shape != std::vector<int64_t>{Count(features_.size()), Count(barcodes_.size())})
      throw DataError("TENX_SHAPE", "{}: matrix/shape does not fit {} features and {} barcodes: fetch the file again",
                      path.string(), features_.size(), barcodes_.size());
    CheckTables();
    if (file_.HasAttribute("/", "software_version")) software_ = file_.TextAttribute("/", "software_version");
    rows_.index = barcodes_;
    for (const TenxFeature& feature : features_) columns_.index.push_back(feature.id);
    matrix_ = {"matrix", H5adMatrix::Format::kCsr, file_.OpenArray("matrix/data").TypeName(), Count(barcodes_.size()),
               Count(features_.size())};
  }

  void ForEachBatch(int64_t batch_rows, const BatchUser& use) const override {
    ReadBatches({file_, matrix_, rows_, columns_, {}}, batch_rows, use);
  }

 private:
  static int64_t Count(size_t size) { return static_cast<int64_t>(size); }

  std::vector<std::string> ReadTexts(const std::string& element) const {
    return file_.ReadStrings(file_.OpenArray(element));
  }

  void ReadFeatures() {
    const bool is_old = !file_.IsGroup("matrix/features") && file_.IsDataset("matrix/genes");
    const std::string group = is_old ? "matrix/" : "matrix/features/";
    const bool of_probes = !is_old && file_.IsDataset(group + "gene_id");
    const std::vector<std::string> ids = ReadTexts(group + (is_old ? "genes" : of_probes ? "gene_id" : "id"));
    const std::vector<std::string> names = ReadTexts(group + (is_old || of_probes ? "gene_name" : "name"), ids);
    const std::vector<std::string> types = ReadTexts(group + "feature_type", std::vector<std::string>(ids.size()));
    std::vector<int64_t> counted(ids.size(), 1);
    if (of_probes && file_.IsDataset(group + "filtered_probes"))
      counted = file_.ReadIntegers(file_.OpenArray(group + "filtered_probes"));
    for (const size_t size : {names.size(), types.size(), counted.size()})
      if (size != ids.size())
        throw DataError("TENX_SHAPE", "{}: {} has parts of {} and {} entries: fetch the file again", path().string(),
                        group, ids.size(), size);
    for (size_t k = 0; k < ids.size(); ++k) features_.push_back({ids[k], names[k], types[k], counted[k] == 0});
  }

  std::vector<std::string> ReadTexts(const std::string& element, std::vector<std::string> otherwise) const {
    return file_.IsDataset(element) ? ReadTexts(element) : std::move(otherwise);
  }

  Hdf5File file_;
  DataFrame rows_, columns_;  // names for messages
  H5adMatrix matrix_;
};

}  // namespace

std::unique_ptr<TenxMatrix> OpenTenxHdf5(const fs::path& path) { return std::make_unique<TenxHdf5>(path); }

}  // namespace genvinci
