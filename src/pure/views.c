/*
 * views.c: the table of views that count.
 */
#include "pure/views.h"

#include "pure/memory.h"

#define MIN_SLOTS	1024

static bool
resize(SlmViews *views, uint64_t nslots, SlmTime drop_before)
{
	SlmViews	bigger = {0};

	bigger.slots = slm_table_alloc(nslots, sizeof(SlmView));
	if (bigger.slots == NULL)
		return false;
	bigger.nslots = nslots;
	for (uint64_t i = 0; i < views->nslots; i++)
	{
		const SlmView *view = &views->slots[i];
		uint64_t	s;

		if (view->fingerprint == 0 || view->time < drop_before)
			continue;
		s = slm_views_slot(&bigger, view->fingerprint);
		while (bigger.slots[s].fingerprint != 0)
		{
			if (++s == nslots)
				s = 0;
		}
		bigger.slots[s] = *view;
		bigger.nviews++;
	}
	slm_table_free(views->slots, views->nslots, sizeof(SlmView));
	*views = bigger;
	return true;
}

/* Slots for this many views at a load of two thirds. */
static uint64_t
slots_for(uint64_t nviews)
{
	uint64_t	nslots = nviews + nviews / 2 + 1;

	return nslots < MIN_SLOTS ? MIN_SLOTS : nslots;
}

bool
slm_views_reserve(SlmViews *views, uint64_t nviews)
{
	uint64_t	nslots = slots_for(nviews);

	if (nviews <= views->nslots - views->nslots / 5)
		return true;
	/* at least by half, so that many small steps cost no more than a few large ones */
	if (nslots < views->nslots + views->nslots / 2)
		nslots = views->nslots + views->nslots / 2;
	return resize(views, nslots, INT64_MIN);
}

SlmView *
slm_views_add(SlmViews *views, uint64_t fingerprint, bool *found)
{
	uint64_t	s;

	/* grow by half at a load of four fifths */
	if (views->nviews >= views->nslots - views->nslots / 5 &&
		!resize(views, views->nslots ? views->nslots + views->nslots / 2 : MIN_SLOTS, INT64_MIN))
		return NULL;
	for (s = slm_views_slot(views, fingerprint); views->slots[s].fingerprint != 0;)
	{
		if (views->slots[s].fingerprint == fingerprint)
		{
			*found = true;
			return &views->slots[s];
		}
		if (++s == views->nslots)
			s = 0;
	}
	*found = false;
	views->slots[s].fingerprint = fingerprint;
	views->nviews++;
	return &views->slots[s];
}

bool
slm_views_drop_before(SlmViews *views, SlmTime time)
{
	uint64_t	kept = 0;

	for (uint64_t i = 0; i < views->nslots; i++)
		kept += views->slots[i].fingerprint != 0 && views->slots[i].time >= time;
	return kept == views->nviews || resize(views, slots_for(kept), time);
}

void
slm_views_free(SlmViews *views)
{
	slm_table_free(views->slots, views->nslots, sizeof(SlmView));
	*views = (SlmViews) {0};
}
