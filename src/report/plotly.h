#pragma once

#include <string_view>

namespace genvinci::internal {

// plotly.min.js of the pinned wheel, with the notice of its licence on top.
std::string_view PlotlyScript();

}  // namespace genvinci::internal
