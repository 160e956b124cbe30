/*
 * tier_scan.h: the rows of a tier's table, read as they stand.
 */
#ifndef SLM_TIERS_TIER_SCAN_H
#define SLM_TIERS_TIER_SCAN_H

#include "tiers/tier.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

typedef struct SlmTierRow
{
	TimestampTz time;
	int64		product_id;		/* of SLM_PRODUCT_ID */
	SlmSlice	key;			/* of the other dimensions; valid until the next row */
	SlmEventType type;
	int64		count;
	int128		gmv;			/* in 1/10000 */
} SlmTierRow;

typedef struct SlmTierScan SlmTierScan;

/*
 * Begin to read the rows of a dimension, with SPI, from a time to before another that the snapshot sees, in no order; in memory of the current
 * context.  A partition that is dropped meanwhile is passed over, as if it had been before.
 */
extern SlmTierScan *slm_tier_scan_begin(const SlmTier *tier, SlmDimension dimension, TimestampTz from, TimestampTz to,
										Snapshot snapshot);

/* The next row; false if there is none.  Can be cancelled. */
extern bool slm_tier_scan_next(SlmTierScan *scan, SlmTierRow *row);

/* End; partitions stay locked until the end of the transaction. */
extern void slm_tier_scan_end(SlmTierScan *scan);

#endif							/* SLM_TIERS_TIER_SCAN_H */
