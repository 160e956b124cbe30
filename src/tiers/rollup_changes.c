/*
 * rollup_changes.c: which keys change while their bucket is being rolled up.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "server/locks.h"
#include "server/spi.h"
#include "tiers/dimension_deltas.h"
#include "tiers/rollup_changes.h"
#include "tiers/tier_target.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

static Datum
key_text(SlmTierTarget *target, SlmKeyId key)
{
	if (target->dimension == SLM_PRODUCT_ID)
		return CStringGetTextDatum(psprintf(INT64_FORMAT, DatumGetInt64(slm_target_key(target, key))));
	return slm_target_key(target, key);
}

/* Some keys, which are forgotten then. */
static void
put_keys(SlmTierTarget *target, Datum *keys, int n)
{
	static SlmStatement statement = {
		"INSERT INTO sellometer.rollup_changes (tier, dimension, keys) VALUES ($1, $2, $3)",
		3, {TEXTOID, TEXTOID, TEXTARRAYOID}
	};
	Datum		args[3] = {CStringGetTextDatum(target->tier->name), CStringGetTextDatum(slm_dimension_name(target->dimension)),
	slm_array(keys, NULL, n, TEXTOID)};

	slm_execute(&statement, args, NULL, SPI_OK_INSERT);
	MemoryContextReset(target->scratch);
}

static void
note_keys(const SlmTier *tier, SlmDimension dimension, const SlmDictionary *dictionary, const SlmDeltas *deltas)
{
	MemoryContext old = CurrentMemoryContext;
	SlmTierTarget target;
	Datum	   *keys = palloc(sizeof(Datum) * SLM_ROWS_PER_STATEMENT);
	Size		bytes = 0;
	int			n = 0;

	slm_target_init(&target, tier, dimension, dictionary);
	MemoryContextSwitchTo(target.scratch);
	for (uint64 i = 0; i <= deltas->nrows; i++)
	{
		if (n > 0 && (i == deltas->nrows || n == SLM_ROWS_PER_STATEMENT || bytes >= SLM_BYTES_PER_STATEMENT))
		{
			put_keys(&target, keys, n);
			n = 0;
			bytes = 0;
		}
		/* sorted by key, within a partition */
		if (i == deltas->nrows || (i > 0 && deltas->rows[i].key == deltas->rows[i - 1].key))
			continue;
		bytes += slm_target_key_size(&target, &deltas->rows[i]);
		keys[n++] = key_text(&target, deltas->rows[i].key);
	}
	MemoryContextSwitchTo(old);
	slm_target_done(&target);
	pfree(keys);
}

void
slm_tier_note_changes(const SlmTier *tier, SlmCells *cells, const SlmDictionary *dictionary)
{
	SlmDimensionDeltas *all = slm_dimension_deltas_begin(cells, dictionary);
	SlmDimension dimension;

	Assert(slm_lock_held(SLM_LOCK_WRITER));
	Assert(!TIMESTAMP_IS_NOBEGIN(tier->rolling));

	PG_TRY();
	{
		for (const SlmDeltas *deltas; (deltas = slm_dimension_deltas_next(all, &dimension)) != NULL;)
		{
			if (deltas->nrows > 0)
				note_keys(tier, dimension, dictionary, deltas);
		}
	}
	PG_FINALLY();
	{
		slm_dimension_deltas_end(all);
	}
	PG_END_TRY();
}
