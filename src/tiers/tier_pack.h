/*
 * tier_pack.h: partitions of a tier packed, unpacked, and written while they are packed.
 */
#ifndef SLM_TIERS_TIER_PACK_H
#define SLM_TIERS_TIER_PACK_H

#include "tiers/tier_target.h"

/*
 * Pack the partition of a dimension's table that begins at start, under the writer's lock.  False, and nothing changed, if it is packed, missing, not as
 * the extension has made it, published, or has rows that not everybody sees yet.  Locks the parent against all others, at the end.
 */
extern bool slm_tier_pack(const SlmTier *tier, SlmDimension dimension, TimestampTz start);

/* Make a packed one a table again, likewise; its oid. */
extern Oid	slm_tier_unpack(const SlmTier *tier, SlmDimension dimension, TimestampTz start);

/* May the rows of a packed partition of this table be changed as they are?  If not, it is to be unpacked first. */
extern bool slm_tier_may_change_packed(const SlmTierTarget *target);

/* Before which time partitions are packed, when the head is there: sellometer.pack_after.  DT_NOBEGIN: none are. */
extern TimestampTz slm_packed_before(TimestampTz head);

/* May the partition that begins at start, which is missing, be made a packed one?  If so, make it of rows; how many they are. */
extern bool slm_tier_may_pack_new(const SlmTierTarget *target, TimestampTz start);
extern uint64 slm_tier_insert_packed(SlmTierTarget *target, const SlmDeltaRun *run);

/* Rows merged into a packed partition. */
extern uint64 slm_tier_change_packed(SlmTierTarget *target, Oid relid, const SlmDeltaRun *run);

/* Delete the rows from … to … of a dimension's table, packed or not. */
extern void slm_tier_delete(const SlmTier *tier, SlmDimension dimension, TimestampTz from, TimestampTz to);

/* Drop a packed partition, with its rows. */
extern void slm_tier_drop_packed(const char *name);

/* After a restore: have companions go with their foreign tables again. */
extern void slm_tier_bind_packed(void);

#endif							/* SLM_TIERS_TIER_PACK_H */
