/*
 * view_check.c: is the cache of views what the log tells?
 */
#include "postgres.h"

#include "dedup/view_check.h"

#ifdef USE_ASSERT_CHECKING

#include "dedup/view_rewrite.h"
#include "server/look.h"
#include "utils/timestamp.h"

static bool
is_same(const SlmViewState *state, const SlmView *a, const SlmView *b)
{
	return a->time == b->time && slm_dictionary_compare(state->dictionary, a->offer, b->offer) == 0;
}

/* Has the log an earlier entry of a fingerprint, from before a time?  earlier: those entries, once they are read. */
static bool
was_earlier(const SlmViewState *state, uint64 fingerprint, TimestampTz time, SlmViews *earlier)
{
	if (earlier->nslots == 0)
		slm_view_log_read(state->dictionary, DT_NOBEGIN, time, NULL, earlier);
	return slm_views_find(earlier, fingerprint) != NULL;
}

/*
 * The cache has all views from some time on; of the hour that this is in the log's block was not read.  Earlier ones it may have: then of
 * a fingerprint it knows that one; or has known it, and has dropped what is so old.
 */
void
slm_check_views(SlmViewState *state)
{
	TimestampTz from = TIMESTAMP_NOT_FINITE(state->from) ? DT_NOBEGIN : state->from + USECS_PER_HOUR;
	SlmViews	log = {0};
	SlmViews	earlier = {0};

	if (!state->cached || !slm_is_time_to_look())
		return;
	slm_view_log_read(state->dictionary, from, DT_NOEND, NULL, &log);
	for (uint64 i = 0; i < log.nslots; i++)
	{
		const SlmView *view = &log.slots[i];
		const SlmView *known;

		if (view->fingerprint == 0)
			continue;
		known = slm_views_find(&state->known, view->fingerprint);
		Assert(known != NULL || was_earlier(state, view->fingerprint, from, &earlier));
		Assert(known == NULL || known->time < from || is_same(state, known, view));
	}
	for (uint64 i = 0; i < state->known.nslots; i++)
	{
		const SlmView *known = &state->known.slots[i];

		if (known->fingerprint != 0 && known->time >= from)
			Assert(slm_views_find(&log, known->fingerprint) != NULL);
	}
	slm_views_free(&log);
	slm_views_free(&earlier);
}

#endif
