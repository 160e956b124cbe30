/*
 * view_check.h: is the cache of views what the log tells?  Asked now and then in builds with assertions; others have none of it.
 */
#ifndef SLM_DEDUP_VIEW_CHECK_H
#define SLM_DEDUP_VIEW_CHECK_H

#ifdef USE_ASSERT_CHECKING

#include "dedup/view_state.h"

/* Under the writer's lock: the cache of views, caught up and of use for the batch, has what the log has. */
#define SLM_CHECK_VIEWS(state)	slm_check_views(state)

extern void slm_check_views(SlmViewState *state);

#else
#define SLM_CHECK_VIEWS(state)	((void) 0)
#endif

#endif							/* SLM_DEDUP_VIEW_CHECK_H */
