#include "genvinci/core/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "genvinci/core/log.h"
#include "genvinci/core/text.h"

namespace genvinci {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kBarPause{100};
constexpr std::chrono::seconds kLinePause{10};

std::string Bar(double fraction) {
  constexpr int kWidth = 20;
  const auto filled = static_cast<size_t>(std::clamp(fraction, 0.0, 1.0) * kWidth);
  return "[" + std::string(filled, '#') + std::string(kWidth - filled, '-') + "] ";
}

}  // namespace

Progress::Progress(std::string title, int64_t total, std::string unit)
    : title_(std::move(title)),
      unit_(std::move(unit)),
      total_(total),
      terminal_(::isatty(STDERR_FILENO) == 1),
      start_(steady_clock::now()),
      shown_(start_) {}

Progress::~Progress() { Show(/*last=*/true); }

void Progress::Add(int64_t done) {
  done_ += done;
  const auto now = steady_clock::now();
  if (now - shown_ < (terminal_ ? steady_clock::duration(kBarPause) : steady_clock::duration(kLinePause))) return;
  shown_ = now;
  Show(/*last=*/false);
}

void Progress::Show(bool last) {
  if (IsQuiet()) return;
  const std::string text = Text();
  if (last || !terminal_) return LogLine(title_ + ": " + text);
  const double fraction = total_ > 0 ? static_cast<double>(done_) / static_cast<double>(total_) : 0;
  internal::ShowBar(title_ + " " + (total_ > 0 ? Bar(fraction) : "") + text);
}

std::string Progress::Text() const {
  const double seconds = std::chrono::duration<double>(steady_clock::now() - start_).count();
  const double rate = static_cast<double>(done_) / std::max(seconds, 1e-9);
  std::string text = total_ > 0 ? fmt::format("{}/{} {} ({}%)", done_, total_, unit_, 100 * done_ / total_)
                                : fmt::format("{} {}", done_, unit_);
  if (done_ > 0) text += fmt::format(", {:.{}f} {}/s", rate, rate < 100 ? 1 : 0, unit_);
  if (done_ > 0 && done_ < total_)
    text += ", " + HumanSeconds(static_cast<double>(total_ - done_) / rate) + " left";
  else
    text += ", " + HumanSeconds(seconds);
  return note_.empty() ? text : text + ", " + note_;
}

}  // namespace genvinci
