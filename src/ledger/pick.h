/*
 * pick.h: which objects wait, and which of them are next.
 *
 * An object's row is locked from the moment it is picked to the end of the transaction that loads it, so that two
 * backends never load the same object; and it commits together with what it vouches for.
 */
#ifndef SLM_LEDGER_PICK_H
#define SLM_LEDGER_PICK_H

#include "ledger/object.h"
#include "pure/granularity.h"

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
	/* before this it is history, whose rows go to coarser tables: whole is then of those, and max_span reaches to the end of the next; DT_NOBEGIN: none */
	TimestampTz history_before;
	SlmGranularity history_whole;
	TimestampTz late_before;	/* leave what is before this for the next time, if the rest is too far from it for one batch; DT_NOBEGIN: nothing */
	bool		no_parts;		/* leave out large objects: those of which parts are committed already, or of SLM_LARGE_BYTES */
	const int64 *not_these;		/* leave out these, by id */
	int			nnot_these;
} SlmPick;

/*
 * Pick waiting objects in the order of their time: at most limit, and as many as have limit_bytes together (but one at
 * least).  Each source that has some within max_span gets its share, however many the others have.  state: "pending" or "backlog".
 * The objects and their strings are allocated in the current memory context.  Needs SPI, and must not be called under the writer's lock.
 * Returns the number of those picked; *upcoming gets the number of those that stand behind them in the array: the next ones, not picked.
 */
extern int	slm_ledger_pick(const SlmPick *pick, SlmObject **objects, int *upcoming);

/*
 * Where the head will be at least once what these sources have waiting is loaded, by their keys, whose times have fitted so far: the last objects
 * but a few, any of which brings it there.  DT_NOBEGIN if there are too few to tell.  Needs SPI.
 */
extern TimestampTz slm_ledger_reach(const char *const *sources, int nsources);

/* With fewer waiting, that is not known. */
#define SLM_REACH_OBJECTS	20

/* Put pending objects of these sources that are late by now, as seen from the head, into the backlog; those that others have locked stay. */
extern void slm_ledger_sort_out_late(const char *const *sources, int nsources, TimestampTz head);

/* What waits, as numbers.  Zero-initialised is not counted yet. */
typedef struct SlmWaiting
{
	int64		objects;
	int64		bytes;
	TimestampTz counted_at;
} SlmWaiting;

/*
 * Bring up to date what waits in a state and can be loaded now, when so much of it has been dealt with.  To count looks at each object
 * that waits, so it is counted only once a second, and when none seems to be left; between that it is reckoned.
 */
extern void slm_ledger_waiting(SlmWaiting *waiting, const char *state, int64 objects, int64 bytes);

#endif							/* SLM_LEDGER_PICK_H */
