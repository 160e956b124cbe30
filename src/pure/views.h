/*
 * views.h: which views count.
 *
 * A view of a product counts once per session, at its earliest time; ties go to the lowest price, then category, then
 * brand, then keys in a user's own dimensions.  An SlmViews maps the fingerprint of (session, product) to the view that counts so far.  A batch has one of
 * its own rows; a backend that loads for long keeps one of all rows inside the view window.
 *
 * So does an event with an id, per product and type; ties go to the fewest pieces at last.  It stands among the views, and its offer has a
 * line: see SlmOffer.
 *
 * Open addressing, linear probing, in the order of the fingerprints (slot = fingerprint * nslots / 2^64), so the table
 * can have any size and grows by one pass from left to right.
 */
#ifndef SLM_PURE_VIEWS_H
#define SLM_PURE_VIEWS_H

#include "pure/dictionary.h"

typedef struct SlmView
{
	uint64_t	fingerprint;	/* 0 = free slot */
	SlmTime		time;
	SlmOfferId	offer;
	uint32_t	owner;			/* in a batch: the object whose row was counted first; once it is deduplicated, one of these: */
} SlmView;

#define SLM_VIEW_COUNTS		(UINT32_MAX - 1)
#define SLM_VIEW_REPEATED	UINT32_MAX

/* Zero-initialised is empty. */
typedef struct SlmViews
{
	SlmView    *slots;
	uint64_t	nslots;
	uint64_t	nviews;
	uint64_t	most;			/* slots that it is to have at the most, as long as four fifths of them suffice; 0: any number */
} SlmViews;

/* Some views, in an array.  Zero-initialised is empty. */
typedef struct SlmViewList
{
	SlmView    *views;
	uint64_t	n;
	void	   *block;			/* of slm_table_alloc_dirty(block_size, 1), in which they stand; NULL: they are somebody else's */
	size_t		block_size;
} SlmViewList;

extern void slm_view_list_free(SlmViewList *list);

/* Make room for this many views in all; false if out of memory. */
extern bool slm_views_reserve(SlmViews *views, uint64_t nviews);

/* The view of this fingerprint, added (with *found false, only the fingerprint set) if new; NULL if out of memory. */
extern SlmView *slm_views_add(SlmViews *views, uint64_t fingerprint, bool *found);

/*
 * The same without growing the table, in its slots before end alone, and without counting what is new: for several who each have
 * a part of the table.  NULL if there is no room.
 */
extern SlmView *slm_views_add_before(SlmViews *views, uint64_t fingerprint, uint64_t end, bool *found);

/* All views in the order of their fingerprints; there is room for nviews. */
extern void slm_views_sorted(const SlmViews *views, SlmView *to);

/* Drop all views before a time.  If there are any, and few are left, the table becomes as small as it can be. */
extern void slm_views_drop_before(SlmViews *views, SlmTime time);

/* Empty it, and give back its memory. */
extern void slm_views_free(SlmViews *views);

static inline uint64_t
slm_views_slot(const SlmViews *views, uint64_t fingerprint)
{
	return (uint64_t) (((unsigned __int128) fingerprint * views->nslots) >> 64);
}

/* The view of this fingerprint, or NULL. */
static inline SlmView *
slm_views_find(const SlmViews *views, uint64_t fingerprint)
{
	if (views->nslots == 0)
		return NULL;
	for (uint64_t s = slm_views_slot(views, fingerprint);;)
	{
		SlmView    *view = &views->slots[s];

		if (view->fingerprint == fingerprint)
			return view;
		if (view->fingerprint == 0)
			return NULL;
		if (++s == views->nslots)
			s = 0;
	}
}

static inline void
slm_views_prefetch(const SlmViews *views, uint64_t fingerprint)
{
	if (views->nslots != 0)
		__builtin_prefetch(&views->slots[slm_views_slot(views, fingerprint)]);
}

/* Does a view at (time, offer) come before this one, so that it is the one to count? */
static inline bool
slm_view_is_earlier(const SlmDictionary *dictionary, SlmTime time, SlmOfferId offer, const SlmView *than)
{
	if (time != than->time)
		return time < than->time;
	return slm_dictionary_compare(dictionary, offer, than->offer) < 0;
}

/* Are these the same offer, whatever their own keys?  One that was read from the log may have another number than one that an event has named. */
static inline bool
slm_is_same_offer(const SlmDictionary *dictionary, SlmOfferId a, SlmOfferId b)
{
	return a == b || slm_dictionary_compare_listings(dictionary, a, b) == 0;
}

#define SLM_SIFT	256

/*
 * The addresses of those of up to SLM_SIFT views of a deduplicated batch that are neither free slots nor repeated; returns their number.
 * Without a branch: what comes next can't be foreseen.
 */
static inline uint32_t
slm_views_sift(const SlmView *views, uint64_t n, const SlmView **counted)
{
	uint32_t	kept = 0;

	for (uint64_t i = 0; i < n; i++)
	{
		counted[kept] = &views[i];
		kept += (views[i].fingerprint != 0) & (views[i].owner != SLM_VIEW_REPEATED);
	}
	return kept;
}

static inline size_t
slm_views_memory(const SlmViews *views)
{
	return views->nslots * sizeof(SlmView);
}

#endif							/* SLM_PURE_VIEWS_H */
