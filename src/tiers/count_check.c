/*
 * count_check.c: is anything counted less than once?
 */
#include "postgres.h"

#include "tiers/count_check.h"

#ifdef USE_ASSERT_CHECKING

#include "catalog/pg_type.h"
#include "dedup/own_dimensions.h"
#include "server/look.h"
#include "server/spi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

static void
check_table(const char *table, const char *where, TimestampTz first, TimestampTz last)
{
	Oid			types[2] = {TIMESTAMPTZOID, TIMESTAMPTZOID};
	Datum		args[2] = {TimestampTzGetDatum(first), TimestampTzGetDatum(last)};
	char	   *sql = psprintf("SELECT FROM sellometer.%s WHERE event_time >= $1 AND event_time <= $2 AND %s LIMIT 1",
							   quote_identifier(table), where);

	if (slm_execute_args(sql, 2, types, args, SPI_OK_SELECT) > 0)
		elog(PANIC, "a count in sellometer.%s is not positive", table);
	pfree(sql);
}

void
slm_check_counts(const SlmTier *tier, const SlmCells *cells)
{
	TimestampTz first = DT_NOEND;
	TimestampTz last = DT_NOBEGIN;

	for (uint32 i = 0; i < cells->nbuckets; i++)
	{
		if (!cells->buckets[i].wanted)
			continue;
		first = Min(first, cells->buckets[i].start);
		last = Max(last, cells->buckets[i].start);
	}
	if (first > last || !slm_is_time_to_look())
		return;
	for (int d = 0; d < slm_dimension_count(); d++)
		check_table(psprintf("%s_%s", slm_dimension_name(d), tier->name), "(count <= 0 OR gmv < 0)", first, last);
	check_table("totals", psprintf("tier = %s AND (count <= 0 OR gmv < 0)", quote_literal_cstr(tier->name)), first, last);
}

#endif
