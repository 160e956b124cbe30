/*
 * zone.c: a time zone, as the moments at which its clocks were changed.
 */
#include "pure/zone.h"

#include "pure/assert.h"

SlmTime
slm_zone_utc(const SlmZoneChange *changes, int n, SlmTime local)
{
	int			low = 0;
	int			high = n - 1;

	SLM_ASSERT(n > 0);
	/* what is skipped lies before a change's end, what is shown twice behind its beginning, by the wall clock after it */
	while (low < high)
	{
		int			middle = (low + high + 1) / 2;

		if (local >= changes[middle].at + changes[middle].offset * SLM_USECS_PER_SEC)
			low = middle;
		else
			high = middle - 1;
	}
	return local - changes[low].offset * SLM_USECS_PER_SEC;
}

SlmTime
slm_zone_local(const SlmZoneChange *changes, int n, SlmTime time)
{
	int			low = 0;
	int			high = n - 1;

	SLM_ASSERT(n > 0);
	while (low < high)
	{
		int			middle = (low + high + 1) / 2;

		if (time >= changes[middle].at)
			low = middle;
		else
			high = middle - 1;
	}
	return time + changes[low].offset * SLM_USECS_PER_SEC;
}

int64_t
slm_zone_unit(const SlmZoneChange *changes, int n)
{
	int64_t		unit = INT64_C(86400);

	for (int i = 0; i < n; i++)
	{
		int64_t		rest = changes[i].offset < 0 ? -(int64_t) changes[i].offset : changes[i].offset;

		while (rest != 0)
		{
			int64_t		next = unit % rest;

			unit = rest;
			rest = next;
		}
	}
	return unit * SLM_USECS_PER_SEC;
}
