/*
 * groups.h: events counted by (minute, type, offer).
 *
 * Each minute has a table of its own.  Rows come about in the order of their time, so those of the few minutes at hand are in the
 * processor's cache; and whoever wants the minutes one after the other need not sort the groups.
 */
#ifndef SLM_PURE_GROUPS_H
#define SLM_PURE_GROUPS_H

#include "pure/dictionary.h"

typedef struct SlmGroup
{
	int32_t		minute;			/* minutes since 2000-01-01 00:00 UTC */
	SlmOfferId	offer;
	uint8_t		type;			/* SlmEventType */
	int32_t		count;			/* may be negative: a view that moved away; never 0 is not promised */
} SlmGroup;

/* Events of one minute, type and offer, in eight bytes. */
typedef struct SlmGroupSlot
{
	uint32_t	name;			/* offer * SLM_EVENT_TYPES + type + 1; 0: free */
	int32_t		count;
} SlmGroupSlot;

typedef struct SlmMinute
{
	int32_t		minute;
	uint32_t	nslots;			/* a power of two, or 0 */
	uint32_t	ngroups;
	SlmGroupSlot *slots;
} SlmMinute;

/* Zero-initialised is empty. */
typedef struct SlmGroups
{
	SlmMinute  *minutes;		/* in the order in which they were first seen */
	uint32_t	nminutes;
	uint32_t	nused;			/* from nminutes to here: tables that are empty and wait for their next use */
	uint32_t	maxminutes;
	uint32_t   *index;			/* number of a minute + 1, by a hash of it; 0: free */
	uint32_t	nindex;			/* a power of two, or 0 */
	uint32_t	last;			/* number of the minute that was asked for last */
	bool		overflow;		/* a count has passed what it can hold: what is here is of no use */
	uint64_t	ngroups;
	size_t		memory;			/* of all tables, in bytes */
} SlmGroups;

/* Times that a group can hold: the years 980 to 3019. */
#define SLM_BATCH_TIME_LIMIT	(INT64_C(536000000) * SLM_USECS_PER_MIN)

static inline int32_t
slm_minute_of(SlmTime time)
{
	return (int32_t) (time / SLM_USECS_PER_MIN - (time % SLM_USECS_PER_MIN < 0));
}

/* Count events (by: how many, in pieces).  False if out of memory; sets overflow where there are too many. */
extern bool slm_groups_count(SlmGroups *groups, int32_t minute, SlmOfferId offer, uint8_t type, int32_t by);

/* Count all that others has, too, and empty it.  False if out of memory. */
extern bool slm_groups_take(SlmGroups *groups, SlmGroups *others);

/*
 * One group after the other, in the order of the minutes' numbers: begin with {.groups = groups}, and end when it returns false.
 * What is counted meanwhile may be told or not.
 */
typedef struct SlmGroupScan
{
	const SlmGroups *groups;
	uint32_t	minute;			/* its number */
	uint32_t	slot;
} SlmGroupScan;

extern bool slm_groups_next(SlmGroupScan *scan, SlmGroup *group);

/* What a slot that is not free counts. */
static inline SlmGroup
slm_group_of(const SlmMinute *minute, const SlmGroupSlot *slot)
{
	return (SlmGroup) {
		.minute = minute->minute,.offer = (slot->name - 1) / SLM_EVENT_TYPES,.type = (slot->name - 1) % SLM_EVENT_TYPES,
		.count = slot->count
	};
}

/* Empty it, but keep its memory for the next use. */
extern void slm_groups_reset(SlmGroups *groups);
extern void slm_groups_free(SlmGroups *groups);

extern size_t slm_groups_memory(const SlmGroups *groups);

#endif							/* SLM_PURE_GROUPS_H */
