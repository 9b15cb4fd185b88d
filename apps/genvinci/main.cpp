#include "genvinci/cli/run.h"

int main(int argc, char** argv) { return genvinci::RunCommandLine(argc, argv); }
