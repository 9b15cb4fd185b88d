#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "genvinci/core/files.h"
#include "genvinci/io/image.h"
#include "genvinci/technologies/section.h"

// What the readers of vendors' folders share.
namespace genvinci {

// The file or folder in `folder` that has one of the names, or whose name ends in "_" and one of them, as download
// sites (and vpt) put the dataset's name before it; earlier names and those without a prefix first. Empty: there is
// none. DataError FILE_AMBIGUOUS when several prefixes are there.
fs::path FindNamed(const fs::path& folder, const std::vector<std::string>& names);

// Entries of a folder by name. IoError DIR_READ.
std::vector<fs::path> SortedEntries(const fs::path& folder);

// The sections that a user's folder leads to: the folder itself where it `is_section`, else those of its sub-folders,
// by name, each perhaps within `inner` ("outs"). A section is named as its folder is; one within `inner` as that
// folder's parent. Empty: none.
struct SectionFolder {
  std::string name;
  fs::path path;
};
std::vector<SectionFolder> FindSectionFolders(const fs::path& input, const std::string& inner,
                                              const std::function<bool(const fs::path&)>& is_section);
// Those that --sections names, or all. UsageError SECTIONS for one that is not there.
std::vector<SectionFolder> ChosenSections(std::vector<SectionFolder> found, const std::vector<std::string>& names,
                                          const fs::path& input);

// The image in the user's --images for a section: the file itself where there is one section, else the file of that
// folder whose name is, or starts with, the section's. MissingFileError IMAGE_MISSING, DataError FILE_AMBIGUOUS.
fs::path FindUserImage(const fs::path& images, const std::string& section, bool is_only_section);

// What an image holds, less its scale. DataError SECTION_IMAGE when its channels differ from those of `before`.
SectionImage DescribeImage(const fs::path& path, const SourceData& before);

// The same of an image whose channels come from several files (or are some of one), named `channels`.
SectionImage DescribeChannels(const std::vector<ChannelPlace>& places, const std::vector<std::string>& channels,
                              const SourceData& before);

// The channels that --channels names, in its order, or all. UsageError CHANNELS names those that are there.
std::vector<std::string> ChosenChannels(const std::vector<std::string>& there, const std::vector<std::string>& names,
                                        const fs::path& path);

// DataError IDS_JOIN when none of the ids is found in the other table: names both files, how many of how many, and
// three of each. Warns when it is fewer than half.
struct IdTable {
  fs::path path;
  const std::vector<std::string>& ids;
};
void RequireJoin(const IdTable& of, const IdTable& in, int64_t joined);

// DataError NOT_COUNTS for a value that is no whole number; rows are those of `names`.
void RequireWholeCounts(const SparseRows& rows, const fs::path& path, const std::vector<std::string>& names);

// A table of counts with a row an observation.
struct CountTable {
  fs::path path;
  std::vector<size_t> genes;  // its columns that are genes, in order
  // Whether a row is an observation; empty: all are.
  std::function<bool(const std::vector<std::string_view>&)> is_observation = {};
};
// Its rows in batches, the first as number `first_row`; columns are those of `genes`. Returns the number after the
// last. DataError NOT_COUNTS for what is negative or no whole number.
int64_t ReadCountTable(const CountTable& table, int64_t first_row, const std::function<void(const SparseRows&)>& use);

// Three rows of three numbers, the last 0 0 1, as an affine map. DataError `name` for anything else, and for a matrix
// that cannot be inverted.
Affine ReadMatrix3x3(const fs::path& path, const char* name);

// The vendor's clusters by barcode, as labels, where its analysis is in `section`/analysis (10x Genomics).
std::unordered_map<std::string, std::string> ReadClusters(const fs::path& section);

// A position that may be missing: NaN for "", "NA" and "nan", else a finite number. False: neither.
bool ParsePosition(std::string_view text, double& value);

}  // namespace genvinci
