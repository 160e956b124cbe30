/*
 * zone.h: time zones by their names.
 */
#ifndef SLM_SERVER_ZONE_H
#define SLM_SERVER_ZONE_H

#include "postgres.h"
#include "pure/zone.h"

/*
 * The zone of a name that PostgreSQL knows, by its own data; NULL: UTC.  Of one name it is always the same, and it is never freed, so
 * that threads may read it.  An error if there is no such zone.
 */
extern const SlmZone *slm_zone(const char *name);

/* Its name; "UTC" for NULL. */
extern const char *slm_zone_name(const SlmZone *zone);

#endif							/* SLM_SERVER_ZONE_H */
