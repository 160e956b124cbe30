/*
 * health.h: what the worker does so that sellometer.health tells the truth, and others hear of it.
 */
#ifndef SLM_UPKEEP_HEALTH_H
#define SLM_UPKEEP_HEALTH_H

#include "postgres.h"

/*
 * From time to time, or at once: look at the jobs of pg_cron, and NOTIFY sellometer_alert of things in
 * sellometer.health that are not well since, are worse, or well again, once for each state.  With SPI, in a transaction that has not executed
 * anything; others come of it.  Nothing of it is an error: it is noted as a failure of process "health".
 */
extern void slm_health_look(int slot, bool at_once);

/*
 * If the worker of this database has not told for sellometer.stuck_after, as it hangs, or does not run: tell in its stead.  Like slm_health_look(), and
 * only where sellometer.database names this database.
 */
extern void slm_health_tell_instead(void);

/* Have settings that a role or database has by default changed since this process began?  As of the last look. */
extern bool slm_health_settings_changed(void);

#endif							/* SLM_UPKEEP_HEALTH_H */
