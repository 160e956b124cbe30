/*
 * visits.h: when sessions were there, and when they bought something.
 *
 * A set: what is in it twice counts once.  So whatever is made of it is the same for any order of rows, batches and files.
 */
#ifndef SLM_PURE_VISITS_H
#define SLM_PURE_VISITS_H

#include "pure/types.h"

/* When a session was there, to the minute once they are united; or the moment at which it bought something. */
typedef struct SlmVisit
{
	uint64_t	session;		/* fingerprint of it */
	int64_t		when;			/* see slm_visit_time() */
	uint64_t	keys;			/* slm_dictionary_visit_keys() of the row's offer; for who writes it the number of one of these keys */
} SlmVisit;

/* Zero-initialised is empty, and not wanted. */
typedef struct SlmVisits
{
	SlmVisit   *visits;
	uint32_t	n;
	uint32_t	max;
	bool		wanted;			/* of a chunk: note them; of a batch: there are those of all its rows */
} SlmVisits;

static inline bool
slm_visit_is_purchase(const SlmVisit *visit)
{
	return visit->when & 1;
}

static inline SlmTime
slm_visit_time(const SlmVisit *visit)
{
	return visit->when >> 1;
}

/* Note an event of a session; its time is within SLM_BATCH_TIME_LIMIT.  False if out of memory. */
extern bool slm_visits_add(SlmVisits *visits, uint64_t session, SlmTime time, bool bought, uint64_t keys);

/* Take out those before or after these times; they are not united yet. */
extern void slm_visits_keep(SlmVisits *visits, SlmTime first, SlmTime last);

/* Sort them by session, keys and time, and have each session be there once a minute with the same keys, beside its purchases. */
extern void slm_visits_unite(SlmVisits *visits);

/* Add those of another set, from an array.  False if out of memory. */
extern bool slm_visits_take(SlmVisits *visits, const SlmVisit *others, uint32_t n);

extern void slm_visits_reset(SlmVisits *visits);
extern void slm_visits_free(SlmVisits *visits);

#endif							/* SLM_PURE_VISITS_H */
