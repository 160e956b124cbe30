/*
 * held.h: transfers that did not come in time for their batch, and go on beside the next ones.
 */
#ifndef SLM_LOAD_HELD_H
#define SLM_LOAD_HELD_H

#include "load/loader.h"

/* Keep an object's transfer, which is the set's now. */
extern void slm_held_keep(SlmIngest *ingest, SlmObject *object);

/* Give an object back its transfer, if it is kept.  True if so. */
extern bool slm_held_take(SlmIngest *ingest, SlmObject *object);

/* Is one of this source kept? */
extern bool slm_held_has(const SlmIngest *ingest, const char *source);

/* After slm_sources_refresh(): close those whose store was opened anew, or that nobody has asked for any more. */
extern void slm_held_check(SlmIngest *ingest);

/* Has one of them come? */
extern bool slm_held_ready(const SlmIngest *ingest);

#endif							/* SLM_LOAD_HELD_H */
