#pragma once

namespace genvinci {

// SIGINT, SIGTERM and SIGUSR1 set a flag that long work polls between steps; a second SIGINT ends at once. The first
// signal decides. SIGXFSZ is ignored, so that a file size limit is an IoError.
void InstallSignalHandlers();
// Until the handlers are there, these signals wait.
void HoldSignals();
// The signal that asked to stop, or 0.
int StopSignal();
void ClearStopSignal();  // for tests
// Throws Interrupted (exit 130, 143 or 75) with `saved` as its text when a signal came.
void ThrowIfStopped(const char* saved);

}  // namespace genvinci
