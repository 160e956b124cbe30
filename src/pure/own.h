/*
 * own.h: dimensions of a user's own, beside the five that each event has.
 *
 *   a file's column, its source, a part of its key --(value)--> a key in each dimension that is made of it
 *
 * What a row counts as depends on its own time and values alone, whenever it comes: before `since` it has no key in the dimension, and
 * so is not counted there, nor taken off.
 */
#ifndef SLM_PURE_OWN_H
#define SLM_PURE_OWN_H

#include "pure/types.h"

/* The longest key that stands for no value, the longest separator, and the longest name of a column or pattern, in bytes. */
#define SLM_MAX_EMPTY		63
#define SLM_MAX_SEPARATOR	7
#define SLM_MAX_OWN_NAME	255

/* The key of what is counted when a dimension has as many keys as it may have. */
#define SLM_OTHER			"other"

typedef struct SlmOwnDimension
{
	int64_t		id;				/* no other ever has it */
	SlmTime		since;
	SlmTime		visits_from;	/* not before since: sessions are counted by it from then on; INT64_MAX: never */
	uint32_t	value;			/* the number of the value that it is made of */
	uint32_t	level;			/* so many parts of it, from the first on; 0: all */
	char		empty[SLM_MAX_EMPTY + 1];
	char		separator[SLM_MAX_SEPARATOR + 1];	/* between parts */
} SlmOwnDimension;

/* Where a value comes from. */
typedef enum SlmOwnFrom
{
	SLM_OWN_COLUMN,				/* of the file, by its name */
	SLM_OWN_SOURCE,				/* the name of the object's source */
	SLM_OWN_PART,				/* of the object's key: slm_own_part() */
	SLM_OWN_PATTERN				/* likewise, what a regular expression finds there */
} SlmOwnFrom;

typedef struct SlmOwnValue
{
	SlmOwnFrom	from;
	char		of[SLM_MAX_OWN_NAME + 1];	/* name of the column or part, or the pattern */
} SlmOwnValue;

/* All of them.  Zero-initialised is none. */
typedef struct SlmOwn
{
	uint32_t	n;
	SlmOwnDimension dimension[SLM_MAX_OWN]; /* by id */
	SlmTime		all_since;		/* from here on an event has a key in each */
	bool		visits;			/* sessions are counted by one of them */
	uint32_t	nvalues;
	SlmOwnValue value[SLM_MAX_OWN];
} SlmOwn;

/* The key that a value gives: without what surrounds it; empty, if there is none; cut to what a key may have.  Points into either. */
extern SlmSlice slm_own_key(const SlmOwnDimension *dimension, SlmSlice value);

/*
 * The value of the first folder of a key that is called name=value, the name in whatever case: `12` of `dt=2019-10-01/store=12/x.csv`.
 * Bytes that are written as %2F are those, where what comes of it is text; Hive's word for nothing is nothing.  Empty if there is none.
 * Written to out, which has room for all of the key, or in the key itself.
 */
extern SlmSlice slm_own_part(SlmSlice key, const char *name, char *out);

/* In which dimensions an event of this time has a key: bit i for dimension i. */
static inline uint32_t
slm_own_mask(const SlmOwn *own, SlmTime time)
{
	uint32_t	mask = (1U << own->n) - 1;

	for (uint32_t i = 0; time < own->all_since && i < own->n; i++)
		mask &= ~((uint32_t) (time < own->dimension[i].since) << i);
	return mask;
}

/* Are these the same?  And a number that tells them from any others, more or less; 0 if there are none. */
extern bool slm_own_equal(const SlmOwn *a, const SlmOwn *b);
extern uint64_t slm_own_stamp(const SlmOwn *own);

#endif							/* SLM_PURE_OWN_H */
