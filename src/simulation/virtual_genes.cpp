#include "virtual_genes.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <set>
#include <string_view>

#include "genvinci/core/error.h"
#include "genvinci/core/text.h"
#include "genvinci/genes/vocabulary.h"
#include "genvinci/simulation/virtual_tissue.h"
#include "virtual_random.h"

namespace genvinci {
namespace internal {
namespace {

struct TypeGenes {
  const char* name;
  const char* markers;
};

constexpr std::array<TypeGenes, kVirtualTypes> kTypes = {{
    {"tumour_epithelium", "ERBB2 KRT8 KRT18 KRT19 EPCAM KRT7 CDH1 ELF3 CLDN3 CLDN4 MUC1 GRB7 TACSTD2 SPDEF ESR1 FASN"},
    {"lymphocyte", "CD3D CD3E CD3G CD2 MS4A1 IL7R CCR7 LTB CD19 BANK1 PTPRC CD52 CORO1A LCK SELL"},
    {"fibroblast", "COL1A1 COL1A2 COL3A1 DCN LUM FAP POSTN COL5A1 COL6A3 FBLN1 THY1 PDGFRA PDGFRB SFRP2 MMP2 FN1"},
    {"adipocyte", "ADIPOQ FABP4 PLIN1 PLIN4 LEP CIDEC LPL GPD1 PNPLA2 ADH1B CD36 G0S2 PPARG LIPE"},
    {"endothelium", "PECAM1 VWF CDH5 CLDN5 KDR FLT1 TEK EMCN ENG ESAM PLVAP TIE1 EGFL7 RAMP2 HBB"},
    {"plasma_cell", "JCHAIN MZB1 SDC1 XBP1 DERL3 TNFRSF17 PRDX4 SSR4 FKBP11 POU2AF1 CD79A IRF4"},
    {"necrosis", "VEGFA CA9 NDRG1 SLC2A1 ADM BNIP3 LDHA PGK1 ANGPTL4 HK2 ENO2 EGLN3 PDK1 ANKRD37"},
    {"macrophage", "CD68 CD163 CSF1R C1QA C1QB C1QC MSR1 MRC1 MARCO LYZ AIF1 TYROBP APOE FCER1G"},
}};

constexpr const char* kGrowthMarkers = "MKI67 TOP2A CCNB1 BIRC5 CDK1 TYMS PCNA MCM2 UBE2C CENPF";

// Families that every cell expresses: ribosomes, mitochondria, proteasome, splicing, traffic, cytoskeleton.
constexpr const char* kFamilies =
    "RPL RPS MRPL MRPS NDUFA NDUFB NDUFS NDUFV ATP5F1 ATP5M COX UQCR SDH PSMA PSMB PSMC PSMD EIF1 EIF2 EIF3 EIF4 EIF5 "
    "EEF1 EEF2 HNRNP SRSF SNRP CCT HSP90 HSPA HSPD HSPE TUBA TUBB ACT PFN CFL ARPC CAPZ YWHA UBE2 UBA RAB VPS COPS "
    "COPZ COPB POLR1 POLR2 TAF SLC25A TMED SEC61 SEC22 SEC23 SSR DDX DNAJ PPP1R PPP2R PPP4R PPIA PPIB GTF2 TOMM TIMM "
    "LSM SF3A SF3B PRPF NOP NOL EXOSC CNOT MED SMARC CHMP SNX ARF ATP6V CALM TPM LAMTOR SUMO CSNK";

constexpr double kMarkerShare = 0.3;    // of a type's counts
constexpr double kAmbientShare = 0.01;  // of each other type's markers in it
constexpr double kGrowthShare = 0.05;   // of the tumour's counts at full proliferation
constexpr double kTypeSigma = 0.3;      // log of the background's factor a type

std::vector<std::string> Words(const char* text) {
  std::vector<std::string> words;
  for (const std::string_view word : SplitText(text, ' ')) words.emplace_back(word);
  return words;
}

bool BelongsTo(const std::string& symbol, const std::string& family) {
  if (!symbol.starts_with(family) || symbol.size() > family.size() + 3) return false;
  const auto rest = std::string_view(symbol).substr(family.size());
  const bool pseudogene = rest.size() > 1 && std::isdigit(rest.back()) && rest.find('P') != rest.npos;
  return !pseudogene && std::all_of(rest.begin(), rest.end(), [](unsigned char c) { return std::isalnum(c); });
}

class Builder {
 public:
  VirtualExpression Build() {
    for (const TypeGenes& type : kTypes) out_.markers.push_back(AddAll(Words(type.markers)));
    growth_ = AddAll(Words(kGrowthMarkers));
    AddBackground();
    for (int64_t type = 0; type < kVirtualTypes; ++type) out_.profiles.push_back(Profile(type));
    out_.growth = out_.profiles[kTumour];
    AddShare(growth_, kGrowthShare, out_.growth);
    Normalise(out_.growth);
    return std::move(out_);
  }

 private:
  int32_t Add(const Vocabulary::Gene& gene) {
    out_.ids.push_back(gene.ensembl_id);
    out_.symbols.push_back(gene.symbol);
    medians_.push_back(gene.median);
    return static_cast<int32_t>(medians_.size() - 1);
  }

  std::vector<int32_t> AddAll(const std::vector<std::string>& symbols) {
    std::vector<int32_t> columns;
    for (const std::string& symbol : symbols) {
      const Vocabulary::Gene* gene = Vocabulary::GeneformerV1().BySymbol(symbol);
      GENVINCI_CHECK(gene != nullptr, "{} is not in the vocabulary", symbol);
      columns.push_back(Add(*gene));
    }
    return columns;
  }

  void AddBackground() {
    background_from_ = medians_.size();
    const std::vector<std::string> families = Words(kFamilies);
    const std::set<std::string> taken(out_.ids.begin(), out_.ids.end());
    for (const Vocabulary::Gene& gene : Vocabulary::GeneformerV1().genes()) {
      const auto belongs = [&](const std::string& family) { return BelongsTo(gene.symbol, family); };
      if (!taken.contains(gene.ensembl_id) && std::any_of(families.begin(), families.end(), belongs)) Add(gene);
    }
  }

  // Spreads `share` over `columns`, in proportion to the medians, which keeps their ranks alike after tokenizing.
  void AddShare(const std::vector<int32_t>& columns, double share, std::vector<double>& profile) const {
    double sum = 0;
    for (const int32_t column : columns) sum += medians_[column];
    for (const int32_t column : columns) profile[column] += share * medians_[column] / sum;
  }

  std::vector<double> Profile(int64_t type) const {
    std::vector<double> profile(medians_.size());
    VirtualRandom random{0x6E6F697461ULL, static_cast<uint64_t>(type)};
    for (size_t i = background_from_; i < profile.size(); ++i) profile[i] = random.LogNormal(medians_[i], kTypeSigma);
    Normalise(profile);
    AddShare(growth_, kAmbientShare, profile);
    for (int64_t other = 0; other < kVirtualTypes; ++other) {
      const double own = kMarkerShare / (1 - kMarkerShare);
      AddShare(out_.markers[other], other == type ? own : kAmbientShare, profile);
    }
    Normalise(profile);
    return profile;
  }

  static void Normalise(std::vector<double>& profile) {
    double sum = 0;
    for (const double value : profile) sum += value;
    for (double& value : profile) value /= sum;
  }

  VirtualExpression out_;
  std::vector<int32_t> growth_;
  std::vector<double> medians_;
  size_t background_from_ = 0;
};

}  // namespace

const VirtualExpression& VirtualExpression::Get() {
  static const VirtualExpression expression = Builder().Build();
  return expression;
}

std::vector<double> MixProfiles(const std::vector<double>& composition, double proliferation) {
  const VirtualExpression& expression = VirtualExpression::Get();
  std::vector<double> mixture(expression.ids.size());
  const auto add = [&](double share, const std::vector<double>& profile) {
    for (size_t i = 0; i < mixture.size(); ++i) mixture[i] += share * profile[i];
  };
  for (int64_t type = 0; type < kVirtualTypes; ++type) {
    const double growing = type == kTumour ? composition[type] * proliferation : 0;
    if (composition[type] > growing) add(composition[type] - growing, expression.profiles[type]);
    if (growing > 0) add(growing, expression.growth);
  }
  return mixture;
}

}  // namespace internal

std::vector<std::string> VirtualCellTypes() {
  std::vector<std::string> names;
  for (const internal::TypeGenes& type : internal::kTypes) names.emplace_back(type.name);
  return names;
}

std::vector<std::string> VirtualGenes() { return internal::VirtualExpression::Get().ids; }
std::vector<std::string> VirtualGeneSymbols() { return internal::VirtualExpression::Get().symbols; }
std::vector<int32_t> VirtualMarkers(int64_t type) { return internal::VirtualExpression::Get().markers.at(type); }

}  // namespace genvinci
