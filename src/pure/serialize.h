/*
 * serialize.h: the grouped rows of some objects as bytes, from the process that read them to the one that applies them.
 *
 * Both run the same binary on the same machine, so the bytes are plain structs; they are never stored.
 */
#ifndef SLM_PURE_SERIALIZE_H
#define SLM_PURE_SERIALIZE_H

#include "pure/batch.h"

/* In two pieces, one behind the other; len is a multiple of eight in the first. */
typedef struct SlmSerialized
{
	char	   *data[2];
	size_t		len[2];
} SlmSerialized;

/* Pack a batch.  False if out of memory; else free it with slm_serialized_free(). */
extern bool slm_batch_serialize(const SlmBatch *batch, SlmSerialized *serialized);
extern void slm_serialized_free(SlmSerialized *serialized);

/* Were these bytes made with the dimensions of the batch?  To be asked before they are added. */
extern bool slm_serialized_fits(const char *data, size_t len, const SlmBatch *batch);

/*
 * Add the packed objects to a batch, as slm_batch_add() would have done with their rows: they get the next numbers, in their
 * order.  They are len bytes, aligned for any struct, in a block, of slm_table_alloc_dirty(block_size, 1), that belongs to
 * the batch from then on, in any case: its views stay where they are.  False if out of memory, or if the bytes are none; the
 * batch is then of no use.
 */
extern bool slm_batch_deserialize(void *block, size_t block_size, char *data, size_t len, SlmBatch *batch);

#endif							/* SLM_PURE_SERIALIZE_H */
