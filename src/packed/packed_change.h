/*
 * packed_change.h: rows that come, change or go in a companion that is there.
 */
#ifndef SLM_PACKED_PACKED_CHANGE_H
#define SLM_PACKED_PACKED_CHANGE_H

#include "bulkwrite/bulk.h"
#include "packed/packed_table.h"

/* The next change, after all before it in the order of key and place; false if there is none.  What it points to must last until the next call but one. */
typedef bool (*SlmPackedSource) (void *arg, SlmPackedRow *change);

/*
 * Add to rows: those that come to a count of 0 go, others come.  Exactly the blocks that hold such rows are deleted, and made anew.  The
 * table is opened with RowExclusiveLock, and nobody else changes it.  Calls SPI.  Returns the number of changes.
 */
extern uint64 slm_packed_change(SlmPackedTable *table, SlmPackedSource source, void *arg, const SlmCallback *often);

/* Delete the rows of times from … to … */
extern void slm_packed_delete(SlmPackedTable *table, TimestampTz from, TimestampTz to);

#endif							/* SLM_PACKED_PACKED_CHANGE_H */
