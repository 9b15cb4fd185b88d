#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "genvinci/io/h5ad.h"
#include "genvinci/technologies/section.h"

namespace genvinci {

// A column of a vendor's counts.
struct Feature {
  std::string id, name;
  std::string type = {};  // as the vendor states it; "": not stated
};

// Why a feature is no gene: its type ("Negative Control Probe"), or that its name is a control's ("NegPrb12",
// "Blank-3"); "" for a gene.
std::string ControlKind(const Feature& feature);

// The genes of several tables of counts brought together by id, one column each.
class FeatureColumns {
 public:
  // One table more. Features that are no genes, and those with a reason in `dropped_because` (an entry a feature, or
  // none), get no column. Several features of one id share one: their counts are added.
  void Add(const std::vector<Feature>& features, std::vector<std::string> dropped_because = {});
  // Rows of the table that was added as number `table`, in the columns of all.
  SparseRows Take(const SparseRows& rows, size_t table) const;
  // Sets var, gene_names and the provenance, and logs what was dropped. DataError NO_GENES when no column is left.
  void Describe(SourceData& data, const std::string& source) const;

 private:
  std::vector<std::string> ids_, names_;
  std::unordered_map<std::string, int32_t> column_of_;
  std::vector<std::vector<int32_t>> columns_;  // of each table; -1: dropped
  std::vector<bool> keep_order_;               // of each table: its columns ascend and none is shared
  std::map<std::string, int64_t> dropped_;
};

}  // namespace genvinci
