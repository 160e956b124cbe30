/*
 * surge.c: when more waits than can be loaded soon, live loading gets everything.
 */
#include "postgres.h"

#include "guc.h"
#include "ingest/ledger.h"
#include "ingest/shmem.h"
#include "ingest/surge.h"
#include "ingest/tier.h"
#include "utils/timestamp.h"

bool
slm_surge_judge(bool surge, int64 waiting_bytes)
{
	int64		limit = (int64) slm_surge_bytes * 1024;

	return surge ? waiting_bytes > limit / 2 : waiting_bytes > limit;
}

bool
slm_surge_hold(void)
{
	SlmTiers   *tiers;
	TimestampTz head;
	TimestampTz floor;

	if (!slm_in_surge())
		return false;
	tiers = slm_tiers_read();
	head = slm_head_read();
	if (tiers->n < 2 || TIMESTAMP_IS_NOBEGIN(head))
		return true;
	/* twice the retention before the head */
	floor = slm_tier_floor(&tiers->tiers[0], head);
	floor = TIMESTAMP_IS_NOBEGIN(floor) ? floor : slm_tier_floor(&tiers->tiers[0], floor);
	return TIMESTAMP_IS_NOBEGIN(tiers->tiers[1].watermark) || tiers->tiers[1].watermark >= floor;
}
