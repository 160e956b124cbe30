/*
 * parcel.h: the grouped rows of some objects as bytes, from the process that read them to the one that applies them.
 *
 * Both run the same binary on the same machine, so the bytes are plain structs; they are never stored.
 */
#ifndef SLM_PURE_PARCEL_H
#define SLM_PURE_PARCEL_H

#include "pure/batch.h"

/*
 * Pack a batch.  Returns malloc'ed bytes, aligned for any struct, and their number; NULL if out of memory.
 */
extern char *slm_parcel_pack(const SlmBatch *batch, size_t *len);

/*
 * Add the packed objects to a batch, as slm_batch_add() would have done with their rows: they get the next numbers, in their
 * order.  The parcel is len bytes, aligned for any struct, in a malloc'ed block that belongs to the batch from then on, in any case:
 * its views stay where they are.  False if out of memory, or if the bytes are no parcel; the batch is then of no use.
 */
extern bool slm_parcel_unpack(void *block, char *data, size_t len, SlmBatch *batch);

#endif							/* SLM_PURE_PARCEL_H */
