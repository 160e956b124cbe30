/*
 * session_views.h: the views that a session knows, kept from one call to the next.
 */
#ifndef SLM_LOAD_SESSION_VIEWS_H
#define SLM_LOAD_SESSION_VIEWS_H

#include "dedup/view_state.h"

/*
 * The state that the last call has left, or a new one.  It lives in a context of its own, until slm_session_views_keep() or
 * slm_session_views_drop(), one of which has to follow.  Needs SPI.
 */
extern SlmViewState *slm_session_views_take(void);

/* The call has ended well: what it knows is kept for the next one, if the session has called before, else freed. */
extern void slm_session_views_keep(void);

/* It ended with an error.  No error if there is nothing to drop. */
extern void slm_session_views_drop(void);

#endif							/* SLM_LOAD_SESSION_VIEWS_H */
