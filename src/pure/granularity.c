/*
 * granularity.c: buckets of time.
 */
#include "pure/granularity.h"

#include "pure/assert.h"

#define USECS_PER_DAY	(INT64_C(86400) * SLM_USECS_PER_SEC)
#define ORIGIN			(2 * USECS_PER_DAY) /* Monday 2000-01-03 */
#define DAYS_TO_2000	10957				/* from 1970-01-01 */

static int64_t
floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* The month (0 = January 2000) that a time is in.  After Howard Hinnant's days_from_civil algorithms. */
static int64_t
month_of(SlmTime time)
{
	int64_t		z = floor_div(time, USECS_PER_DAY) + DAYS_TO_2000 + 719468;
	int64_t		era = floor_div(z, 146097);
	int64_t		doe = z - era * 146097;
	int64_t		yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t		doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t		mp = (5 * doy + 2) / 153;	/* March = 0 */

	return (yoe + era * 400 - 2000) * 12 + mp + 2;
}

/* The first moment of a month (0 = January 2000). */
static SlmTime
month_start(int64_t month)
{
	int64_t		m = month - 2;	/* March = 0 */
	int64_t		y = 2000 + floor_div(m, 12);
	int64_t		mp = m - floor_div(m, 12) * 12;
	int64_t		era = floor_div(y, 400);
	int64_t		yoe = y - era * 400;
	int64_t		doe = yoe * 365 + yoe / 4 - yoe / 100 + (153 * mp + 2) / 5;

	return (era * 146097 + doe - 719468 - DAYS_TO_2000) * USECS_PER_DAY;
}

/* The start of the bucket that a time is in, of one clock. */
static SlmTime
start_of(SlmGranularity g, SlmTime time)
{
	if (g.months > 0)
		return month_start(floor_div(month_of(time), g.months) * g.months);
	return floor_div(time - ORIGIN, g.usecs) * g.usecs + ORIGIN;
}

static SlmTime
next_of(SlmGranularity g, SlmTime start)
{
	return g.months > 0 ? month_start(month_of(start) + g.months) : start + g.usecs;
}

/* --- in a zone --- */

static inline SlmTime
utc_of(const SlmZone *zone, SlmTime local)
{
	return slm_zone_utc(zone->changes, zone->n, local);
}

/*
 * The last bucket that has begun at a time, as its local start.  By the wall clock that may be another than the time is in: the one before,
 * where clocks were put back over its beginning; and a day that was left out begins and ends at the same moment.
 */
static SlmTime
begun_at(SlmGranularity g, SlmTime time)
{
	SlmTime		local = start_of(g, slm_zone_local(g.zone->changes, g.zone->n, time));

	while (utc_of(g.zone, local) > time)
		local = start_of(g, local - 1);
	for (SlmTime next = next_of(g, local); utc_of(g.zone, next) <= time; next = next_of(g, local))
		local = next;
	return local;
}

SlmTime
slm_bucket_start(SlmGranularity g, SlmTime time)
{
	SLM_ASSERT((g.months > 0) != (g.usecs > 0));
	SLM_ASSERT(time != INT64_MIN && time != INT64_MAX);
	return g.zone == NULL ? start_of(g, time) : utc_of(g.zone, begun_at(g, time));
}

SlmTime
slm_bucket_next(SlmGranularity g, SlmTime start)
{
	SLM_ASSERT(start == slm_bucket_start(g, start));
	return g.zone == NULL ? next_of(g, start) : utc_of(g.zone, next_of(g, begun_at(g, start)));
}

/* --- one beside the other --- */

SlmGranularity
slm_granularity_in(SlmGranularity g, const SlmZone *zone)
{
	g.zone = g.months > 0 || g.usecs % USECS_PER_DAY == 0 ? zone : NULL;
	return g;
}

bool
slm_granularity_is_multiple(SlmGranularity coarse, SlmGranularity fine)
{
	/* of hours of UTC days in a zone consist if their clocks differ by whole ones */
	if (coarse.zone != fine.zone && (fine.zone != NULL || fine.months > 0 || coarse.zone->unit % fine.usecs != 0))
		return false;
	if (coarse.months > 0)
		return fine.months > 0 ? coarse.months % fine.months == 0 : USECS_PER_DAY % fine.usecs == 0;
	return fine.months == 0 && coarse.usecs % fine.usecs == 0;
}
