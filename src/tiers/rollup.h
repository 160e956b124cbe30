/*
 * rollup.h: from a tier's complete buckets to the rows of those that are added up from it.
 */
#ifndef SLM_TIERS_ROLLUP_H
#define SLM_TIERS_ROLLUP_H

#include "tiers/tier.h"

/*
 * Under the writer's lock: if time is not before the watermark of tier t (1 or more), roll up until it is, and set the
 * watermark, in tiers too.  Nothing to do for DT_NOBEGIN.
 */
extern void slm_rollup_past(SlmTiers *tiers, int t, TimestampTz time);

/*
 * Under the writer's lock, before rows are added to the finer tier: move the watermark of tier t, up to limit at most, over buckets that the
 * finer tier has nothing of, so that rows go to both tiers; over one bucket that it has something of, too, which is rolled up.  Nothing is
 * done while a rollup is under way.
 */
extern void slm_rollup_along(SlmTiers *tiers, int t, TimestampTz limit);

/*
 * Under the writer's lock: add up the finer tier's rows of the bucket that begins at the watermark of tier t, DELETE and
 * INSERT that bucket of tier t, and move the watermark past it.  Returns the number of rows.
 */
extern uint64 slm_rollup_bucket(SlmTiers *tiers, int t);

/* The first bucket of tier t that is not rolled up and for which the finer tier has rows; DT_NOEND if there is none. */
extern TimestampTz slm_rollup_next(const SlmTiers *tiers, int t);

/*
 * How far tier t (1 or more) can be rolled up: the end of its last bucket that is complete, which the finer tier covers.
 * DT_NOBEGIN if there is none.
 */
extern TimestampTz slm_rollup_limit(const SlmTiers *tiers, int t, TimestampTz head);

/*
 * Under the writer's lock: roll up all complete buckets of tier t, until stop says so between two of them.  True if all
 * was done.
 */
extern bool slm_rollup_fill(SlmTiers *tiers, int t, TimestampTz head, bool (*stop) (void *arg), void *arg);

/*
 * Under the writer's lock: have the rollup that is under way, if any, give up its bucket, and delete what it has made; for
 * a change of the tiers.
 */
extern void slm_rollup_reset(SlmTiers *tiers);

/*
 * Under the writer's lock: move the watermark of a tier over what is empty, to the next bucket with rows, at most to limit.  True if there
 * is such a bucket before the limit.  One that somebody has begun with counts as such: it may have rows that must go.
 */
extern bool slm_rollup_skip_empty(SlmTiers *tiers, int t, TimestampTz limit);

/*
 * The bucket at the watermark, or several from there on, in three steps (rollup.c).  Under the writer's lock: mark what is to be rolled up, before
 * limit; its end is returned.  Then, under the rollup lock alone, while it is marked still: DELETE and INSERT its rows, whose number is
 * returned; a partition that is missing is made.  Then, under the writer's lock, while it is marked still: add up once more what was noted since
 * the mark, and move the watermark past it; the number of buckets is returned.
 */
extern TimestampTz slm_rollup_mark(const SlmTier *tier, TimestampTz limit);
extern uint64 slm_rollup_add_up(const SlmTiers *tiers, int t);
extern int	slm_rollup_finish(SlmTiers *tiers, int t);

#endif							/* SLM_TIERS_ROLLUP_H */
