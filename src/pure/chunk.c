/*
 * chunk.c: the rows of an object before they join a batch.
 */
#include "pure/chunk.h"

#include <stdlib.h>

#include "pure/assert.h"

static bool
keep_raw(SlmChunk *chunk, SlmSlice raw)
{
	SlmChunkRaw *kept;

	if (!slm_grow((void **) &chunk->raws, chunk->nraws, &chunk->maxraws, sizeof(SlmChunkRaw)))
		return false;
	kept = &chunk->raws[chunk->nraws];
	kept->row = chunk->nrows;
	kept->raw.len = raw.len;
	kept->raw.data = slm_bytes_keep(&chunk->bytes, raw.data, raw.len);
	if (kept->raw.data == NULL)
		return false;
	chunk->nraws++;
	return true;
}

/* The next row, of which only the time is known yet.  NULL if out of memory. */
static inline SlmChunkRow *
add_row(SlmChunk *chunk, SlmTime time, uint64_t line, SlmSlice raw, SlmTime max_jump)
{
	bool		ahead = chunk->nrows > 0 && time - chunk->earliest > max_jump;
	SlmChunkRow *row;

	/* raws and lines are found by going along with the rows */
	SLM_ASSERT(chunk->nrows == 0 || line >= chunk->lines[chunk->nrows - 1]);

	/* a file of rows that are all far ahead of its first would keep them all: bound it */
	if ((chunk->nrows < SLM_CHUNK_RAWS || (ahead && chunk->nraws < 100 * SLM_CHUNK_RAWS)) && !keep_raw(chunk, raw))
		return NULL;
	if (!slm_grow((void **) &chunk->rows, chunk->nrows, &chunk->maxrows, sizeof(SlmChunkRow)) ||
		!slm_grow((void **) &chunk->lines, chunk->nrows, &chunk->maxlines, sizeof(uint64_t)))
		return NULL;
	row = &chunk->rows[chunk->nrows];
	row->time = time;
	chunk->lines[chunk->nrows] = line;
	if (chunk->nrows == 0 || time < chunk->earliest)
		chunk->earliest = time;
	chunk->nrows++;
	return row;
}

bool
slm_chunk_add(SlmChunk *chunk, const SlmHashKey *key, const SlmEvent *event, SlmOfferId offer, uint64_t line,
			  SlmSlice raw, SlmTime max_jump)
{
	SlmChunkRow *row;

	SLM_ASSERT(offer < SLM_MAX_OFFERS);
	SLM_ASSERT(event->type < SLM_EVENT_TYPES);
	SLM_ASSERT(event->more < SLM_MAX_QUANTITY && (event->type != SLM_VIEW || event->more == 0));
	SLM_ASSERT(event->line == 0 || (event->type != SLM_VIEW && event->line == slm_line(event->type, event->more)));

	row = add_row(chunk, event->time, line, raw, max_jump);
	if (row == NULL)
		return false;
	row->offer = offer;
	row->type = event->type;
	row->more = event->more;
	row->fingerprint = slm_fingerprint_of(key, event);
	if (chunk->visits.wanted && event->session.len > 0 &&
		!slm_visits_add(&chunk->visits, slm_view_fingerprint(key, event->session, 0), event->time, event->type == SLM_PURCHASE,
						slm_dictionary_visit_keys(chunk->dictionary, offer)))
		return false;
	return !slm_is_cart_event(event) || slm_cart_events_add(&chunk->carts, key, event);
}

bool
slm_chunk_add_elsewhere(SlmChunk *chunk, SlmTime time, uint64_t line, SlmSlice raw, SlmTime max_jump)
{
	SlmChunkRow *row = add_row(chunk, time, line, raw, max_jump);

	if (row == NULL)
		return false;
	row->offer = SLM_NO_OFFER;
	chunk->nelsewhere++;
	return true;
}

bool
slm_chunk_add_taken(SlmChunk *chunk, SlmTime time, uint64_t line, SlmSlice raw, SlmTime max_jump)
{
	SlmChunkRow *row = add_row(chunk, time, line, raw, max_jump);

	if (row == NULL)
		return false;
	row->offer = SLM_TAKEN_OFFER;
	chunk->any_taken = true;
	return true;
}

bool
slm_chunk_median(const SlmChunk *chunk, SlmTime *median)
{
	SlmTime    *times = malloc(chunk->nrows * sizeof(SlmTime));

	SLM_ASSERT(chunk->nrows > 0);

	if (times == NULL)
		return false;
	for (uint32_t i = 0; i < chunk->nrows; i++)
		times[i] = chunk->rows[i].time;
	*median = slm_median_time(times, chunk->nrows);
	free(times);
	return true;
}

uint32_t
slm_chunk_reject_after(SlmChunk *chunk, SlmTime limit, SlmChunkReject reject, void *arg)
{
	uint32_t	kept = 0;
	uint32_t	next_raw = 0;	/* both rows and raws are in the order of the lines */
	uint32_t	n = chunk->nrows;

	for (uint32_t i = 0; i < n; i++)
	{
		SlmSlice	raw = {"", 0};

		if (next_raw < chunk->nraws && chunk->raws[next_raw].row == i)
			raw = chunk->raws[next_raw++].raw;
		if (chunk->rows[i].time > limit)
		{
			chunk->nelsewhere -= chunk->rows[i].offer == SLM_NO_OFFER;
			reject(arg, chunk->lines[i], chunk->rows[i].time, raw);
		}
		else
			chunk->rows[kept++] = chunk->rows[i];
	}
	chunk->nrows = kept;
	slm_cart_events_keep(&chunk->carts, INT64_MIN, limit);
	slm_visits_keep(&chunk->visits, INT64_MIN, limit);
	return n - kept;
}

uint32_t
slm_chunk_drop_before(SlmChunk *chunk, SlmTime limit, SlmTime *latest)
{
	uint32_t	kept = 0;
	uint32_t	n = chunk->nrows;

	for (uint32_t i = 0; i < n; i++)
	{
		if (chunk->rows[i].time >= limit)
			chunk->rows[kept++] = chunk->rows[i];
		else if (chunk->rows[i].time > *latest)
			*latest = chunk->rows[i].time;
	}
	chunk->nrows = kept;
	slm_cart_events_keep(&chunk->carts, limit, INT64_MAX);
	slm_visits_keep(&chunk->visits, limit, INT64_MAX);
	return n - kept;
}

uint32_t
slm_chunk_drop_elsewhere(SlmChunk *chunk, SlmTime before, SlmTime *latest)
{
	uint32_t	kept = 0;
	uint32_t	n = chunk->nrows;

	if (chunk->nelsewhere == 0)
		return 0;
	for (uint32_t i = 0; i < n; i++)
	{
		if (chunk->rows[i].offer != SLM_NO_OFFER || chunk->rows[i].time >= before)
			chunk->rows[kept++] = chunk->rows[i];
		else if (chunk->rows[i].time > *latest)
			*latest = chunk->rows[i].time;
	}
	chunk->nrows = kept;
	chunk->nelsewhere -= n - kept;
	return n - kept;
}

uint32_t
slm_chunk_drop_taken(SlmChunk *chunk)
{
	uint32_t	kept = 0;
	uint32_t	n = chunk->nrows;

	if (!chunk->any_taken)
		return 0;
	for (uint32_t i = 0; i < n; i++)
	{
		if (chunk->rows[i].offer != SLM_TAKEN_OFFER)
			chunk->rows[kept++] = chunk->rows[i];
	}
	chunk->nrows = kept;
	chunk->any_taken = false;
	return n - kept;
}

void
slm_chunk_reset(SlmChunk *chunk)
{
	chunk->nrows = 0;
	chunk->nelsewhere = 0;
	chunk->any_taken = false;
	chunk->nraws = 0;
	slm_bytes_free(&chunk->bytes);
	slm_cart_events_reset(&chunk->carts);
	slm_visits_reset(&chunk->visits);
}

void
slm_chunk_free(SlmChunk *chunk)
{
	free(chunk->rows);
	free(chunk->lines);
	free(chunk->raws);
	slm_bytes_free(&chunk->bytes);
	slm_cart_events_free(&chunk->carts);
	slm_visits_free(&chunk->visits);
	*chunk = (SlmChunk) {0};
}
