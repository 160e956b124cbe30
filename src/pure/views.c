/*
 * views.c: the table of views that count.
 */
#include "pure/views.h"

#include <stdlib.h>
#include <string.h>

#include "pure/assert.h"
#include "pure/memory.h"

#define MIN_SLOTS	1024
#define ASIDE		65536

/* Put a view, which is not there yet, into the table. */
static void
put(SlmViews *views, const SlmView *view)
{
	uint64_t	s = slm_views_slot(views, view->fingerprint);

	SLM_ASSERT(view->fingerprint != 0);

	while (views->slots[s].fingerprint != 0)
	{
		if (++s == views->nslots)
			s = 0;
	}
	views->slots[s] = *view;
}

static bool
copy(SlmViews *views, uint64_t nslots, SlmTime drop_before)
{
	SlmViews	other = {.nslots = nslots,.most = views->most};

	other.slots = slm_table_alloc(nslots, sizeof(SlmView));
	if (other.slots == NULL)
		return false;
	for (uint64_t i = 0; i < views->nslots; i++)
	{
		const SlmView *view = &views->slots[i];

		if (view->fingerprint == 0 || view->time < drop_before)
			continue;
		put(&other, view);
		other.nviews++;
	}
	slm_table_free(views->slots, views->nslots, sizeof(SlmView));
	*views = other;
	return true;
}

/*
 * Can the table be spread over more slots from right to left?  The views of the first slots are put aside for that.  All others
 * then go to a slot that is not before the one that they are in: what is overwritten has gone already.  That a view stands
 * far from its slot, or that more than so many wrap around at the end, takes a hash function that is none.
 */
static bool
can_spread(const SlmViews *views, const SlmViews *bigger)
{
	for (uint64_t i = ASIDE; i < views->nslots; i++)
	{
		uint64_t	fingerprint = views->slots[i].fingerprint;

		if (fingerprint != 0 && slm_views_slot(bigger, fingerprint) < i)
			return false;
	}
	return views->nslots > ASIDE;
}

/* Grow without a second table: most of a large one's pages are there already, and clearing new ones takes longest. */
static bool
spread(SlmViews *views, uint64_t nslots)
{
	SlmViews	bigger = {.nslots = nslots,.nviews = views->nviews,.most = views->most};
	SlmView    *aside = malloc(ASIDE * sizeof(SlmView));

	SLM_ASSERT(nslots > views->nslots);
	bigger.slots = aside ? slm_table_grow(views->slots, views->nslots, nslots, sizeof(SlmView)) : NULL;
	if (bigger.slots == NULL)
	{
		free(aside);
		return false;
	}
	memcpy(aside, bigger.slots, ASIDE * sizeof(SlmView));
	memset(bigger.slots, 0, ASIDE * sizeof(SlmView));
	for (uint64_t i = views->nslots - 1; i >= ASIDE; i--)
	{
		SlmView		view = bigger.slots[i];

		if (view.fingerprint == 0)
			continue;
		bigger.slots[i].fingerprint = 0;
		put(&bigger, &view);
	}
	for (uint64_t i = 0; i < ASIDE; i++)
	{
		if (aside[i].fingerprint != 0)
			put(&bigger, &aside[i]);
	}
	free(aside);
	*views = bigger;
	return true;
}

static bool
grow(SlmViews *views, uint64_t nslots)
{
	SlmViews	bigger = {.nslots = nslots};

	return can_spread(views, &bigger) ? spread(views, nslots) : copy(views, nslots, INT64_MIN);
}

/* Slots for this many views at a load of two thirds. */
static uint64_t
slots_for(uint64_t nviews)
{
	uint64_t	nslots = nviews + nviews / 2 + 1;

	return nslots < MIN_SLOTS ? MIN_SLOTS : nslots;
}

/* It grows by half, so that many small steps cost no more than a few large ones; beyond the most that it is to have, by less. */
static uint64_t
next_size(const SlmViews *views)
{
	uint64_t	wide = views->nslots ? views->nslots + views->nslots / 2 : MIN_SLOTS;
	uint64_t	narrow = views->nslots + views->nslots / 8;

	if (views->most == 0 || wide <= views->most || narrow < MIN_SLOTS)
		return wide;
	return narrow < views->most ? views->most : narrow;
}

bool
slm_views_reserve(SlmViews *views, uint64_t nviews)
{
	uint64_t	nslots = slots_for(nviews);
	uint64_t	dense = nviews + nviews / 4 + 2;

	if (nviews <= views->nslots - views->nslots / 5)
		return true;
	if (views->most > 0 && nslots > views->most)
		nslots = dense < views->most ? views->most : dense;
	return grow(views, nslots < next_size(views) ? next_size(views) : nslots);
}

SlmView *
slm_views_add(SlmViews *views, uint64_t fingerprint, bool *found)
{
	uint64_t	s;

	/* 0 is a free slot */
	SLM_ASSERT(fingerprint != 0);

	/* at a load of four fifths */
	if (views->nviews >= views->nslots - views->nslots / 5 && !grow(views, next_size(views)))
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

SlmView *
slm_views_add_before(SlmViews *views, uint64_t fingerprint, uint64_t end, bool *found)
{
	SLM_ASSERT(fingerprint != 0);
	SLM_ASSERT(end <= views->nslots && slm_views_slot(views, fingerprint) < end);
	for (uint64_t s = slm_views_slot(views, fingerprint); s < end; s++)
	{
		SlmView    *view = &views->slots[s];

		*found = view->fingerprint == fingerprint;
		if (*found)
			return view;
		if (view->fingerprint == 0)
		{
			view->fingerprint = fingerprint;
			return view;
		}
	}
	return NULL;
}

/* Found no room at the end of the table, and stands at its beginning. */
static inline bool
is_wrapped(const SlmViews *views, uint64_t slot)
{
	return slm_views_slot(views, views->slots[slot].fingerprint) > slot;
}

/* Each stands near its place, so few are moved and not far. */
static void
put_in_order(SlmView *to, uint64_t n, const SlmView *view)
{
	for (; n > 0 && to[n - 1].fingerprint > view->fingerprint; n--)
		to[n] = to[n - 1];
	to[n] = *view;
}

void
slm_views_sorted(const SlmViews *views, SlmView *to)
{
	uint64_t	n = 0;

	for (uint64_t i = 0; i < views->nslots; i++)
	{
		if (views->slots[i].fingerprint != 0 && !is_wrapped(views, i))
			put_in_order(to, n++, &views->slots[i]);
	}
	for (uint64_t i = 0; i < views->nslots && views->slots[i].fingerprint != 0; i++)
	{
		if (is_wrapped(views, i))
			put_in_order(to, n++, &views->slots[i]);
	}
}

/*
 * Take each view out of the table, and put those that are to stay in again.  No search goes over a free slot: so, beginning with one,
 * a view finds no place behind the one that it had, and meets only what has been dealt with.
 */
static void
drop_in_place(SlmViews *views, SlmTime time)
{
	uint64_t	at = 0;

	SLM_ASSERT(views->nviews < views->nslots);

	while (views->slots[at].fingerprint != 0)
		at++;
	views->nviews = 0;
	for (uint64_t left = views->nslots; left > 0; left--)
	{
		SlmView		view = views->slots[at];

		views->slots[at].fingerprint = 0;
		if (view.fingerprint != 0 && view.time >= time)
		{
			put(views, &view);
			views->nviews++;
		}
		at = at + 1 == views->nslots ? 0 : at + 1;
	}
}

void
slm_views_drop_before(SlmViews *views, SlmTime time)
{
	uint64_t	kept = 0;
	uint64_t	nslots;

	for (uint64_t i = 0; i < views->nslots; i++)
		kept += views->slots[i].fingerprint != 0 && views->slots[i].time >= time;
	nslots = slots_for(kept);
	if (kept == views->nviews)
		return;
	if (nslots >= views->nslots / 4 || !copy(views, nslots, time))
		drop_in_place(views, time);
}

void
slm_views_free(SlmViews *views)
{
	slm_table_free(views->slots, views->nslots, sizeof(SlmView));
	*views = (SlmViews) {.most = views->most};
}

void
slm_view_list_free(SlmViewList *list)
{
	slm_table_free(list->block, list->block_size, 1);
	*list = (SlmViewList) {0};
}
