/*
 * key_time.h: the times in keys, and how far a source's are off.
 *
 * A key like 2019-10-01-00-07-00-3.csv is a hint of the time of its object's rows: so the order of objects, and which are late, is known
 * before they are read.  It may be in local time.  So it is compared with the rows of each object that is read:
 *
 *   it fits (with the source's offset)      -> one doubt less
 *   it does not                             -> the object has the time of its rows, and the source's keys are in doubt
 *   it does not, twice by the same offset   -> that is the source's offset from now on, also for what waits
 *
 * As long as a source is in doubt, its objects that seem to be late are read nevertheless; of one that is not, the newest that does.
 */
#ifndef SLM_LEDGER_KEY_TIME_H
#define SLM_LEDGER_KEY_TIME_H

#include "ledger/object.h"

/* The time that stands in a key, or DT_NOBEGIN. */
extern TimestampTz slm_key_time(const char *key);

/* What is added to the times in a source's keys, in microseconds.  Needs SPI. */
extern int64 slm_key_offset(const char *source);

/* Is an object's time, moved by so much, about that of its rows, which have been read? */
extern bool slm_key_time_fits(const SlmObject *object, int64 by);

/* In the transaction of a batch, when its objects are recorded: learn from what was read of them.  head: of all data. */
extern void slm_key_times_learn(const SlmObject *objects, int n, TimestampTz head);

#endif							/* SLM_LEDGER_KEY_TIME_H */
