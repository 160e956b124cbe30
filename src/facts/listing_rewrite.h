/*
 * listing_rewrite.h: sellometer.other_listings of sessions and products of which views are taken out.
 *
 * Of a session that saw a product at several offers, that table has each (but for some that the view log has); which of them are an
 * object's it doesn't say.  So what it has of their fingerprints goes, and what others have of these comes in its place.
 */
#ifndef SLM_FACTS_LISTING_REWRITE_H
#define SLM_FACTS_LISTING_REWRITE_H

#include "postgres.h"
#include "pure/batch.h"

/* Views of others; zero-initialised is empty. */
typedef struct SlmListings
{
	SlmView    *views;			/* malloc'ed */
	uint32		n;
	uint32		max;
} SlmListings;

extern void slm_listings_take(SlmListings *listings, const SlmView *view);

/* Under the writer's lock: which of these fingerprints the table has rows of.  Needs SPI. */
extern void slm_listings_find(const SlmViews *fingerprints, SlmViews *listed);

/*
 * Then: delete the rows of these, and add the others' views of them to batch->others, for slm_listing_write().  Of each, the view log has
 * to hold the view that counts, and no other.
 */
extern void slm_listings_rewrite(const SlmListings *listings, const SlmViews *listed, SlmBatch *batch);

extern void slm_listings_free(SlmListings *listings);

#endif							/* SLM_FACTS_LISTING_REWRITE_H */
