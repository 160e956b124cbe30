/*
 * gaps.c: which of an object's rows are clock jumps.
 */
#include "pure/gaps.h"

#include <stdlib.h>
#include <string.h>

#include "pure/interner.h"

/* The number of spans that begin at or before a time. */
static uint32_t
spans_before(const SlmGaps *gaps, SlmTime time)
{
	uint32_t	lo = 0;
	uint32_t	hi = gaps->n;

	while (lo < hi)
	{
		uint32_t	mid = lo + (hi - lo) / 2;

		if (gaps->spans[mid].first <= time)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* A span has grown: if it has reached the next one, they are one. */
static void
join_next(SlmGaps *gaps, uint32_t i)
{
	SlmSpan    *span = &gaps->spans[i];

	if (i + 1 == gaps->n || span[1].first - span->last > gaps->jump)
		return;
	span->last = span[1].last;
	span->rows += span[1].rows;
	gaps->n--;
	memmove(span + 1, span + 2, (gaps->n - i - 1) * sizeof(SlmSpan));
}

static bool
insert_span(SlmGaps *gaps, uint32_t i, SlmTime time)
{
	if (gaps->n == SLM_MAX_SPANS)
	{
		gaps->many = true;
		return true;
	}
	if (!slm_grow((void **) &gaps->spans, gaps->n, &gaps->max, sizeof(SlmSpan)))
		return false;
	memmove(&gaps->spans[i + 1], &gaps->spans[i], (gaps->n - i) * sizeof(SlmSpan));
	gaps->spans[i] = (SlmSpan) {time, time, 1};
	gaps->n++;
	gaps->at = i;
	return true;
}

bool
slm_gaps_place(SlmGaps *gaps, SlmTime time)
{
	uint32_t	next;

	if (gaps->many)
		return true;
	next = spans_before(gaps, time);
	if (next > 0 && time - gaps->spans[next - 1].last <= gaps->jump)
	{
		SlmSpan    *span = &gaps->spans[next - 1];

		span->rows++;
		gaps->at = next - 1;
		if (time > span->last)
		{
			span->last = time;
			join_next(gaps, next - 1);
		}
		return true;
	}
	if (next < gaps->n && gaps->spans[next].first - time <= gaps->jump)
	{
		/* the span before is too far away to be reached */
		gaps->spans[next].first = time;
		gaps->spans[next].rows++;
		gaps->at = next;
		return true;
	}
	return insert_span(gaps, next, time);
}

uint64_t
slm_few_rows(uint64_t rows)
{
	uint64_t	tenth = rows / 10;
	uint64_t	few = tenth < 100 ? tenth : 100;

	if (rows / 100 > few)
		few = rows / 100;
	return few == 0 && rows >= 5 ? 1 : few;
}

/* The gap behind a span. */
static SlmTime
gap_after(const SlmGaps *gaps, uint32_t i)
{
	return gaps->spans[i + 1].first - gaps->spans[i].last;
}

static uint64_t
all_rows(const SlmGaps *gaps)
{
	uint64_t	rows = 0;

	for (uint32_t i = 0; i < gaps->n; i++)
		rows += gaps->spans[i].rows;
	return rows;
}

/* A gap must be longer than this to be a jump. */
static SlmTime
least_jump(const SlmGaps *gaps, uint64_t rows, uint64_t few)
{
	SlmTime		usual = 0;
	uint64_t	before = 0;

	for (uint32_t i = 0; i + 1 < gaps->n; i++)
	{
		before += gaps->spans[i].rows;
		if (before > few && rows - before > few && gap_after(gaps, i) > usual)
			usual = gap_after(gaps, i);
	}
	return usual == 0 ? gaps->jump : 2 * usual;
}

SlmTime
slm_gaps_limit(const SlmGaps *gaps, uint64_t object_rows)
{
	uint64_t	rows = all_rows(gaps);
	uint64_t	few = slm_few_rows(object_rows);
	uint64_t	before = 0;
	SlmTime		least;

	if (gaps->many || gaps->n < 2)
		return INT64_MAX;
	least = least_jump(gaps, rows, few);
	for (uint32_t i = 0; i + 1 < gaps->n; i++)
	{
		before += gaps->spans[i].rows;
		if (rows - before <= few && rows - before <= before && gap_after(gaps, i) > least)
			return gaps->spans[i].last;
	}
	return INT64_MAX;
}

uint64_t
slm_gaps_rows_after(const SlmGaps *gaps, SlmTime limit)
{
	uint64_t	rows = 0;

	for (uint32_t i = 0; i < gaps->n; i++)
		rows += gaps->spans[i].first > limit ? gaps->spans[i].rows : 0;
	return rows;
}

void
slm_gaps_reset(SlmGaps *gaps, SlmTime jump)
{
	gaps->jump = jump;
	gaps->n = 0;
	gaps->at = 0;
	gaps->many = false;
}

void
slm_gaps_free(SlmGaps *gaps)
{
	free(gaps->spans);
	*gaps = (SlmGaps) {.jump = gaps->jump};
}
