/*
 * grid_calls.c: buckets of time in SQL, as the tiers have them.
 */
#include "postgres.h"

#include "fmgr.h"
#include "server/zone.h"
#include "tiers/tier.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(sellometer_bucket_start);
PG_FUNCTION_INFO_V1(sellometer_bucket_end);
PG_FUNCTION_INFO_V1(sellometer_bucket_next);
PG_FUNCTION_INFO_V1(sellometer_is_multiple);

/* Beyond these there are no events, and a bucket around them might not be a time any more. */
#define FIRST_TIME	(INT64CONST(-1095362) * USECS_PER_DAY)	/* about 1000 BC */
#define LAST_TIME	(INT64CONST(6574365) * USECS_PER_DAY)	/* about 20000 AD */

/* An argument that is an interval, in the zone that another names; without one in UTC. */
static SlmGranularity
granularity_of(FunctionCallInfo fcinfo, int interval, int zone)
{
	SlmGranularity g = slm_interval_granularity(PG_GETARG_INTERVAL_P(interval));

	return PG_ARGISNULL(zone) ? g : slm_granularity_in(g, slm_zone(text_to_cstring(PG_GETARG_TEXT_PP(zone))));
}

/* False if the argument is at the end of times, or so near to it that what is asked for is. */
static bool
take_time(FunctionCallInfo fcinfo, TimestampTz *time)
{
	*time = PG_GETARG_TIMESTAMPTZ(1);
	if (*time >= FIRST_TIME && *time <= LAST_TIME)
		return true;
	*time = *time < FIRST_TIME ? DT_NOBEGIN : DT_NOEND;
	return false;
}

Datum
sellometer_bucket_start(PG_FUNCTION_ARGS)
{
	TimestampTz time;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	if (take_time(fcinfo, &time))
		time = slm_bucket_start(granularity_of(fcinfo, 0, 2), time);
	PG_RETURN_TIMESTAMPTZ(time);
}

Datum
sellometer_bucket_end(PG_FUNCTION_ARGS)
{
	TimestampTz time;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	if (take_time(fcinfo, &time))
	{
		SlmGranularity g = granularity_of(fcinfo, 0, 2);
		TimestampTz start = slm_bucket_start(g, time);

		time = start == time ? time : slm_bucket_next(g, start);
	}
	PG_RETURN_TIMESTAMPTZ(time);
}

Datum
sellometer_bucket_next(PG_FUNCTION_ARGS)
{
	TimestampTz time;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	if (take_time(fcinfo, &time))
	{
		SlmGranularity g = granularity_of(fcinfo, 0, 2);

		time = slm_bucket_next(g, slm_bucket_start(g, time));
	}
	PG_RETURN_TIMESTAMPTZ(time);
}

Datum
sellometer_is_multiple(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	PG_RETURN_BOOL(slm_granularity_is_multiple(granularity_of(fcinfo, 0, 2), granularity_of(fcinfo, 1, 3)));
}
