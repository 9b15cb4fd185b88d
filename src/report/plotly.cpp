#include "plotly.h"

// The assembler copies the file into the library's read-only data.
asm(".section .rodata\n"
    ".global genvinci_plotly\n"
    ".hidden genvinci_plotly\n"
    "genvinci_plotly: .incbin \"" GENVINCI_PLOTLY
    "\"\n"
    ".global genvinci_plotly_end\n"
    ".hidden genvinci_plotly_end\n"
    "genvinci_plotly_end: .byte 0\n"
    ".text\n");

extern "C" {
[[gnu::visibility("hidden")]] extern const char genvinci_plotly[];
[[gnu::visibility("hidden")]] extern const char genvinci_plotly_end[];
}

namespace genvinci::internal {

std::string_view PlotlyScript() { return {genvinci_plotly, genvinci_plotly_end}; }

}  // namespace genvinci::internal
