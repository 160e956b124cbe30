/*
 * surge.c: when more waits than can be loaded soon, live loading gets everything.
 */
#include "postgres.h"

#include "guc.h"
#include "ledger/head.h"
#include "ledger/pick.h"
#include "server/spi.h"
#include "server/worker_slots.h"
#include "tiers/tier.h"
#include "upkeep/surge.h"
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
	SlmWaiting	waiting = {0};
	const SlmTier *finest;
	TimestampTz *partitions;
	TimestampTz head;
	TimestampTz floor;
	int			n;

	if (!slm_in_surge())
		return false;
	slm_secure_transaction();
	/* somebody else may have loaded what waited, which the worker sees in its next round */
	slm_ledger_waiting(&waiting, "pending", 0, 0);
	if (!slm_surge_judge(true, waiting.bytes))
		return false;
	finest = &slm_tiers_read()->tiers[0];
	head = slm_head_read();
	partitions = slm_partitions(finest, &n);
	floor = slm_tier_floor(finest, head);
	if (n == 0 || TIMESTAMP_IS_NOBEGIN(floor))
		return true;
	/* once more the retention behind what should be there */
	return partitions[0] >= slm_tier_floor(finest, floor);
}
