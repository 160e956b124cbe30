/*
 * zone.c: time zones by their names.
 *
 * Tables are made of them once a process: a bucket's start is asked for in threads, where PostgreSQL's functions are not to be called.
 * Before 1990 no shop has sold anything on the web, and clocks were off by odd minutes and seconds: what was then is taken to have been
 * as it was when 1990 began, so that today's zones of whole hours are such.
 */
#include "postgres.h"

#include "datatype/timestamp.h"
#include "pgtime.h"
#include "server/zone.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define FIRST_SECOND	INT64CONST(631152000)	/* 1990-01-01 */
#define LAST_SECOND		INT64CONST(7258118400)	/* 2200-01-01 */
#define MAX_CHANGES		1000

typedef struct KnownZone
{
	SlmZone		zone;
	struct KnownZone *next;
} KnownZone;

static KnownZone *known;

/* Into changes, which has room for MAX_CHANGES; returns how many. */
static int
find_changes(const pg_tz *tz, SlmZoneChange *changes)
{
	pg_time_t	at = FIRST_SECOND - 1;
	int			n = 0;

	while (n < MAX_CHANGES)
	{
		long		before;
		long		after;
		int			before_dst;
		int			after_dst;
		pg_time_t	boundary;
		int			more = pg_next_dst_boundary(&at, &before, &before_dst, &boundary, &after, &after_dst, tz);

		if (n == 0)
			changes[n++] = (SlmZoneChange) {DT_NOBEGIN, (int32) before};
		if (more <= 0 || boundary > LAST_SECOND)
			break;
		if (after != changes[n - 1].offset)
			changes[n++] = (SlmZoneChange) {time_t_to_timestamptz(boundary), (int32) after};
		at = boundary;
	}
	return n;
}

static const SlmZone *
make_zone(const pg_tz *tz, const char *name)
{
	KnownZone  *made = MemoryContextAllocZero(TopMemoryContext, sizeof(KnownZone));
	SlmZoneChange *changes = MemoryContextAlloc(TopMemoryContext, sizeof(SlmZoneChange) * MAX_CHANGES);

	made->zone = (SlmZone) {.name = MemoryContextStrdup(TopMemoryContext, name),.n = find_changes(tz, changes),.changes = changes};
	made->zone.unit = slm_zone_unit(changes, made->zone.n);
	made->next = known;
	known = made;
	return &made->zone;
}

static const SlmZone *
find_known(const char *name)
{
	for (const KnownZone *zone = known; zone != NULL; zone = zone->next)
	{
		if (strcmp(zone->zone.name, name) == 0)
			return &zone->zone;
	}
	return NULL;
}

const SlmZone *
slm_zone(const char *name)
{
	const SlmZone *zone = find_known(name);
	pg_tz	   *tz;

	if (zone != NULL || strcmp(name, "UTC") == 0)
		return zone;
	tz = pg_tzset(name);
	if (tz == NULL || !pg_tz_acceptable(tz))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no time zone \"%s\"", name),
				 errhint("pg_timezone_names lists them, as in \"Europe/Berlin\".")));
	/* capitals are as the zone has them */
	name = pg_get_timezone_name(tz);
	zone = find_known(name);
	return zone != NULL || strcmp(name, "UTC") == 0 ? zone : make_zone(tz, name);
}

const char *
slm_zone_name(const SlmZone *zone)
{
	return zone == NULL ? "UTC" : zone->name;
}
