/*
 * reading_internal.h: a reading, for reading.c, reading_rejects.c and reading_judge.c.
 */
#ifndef SLM_LEDGER_READING_INTERNAL_H
#define SLM_LEDGER_READING_INTERNAL_H

#include "ledger/reading.h"
#include "ledger/refused.h"
#include "pure/gaps.h"
#include "pure/key_count.h"
#include "pure/reach.h"
#include "pure/reader.h"

/* One of the rows that are read before the first of them is looked at, so that what its offer is looked up in is in the cache by then. */
typedef struct SlmRowAhead
{
	SlmReadRow	row;
	SlmReadStatus status;
	bool		elsewhere;		/* an event of a product that another node keeps */
	uint64		hash;			/* of an event's offer, of this node's */
} SlmRowAhead;

/* A row whose product is a text that is refused, as it will be told of. */
typedef struct SlmTakenRow
{
	SlmTime		time;
	uint64		line;
	SlmSlice	raw;
	char		detail[128];
} SlmTakenRow;

struct SlmReading
{
	SlmObject  *object;
	const SlmHashKey *key;
	SlmNodeSlice slice;
	const SlmChecksumKey *checksum;
	SlmReader  *reader;
	SlmRates	rates;			/* the reader's */
	SlmChunk   *chunk;			/* of the call under way; NULL: rows are only counted */
	SlmDictionary *dictionary;		/* likewise */
	uint64		skip;			/* rows still to be passed over */
	bool		fed;			/* the reader has bytes that it has not used up */
	int64		bytes;			/* that have come */
	SlmGaps		gaps;			/* between the times of all rows that were read */
	uint64		row;			/* rows that were read */
	uint64		part_row;		/* of these before the part at hand */
	SlmRefused	refused;		/* of the part at hand */
	SlmRowChooser choose;		/* NULL: all are wanted */
	void	   *choose_arg;
	uint64		jumps;			/* rows that were rejected for their time, since the counts began */
	uint64		futures;
	uint64		no_rates;		/* likewise, for their currency */

	/* of the part at hand, rows whose products are texts that are refused: the first of them; and how many were rejected for that */
	SlmTakenRow *taken_rows;
	int			ntaken_rows;
	int			max_taken_rows;
	uint64		rows_taken;

	/* rows that are read, the first of which are taken; the others may be the first of another part */
	SlmRowAhead ahead[SLM_AHEAD];
	uint32		nahead;
	uint32		ntaken;

	MemoryContext context;		/* it lives in, as do the rejected rows */
	TimestampTz until;			/* when it is to return; DT_NOEND: when it is done */
	bool		patient;		/* until then bytes are waited for */
	bool		interrupted;	/* it has returned for that */
	bool		starved;		/* for want of bytes */

	bool		whole_hours;	/* a part may be larger, to end where an hour does */
	TimestampTz earliest;		/* event of the part at hand */
	TimestampTz latest;			/* likewise */
	uint64		memory;			/* that the part takes beyond what it takes by its rows, about */
	uint64		products_memory;	/* of this by names and SKUs of products */
	SlmKeyCount *keys;			/* what an object names whose rows are only counted */
	SlmReach	reach;			/* of such a one, which is gone through part by part, too */
};

/* So few rows at the end of a large object say nothing about how far the data has got. */
#define SLM_MIN_ROWS_OF_CLOCK	100

/* What can be done about an object that is at fault, to be said in its error. */
#define SLM_GIVE_AGAIN	"put it there again under the same key, or put it aside with sellometer_skip()"

/*
 * A row is rejected: count it, and keep it as far as sellometer.max_rejects_kept allows.  column: a name that stays, or NULL for the
 * row as a whole; detail and raw are copied.
 */
extern void slm_reading_reject(SlmReading *reading, uint64 line, const char *column, SlmRejectReason reason, const char *detail,
							   SlmSlice raw);

/* Likewise one whose brand or category can't be an index key. */
extern void slm_reading_reject_key(SlmReading *reading, const SlmReadRow *row, SlmDictionaryError error);

/* The row at hand is in the chunk as one whose product is a text that is refused: tell of it later. */
extern void slm_reading_note_taken(SlmReading *reading, const SlmReadRow *row);

/*
 * All else is said of times, and rows before floor are out of the chunk: reject those whose products are texts that are refused.  To be called
 * before those of other nodes are taken out.
 */
extern void slm_reading_reject_taken(SlmReading *reading, SlmTime floor);

/* A part begins: there are none yet. */
extern void slm_reading_forget_taken(SlmReading *reading);

/* The row at hand, which was just read, does not go into the chunk; left: as it is refused, not as it is none of the object's. */
extern void slm_reading_leave_out(SlmReading *reading, bool left);

/* Rows of the chunk before first, or after last, are about to be taken out of it. */
extern void slm_reading_refuse_by_time(SlmReading *reading, SlmTime first, SlmTime last);

/* A part begins: no row of it is left out yet. */
extern void slm_reading_forget_refused(SlmReading *reading);

/*
 * A part has been read: say in its object, in the current memory context, which of its rows don't count.  Fails the object for want of
 * memory.
 */
extern void slm_reading_keep_refused(SlmReading *reading);

/* From the row that is read next on, the reader is to keep what products are called, and which are texts; or not to. */
extern void slm_reading_want_products(SlmReading *reading, bool wanted);

/* What it has kept goes to the object. */
extern void slm_reading_keep_products(SlmReading *reading);

/* Reject it if its brand or category can't be an index key, as where its offer is looked up; false if it is none of these. */
extern bool slm_reading_reject_long_key(SlmReading *reading, const SlmReadRow *row);

/* Likewise an event of another node's product, which that does not read. */
extern void slm_reading_reject_elsewhere(SlmReading *reading, const SlmReadRow *row);

/* All rows of the object have been read: which times are clock jumps? */
extern void slm_reading_judge_gaps(SlmReading *reading);

/*
 * Take clock jumps and rows that are too old out of the chunk; note the span of what is left, and take rows of other nodes out of that, so
 * that all nodes say the same of the object.  The clock is moved by the median of rows
 * that are no jumps; not by the few that may stand at the end of a large object.  May fail the object for want of memory.
 */
extern void slm_reading_judge_times(SlmReading *reading, const SlmClock *clock);

/* Fail the object if too many of its rows are rejected. */
extern void slm_reading_judge_rejects(SlmReading *reading);

/* When all else is said of the chunk: rejected rows are for one node to keep, and are like those of its slice for the others. */
extern void slm_reading_hand_over_rejects(SlmReading *reading);

/* An object without a time in its key, or with one that may be wrong, is known to be late only now: as one that is late by its key. */
extern void slm_reading_judge_lateness(SlmReading *reading, const SlmClock *clock);

#endif							/* SLM_LEDGER_READING_INTERNAL_H */
