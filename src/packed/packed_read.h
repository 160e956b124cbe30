/*
 * packed_read.h: the rows of a packed partition, all of them or those of a key.
 */
#ifndef SLM_PACKED_PACKED_READ_H
#define SLM_PACKED_PACKED_READ_H

#include "packed/packed_table.h"
#include "utils/snapshot.h"

typedef struct SlmPackedRead SlmPackedRead;

/* The table, and the snapshot, must outlive it. */
extern SlmPackedRead *slm_packed_read_begin(SlmPackedTable *table, Snapshot snapshot);

/* From the beginning: all rows, block by block; or those of one key (bigint or text), in the order of their places. */
extern void slm_packed_read_all(SlmPackedRead *read);
extern void slm_packed_read_key(SlmPackedRead *read, Datum key);

/* The next row, which lives until the next call; false if there is none.  Damaged bytes are an error. */
extern bool slm_packed_read_next(SlmPackedRead *read, SlmPackedRow *row);

extern void slm_packed_read_end(SlmPackedRead *read);

/* The error of a block that is damaged. */
extern void slm_packed_damaged(const SlmPackedTable *table);

#endif							/* SLM_PACKED_PACKED_READ_H */
