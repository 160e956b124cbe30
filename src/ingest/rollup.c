/*
 * rollup.c: from a tier's complete buckets to the rows of the next one.
 *
 * Invariant: a tier has no rows at or after its watermark.  Rows reach it there only by rollup, and before it only by
 * deltas (apply.c), which are applied in the same transaction to the finer tier where that still has them.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "ingest/rollup.h"
#include "ingest/spi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

static void
set_watermark(SlmTier *tier, TimestampTz watermark)
{
	static SlmStatement statement = {
		"UPDATE sellometer.tiers SET watermark = $2 WHERE name = $1", 2, {TEXTOID, TIMESTAMPTZOID}
	};
	Datum		args[2] = {CStringGetTextDatum(tier->name), TimestampTzGetDatum(watermark)};

	slm_execute(&statement, args, NULL, SPI_OK_UPDATE);
	tier->watermark = watermark;
}

static uint64
roll_up_table(const SlmTier *finer, const SlmTier *tier, SlmDimension dimension, TimestampTz start, TimestampTz end)
{
	const char *key = slm_dimension_name(dimension);
	const char *from = quote_identifier(psprintf("%s_%s", key, finer->name));
	const char *to = quote_identifier(psprintf("%s_%s", key, tier->name));
	char	   *first = pstrdup(timestamptz_to_str(start));
	char	   *after = pstrdup(timestamptz_to_str(end));
	TimestampTz partition = slm_bucket_start(tier->partition, start);
	char		name[NAMEDATALEN];
	bool		exists = OidIsValid(slm_partition_find(tier, dimension, partition, name));
	char	   *target;
	uint64		rows;

	if (exists)
	{
		target = psprintf("sellometer.%s", to);
		slm_execute_once(psprintf("DELETE FROM %s WHERE event_time = '%s'::timestamptz", target, first), SPI_OK_DELETE);
	}
	else
	{
		slm_partition_create(tier, dimension, partition);
		target = psprintf("sellometer.%s", quote_identifier(name));
	}
	rows = slm_execute_once(psprintf("INSERT INTO %s (event_time, %s, event_type, count, gmv) "
									 "SELECT '%s'::timestamptz, %s, event_type, sum(count)::%s, sum(gmv) "
									 "FROM sellometer.%s "
									 "WHERE event_time >= '%s'::timestamptz AND event_time < '%s'::timestamptz "
									 "GROUP BY %s, event_type ORDER BY %s, event_type",
									 target, key, first, key, slm_tier_count_type(tier), from, first, after, key, key),
							SPI_OK_INSERT);
	if (!exists)
		slm_partition_attach(tier, dimension, partition);
	return rows;
}

uint64
slm_rollup_bucket(SlmTiers *tiers, int t)
{
	SlmTier    *tier = &tiers->tiers[t];
	TimestampTz start = tier->watermark;
	TimestampTz end = slm_bucket_next(tier->granularity, start);
	uint64		rows = 0;

	for (SlmDimension d = 0; d < SLM_DIMENSIONS; d++)
		rows += roll_up_table(&tiers->tiers[t - 1], tier, d, start, end);
	set_watermark(tier, end);
	return rows;
}

TimestampTz
slm_rollup_next(const SlmTiers *tiers, int t)
{
	const SlmTier *tier = &tiers->tiers[t];
	TimestampTz first;

	slm_execute_once(psprintf("SELECT min(event_time) FROM sellometer.%s WHERE event_time >= '%s'::timestamptz",
							  quote_identifier(psprintf("category_l1_%s", tiers->tiers[t - 1].name)),
							  timestamptz_to_str(tier->watermark)), SPI_OK_SELECT);
	first = slm_int64(0, 1, DT_NOEND);
	return TIMESTAMP_IS_NOEND(first) ? first : slm_bucket_start(tier->granularity, first);
}

void
slm_rollup_past(SlmTiers *tiers, int t, TimestampTz time)
{
	SlmTier    *tier = &tiers->tiers[t];
	TimestampTz end;

	if (TIMESTAMP_IS_NOBEGIN(time) || time < tier->watermark)
		return;
	end = slm_bucket_next(tier->granularity, slm_bucket_start(tier->granularity, time));

	/* what is rolled up from must itself be complete up to there */
	if (t > 1)
		slm_rollup_past(tiers, t - 1, end - 1);
	while (tier->watermark < end)
	{
		TimestampTz next = slm_rollup_next(tiers, t);

		if (next >= end)
		{
			set_watermark(tier, end);
			return;
		}
		if (next > tier->watermark)
			set_watermark(tier, next);
		slm_rollup_bucket(tiers, t);
	}
}
