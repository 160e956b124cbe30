/*
 * schedule.h: jobs of pg_cron do not outlive what they call.
 */
#ifndef SLM_UPKEEP_SCHEDULE_H
#define SLM_UPKEEP_SCHEDULE_H

#include "postgres.h"

/* From _PG_init: see to it that the jobs go when the extension or its database is dropped. */
extern void slm_schedule_init(void);

/* The name of the database that pg_cron lives in; NULL if it is not loaded. */
extern const char *slm_cron_database(void);

extern PGDLLEXPORT void sellometer_unschedule_main(Datum arg);

#endif							/* SLM_UPKEEP_SCHEDULE_H */
