/*
 * test_scan.c: every scan routine against a naive one, at every length and split point.
 */
#include "unit.h"

#include "pure/scan.h"

#define LONGEST	300

static size_t
naive(const uint8_t *data, size_t len, uint32_t base, uint32_t *out, bool *dirty)
{
	size_t		n = 0;

	for (size_t i = 0; i < len; i++)
	{
		if (data[i] == ',' || data[i] == '\n' || data[i] == '\r' || data[i] == '"')
			out[n++] = base + (uint32_t) i;
		if (data[i] == 0 || data[i] > 0x7f)
			*dirty = true;
	}
	return n;
}

/* len bytes in memory of exactly that size, so that the sanitizer sees any read beyond. */
static uint8_t *
random_bytes(size_t len, int odd)
{
	static const char rich[] = ",\"\n\rab1-\x2b\x2d\x0b\x09\x21\x23\x4c\x6c\x1a\x3a\x02\x42";
	uint8_t    *data = malloc(len + (len == 0));

	for (size_t i = 0; i < len; i++)
	{
		if (odd > 0 && unit_random(100) < (uint64_t) odd)
			data[i] = (uint8_t) unit_random(256);
		else
			data[i] = (uint8_t) rich[unit_random(sizeof(rich) - 1)];
	}
	return data;
}

/* Does the routine, fed data in two pieces, find what the naive one finds in one? */
static bool
agrees(const SlmScanRoutine *routine, const uint8_t *data, size_t len, size_t split)
{
	uint32_t	expected[LONGEST + 1];
	uint32_t   *got = malloc((len + 1) * sizeof(uint32_t));
	bool		expected_dirty = false;
	bool		dirty = false;
	size_t		n = naive(data, len, 7, expected, &expected_dirty);
	size_t		m = routine->scan(data, split, 7, got, &dirty);
	bool		ok;

	m += routine->scan(data + split, len - split, 7 + (uint32_t) split, got + m, &dirty);
	ok = n == m && memcmp(expected, got, n * sizeof(uint32_t)) == 0 && dirty == expected_dirty;
	free(got);
	return ok;
}

static void
test_routine(const SlmScanRoutine *routine)
{
	for (int odd = 0; odd <= 50; odd += odd == 0 ? 1 : 49)
	{
		size_t		bad = 0;

		for (size_t len = 0; len <= LONGEST; len++)
		{
			uint8_t    *data = random_bytes(len, odd);

			for (size_t split = 0; split <= len; split++)
				bad += !agrees(routine, data, len, split);
			free(data);
		}
		UNIT_EQ(bad, 0, "%s: lengths 0 to %d at every split, %d %% random bytes", routine->name, LONGEST, odd);
	}
}

/* Each byte value at each place of a block of dull bytes. */
static void
test_each_byte(const SlmScanRoutine *routine)
{
	size_t		bad = 0;
	uint8_t		data[130];

	memset(data, 'x', sizeof(data));
	for (size_t at = 0; at < sizeof(data); at++)
	{
		for (int byte = 0; byte < 256; byte++)
		{
			data[at] = (uint8_t) byte;
			bad += !agrees(routine, data, sizeof(data), 0);
		}
		data[at] = 'x';
	}
	UNIT_EQ(bad, 0, "%s: each byte at each place", routine->name);
}

int
main(void)
{
	int			count;
	const SlmScanRoutine *routines = slm_scan_routines(&count);
	bool		dirty = false;

	UNIT_STR(routines[0].name, strlen(routines[0].name), "scalar", "the first routine is the reference");
	UNIT_OK(slm_scan_best() == routines[count - 1].scan, "the best routine is the last one: %s",
			routines[count - 1].name);
	for (int i = 0; i < count; i++)
	{
		test_routine(&routines[i]);
		test_each_byte(&routines[i]);
		dirty = true;
		routines[i].scan((const uint8_t *) "plain", 5, 0, (uint32_t[5]) {0}, &dirty);
		UNIT_OK(dirty, "%s: the dirty flag is not cleared", routines[i].name);
	}
	return unit_done();
}
