/*
 * reading.h: read one object into a chunk, and say what of its rows counts.
 */
#ifndef SLM_LEDGER_READING_H
#define SLM_LEDGER_READING_H

#include "ledger/object.h"

/* A reading of one object, which may go on over several transactions. */
typedef struct SlmReading SlmReading;

/*
 * Begin to read an object from its transfer.  Lives in the current memory context and ends with it.
 */
extern SlmReading *slm_reading_begin(SlmObject *object, const SlmClock *clock, const SlmHashKey *key,
									 const SlmChecksumKey *checksum);

/* What is to become of a row that is read. */
typedef enum SlmRowChoice
{
	SLM_ROW_FOREIGN,			/* it is none of the object's */
	SLM_ROW_COUNTED,			/* it counts already: only its time is looked at */
	SLM_ROW_WANTED
} SlmRowChoice;

/* row: its number in what is read, from 0; asked for in ascending order. */
typedef SlmRowChoice (*SlmRowChooser) (void *arg, uint64 row);

/* Before the first row is read: take only some of the rows, to whatever share of them is rejected. */
extern void slm_reading_choose(SlmReading *reading, SlmRowChooser choose, void *arg);

/* Pass over rows that are committed already.  False if the object fails before that. */
extern bool slm_reading_skip(SlmReading *reading, uint64 rows);

/*
 * Read the next rows, at most SLM_CHUNK_ROWS, into chunk; with whole_hours up to four times as many, if so the chunk can end
 * before the first event of a later hour, or even day.  Judge their times (clock jumps only where the object is judged, or this is all of
 * it), and set the object's outcome and all that
 * follows it in the struct: LOADED if the object is at its end, PART if more is to come, or what went wrong.  Never
 * raises an error for what is in the object.
 */
extern void slm_reading_chunk(SlmReading *reading, const SlmClock *clock, SlmDictionary *dictionary, SlmChunk *chunk,
							  bool whole_hours);

/*
 * Read to the end just to see whether the object would fail, rows that are rejected by their time included: sets its outcome as
 * above, counts its rows, and says by all of their times which are clock jumps (time_limit).
 */
extern void slm_reading_validate(SlmReading *reading);

/*
 * Have the three calls above return when so many milliseconds have passed, or (if wait is false) as soon as more bytes would have to be
 * waited for, with the outcome WAITING.  The same call then goes on where it was: with the same chunk, whose rows must stay.
 */
extern void slm_reading_limit(SlmReading *reading, long turn_ms, bool wait);

/* Has it returned for that?  And had bytes not come? */
extern bool slm_reading_interrupted(const SlmReading *reading);
extern bool slm_reading_starved(const SlmReading *reading);

/* Bytes that have come, as they are in the source. */
extern int64 slm_reading_bytes(const SlmReading *reading);

extern void slm_reading_end(SlmReading *reading);

#endif							/* SLM_LEDGER_READING_H */
