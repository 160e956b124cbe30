/*
 * gaps.h: the times of an object's rows, as far as gaps between them tell which of them are clock jumps.
 *
 *   times   ....... ..  ....   .......                         .
 *   spans  [------------------------]      gap > jump         [-]   <- few rows: clock jumps
 *
 * Spans are the longest runs of times without a gap of more than the jump.  They are exact, and the same in whatever order
 * times come, so the answer depends on the object's rows alone: not on the parts in which they are read.
 */
#ifndef SLM_PURE_GAPS_H
#define SLM_PURE_GAPS_H

#include "pure/types.h"

/* With more spans than this, times that are far apart are usual in the object, and none is a clock jump. */
#define SLM_MAX_SPANS	4096

typedef struct SlmSpan
{
	SlmTime		first;
	SlmTime		last;
	uint64_t	rows;
} SlmSpan;

/* Zero-initialised, but for jump, is empty. */
typedef struct SlmGaps
{
	SlmTime		jump;			/* a gap is longer than this; > 0 */
	SlmSpan    *spans;			/* ascending, and more than jump apart */
	uint32_t	n;
	uint32_t	max;
	uint32_t	at;				/* the span of the last time */
	bool		many;			/* there were more than SLM_MAX_SPANS */
} SlmGaps;

/* Any time that is not in the span of the one before.  False if out of memory. */
extern bool slm_gaps_place(SlmGaps *gaps, SlmTime time);

/* Add a row's time.  False if out of memory. */
static inline bool
slm_gaps_add(SlmGaps *gaps, SlmTime time)
{
	if (gaps->n > 0)
	{
		SlmSpan    *span = &gaps->spans[gaps->at];

		if (time >= span->first && time <= span->last)
		{
			span->rows++;
			return true;
		}
	}
	return slm_gaps_place(gaps, time);
}

/*
 * How many of an object's rows are so few that they can be clock jumps: one in a hundred; of up to ten thousand rows a
 * hundred at most, but no more than one in ten; one of five to nine.
 */
extern uint64_t slm_few_rows(uint64_t rows);

/*
 * The latest time that is no clock jump; INT64_MAX if there are no jumps.  Clock jumps are the rows behind a gap, if they are
 * few of the object's rows (with those that have no time), and no more than are before it.  Where gaps stand amid the rows too, with more than few on either side, they are usual in this object (a shop that
 * sells once a week), and only one that is more than twice as long as the longest of these counts.
 */
extern SlmTime slm_gaps_limit(const SlmGaps *gaps, uint64_t object_rows);

/* The number of rows later than a limit that slm_gaps_limit() gave. */
extern uint64_t slm_gaps_rows_after(const SlmGaps *gaps, SlmTime limit);

/* Empty it; keeps the memory. */
extern void slm_gaps_reset(SlmGaps *gaps, SlmTime jump);
extern void slm_gaps_free(SlmGaps *gaps);

#endif							/* SLM_PURE_GAPS_H */
