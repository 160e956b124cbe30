/*
 * recent_views.h: sellometer.recent_views() for detectors.
 */
#ifndef SLM_SQL_RECENT_VIEWS_H
#define SLM_SQL_RECENT_VIEWS_H

#include "postgres.h"

/*
 * Until the context is reset, read the view log once for all calls of sellometer.recent_views() with sellometer.price_window or
 * sellometer.shift_window behind a head: what was read is kept in the context, and is not read again though more may have been committed.
 */
extern void slm_recent_views_keep(MemoryContext context);

#endif							/* SLM_SQL_RECENT_VIEWS_H */
