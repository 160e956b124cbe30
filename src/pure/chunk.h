/*
 * chunk.h: the rows of an object, or of a large object's next part, before they join a batch.
 *
 * A single row must not move the clock: only when all rows are known can those that are far ahead of the median be
 * told.  So they wait here, cleaned and small (about 40 bytes each).
 */
#ifndef SLM_PURE_CHUNK_H
#define SLM_PURE_CHUNK_H

#include "pure/batch.h"
#include "pure/carts.h"
#include "pure/visits.h"

/* The most rows of a chunk; a constant, so that where chunks end depends on the object alone. */
#define SLM_CHUNK_ROWS	1000000

/* The first rows, and those far ahead of what came before, keep their line in case they are rejected. */
#define SLM_CHUNK_RAWS	100

/* In the place of an offer: the row's product is a text whose number another one has. */
#define SLM_TAKEN_OFFER	(SLM_NO_OFFER - 1)

typedef struct SlmChunkRaw
{
	uint32_t	row;
	SlmSlice	raw;
} SlmChunkRaw;

/* Zero-initialised is empty. */
typedef struct SlmChunk
{
	SlmChunkRow *rows;
	uint64_t   *lines;			/* line number of each row */
	uint32_t	nrows;
	uint32_t	nelsewhere;		/* of these: rows of products that another node keeps; they have a time, and SLM_NO_OFFER */
	bool		any_taken;		/* there are, or were, rows that have a time, and SLM_TAKEN_OFFER */
	uint32_t	maxrows;
	uint32_t	maxlines;
	SlmChunkRaw *raws;
	uint32_t	nraws;
	uint32_t	maxraws;
	SlmBytes	bytes;
	SlmTime		earliest;
	SlmCartEvents carts;		/* of the rows, those that tell about carts */
	SlmVisits	visits;			/* of the rows, those with a session, if they are wanted */
	const SlmDictionary *dictionary;	/* of the offers that the rows name; needed where visits are wanted */
} SlmChunk;

/* Told of each row that is taken out again: its line, its time, and the line's text (empty if it was not kept). */
typedef void (*SlmChunkReject) (void *arg, uint64_t line, SlmTime time, SlmSlice raw);

/*
 * What tells an event from others that it may be a repetition of: a view's session and product; another event's id, product and type.  0: it
 * counts, whatever else there is.
 */
static inline uint64_t
slm_fingerprint_of(const SlmHashKey *key, const SlmEvent *event)
{
	if (event->type == SLM_VIEW)
		return event->session.len > 0 ? slm_view_fingerprint(key, event->session, event->product_id) : 0;
	return event->line != 0 ? slm_line_fingerprint(key, event->event_id, event->product_id, event->type) : 0;
}

/* Add an event whose offer is known.  False if out of memory. */
extern bool slm_chunk_add(SlmChunk *chunk, const SlmHashKey *key, const SlmEvent *event, SlmOfferId offer,
						  uint64_t line, SlmSlice raw, SlmTime max_jump);

/* Likewise one of a product that another node keeps: it has a part in what is said of the chunk's times, and goes then. */
extern bool slm_chunk_add_elsewhere(SlmChunk *chunk, SlmTime time, uint64_t line, SlmSlice raw, SlmTime max_jump);

/* Likewise one whose product is a text that is refused. */
extern bool slm_chunk_add_taken(SlmChunk *chunk, SlmTime time, uint64_t line, SlmSlice raw, SlmTime max_jump);

/* The lower median of the rows' times.  False if out of memory; nrows > 0. */
extern bool slm_chunk_median(const SlmChunk *chunk, SlmTime *median);

/* Take out the rows later than limit, telling of each; returns their number. */
extern uint32_t slm_chunk_reject_after(SlmChunk *chunk, SlmTime limit, SlmChunkReject reject, void *arg);

/* Take out the rows earlier than limit; returns their number.  *latest: raised to the latest of their times. */
extern uint32_t slm_chunk_drop_before(SlmChunk *chunk, SlmTime limit, SlmTime *latest);

/* Likewise the rows of other nodes alone, however they have been added. */
extern uint32_t slm_chunk_drop_elsewhere(SlmChunk *chunk, SlmTime before, SlmTime *latest);

/* Take out those of refused texts; returns their number. */
extern uint32_t slm_chunk_drop_taken(SlmChunk *chunk);

/* Empty it for the next object; keeps the memory. */
extern void slm_chunk_reset(SlmChunk *chunk);
extern void slm_chunk_free(SlmChunk *chunk);

#endif							/* SLM_PURE_CHUNK_H */
