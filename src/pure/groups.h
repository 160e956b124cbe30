/*
 * groups.h: events counted by (minute, type, offer).
 */
#ifndef SLM_PURE_GROUPS_H
#define SLM_PURE_GROUPS_H

#include "pure/catalog.h"

typedef struct SlmGroup
{
	int32_t		minute;			/* minutes since 2000-01-01 00:00 UTC */
	SlmOfferId	offer;
	uint8_t		type;			/* SlmEventType */
	int32_t		count;			/* may be negative: a view that moved away; never 0 is not promised */
} SlmGroup;

/* Zero-initialised is empty. */
typedef struct SlmGroups
{
	SlmGroup   *groups;			/* nslots of them; a free one has type SLM_GROUP_FREE */
	uint64_t	nslots;
	uint64_t	ngroups;
} SlmGroups;

#define SLM_GROUP_FREE	UINT8_MAX

/* Times that a group can hold: the years 980 to 3019. */
#define SLM_BATCH_TIME_LIMIT	(INT64_C(536000000) * SLM_USECS_PER_MIN)

static inline int32_t
slm_minute_of(SlmTime time)
{
	return (int32_t) (time / SLM_USECS_PER_MIN - (time % SLM_USECS_PER_MIN < 0));
}

/* Count events (by: how many).  False if out of memory. */
extern bool slm_groups_count(SlmGroups *groups, int32_t minute, SlmOfferId offer, uint8_t type, int32_t by);

/* Fetch what slm_groups_count() will look at into the cache. */
extern void slm_groups_prefetch(const SlmGroups *groups, int32_t minute, SlmOfferId offer, uint8_t type);

/* Count all that others has, too.  False if out of memory. */
extern bool slm_groups_add(SlmGroups *groups, const SlmGroups *others);

/* Empty it, but keep its memory for the next use. */
extern void slm_groups_reset(SlmGroups *groups);
extern void slm_groups_free(SlmGroups *groups);

#endif							/* SLM_PURE_GROUPS_H */
