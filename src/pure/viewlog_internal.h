/*
 * viewlog_internal.h: what packing (viewlog.c) and unpacking (viewlog_read.c) of the view log share.
 */
#ifndef SLM_PURE_VIEWLOG_INTERNAL_H
#define SLM_PURE_VIEWLOG_INTERNAL_H

#include "pure/viewlog.h"

/* The first byte of a block. */
#define SLM_VIEWLOG_PLAIN	2
#define SLM_VIEWLOG_LINES	3	/* offers have lines */
#define SLM_VIEWLOG_TUPLES	4	/* and tuples */

#define SLM_USECS_PER_HOUR	(60 * SLM_USECS_PER_MIN)

/* The start of the hour that a time is in. */
static inline SlmTime
slm_hour_of(SlmTime time)
{
	SlmTime		rest = time % SLM_USECS_PER_HOUR;

	return time - (rest < 0 ? rest + SLM_USECS_PER_HOUR : rest);
}

#endif							/* SLM_PURE_VIEWLOG_INTERNAL_H */
