/*
 * view_rewrite.h: reading the view log by time, and taking entries out of it.
 */
#ifndef SLM_DEDUP_VIEW_REWRITE_H
#define SLM_DEDUP_VIEW_REWRITE_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "pure/views.h"

/* The log has all views that were counted from this time on; DT_NOBEGIN: all there ever were. */
extern TimestampTz slm_view_log_from(void);

/*
 * Call back for each entry of the hours that from and to are in, and those between; of those in only, if it is not NULL.  A fingerprint has
 * an entry for each time at which it counted, also if an earlier one counts now.  The view is valid during the call.
 */
typedef void (*SlmTakeView) (const SlmView *view, void *arg);
extern void slm_view_log_each(SlmDictionary *dictionary, TimestampTz from, TimestampTz to, const SlmViews *only, SlmTakeView take, void *arg);

/*
 * Read the entries with from <= time < to into known, of each fingerprint the earliest; of those in only, if it is not
 * NULL.
 */
extern void slm_view_log_read(SlmDictionary *dictionary, TimestampTz from, TimestampTz to, const SlmViews *only, SlmViews *known);

/*
 * Under the writer's lock: take out the entries with from <= time < to; those whose fingerprint is in only, if it is not
 * NULL.  Every backend will read the log anew.
 */
extern void slm_view_log_cut(SlmDictionary *dictionary, TimestampTz from, TimestampTz to, const SlmViews *only);

#endif							/* SLM_DEDUP_VIEW_REWRITE_H */
