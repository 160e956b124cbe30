/*
 * zone.h: a time zone, as the moments at which its clocks were changed.
 */
#ifndef SLM_PURE_ZONE_H
#define SLM_PURE_ZONE_H

#include "pure/types.h"

/* From this moment on local time is so many seconds before UTC's, negative to the west. */
typedef struct SlmZoneChange
{
	SlmTime		at;
	int32_t		offset;
} SlmZoneChange;

typedef struct SlmZone
{
	const char *name;
	int			n;				/* 1 at least */
	const SlmZoneChange *changes;	/* ascending, the first at the beginning of time */
	int64_t		unit;			/* the greatest length of which a day and all offsets are multiples */
} SlmZone;

/*
 * A moment that a wall clock shows, as UTC; both count as SlmTime does.  What is shown twice is the later of the two, what is skipped is
 * taken as if nothing was: as PostgreSQL does.  It ascends with local, as long as clocks are not changed more often than they are off.
 */
extern SlmTime slm_zone_utc(const SlmZoneChange *changes, int n, SlmTime local);

/* What a wall clock shows at a moment. */
extern SlmTime slm_zone_local(const SlmZoneChange *changes, int n, SlmTime time);

/* The greatest length, in usecs, of which a day and all offsets are multiples. */
extern int64_t slm_zone_unit(const SlmZoneChange *changes, int n);

#endif							/* SLM_PURE_ZONE_H */
