/*
 * ledger.h: sellometer.objects: which objects wait, and what became of them.
 *
 * An object's row is locked from the moment it is picked to the end of the transaction that loads it, so that two
 * backends never load the same object; and it commits together with what it vouches for.
 */
#ifndef SLM_LEDGER_LEDGER_H
#define SLM_LEDGER_LEDGER_H

#include "ledger/object.h"
#include "pure/batch.h"
#include "pure/granularity.h"

/* What waits, as numbers.  Zero-initialised is not counted yet. */
typedef struct SlmWaiting
{
	int64		objects;
	int64		bytes;
	TimestampTz counted_at;
} SlmWaiting;

/* The head of all data; DT_NOBEGIN if there is none. */
extern TimestampTz slm_head_read(void);
/* Move the head, and that of the source of each loaded object, on to the objects' medians. */
extern TimestampTz slm_head_advance(SlmObject *objects, int n, TimestampTz head);
/* Under the writer's lock: an object of a source has been taken out that had moved it so far, and what is counted without it says how far it is. */
extern void slm_head_take_back(const char *source, TimestampTz moved_to);

/* Put pending objects of these sources that are late by now into the backlog. */
extern void slm_ledger_sort_out_late(const char *const *sources, int nsources, TimestampTz head);

/*
 * Pick waiting objects in the order of their time: at most limit, and as many as have limit_bytes together (but one at
 * least).  Each source that has some within max_span gets its share, however many the others have.  state: "pending" or "backlog".
 * Objects are allocated in the current memory context.
 * *upcoming gets the number of those that stand behind them in the array: the next ones, not picked.
 */
/* So large an object is not worth a try to read it whole. */
#define SLM_LARGE_BYTES		67108864

typedef struct SlmPick
{
	const char *state;
	const char *const *sources; /* by name: only enabled ones that can be read */
	int			nsources;
	int			limit;
	int64		limit_bytes;
	SlmGranularity whole;		/* end with a whole one of these if there is one: then partitions are filled at once */
	int64		max_span;		/* of the objects' times, in microseconds, so that housekeeping can keep in step; 0: any */
	bool		no_parts;		/* leave out large objects: those of which parts are committed already, or of SLM_LARGE_BYTES */
	const int64 *not_these;		/* leave out these, by id */
	int			nnot_these;
} SlmPick;

extern int	slm_ledger_pick(const SlmPick *pick, SlmObject **objects, int *upcoming);

/* Record what became of the objects, but for their rejected rows.  counts: by object number in the batch. */
extern void slm_ledger_record(SlmObject *objects, int n, const SlmRowCounts *counts);

/*
 * Bring up to date what waits in a state and can be loaded now, when so much of it has been dealt with.  To count looks at each object that waits, so
 * it is counted only once a second, and when none seems to be left; between that it is reckoned.
 */
extern void slm_ledger_waiting(SlmWaiting *waiting, const char *state, int64 objects, int64 bytes);

/* Add what was listed and isn't known yet; returns the number of objects added. */
typedef struct SlmListed
{
	char	   *key;
	char	   *etag;
	int64		size;
	TimestampTz last_modified;
} SlmListed;

extern int	slm_ledger_discover(const char *source, const SlmListed *listed, int n);

#endif							/* SLM_LEDGER_LEDGER_H */
