/*
 * unit.h: a small test harness.  Prints TAP; main() returns unit_done().
 *
 *   UNIT_OK(condition, "name %d", ...)       one test point
 *   UNIT_EQ(got, expected, "name", ...)      the same for integers, and shows both where they differ
 *   UNIT_STR(got, len, expected, "name")     the same for bytes against a C string
 */
#ifndef SLM_UNIT_H
#define SLM_UNIT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int	unit_count;
static int	unit_failures;

__attribute__((format(printf, 4, 5), unused))
static bool
unit_ok(bool ok, const char *file, int line, const char *format, ...)
{
	va_list		args;

	unit_count++;
	printf("%sok %d - ", ok ? "" : "not ", unit_count);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	if (!ok)
	{
		unit_failures++;
		printf("#   at %s:%d\n", file, line);
		fflush(stdout);
	}
	return ok;
}

#define UNIT_OK(condition, ...)	unit_ok((condition), __FILE__, __LINE__, __VA_ARGS__)

#define UNIT_EQ(got, expected, ...) \
	do { \
		long long	unit_got = (long long) (got); \
		long long	unit_expected = (long long) (expected); \
		if (!unit_ok(unit_got == unit_expected, __FILE__, __LINE__, __VA_ARGS__)) \
			printf("#   got %lld, expected %lld\n", unit_got, unit_expected); \
	} while (0)

#define UNIT_STR(got, len, expected, ...) \
	do { \
		const char *unit_got = (got); \
		size_t		unit_len = (len); \
		const char *unit_expected = (expected); \
		if (!unit_ok(unit_len == strlen(unit_expected) && memcmp(unit_got, unit_expected, unit_len) == 0, \
					 __FILE__, __LINE__, __VA_ARGS__)) \
			printf("#   got \"%.*s\", expected \"%s\"\n", (int) unit_len, unit_got, unit_expected); \
	} while (0)

/* Pseudo-random numbers that are the same in every run. */
static uint64_t unit_seed = 1;

__attribute__((unused))
static uint64_t
unit_random(uint64_t below)
{
	unit_seed = unit_seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unit_seed >> 33) % below;
}

__attribute__((unused))
static int
unit_done(void)
{
	printf("1..%d\n", unit_count);
	if (unit_failures > 0)
		printf("# %d of %d failed\n", unit_failures, unit_count);
	return unit_failures > 0 ? 1 : 0;
}

#endif							/* SLM_UNIT_H */
