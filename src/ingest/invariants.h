/*
 * invariants.h: what must hold whatever has happened, looked at now and then in builds with assertions.  Others have none of it.
 */
#ifndef SLM_INGEST_INVARIANTS_H
#define SLM_INGEST_INVARIANTS_H

#ifdef USE_ASSERT_CHECKING

#include "ingest/tier.h"
#include "ingest/view_state.h"
#include "pure/deltas.h"

/*
 * Both under the writer's lock.  The cache of views, caught up and of use for the batch, has what the log has; and nothing is counted less
 * than once in the buckets of a tier that were written.
 */
#define SLM_CHECK_VIEWS(state)			slm_check_views(state)
#define SLM_CHECK_COUNTS(tier, cells)	slm_check_counts(tier, cells)

extern void slm_check_views(SlmViewState *state);
extern void slm_check_counts(const SlmTier *tier, const SlmCells *cells);

#else
#define SLM_CHECK_VIEWS(state)			((void) 0)
#define SLM_CHECK_COUNTS(tier, cells)	((void) 0)
#endif

#endif							/* SLM_INGEST_INVARIANTS_H */
