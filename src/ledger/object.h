/*
 * object.h: an object on its way from the ledger through a batch and back.
 */
#ifndef SLM_LEDGER_OBJECT_H
#define SLM_LEDGER_OBJECT_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "dedup/checksum.h"
#include "ledger/source.h"
#include "ledger/source_format.h"
#include "pure/dictionary.h"
#include "pure/chunk.h"
#include "pure/names.h"
#include "pure/node_slice.h"
#include "pure/sku.h"
#include "store/store.h"

typedef enum SlmOutcome
{
	SLM_OBJECT_WAITING,			/* not looked at yet, or not there yet: it stays as it is */
	SLM_OBJECT_LOADED,			/* its rows are in the batch */
	SLM_OBJECT_PART,			/* more rows than a chunk: its next part was read, more is to come */
	SLM_OBJECT_LATE,			/* belongs to the backlog */
	SLM_OBJECT_RETRY,			/* try again later */
	SLM_OBJECT_SLOW,			/* from a parse worker: it did not come in time, and is to be left WAITING */
	SLM_OBJECT_FAILED,
	SLM_OBJECT_EXCLUDED,		/* its source's patterns leave it out */
	SLM_OBJECT_SAME				/* what it holds is counted already: see identity.h */
} SlmOutcome;

/* A rejected row, as it goes to sellometer.rejected_rows. */
typedef struct SlmRejectedRow
{
	uint64		line;
	const char *column;			/* NULL: the row as a whole */
	const char *reason;
	char	   *detail;
	char	   *raw;			/* valid text */
} SlmRejectedRow;

/* All strings live in the batch's context. */
typedef struct SlmObject
{
	int64		id;
	char	   *source;
	int			source_number;	/* in the pick */
	bool		sure;			/* to be in the batch, as its source's share */
	char	   *key;
	char	   *counted_source; /* what source and key were when its first rows were counted; NULL: as now */
	char	   *counted_key;
	char	   *etag;
	int64		size;
	int			attempts;
	TimestampTz object_time;	/* DT_NOBEGIN: not known */
	bool		time_doubtful;	/* times in its source's keys are not to be trusted now (key_time.h) */
	int64		format_id;		/* 0: it has none */
	const SlmFormat *format;	/* NULL: likewise */
	char	   *rates;			/* by which its rows are converted (currency.h), as far as they are read; NULL: none is */
	size_t		rates_len;
	int64		resume_row;
	int64		rejected_before;	/* rows of earlier parts that were rejected */
	bool		reloaded;		/* it is loaded already: errors don't say how to load it */
	bool		own_slice;		/* no other node reads it */
	bool		judged;			/* all of its times are known: time_limit is valid, and the same for all of its parts */
	TimestampTz time_limit;		/* later rows are clock jumps; DT_NOEND: none is */

	TimestampTz reach;			/* a large object that was looked through: where the head will be once all of it is loaded, or later;
								 * DT_NOBEGIN: not known */

	SlmTransfer *transfer;		/* under way, or NULL */
	SlmOutcome	outcome;
	int			number;			/* in the batch, if loaded */
	uint64		rows_total;
	uint64		rows_rejected;
	uint64		rows_expired;
	uint64		rows_elsewhere; /* of other nodes' slices */
	uint64		rows_ignored;	/* of its beginning, up to where it was read, whose events its format passes over */
	TimestampTz latest_expired; /* DT_NOBEGIN: none is */
	TimestampTz first_event;	/* DT_NOEND: no row */
	TimestampTz last_event;
	TimestampTz median;
	char	   *refused;		/* numbers of the rows that were rejected or are expired, as a set (rowset.h); NULL: none */
	size_t		refused_len;
	bool		has_checksum;	/* it was read to its end */
	SlmChecksum checksum;		/* of what it holds */
	const SlmSku *skus;			/* products that are texts */
	uint32		nskus;
	const SlmName *names;		/* what its products are called; of each product one */
	uint32		nnames;
	SlmRejectedRow *rejects;
	int			nrejects;
	int			maxrejects;		/* allocated */
	int			sqlstate;		/* with RETRY and FAILED */
	char	   *error;			/* for whoever may read the ledger */
	char	   *error_detail;	/* the whole of it, with how the source is reached, or NULL */
	int			retry_after_ms;
	bool		uncounted;		/* its source was unhealthy: no attempt of the object's */
} SlmObject;

/* Against what the times of rows are judged: read once a batch. */
typedef struct SlmClock
{
	TimestampTz head;			/* DT_NOBEGIN: no data yet */
	TimestampTz latest;			/* now + sellometer.max_clock_skew */
	bool		live;			/* late objects are put back as backlog */
	const struct SlmTiers *tiers;
	SlmNodeSlice slice;			/* rows of other slices count no more once the times of all are judged */
	bool		visits;			/* sessions, buyers and orders are counted */
} SlmClock;

/*
 * Start its transfer.  If it can't be read, as its source (NULL: gone or disabled) has no store or it is larger than
 * sellometer.max_object_bytes, or if it is not to be read, as its source leaves it out by now, its outcome says so.
 */
extern void slm_object_open(SlmObject *object, SlmSource *source);

/* Add its next rows to a batch, as those of the object whose number there it is given.  False if out of memory. */
extern bool slm_object_add(SlmObject *object, SlmBatch *batch, const SlmChunk *chunk);

/* Say that the object can't be loaded.  The string is copied; error_detail is set to NULL. */
extern void slm_object_fail(SlmObject *object, SlmOutcome outcome, int sqlstate, const char *error);

/* Likewise, for what its store says: for good if that is about the object, to be tried again if it is about the way to it. */
extern void slm_object_fail_by_store(SlmObject *object, const SlmStoreError *error);

/* Likewise, for want of memory: it is tried again. */
extern void slm_object_fail_by_memory(SlmObject *object);

#endif							/* SLM_LEDGER_OBJECT_H */
