/*
 * look.h: the rows of a range, looked at once more: all of them, with what became of each when it was loaded.
 *
 * Other than history.h, for whom a row that can't be read is an error, and which holds off whoever archives: who only looks is in nobody's
 * way, and is told what is missing.
 */
#ifndef SLM_ARCHIVE_LOOK_H
#define SLM_ARCHIVE_LOOK_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "pure/node_slice.h"
#include "pure/reader.h"

/* An object, as the ledger has it. */
typedef struct SlmLookObject
{
	int64		id;
	char	   *source;
	char	   *key;			/* NULL: the ledger does not know it any more, nor what it was called */
	int64		rows_rejected;	/* -1: it does not know it any more, or they are for slice 0 to know */
	int64		rows_expired;	/* -1: it does not know it any more */
	TimestampTz first;			/* span of its rows that counted; first > last: there are none */
	TimestampTz last;
	bool		own_slice;		/* no other node reads it */
} SlmLookObject;

/* A row, and where it stands; valid during the call. */
typedef struct SlmLookRow
{
	const SlmLookObject *object;
	const char *archive;		/* that it stands in, by name; NULL: in the object itself */
	int64		number;			/* of the object's rows, from 0, as they stand there; in an archive, in the order of time */
	bool		taken;			/* it was not left out: it counted, or was a view that was counted elsewhere */
	bool		is_event;		/* it can be read now */
	SlmNodeSlice slice;			/* of this database: what another counted is not called back for, but what was left out is */
	const SlmReadRow *read;
} SlmLookRow;

typedef void (*SlmLookCallback) (const SlmLookRow *row, void *arg);

/*
 * Call back for each row of all archives and objects that have rows with from <= time < to; for others of their rows too.  What can't
 * be read as it is gone is told by a WARNING; other errors are raised.  Rows that were too old when they were loaded are looked for where
 * tiers don't reach back so far.  Needs SPI, within slm_look_begin().  Reports progress.
 */
extern void slm_look_read(TimestampTz from, TimestampTz to, SlmLookCallback take, void *arg);

#endif							/* SLM_ARCHIVE_LOOK_H */
