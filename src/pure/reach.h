/*
 * reach.h: how far an object of several parts will bring the head, told from one look through all of its rows.
 *
 * The head is the greatest median of a part's times.  So whoever knows where parts end, and has seen all times once, knows it
 * before the first part is loaded; and with it which rows will be too old for the finest tier by then.
 */
#ifndef SLM_PURE_REACH_H
#define SLM_PURE_REACH_H

#include "pure/types.h"

/* Zero-initialised is empty, but for head, which is INT64_MIN then. */
typedef struct SlmReach
{
	SlmTime    *times;			/* of the part at hand, malloc'ed */
	uint32_t	n;
	uint32_t	max;
	SlmTime		head;			/* that the parts before bring about */
} SlmReach;

/* A row of the part at hand.  False if out of memory. */
extern bool slm_reach_add(SlmReach *reach, SlmTime time);

/*
 * The part at hand ends; of fewer rows than least, which can't move the head, nothing is taken.  The head is told a little too early,
 * by as many rows as may turn out to be clock jumps.
 */
extern void slm_reach_end_part(SlmReach *reach, uint32_t least);

extern void slm_reach_free(SlmReach *reach);

#endif							/* SLM_PURE_REACH_H */
