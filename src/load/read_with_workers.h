/*
 * read_with_workers.h: the objects of a batch read with the help of parse workers.
 */
#ifndef SLM_LOAD_READ_WITH_WORKERS_H
#define SLM_LOAD_READ_WITH_WORKERS_H

#include "load/loader.h"

/* What the parse workers are fed with, also while the leader is busy writing. */
typedef struct SlmFeed
{
	struct SlmPool *pool;		/* NULL: there is nobody to feed */
	int64		large_id;		/* as in SlmIngest */
	SlmObject  *objects;
	int			n;				/* of the batch */
	int			total;			/* with those that come behind it */
	int			next;
	const bool *done;			/* by object; NULL: none is */
	const SlmClock *clock;
} SlmFeed;

/*
 * Make a feed of the n objects of a batch and of the upcoming ones behind them, which are the caller's and must stay as long as the
 * feed is used.  False if this process is to read the batch alone, as there is no worker or the first object is not for one: feed->pool is NULL then.
 */
extern bool slm_feed_begin(SlmFeed *feed, const SlmIngest *ingest, const SlmClock *clock, SlmObject *objects, int n,
						   int upcoming);

/* Hand over as many objects as the workers take, and fetch what they have finished.  arg: an SlmFeed that has a pool. */
extern void slm_feed_workers(void *arg);

/*
 * Read the first n objects of the feed with the help of the workers, who go on with those behind them.  Objects that are not for
 * workers stay as they are.  If a task reaches beyond the n, all of it is taken.  Returns how many were dealt with, which are
 * the first ones now; the feed goes on behind them.
 */
extern int	slm_read_with_workers(SlmIngest *ingest, SlmFeed *feed);

#endif							/* SLM_LOAD_READ_WITH_WORKERS_H */
