/*
 * visits.c: when sessions were there, and when they bought something.
 */
#include "pure/visits.h"

#include <stdlib.h>
#include <string.h>

#include "pure/assert.h"
#include "pure/groups.h"
#include "pure/interner.h"

static bool
append(SlmVisits *visits, SlmVisit visit)
{
	if (!slm_grow((void **) &visits->visits, visits->n, &visits->max, sizeof(SlmVisit)))
		return false;
	visits->visits[visits->n++] = visit;
	return true;
}

bool
slm_visits_add(SlmVisits *visits, uint64_t session, SlmTime time, bool bought, uint64_t keys)
{
	SLM_ASSERT(time >= -SLM_BATCH_TIME_LIMIT && time <= SLM_BATCH_TIME_LIMIT);
	return append(visits, (SlmVisit) {session, time * 2, keys}) &&
		(!bought || append(visits, (SlmVisit) {session, time * 2 + 1, keys}));
}

void
slm_visits_keep(SlmVisits *visits, SlmTime first, SlmTime last)
{
	uint32_t	kept = 0;

	for (uint32_t i = 0; i < visits->n; i++)
	{
		SlmTime		time = slm_visit_time(&visits->visits[i]);

		if (time >= first && time <= last)
			visits->visits[kept++] = visits->visits[i];
	}
	visits->n = kept;
}

static int
compare(const void *a, const void *b)
{
	const SlmVisit *x = a;
	const SlmVisit *y = b;

	if (x->session != y->session)
		return x->session < y->session ? -1 : 1;
	if (x->keys != y->keys)
		return x->keys < y->keys ? -1 : 1;
	return (x->when > y->when) - (x->when < y->when);
}

void
slm_visits_unite(SlmVisits *visits)
{
	uint32_t	kept = 0;

	for (uint32_t i = 0; i < visits->n; i++)
	{
		SlmVisit   *visit = &visits->visits[i];

		if (!slm_visit_is_purchase(visit))
			visit->when = (int64_t) slm_minute_of(slm_visit_time(visit)) * SLM_USECS_PER_MIN * 2;
	}
	if (visits->n > 0)
		qsort(visits->visits, visits->n, sizeof(SlmVisit), compare);
	for (uint32_t i = 0; i < visits->n; i++)
	{
		if (kept == 0 || compare(&visits->visits[kept - 1], &visits->visits[i]) != 0)
			visits->visits[kept++] = visits->visits[i];
	}
	visits->n = kept;
}

bool
slm_visits_take(SlmVisits *visits, const SlmVisit *others, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
	{
		if (!append(visits, others[i]))
			return false;
	}
	return true;
}

void
slm_visits_reset(SlmVisits *visits)
{
	visits->n = 0;
}

void
slm_visits_free(SlmVisits *visits)
{
	free(visits->visits);
	*visits = (SlmVisits) {0};
}
