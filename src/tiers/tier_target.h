/*
 * tier_target.h: a table of a tier, as what writes rows to it sees it: how a delta becomes values.  For tier_write.c and what it calls.
 */
#ifndef SLM_TIERS_TIER_TARGET_H
#define SLM_TIERS_TIER_TARGET_H

#include "bulkwrite/bulk.h"
#include "pure/deltas.h"
#include "tiers/tier.h"

/* Of rows, and of long keys, that go to one statement. */
#define SLM_ROWS_PER_STATEMENT		20000
#define SLM_BYTES_PER_STATEMENT		((Size) 1024 * 1024)

/* What is the same for all rows of one table. */
typedef struct SlmTierTarget
{
	const SlmTier *tier;
	SlmDimension dimension;
	const SlmShape *shape;
	const SlmDictionary *dictionary;
	const SlmCallback *often;	/* done while rows are written; or NULL */
	TimestampTz packed_before;	/* new partitions that end by then are packed at once; DT_NOBEGIN: none */
	Datum	   *keys;			/* text keys by number, made when first needed, as far as they are kept; 0 = not yet */
	Size		kept_keys;		/* bytes of these */
	Oid			event_types[SLM_EVENT_TYPES];
	Oid			event_type_oid;
	MemoryContext scratch;		/* reset after each piece of rows */
	MemoryContext text_context; /* holds keys[] */
} SlmTierTarget;

/* A run of rows of one partition. */
typedef struct SlmDeltaRun
{
	const SlmDelta *rows;
	uint64		nrows;
	TimestampTz start;			/* of the partition */
} SlmDeltaRun;

/* Its memory contexts are children of the current one, and live until slm_target_done(). */
extern void slm_target_init(SlmTierTarget *target, const SlmTier *tier, SlmDimension dimension, const SlmDictionary *dictionary);
extern void slm_target_done(SlmTierTarget *target);

/* A row's key as a value: in the current memory context, or kept until the target is done with. */
extern Datum slm_target_key(SlmTierTarget *target, SlmKeyId key);

/*
 * The values of the row that a delta is for a bucket that had none: all, in the shape's order and the current memory context; or, for a thread,
 * those that are no pointers, put where at says.  Count is above zero, gmv not below.
 */
extern void slm_target_values(SlmTierTarget *target, const SlmDelta *row, Datum *values);
extern void slm_target_plain_values(const SlmTierTarget *target, const int *at, const SlmDelta *row, Datum *values);

/* About how many bytes a row's key takes. */
extern Size slm_target_key_size(const SlmTierTarget *target, const SlmDelta *row);

#endif							/* SLM_TIERS_TIER_TARGET_H */
