/*
 * pack.c: partitions that rarely change any more, packed.
 *
 * As with a drop (prune.c), a partition is taken out of its parent and another put in, which locks the parent against everybody for a moment.
 * So that waits no longer than LOCK_TIMEOUT: neither is a query cancelled nor do others pile up.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "dedup/own_dimensions.h"
#include "guc.h"
#include "ledger/head.h"
#include "miscadmin.h"
#include "packed/packed_table.h"
#include "server/crash_point.h"
#include "server/locks.h"
#include "server/progress.h"
#include "tiers/tier.h"
#include "tiers/tier_pack.h"
#include "upkeep/pack.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#define LOCK_TIMEOUT	"50ms"

typedef struct Packing
{
	SlmRun	   *run;
	/* what was looked at last: the next comes after it */
	int			tier;
	TimestampTz start;
	int			dimension;
	bool		found;			/* there was one to be packed */
	int			packed;
	char		what[2 * NAMEDATALEN];
} Packing;

/* Up to where a tier's partitions are packed. */
static TimestampTz
packed_up_to(const SlmTiers *tiers, int t, TimestampTz head)
{
	return Min(slm_packed_before(head), Min(tiers->tiers[t].watermark, slm_tier_rolled_up(tiers, t)));
}

/* Move on to the next partition that is to be packed and is none; false if the tier has no more. */
static bool
next_in_tier(Packing *packing, const SlmTiers *tiers, TimestampTz head)
{
	const SlmTier *tier = &tiers->tiers[packing->tier];
	TimestampTz end = packed_up_to(tiers, packing->tier, head);
	int			n;
	TimestampTz *starts = slm_partitions(tier, &n);

	for (int i = 0; i < n && slm_bucket_next(tier->partition, starts[i]) <= end; i++)
	{
		if (starts[i] < packing->start)
			continue;
		for (int d = starts[i] == packing->start ? packing->dimension + 1 : 0; d < slm_dimension_count(); d++)
		{
			Oid			relid = slm_partition_find(tier, d, starts[i], packing->what);

			packing->start = starts[i];
			packing->dimension = d;
			if (OidIsValid(relid) && get_rel_relkind(relid) == RELKIND_RELATION)
				return true;
		}
	}
	return false;
}

static void
pack_step(void *arg)
{
	Packing    *packing = arg;
	SlmTiers   *tiers;
	TimestampTz head;

	packing->found = false;
	(void) slm_writer_lock();
	tiers = slm_tiers_read();
	head = slm_head_read();
	if (TIMESTAMP_IS_NOBEGIN(head))
		return;
	for (; packing->tier < tiers->n; packing->tier++)
	{
		packing->found = next_in_tier(packing, tiers, head);
		if (packing->found)
			break;
		packing->start = DT_NOBEGIN;
		packing->dimension = -1;
	}
	if (!packing->found)
		return;
	slm_progress_phase(packing->what);
	(void) set_config_option("lock_timeout", LOCK_TIMEOUT, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
	if (!slm_tier_pack(&tiers->tiers[packing->tier], packing->dimension, packing->start))
		return;
	slm_run_begin(packing->run);
	packing->packed++;
}

int
slm_pack_all(SlmRun *run, bool heed_surge)
{
	Packing		packing = {.run = run,.start = DT_NOBEGIN,.dimension = -1};

	if (slm_pack_after < 0)
		return 0;
	do
	{
		ErrorData  *error;

		CHECK_FOR_INTERRUPTS();
		if (heed_surge && slm_run_hold(run))
			break;
		error = slm_try_step(run, pack_step, &packing);
		if (error == NULL)
			SLM_CRASH_POINT("pack.committed");
		else if (error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE)
			ReThrowError(error);
		else
			FreeErrorData(error);
	} while (packing.found);
	return packing.packed;
}

static bool
unpack_of_tier(const SlmTier *tier, const char *name)
{
	for (int d = 0; d < slm_dimension_count(); d++)
	{
		int			n;
		TimestampTz *starts = slm_partitions_of(tier, d, &n);

		for (int i = 0; i < n; i++)
		{
			char		this[NAMEDATALEN];
			Oid			relid = slm_partition_find(tier, d, starts[i], this);

			if (strcmp(this, name) != 0)
				continue;
			if (!slm_is_packed(relid))
				return false;
			(void) slm_tier_unpack(tier, d, starts[i]);
			return true;
		}
	}
	return false;
}

bool
slm_unpack(const char *name)
{
	SlmTiers   *tiers;

	(void) slm_writer_lock();
	tiers = slm_tiers_read();
	for (int t = 0; t < tiers->n; t++)
	{
		if (unpack_of_tier(&tiers->tiers[t], name))
			return true;
	}
	return false;
}
