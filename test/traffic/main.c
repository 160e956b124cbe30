/*
 * main.c: traffic, the load that tests, demo and benchmarks run on.  See `traffic --help`.
 */
#include "generate.h"

int
main(int argc, char **argv)
{
	Options		options;

	if (options_parse(argc, argv, &options) == COMMAND_GENERATE)
		generate(&options);
	else
		split(&options);
	return 0;
}
