/*
 * head.h: how far the data has got, of all and of each source.
 */
#ifndef SLM_LEDGER_HEAD_H
#define SLM_LEDGER_HEAD_H

#include "guc.h"
#include "ledger/object.h"
#include "utils/timestamp.h"

/* The head of all data; DT_NOBEGIN if there is none.  These need SPI, as all that reads or writes the ledger. */
extern TimestampTz slm_head_read(void);

/* What is before this is late, as seen from a head; without one nothing is. */
static inline TimestampTz
slm_live_from(TimestampTz head)
{
	return TIMESTAMP_NOT_FINITE(head) ? head : head - (int64) slm_live_lateness * USECS_PER_SEC;
}

/*
 * Under the writer's lock: move the head, and that of the source of each loaded object, on to the objects' medians.  head: as it was.
 * Returns the head of all data as it is now.
 */
extern TimestampTz slm_head_advance(SlmObject *objects, int n, TimestampTz head);

/*
 * Under the writer's lock: an object of a source has been taken out that had moved it so far, and what is counted without it says how far
 * it is.
 */
extern void slm_head_take_back(const char *source, TimestampTz moved_to);

#endif							/* SLM_LEDGER_HEAD_H */
