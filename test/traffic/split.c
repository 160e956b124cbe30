#include "generate.h"
void split(const Options *options) { (void) options; fail("split is not there yet"); }
