/*
 * events_internal.h: what finding rows (events.c) and telling which of their views count (events_views.c) share.
 */
#ifndef SLM_ARCHIVE_EVENTS_INTERNAL_H
#define SLM_ARCHIVE_EVENTS_INTERNAL_H

#include "archive/events.h"
#include "dedup/own_keys.h"
#include "dedup/view_state.h"
#include "executor/tuptable.h"
#include "utils/hsearch.h"
#include "utils/tuplesort.h"

/* What became of a row. */
typedef enum SlmVerdict
{
	SLM_VERDICT_COUNTED,
	SLM_VERDICT_DUPLICATE,
	SLM_VERDICT_REJECTED,
	SLM_VERDICT_EXPIRED,
	SLM_VERDICT_UNKNOWN,		/* what is kept does not tell */
	SLM_VERDICTS
} SlmVerdict;

/* A tuple of the sort: the columns of the result, of which those of places are not filled in yet, and these. */
enum
{
	FOUND_OBJECT_ID = SLM_FOUND_COLUMNS,
	FOUND_NUMBER,				/* of the row in its object */
	FOUND_FINGERPRINT,			/* of a view, or an event with an id, whose verdict is still to be told; else null */
	FOUND_MONEY,				/* its price */
	FOUND_PIECES,				/* its slm_line(), 0 of a view */
	FOUND_OWN,					/* its keys in a user's own dimensions, each with a NUL behind it, which alone stands for none; null: there are no such dimensions */
	FOUND_COLS
};

/* Where the rows of an object stand. */
typedef struct SlmPlace
{
	int64		id;				/* of the object */
	Datum		source;
	Datum		key;			/* (Datum) 0: not known */
	Datum		archive;		/* (Datum) 0: in none */
} SlmPlace;

typedef struct SlmEventSearch
{
	const SlmEventQuery *query;
	SlmFoundCallback put;
	void	   *arg;
	MemoryContext context;		/* of all of it */
	MemoryContext row_context;	/* reset after each row */
	SlmViewState *state;		/* for its dictionary and key */
	SlmOwnKeys *own_keys;		/* of the dimension that is asked for; NULL: each is counted as it is */
	HTAB	   *places;
	int64		last_place;		/* of the row before: it is known */
	Datum		types[SLM_EVENT_TYPES];
	Datum		verdicts[SLM_VERDICTS];	/* their names */
	Tuplesortstate *sort;
	TupleDesc	desc;
	TupleTableSlot *slot;		/* into the sort */
	TupleTableSlot *sorted;		/* out of it */
	uint64		views;			/* whose verdict is still to be told */
	uint64		seen;			/* rows */
} SlmEventSearch;

/* Give a column of a row its value. */
static inline void
slm_found_set(Datum *values, bool *nulls, int column, Datum value)
{
	values[column] = value;
	nulls[column] = false;
}

/* In events_views.c: hand over all rows of the sort, and tell of their views which count. */
extern void slm_events_judge(SlmEventSearch *search);

#endif							/* SLM_ARCHIVE_EVENTS_INTERNAL_H */
