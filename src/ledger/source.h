/*
 * source.h: the sources and their stores.
 */
#ifndef SLM_LEDGER_SOURCE_H
#define SLM_LEDGER_SOURCE_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "ledger/passed.h"
#include "store/store.h"

typedef struct SlmSource
{
	char	   *name;
	char	   *url;
	char	   *server;			/* or NULL */
	Oid			owner;
	char	   *owner_trouble;	/* why its rights count no longer; NULL: they do */
	SlmPatterns include;		/* which keys it takes: see slm_key_is_wanted() */
	SlmPatterns exclude;
	char	   *patterns;		/* both, as text, to see whether they have changed */
	char	   *passed;			/* what its row says was passed over, as JSON; NULL: not known */
	SlmStore   *store;			/* NULL: could not be opened */
	MemoryContext context;		/* of all of this source */
	SlmStoreError error;		/* why not, if store is NULL */
	uint32		seen;			/* round in which it was last there */
	TimestampTz next_sweep;		/* when to list it whole again */
	int			keys;			/* how many it holds, more or less; 0 before the first sweep */
	char	   *newest_key;		/* greatest key seen; NULL: none */
	char	   *later_key;		/* what it was when window_key was set; may be NULL */
	char	   *window_key;		/* between sweeps what is after this is listed; may be NULL */
	TimestampTz next_window;	/* when to move it on */
	int			requests;		/* not written to the source's row yet */
	bool		failing;		/* its row holds an error */
	TimestampTz noted_at;		/* when its row was written last */
	bool		unhealthy;		/* the objects tried last could not be read (source_health.c) */
	TimestampTz next_probe;		/* if so: when to try one before its time */
	int			strikes;		/* objects of this batch that could not be read, one after the other */
	bool		unreadable;		/* none of several was read: left alone but for probes */
	TimestampTz next_list;		/* when it can't be listed: not before this time */
	TimestampTz list_began;		/* the last list */
	struct Discovery *discovery;	/* a list under way, or NULL */
	bool		list_failed;	/* one did, since the store was opened: nobody waits for another first list */
	bool		slow_list;		/* the last page did not come soon: nobody waits for the next */
	bool		long_list;		/* the last turn took all its time, or there was none yet */
	TimestampTz apart_until;	/* objects did not come soon: until then they are loaded as they come, beside the batches of others */
	int			slow_times;		/* so often in a row */
	int			patience_ms;	/* how long this batch may still wait for its objects */
} SlmSource;

/* The sources as one backend knows them; stores stay open between rounds. */
typedef struct SlmSources SlmSources;

/* An empty set, in a child of the current memory context; it goes with that. */
extern SlmSources *slm_sources_create(void);

/*
 * In a transaction with SPI: read sellometer.sources, open the stores of enabled ones, close those of others and those
 * whose definition, server, user mapping, or owner's rights have changed (at the next call: until then transfers from them stay open).  A
 * store that can't be opened is noted, not raised.
 */
extern void slm_sources_refresh(SlmSources *sources);

/* While held, refreshing keeps the stores of sources that went: transfers from them go on. */
extern void slm_sources_hold(SlmSources *sources, bool held);

/* Call for each source. */
extern void slm_sources_for_each(SlmSources *sources, void (*function) (SlmSource *source));

/* The source of this name, or NULL. */
extern SlmSource *slm_sources_find(SlmSources *sources, const char *name);

/* Move all that is under way on, without waiting. */
extern void slm_sources_move_on(SlmSources *sources);

#endif							/* SLM_LEDGER_SOURCE_H */
