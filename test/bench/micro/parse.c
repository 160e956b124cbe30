/*
 * parse.c: how fast is reading?  Generates rows like those of the public data set in memory and times, on one core,
 * each scan routine alone, and the whole reader (bytes to SlmEvent) with each, best of several rounds.
 *
 *   parse [rows]        default 1000000
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pure/clean.h"
#include "pure/reader.h"
#include "pure/scan.h"

#define ROUNDS	7

static const char header[] =
	"event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n";
static const char *const codes[] = {
	"", "", "", "appliances.environment.water_heater", "furniture.living_room.sofa", "electronics.smartphone",
	"computers.notebook", "electronics.audio.music_tools.piano"
};
static const char *const brands[] = {"", "shiseido", "aqua", "samsung", "apple", "xiaomi", "lucente"};
static const char *const types[] = {"purchase", "cart", "remove_from_cart"};

static uint64_t seed = 42;

static uint64_t
draw(uint64_t n)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (seed >> 33) % n;
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

/* Rows in the order of time, 16 a second. */
static char *
generate(long rows, size_t *len)
{
	char	   *buf = malloc((size_t) rows * 256 + sizeof(header));
	char	   *p = buf + sprintf(buf, "%s", header);

	for (long i = 0; i < rows; i++)
	{
		long		second = i / 16;

		p += sprintf(p, "2019-10-%02ld %02ld:%02ld:%02ld UTC,%s,%llu,20%017llu,%s,%s,%llu.%02llu,5%08llu,"
					 "%08llx-%04llx-4%03llx-8%03llx-%012llx\n",
					 1 + second / 86400 % 31, second / 3600 % 24, second / 60 % 60, second % 60,
					 draw(100) < 96 ? "view" : types[draw(3)],
					 (unsigned long long) (1000000 + draw(44000000)), (unsigned long long) draw(1u << 30) * 12345677,
					 codes[draw(8)], brands[draw(7)],
					 (unsigned long long) (2 + draw(1700)), (unsigned long long) draw(100),
					 (unsigned long long) draw(100000000),
					 (unsigned long long) draw(1u << 31), (unsigned long long) draw(1 << 16),
					 (unsigned long long) draw(1 << 12), (unsigned long long) draw(1 << 12),
					 (unsigned long long) draw(1u << 31) << 16);
	}
	*len = (size_t) (p - buf);
	return buf;
}

static void
report(const char *what, const char *routine, double seconds, size_t bytes, long rows)
{
	printf("%-14s %-7s %8.0f MB/s  %7.1f ns/row  %6.2f M rows/s\n", what, routine,
		   (double) bytes / seconds / 1e6, seconds * 1e9 / (double) rows, (double) rows / seconds / 1e6);
}

static void
time_scan(const SlmScanRoutine *routine, const char *data, size_t len, long rows)
{
	enum
	{
		block = 32768
	};
	uint32_t   *out = malloc(block * sizeof(uint32_t));
	double		best = 1e9;

	for (int round = 0; round < ROUNDS; round++)
	{
		bool		dirty = false;
		double		from = now();

		for (size_t at = 0; at < len; at += block)
			routine->scan((const uint8_t *) data + at, len - at < block ? len - at : block, 0, out, &dirty);
		if (now() - from < best)
			best = now() - from;
	}
	report("scan", routine->name, best, len, rows);
	free(out);
}

static void
time_reader(int routine, const char *name, const char *data, size_t len, long rows, bool clean)
{
	SlmReaderOptions options = {.latest = INT64_MAX};
	static char buf[SLM_CATEGORY_BUFFER * 2];
	double		best = 1e9;

	for (int round = 0; round < ROUNDS; round++)
	{
		SlmReader  *reader = slm_reader_create(&options);
		SlmReadRow	row;
		SlmReadStatus status;
		double		from = now();
		long		events = 0;
		uint64_t	sum = 0;

		slm_reader_use_scan(reader, routine);
		slm_reader_feed(reader, data, len, true);
		while ((status = slm_reader_next(reader, &row)) == SLM_READ_EVENT)
		{
			events++;
			sum += (uint64_t) row.event.price + row.event.session.len;
			if (clean)
			{
				SlmCategory category;

				sum += slm_clean_category(row.event.category_code, row.event.has_category_id, row.event.category_id,
										  buf, &category);
			}
		}
		if (now() - from < best)
			best = now() - from;
		if (status != SLM_READ_END || events != rows || sum == 0)
		{
			fprintf(stderr, "the reader stopped at row %ld with status %d\n", events, status);
			exit(1);
		}
		slm_reader_free(reader);
	}
	report(clean ? "parse+category" : "parse", name, best, len, rows);
}

int
main(int argc, char **argv)
{
	long		rows = argc > 1 ? atol(argv[1]) : 1000000;
	size_t		len;
	char	   *data = generate(rows, &len);
	int			count;
	const SlmScanRoutine *routines = slm_scan_routines(&count);

	printf("%ld rows, %zu bytes, %.1f bytes/row\n", rows, len, (double) len / (double) rows);
	for (int i = 0; i < count; i++)
		time_scan(&routines[i], data, len, rows);
	for (int i = 0; i < count; i++)
		time_reader(i, routines[i].name, data, len, rows, false);
	time_reader(count - 1, routines[count - 1].name, data, len, rows, true);
	free(data);
	return 0;
}
