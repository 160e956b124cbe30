/*
 * top_summary.h: the heaviest keys of a stream of (key, weight), in bounded memory.
 */
#ifndef SLM_SQL_TOP_SUMMARY_H
#define SLM_SQL_TOP_SUMMARY_H

#include "postgres.h"

#include "sql/aggregates.h"
#include "types/money.h"

/* Bytes that somebody else owns. */
typedef struct SlmTopKey
{
	const char *data;
	int			len;
} SlmTopKey;

typedef struct SlmTopCounter
{
	SlmTopKey	key;			/* data is the summary's */
	int			heap_place;		/* valid if there is a heap */
	SlmSum		weight;
	SlmSum		error;			/* how much of weight may belong to other keys */
} SlmTopCounter;

typedef struct SlmTop
{
	SlmStateTag tag;
	int			n;				/* how many keys are asked for */
	int			capacity;		/* how many are kept */
	int			used;			/* counters in use */
	int			allocated;
	bool		exact;			/* no key was ever thrown out */
	SlmTopCounter *counters;	/* in no order */
	int		   *heap;			/* counters, the lightest on top; NULL until a key has to go */
	struct top_hash *index;		/* from a key to its counter */
	MemoryContext context;		/* holds all of it */
} SlmTop;

#define SLM_TOP_MAX_N	10000

/* An empty summary for the n heaviest keys (1 to SLM_TOP_MAX_N), in context. */
extern SlmTop *slm_top_create(MemoryContext context, int n);

/* Add a weight, a finite numeric that is not negative, to a key's.  The key is copied. */
extern void slm_top_add(SlmTop *top, SlmTopKey key, Datum weight);

/* Add all that other has seen, which is left as it is.  Both must have the same n. */
extern void slm_top_merge(SlmTop *top, const SlmTop *other);

/* The counter of a key, or -1. */
extern int	slm_top_find(const SlmTop *top, SlmTopKey key);

/* A new, empty counter for a key that has none yet: for reading a summary back. */
extern SlmTopCounter *slm_top_append(SlmTop *top, SlmTopKey key);

/* The counters in order: the heaviest first, equally heavy ones by key, bytewise.  Palloc'd; the counters are not. */
extern SlmTopCounter **slm_top_sort(const SlmTop *top);

#endif							/* SLM_SQL_TOP_SUMMARY_H */
