/*
 * tier.h: the tiers, their partitions and their watermarks.
 *
 * Which tier takes a row of time t:
 *
 *     head - retention         kept_from             head
 *  ---------|----------------------|-------------------|---->
 *     no    | yes, if no coarser   | yes: whole
 *           | tier is whole there  |
 *
 * and, for all but the finest, only if t is before the tier's watermark: later rows reach it by rollup.  A row that a tier
 * does not take must be before the watermarks of those that are added up from it: apply.c sees to that.
 *
 * Before kept_from a tier need not hold all: that was pruned, or too old when it came, or the tier was added later, when
 * the finer one did not have it any more.  So kept_from says what is complete; what is expired is said by retention alone.
 */
#ifndef SLM_TIERS_TIER_H
#define SLM_TIERS_TIER_H

#include "postgres.h"
#include "bulkwrite/plain.h"
#include "datatype/timestamp.h"
#include "pure/dictionary.h"
#include "pure/granularity.h"

typedef struct SlmTier
{
	char	   *name;
	SlmGranularity granularity; /* if of days or months, in the zone that the tier was made with */
	SlmGranularity partition;	/* width of a partition; in the same zone */
	SlmGranularity retention;	/* both members 0: for ever */
	TimestampTz watermark;		/* DT_NOEND for the finest */
	TimestampTz rolling;		/* end of the bucket that is being rolled up; DT_NOBEGIN: none */
	TimestampTz kept_from;		/* it may lack rows before this; DT_NOBEGIN: it never lost anything */
	int			finer;			/* the number of the tier that it is added up from, which is less; -1: it is the finest */
} SlmTier;

typedef struct SlmTiers
{
	int			n;
	SlmTier    *tiers;			/* by granularity, finest first */
} SlmTiers;

/* Read sellometer.tiers into the current memory context, and sellometer.dimensions. */
extern SlmTiers *slm_tiers_read(void);

/* An interval as a granularity; error if it mixes months with shorter units, is not positive, or beyond all use. */
extern SlmGranularity slm_interval_granularity(Interval *interval);

/* The first time that a tier still keeps, given the head; a partition's start, so that partitions go whole. */
extern TimestampTz slm_tier_floor(const SlmTier *tier, TimestampTz head);

/*
 * From where on a tier takes what its retention keeps.  What is not complete it takes too, or it would be nowhere; but not
 * where a coarser tier holds it whole, which a part of it would contradict.
 */
extern TimestampTz slm_tier_takes_from(const SlmTiers *tiers, int t);

/* The first time that any tier keeps: what is older is expired. */
extern TimestampTz slm_tiers_floor(const SlmTiers *tiers, TimestampTz head);

/* Up to where all tiers that are added up from tier t are rolled up; DT_NOEND if there is none. */
extern TimestampTz slm_tier_rolled_up(const SlmTiers *tiers, int t);

/* Note that the tier does not hold all before a time, in tier too.  It only comes back by a replay. */
extern void slm_tier_keep_from(SlmTier *tier, TimestampTz time);

/* Note that the tier holds all from an earlier time on than it did, in tier too. */
extern void slm_tier_filled_from(SlmTier *tier, TimestampTz time);

/* The SQL type of the tier's column count: a day's count of views may pass 2^31. */
extern const char *slm_tier_count_type(const SlmTier *tier);

/*
 * Keep the tier's tables from being dropped before the end of the transaction, without the writer's lock.  False if they are
 * gone already: sellometer_drop_tier() may have come between the reading of the tiers and this.
 */
extern bool slm_tier_hold(const SlmTier *tier);

/* The columns of a tier's tables, as their shape has them: a table may order them otherwise. */
enum
{
	SLM_TIER_TIME, SLM_TIER_KEY, SLM_TIER_TYPE, SLM_TIER_COUNT, SLM_TIER_GMV, SLM_TIER_COLUMNS
};

/* The shape of a dimension's table, in memory of the current context. */
extern SlmShape *slm_tier_shape(const SlmTier *tier, SlmDimension dimension);

/* "product_id", "brand", …, and those of a user's own, as they were read with the tiers; their number: slm_dimension_count() */
extern const char *slm_dimension_name(SlmDimension dimension);

/*
 * The partition of a dimension's table that begins at start: its oid, or InvalidOid.  Name: in buf (NAMEDATALEN).  An error if a table of
 * that name is no partition: what goes into it would be seen by nobody.
 */
extern Oid	slm_partition_find(const SlmTier *tier, SlmDimension dimension, TimestampTz start, char *buf);

/*
 * The starts of a tier's partitions, ascending, in the current memory context; *n is their number.  All tables have
 * the same ones; those of a user's own dimensions no others.
 */
extern TimestampTz *slm_partitions(const SlmTier *tier, int *n);

/* Likewise, of a dimension's table as it is. */
extern TimestampTz *slm_partitions_of(const SlmTier *tier, SlmDimension dimension, int *n);

/*
 * Make a partition as a table of its own, without index; give it its primary key; give it its place in the parent.  Before that
 * it can be filled at full speed, with the key or before it has one.  None of these waits for or holds up anybody who reads
 * the parent.  A key that is to be filled (bulkwrite/fill.h) has no page yet, and nobody may use it until it is: the server would write it one, and
 * wait for the disk.
 */
extern Oid	slm_partition_create(const SlmTier *tier, SlmDimension dimension, TimestampTz start);
extern void slm_partition_add_key(const SlmTier *tier, SlmDimension dimension, TimestampTz start);
extern void slm_partition_add_key_to_fill(const SlmTier *tier, SlmDimension dimension, TimestampTz start);
extern void slm_partition_attach(const SlmTier *tier, SlmDimension dimension, TimestampTz start);

#endif							/* SLM_TIERS_TIER_H */
