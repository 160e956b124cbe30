/*
 * fuzz.h: what the fuzz drivers share.
 */
#ifndef SLM_FUZZ_H
#define SLM_FUZZ_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Stop, as a finding, unless the condition holds. */
#define MUST(condition, ...) \
	do { \
		if (!(condition)) \
		{ \
			fprintf(stderr, "%s:%d: %s does not hold: ", __FILE__, __LINE__, #condition); \
			fprintf(stderr, __VA_ARGS__); \
			fprintf(stderr, "\n"); \
			abort(); \
		} \
	} while (0)

/* How many bytes a blank at an end of a text has; 0 if there is none.  The blanks by name, whatever src/pure/ makes of them. */
__attribute__((unused))
static size_t
fuzz_blank(const char *text, size_t len, bool at_end)
{
	static const char *const blanks[] = {
		" ", "\t", "\n", "\v", "\f", "\r", "\xc2\x85", "\u00a0", "\u1680", "\u2000", "\u2001", "\u2002", "\u2003", "\u2004", "\u2005",
		"\u2006", "\u2007", "\u2008", "\u2009", "\u200a", "\u200b", "\u200c", "\u200d", "\u200e", "\u200f", "\u2028", "\u2029",
		"\u202a", "\u202b", "\u202c", "\u202d", "\u202e", "\u202f", "\u205f", "\u2060", "\u2066", "\u2067", "\u2068", "\u2069", "\u3000",
		"\ufeff"
	};

	for (size_t i = 0; i < sizeof(blanks) / sizeof(blanks[0]); i++)
	{
		size_t		size = strlen(blanks[i]);

		if (size <= len && memcmp(at_end ? text + len - size : text, blanks[i], size) == 0)
			return size;
	}
	return 0;
}

#endif							/* SLM_FUZZ_H */
