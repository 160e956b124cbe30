/*
 * granularity.h: buckets of time.
 *
 * A granularity is a fixed length (minutes, hours, days, weeks) or a number of calendar months.  Lengths count from Monday 2000-01-03, so
 * that weeks begin on Mondays; months count from 2000-01.  Whole days and months may be those of a zone: then a bucket begins when the day
 * does that is its first, and a day on which clocks change has 23 or 25 hours.
 *
 *     clocks go back at 0:01            local date  |  1  |2|1|   2
 *     a day begins when it does last    bucket      |    1    |   2
 */
#ifndef SLM_PURE_GRANULARITY_H
#define SLM_PURE_GRANULARITY_H

#include "pure/zone.h"

typedef struct SlmGranularity
{
	int32_t		months;			/* either this */
	int64_t		usecs;			/* or this is positive, the other 0 */
	const SlmZone *zone;		/* NULL: UTC; else whole days, or months */
} SlmGranularity;

/* The start of the bucket that a time is in, and the start of the one after the bucket that begins at start. */
extern SlmTime slm_bucket_start(SlmGranularity g, SlmTime time);
extern SlmTime slm_bucket_next(SlmGranularity g, SlmTime start);

/* Its whole days or months in a zone, NULL for UTC; what is neither is the same everywhere. */
extern SlmGranularity slm_granularity_in(SlmGranularity g, const SlmZone *zone);

/* Does every bucket of coarse consist of whole buckets of fine? */
extern bool slm_granularity_is_multiple(SlmGranularity coarse, SlmGranularity fine);

#endif							/* SLM_PURE_GRANULARITY_H */
