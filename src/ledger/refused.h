/*
 * refused.h: which rows of an object were refused when it was loaded: rejected, or too old.
 *
 * Whether a row could be used was judged by a release, settings, a head and a clock that may all be others now.  So the numbers
 * of those that were refused are kept (sellometer.refused_rows): who reads the object again knows which rows counted, and
 * sellometer_retry() can count exactly the others.
 */
#ifndef SLM_LEDGER_REFUSED_H
#define SLM_LEDGER_REFUSED_H

#include "postgres.h"
#include "pure/chunk.h"
#include "pure/rowset.h"

/* Of the rows of a part, by number from 0, as they are read.  Zero-initialised is empty; lives in the current memory context. */
typedef struct SlmRefused
{
	uint8	   *absent;			/* a bit each: it is not in the chunk */
	uint8	   *left;			/* it is left out */
	uint64		size;			/* bytes of each */
	bool		any;
} SlmRefused;

/* The row does not go into the chunk; left: as it is left out, and not as it counts already or is none of the object's. */
extern void slm_refused_note(SlmRefused *out, uint64 row, bool left);

/* Those of the chunk that are not within these times are about to be taken out of it.  rows: how many the part has. */
extern void slm_refused_by_time(SlmRefused *out, const SlmChunk *chunk, uint64 rows, SlmTime first, SlmTime last);

/* Likewise those whose products are texts that are refused. */
extern void slm_refused_taken(SlmRefused *out, const SlmChunk *chunk, uint64 rows);

/* Add them to a set, as rows from base on. */
extern void slm_refused_add_to(const SlmRefused *out, SlmRowSet *set, uint64 base);

/* In sellometer.refused_rows: note a set, of a part that begins with a row; forget all of an object's. */
extern void slm_refused_record(int64 object, int64 from_row, const char *data, size_t len);
extern void slm_refused_forget(int64 object);

/* All sets of an object, to be asked for rows in ascending order.  In the current memory context. */
typedef struct SlmRefusedRows
{
	SlmRowSetReader *sets;
	int64	   *from_rows;
	int			n;
	int			at;
} SlmRefusedRows;

extern void slm_refused_read(SlmRefusedRows *rows, int64 object);
extern bool slm_refused_has(SlmRefusedRows *rows, int64 row);

#endif							/* SLM_LEDGER_REFUSED_H */
