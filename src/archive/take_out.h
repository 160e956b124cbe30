/*
 * take_out.h: what an object counted, out of all sums; for exchange.c and unload.c.
 *
 *   the object --its next rows--> groups, each -1; its views --> old
 *   history    --views of all others that these rows' sessions and products have--> others
 *   [writer's lock]  view log --> known: what is counted now
 *        counted by these rows (taken):  -1 there, +1 at the earliest of the others, if there is one
 *        carts of their sessions and users and products are forgotten, and folded anew from the others;
 *        so are the rows of offers that they were in
 *   [the caller commits]
 *
 * A part is as many rows as are wanted, or as memory holds.  The rest of the object is one of the others then: what is stored is a
 * function of the set of rows that count, so between two parts all is as if the object had only that rest.
 */
#ifndef SLM_ARCHIVE_TAKE_OUT_H
#define SLM_ARCHIVE_TAKE_OUT_H

#include "postgres.h"
#include "archive/history.h"
#include "datatype/timestamp.h"
#include "dedup/view_state.h"
#include "facts/listing_rewrite.h"
#include "facts/offer_rewrite.h"
#include "pure/batch.h"

typedef struct SlmTakeOut
{
	MemoryContext context;		/* of all of it */
	int64		old_id;
	int64		max_rows;		/* of a part */
	int64		rows;			/* taken */
	int64		started_at;		/* rows of the object before this one were out before this part */
	bool		repeats;		/* the object has views that were counted elsewhere when it was loaded */
	int64		stopped_at;		/* rows of the object before this one are out, with this part; SLM_HISTORY_END: all */
	SlmViewState *state;		/* for its dictionary and key */
	SlmBatch	batch;
	SlmViews	old;			/* of each fingerprint these rows' earliest view */
	SlmViews	others;			/* likewise, of all other objects */
	SlmViews	either;			/* fingerprints of the old and the new content */
	SlmViews	known;			/* what is counted */
	SlmViews	taken;			/* of that, what these rows counted */
	SlmViews	cut;			/* fingerprints whose entries go from the log */
	SlmCarts	old_carts;		/* whose events these rows have */
	SlmViews	cart_keys;		/* fingerprints of these, of sessions and of users */
	SlmCarts	other_carts;	/* what all other objects say of them */
	TimestampTz visits_from;	/* what sessions did from here on is known; DT_NOEND: they are not counted */
	TimestampTz visits_first;	/* span of old_visits */
	TimestampTz visits_last;
	SlmVisits	old_visits;		/* of these rows, where they are counted */
	SlmViews	visit_keys;		/* fingerprints of their sessions and hours */
	SlmVisits	other_visits;	/* what all other objects have of these */
	SlmOffersRewrite offers;
	SlmListings listings;		/* others' views of these fingerprints */
	SlmViews	listed;			/* of these fingerprints: sessions that saw a product at several offers */
	SlmHistory *own;			/* of these rows */
	SlmHistory *history;		/* of the others, as far as they can be read */
	List	   *lost;			/* of SlmMissing: others that were declared lost */
	TimestampTz first;			/* span of the views in either */
	TimestampTz last;
} SlmTakeOut;

/*
 * Read the next rows of the object, at most max_rows of them.  The object's row in the ledger is locked, and so is the history
 * (history.h).  Nothing is changed yet.  Lives in the current memory context, until slm_take_out_end().
 */
extern SlmTakeOut *slm_take_out_begin(int64 object, int64 max_rows);

/* How many archives and objects slm_take_out_views() will read, and their bytes. */
extern void slm_take_out_costs(const SlmTakeOut *take, int64 *pieces, int64 *bytes);

/* A new content goes into take->batch, as object number 0, and these; its rows are rows. */
extern void slm_take_out_add(SlmTakeOut *take, const SlmChunkRow *rows, size_t nrows);

/*
 * Read what all others have of it, then take the writer's lock and write views and other listings: the batch then holds all that
 * changes in the tiers.  An error if that can't be done exactly.
 */
extern void slm_take_out_views(SlmTakeOut *take);

/* Then tiers, carts, visits, offers and stock. */
extern void slm_take_out_write(SlmTakeOut *take, TimestampTz head);

/*
 * In the ledger: how far it is, or behind the last part that it is skipped, and why.
 */
extern void slm_take_out_record(const SlmTakeOut *take, const char *why);

extern void slm_take_out_end(SlmTakeOut *take);

#endif							/* SLM_ARCHIVE_TAKE_OUT_H */
