/*
 * tier_scan.c: the rows of a tier's table, read as they stand.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "ingest/tier_scan.h"
#include "miscadmin.h"
#include "types/event_type.h"
#include "types/money.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

struct SlmTierScan
{
	const SlmTier *tier;
	SlmDimension dimension;
	TimestampTz from;
	TimestampTz to;
	Snapshot	snapshot;
	Oid			event_types[SLM_EVENT_TYPES];

	TimestampTz *partitions;
	int			npartitions;
	int			next;

	/* the partition at hand, if rel is not NULL */
	Relation	rel;
	TableScanDesc scan;
	TupleTableSlot *slot;
	SlmColumns	columns;
};

SlmColumns
slm_find_columns(Relation rel, SlmDimension dimension)
{
	TupleDesc	desc = RelationGetDescr(rel);
	SlmColumns	c;

	c.event_time = SPI_fnumber(desc, "event_time") - 1;
	c.key = SPI_fnumber(desc, slm_dimension_name(dimension)) - 1;
	c.event_type = SPI_fnumber(desc, "event_type") - 1;
	c.count = SPI_fnumber(desc, "count") - 1;
	c.gmv = SPI_fnumber(desc, "gmv") - 1;
	if (c.event_time < 0 || c.key < 0 || c.event_type < 0 || c.count < 0 || c.gmv < 0)
		elog(ERROR, "table %s is not as it should be", RelationGetRelationName(rel));
	c.count_is_int8 = TupleDescAttr(desc, c.count)->atttypid == INT8OID;
	return c;
}

SlmTierScan *
slm_tier_scan_begin(const SlmTier *tier, SlmDimension dimension, TimestampTz from, TimestampTz to, Snapshot snapshot)
{
	SlmTierScan *scan = palloc0(sizeof(SlmTierScan));

	scan->tier = tier;
	scan->dimension = dimension;
	scan->from = from;
	scan->to = to;
	scan->snapshot = snapshot;
	for (int t = 0; t < SLM_EVENT_TYPES; t++)
		scan->event_types[t] = slm_event_type_value(t);
	scan->partitions = slm_partitions(tier, &scan->npartitions);
	return scan;
}

static void
close_partition(SlmTierScan *scan)
{
	if (scan->rel == NULL)
		return;
	ExecDropSingleTupleTableSlot(scan->slot);
	table_endscan(scan->scan);
	table_close(scan->rel, NoLock);
	scan->rel = NULL;
}

/* Open the next partition that may have rows; false if there is none. */
static bool
open_partition(SlmTierScan *scan)
{
	while (scan->rel == NULL && scan->next < scan->npartitions)
	{
		TimestampTz start = scan->partitions[scan->next++];
		char		name[NAMEDATALEN];
		Oid			relid;

		if (start >= scan->to || slm_bucket_next(scan->tier->partition, start) <= scan->from)
			continue;
		relid = slm_partition_find(scan->tier, scan->dimension, start, name);
		if (OidIsValid(relid))
			scan->rel = try_table_open(relid, AccessShareLock);
	}
	if (scan->rel == NULL)
		return false;
	scan->columns = slm_find_columns(scan->rel, scan->dimension);
	scan->slot = table_slot_create(scan->rel, NULL);
	scan->scan = table_beginscan(scan->rel, scan->snapshot, 0, NULL);
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

/* The row in the slot, if it is in the range. */
static bool
read_row(const SlmTierScan *scan, SlmTierRow *row)
{
	const SlmColumns *c = &scan->columns;
	const Datum *values = scan->slot->tts_values;

	slot_getallattrs(scan->slot);
	row->time = DatumGetTimestampTz(values[c->event_time]);
	if (row->time < scan->from || row->time >= scan->to)
		return false;
	if (scan->dimension == SLM_PRODUCT_ID)
		row->product_id = DatumGetInt64(values[c->key]);
	else
	{
		text	   *key = DatumGetTextPP(values[c->key]);

		row->key = (SlmSlice) {VARDATA_ANY(key), (uint32) VARSIZE_ANY_EXHDR(key)};
	}
	row->type = type_of(scan, DatumGetObjectId(values[c->event_type]));
	row->count = c->count_is_int8 ? DatumGetInt64(values[c->count]) : DatumGetInt32(values[c->count]);
	if (!slm_money_sum_from_numeric(values[c->gmv], &row->gmv))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("column gmv of table \"%s\" has a value that is no sum of prices", RelationGetRelationName(scan->rel))));
	return true;
}

bool
slm_tier_scan_next(SlmTierScan *scan, SlmTierRow *row)
{
	while (scan->rel != NULL || open_partition(scan))
	{
		CHECK_FOR_INTERRUPTS();
		if (!table_scan_getnextslot(scan->scan, ForwardScanDirection, scan->slot))
			close_partition(scan);
		else if (read_row(scan, row))
			return true;
	}
	return false;
}

void
slm_tier_scan_end(SlmTierScan *scan)
{
	close_partition(scan);
	pfree(scan->partitions);
	pfree(scan);
}
