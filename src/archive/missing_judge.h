/*
 * missing_judge.h: does what is taken out hang together with an object whose bytes are not there any more?
 *
 * What others take out or make anew may depend on what was in it: here is told whether it really can, from what is known without its
 * bytes (its span, its numbers, the view log, the tiers, the carts).
 */
#ifndef SLM_ARCHIVE_MISSING_JUDGE_H
#define SLM_ARCHIVE_MISSING_JUDGE_H

#include "archive/take_out.h"

/*
 * Under the writer's lock, once it is known which views are taken out, and before anything is changed: an error if what take takes out may
 * hang together with what a missing object counts or would count, and that has not been declared lost; a notice with the numbers if it has.
 */
extern void slm_missing_judge(const SlmTakeOut *take);

/* The span of the rows of all that is missing for it; first > last if nothing is. */
extern void slm_missing_span(const SlmTakeOut *take, TimestampTz *first, TimestampTz *last);

#endif							/* SLM_ARCHIVE_MISSING_JUDGE_H */
