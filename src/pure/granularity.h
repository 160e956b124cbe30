/*
 * granularity.h: buckets of time.
 *
 * A granularity is a fixed length (minutes, hours, days, weeks) or a number of calendar months, always in UTC.  Fixed
 * lengths count from Monday 2000-01-03, so that weeks begin on Mondays; months count from 2000-01.
 */
#ifndef SLM_PURE_GRANULARITY_H
#define SLM_PURE_GRANULARITY_H

#include "pure/types.h"

typedef struct SlmGranularity
{
	int32_t		months;			/* either this */
	int64_t		usecs;			/* or this is positive, the other 0 */
} SlmGranularity;

/* The start of the bucket that a time is in, and the start of the one after the bucket that begins at start. */
extern SlmTime slm_bucket_start(SlmGranularity g, SlmTime time);
extern SlmTime slm_bucket_next(SlmGranularity g, SlmTime start);

/* Does every bucket of coarse consist of whole buckets of fine? */
extern bool slm_granularity_is_multiple(SlmGranularity coarse, SlmGranularity fine);

#endif							/* SLM_PURE_GRANULARITY_H */
