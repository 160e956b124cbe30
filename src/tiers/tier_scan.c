/*
 * tier_scan.c: the rows of a tier's table, read as they stand.
 *
 *   partitions that are plain        --> a scan of the heap
 *   others, and tables of other kind --> SELECT, which knows where the rows are
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "tiers/tier_scan.h"
#include "types/event_type.h"
#include "types/money.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/portal.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define ROWS_PER_FETCH	1000

struct SlmTierScan
{
	const SlmTier *tier;
	SlmDimension dimension;
	SlmShape   *shape;
	TimestampTz from;
	TimestampTz to;
	Snapshot	snapshot;
	MemoryContext context;
	Oid			event_types[SLM_EVENT_TYPES];

	TimestampTz *partitions;
	int			npartitions;
	int			next;
	bool		whole;			/* the table has no partitions: it is read as one */

	/* the partition at hand, if rel is not NULL */
	Relation	rel;
	int			places[SLM_MAX_COLUMNS];
	TableScanDesc scan;
	TupleTableSlot *slot;

	/* or the query at hand, if portal is not NULL, and what it gave */
	Portal		portal;
	SPITupleTable *fetched;
	uint64		nfetched;
	uint64		used;
};

/* Is the dimension's table, as it should be, one that has partitions? */
static bool
is_partitioned(const SlmTierScan *scan)
{
	Oid			relid = get_relname_relid(scan->shape->table, get_namespace_oid("sellometer", false));

	return OidIsValid(relid) && get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE;
}

SlmTierScan *
slm_tier_scan_begin(const SlmTier *tier, SlmDimension dimension, TimestampTz from, TimestampTz to, Snapshot snapshot)
{
	SlmTierScan *scan = palloc0(sizeof(SlmTierScan));

	Assert(from <= to);
	Assert(snapshot != InvalidSnapshot);

	scan->tier = tier;
	scan->dimension = dimension;
	scan->shape = slm_tier_shape(tier, dimension);
	scan->from = from;
	scan->to = to;
	scan->snapshot = snapshot;
	scan->context = CurrentMemoryContext;
	for (int t = 0; t < SLM_EVENT_TYPES; t++)
		scan->event_types[t] = slm_event_type_value(t);
	scan->whole = !is_partitioned(scan);
	if (!scan->whole)
		scan->partitions = slm_partitions_of(tier, dimension, &scan->npartitions);
	return scan;
}

/* --- by SQL --- */

static void
open_query(SlmTierScan *scan, const char *table)
{
	const char *key = slm_dimension_name(scan->dimension);
	Oid			types[2] = {TIMESTAMPTZOID, TIMESTAMPTZOID};
	Datum		args[2] = {TimestampTzGetDatum(scan->from), TimestampTzGetDatum(scan->to)};
	char	   *sql = psprintf("SELECT event_time, %s::%s, event_type, count::%s, gmv::numeric FROM sellometer.%s "
							   "WHERE event_time >= $1 AND event_time < $2",
							   key, scan->dimension == SLM_PRODUCT_ID ? "bigint" : "text", slm_tier_count_type(scan->tier),
							   quote_identifier(table));

	ereport(DEBUG1, (errmsg_internal("rows of \"%s\" are read by SQL", table)));
	PushActiveSnapshot(scan->snapshot);
	scan->portal = SPI_cursor_open_with_args(NULL, sql, 2, types, args, NULL, true, 0);
	PopActiveSnapshot();
	MemoryContextSwitchTo(scan->context);
	for (int c = 0; c < SLM_TIER_COLUMNS; c++)
		scan->places[c] = c;
	scan->nfetched = scan->used = 0;
	pfree(sql);
}

static void
close_query(SlmTierScan *scan)
{
	if (scan->portal == NULL)
		return;
	SPI_freetuptable(scan->fetched);
	scan->fetched = NULL;
	SPI_cursor_close(scan->portal);
	scan->portal = NULL;
}

/* The next row of the query; false if there is none. */
static bool
next_of_query(SlmTierScan *scan, Datum *values)
{
	bool		nulls[SLM_TIER_COLUMNS];

	if (scan->used == scan->nfetched)
	{
		SPI_freetuptable(scan->fetched);
		SPI_cursor_fetch(scan->portal, true, ROWS_PER_FETCH);
		MemoryContextSwitchTo(scan->context);
		scan->fetched = SPI_tuptable;
		scan->nfetched = SPI_processed;
		scan->used = 0;
		if (scan->nfetched == 0)
			return false;
	}
	heap_deform_tuple(scan->fetched->vals[scan->used++], scan->fetched->tupdesc, values, nulls);
	for (int c = 0; c < SLM_TIER_COLUMNS; c++)
	{
		if (nulls[c])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("column \"%s\" of table \"sellometer.%s\" is null", scan->shape->columns[c].name, scan->shape->table)));
	}
	return true;
}

/* --- as it stands --- */

static void
open_heap(SlmTierScan *scan)
{
	scan->slot = table_slot_create(scan->rel, NULL);
	scan->scan = table_beginscan(scan->rel, scan->snapshot, 0, NULL);
}

static void
close_heap(SlmTierScan *scan)
{
	if (scan->scan == NULL)
		return;
	ExecDropSingleTupleTableSlot(scan->slot);
	table_endscan(scan->scan);
	scan->scan = NULL;
}

static bool
next_of_heap(SlmTierScan *scan)
{
	if (!table_scan_getnextslot(scan->scan, ForwardScanDirection, scan->slot))
		return false;
	slot_getallattrs(scan->slot);
	return true;
}

/* --- one after the other --- */

static void
close_at_hand(SlmTierScan *scan)
{
	close_heap(scan);
	close_query(scan);
	if (scan->rel != NULL)
		table_close(scan->rel, NoLock);
	scan->rel = NULL;
}

/* The next partition that may have rows, locked; false if there is none. */
static bool
find_partition(SlmTierScan *scan, char *name)
{
	while (scan->rel == NULL && scan->next < scan->npartitions)
	{
		TimestampTz start = scan->partitions[scan->next++];
		Oid			relid;

		if (start >= scan->to || slm_bucket_next(scan->tier->partition, start) <= scan->from)
			continue;
		relid = slm_partition_find(scan->tier, scan->dimension, start, name);
		if (OidIsValid(relid))
			scan->rel = try_table_open(relid, AccessShareLock);
	}
	return scan->rel != NULL;
}

/* Open what is next; false if there is nothing. */
static bool
open_next(SlmTierScan *scan)
{
	char		name[NAMEDATALEN];

	if (scan->whole)
	{
		if (scan->next++ > 0)
			return false;
		open_query(scan, scan->shape->table);
		return true;
	}
	if (!find_partition(scan, name))
		return false;
	if (slm_may_read(scan->rel, scan->shape, scan->places))
		open_heap(scan);
	else
		open_query(scan, name);
	return true;
}

static SlmEventType
type_of(const SlmTierScan *scan, Oid value)
{
	for (int type = 0; type < SLM_EVENT_TYPES; type++)
	{
		if (scan->event_types[type] == value)
			return type;
	}
	elog(ERROR, "%u is no value of sellometer.event_type", value);
}

/* A row's values, if it is in the range. */
static bool
read_row(const SlmTierScan *scan, const Datum *values, SlmTierRow *row)
{
	const int  *at = scan->places;

	row->time = DatumGetTimestampTz(values[at[SLM_TIER_TIME]]);
	if (row->time < scan->from || row->time >= scan->to)
		return false;
	if (scan->dimension == SLM_PRODUCT_ID)
		row->product_id = DatumGetInt64(values[at[SLM_TIER_KEY]]);
	else
	{
		text	   *key = DatumGetTextPP(values[at[SLM_TIER_KEY]]);

		row->key = (SlmSlice) {VARDATA_ANY(key), (uint32) VARSIZE_ANY_EXHDR(key)};
	}
	row->type = type_of(scan, DatumGetObjectId(values[at[SLM_TIER_TYPE]]));
	row->count = scan->shape->columns[SLM_TIER_COUNT].type == INT8OID ? DatumGetInt64(values[at[SLM_TIER_COUNT]])
		: DatumGetInt32(values[at[SLM_TIER_COUNT]]);
	if (!slm_money_sum_from_numeric(values[at[SLM_TIER_GMV]], &row->gmv))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("column gmv of table \"%s\" has a value that is no sum of prices", scan->shape->table)));
	return true;
}

bool
slm_tier_scan_next(SlmTierScan *scan, SlmTierRow *row)
{
	Datum		fetched[SLM_TIER_COLUMNS];

	while (scan->scan != NULL || scan->portal != NULL || open_next(scan))
	{
		bool		is_heap = scan->scan != NULL;

		CHECK_FOR_INTERRUPTS();
		if (!(is_heap ? next_of_heap(scan) : next_of_query(scan, fetched)))
			close_at_hand(scan);
		else if (read_row(scan, is_heap ? scan->slot->tts_values : fetched, row))
			return true;
	}
	return false;
}

void
slm_tier_scan_end(SlmTierScan *scan)
{
	close_at_hand(scan);
	if (scan->partitions != NULL)
		pfree(scan->partitions);
	pfree(scan);
}
