/*
 * load_batch.h: one batch, from the ledger to the commit.
 */
#ifndef SLM_LOAD_LOAD_BATCH_H
#define SLM_LOAD_LOAD_BATCH_H

#include "load/apply.h"
#include "load/loader.h"

/* What a batch may be made of. */
typedef struct SlmBatchScope
{
	const char *state;			/* "pending" or "backlog" */
	const char *const *sources;	/* by name, all in the loader's set */
	int			nsources;
	int			limit;			/* of objects */
	bool		apart;			/* of one source that is apart from the others: only what has come already */
} SlmBatchScope;

/* What a batch did. */
typedef struct SlmBatchResult
{
	int			objects;		/* dealt with, parts of large ones too */
	int			ended;			/* of these, those of which no part is to come */
	int64		ended_bytes;	/* and their size */
	int			waiting;		/* picked too, but not there yet */
	bool		more;			/* one of these can go on at once */
	int64		bytes;
	uint64		rows;			/* read from loaded objects */
	SlmApplied	applied;
} SlmBatchResult;

/*
 * In a transaction that has done nothing but look at the sources, and in the loader's batch context, where its memory stays: pick, read and
 * apply, and commit.  What it did is added to *result.  Errors as with slm_ingest_batch().
 */
extern void slm_load_batch(SlmIngest *ingest, const SlmBatchScope *scope, SlmBatchResult *result);

#endif							/* SLM_LOAD_LOAD_BATCH_H */
