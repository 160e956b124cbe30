/*
 * tier_pack.c: partitions of a tier packed, unpacked, and written while they are packed.
 *
 *   slm_tier_pack()     partition --by its primary key--> companion, frozen      name: now a foreign table that reads it
 *   slm_tier_unpack()   foreign table --sorted--> partition as any other, frozen
 *
 * Who looks through an older snapshot finds the table that there is now, as with all of PostgreSQL's DDL.  So its rows are frozen, and it is
 * only made when no snapshot is left that would see other ones.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "bulkwrite/plain.h"
#include "catalog/dependency.h"
#include "catalog/heap.h"
#include "catalog/namespace.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_class.h"
#include "compat.h"
#include "guc.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "packed/packed_build.h"
#include "packed/packed_change.h"
#include "packed/packed_read.h"
#include "server/crash_point.h"
#include "server/let_dump.h"
#include "server/locks.h"
#include "server/spi.h"
#include "storage/bufmgr.h"
#include "storage/procarray.h"
#include "tiers/tier_pack.h"
#include "types/event_type.h"
#include "types/money.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* What the table has that makes way is called until it is dropped. */
#define OLD_NAME	"sellometer_making_way"

static const char *
qualified(const char *name)
{
	return psprintf("sellometer.%s", quote_identifier(name));
}

static const char *
parent_name(const SlmTier *tier, SlmDimension dimension)
{
	return qualified(psprintf("%s_%s", slm_dimension_name(dimension), tier->name));
}

static SlmPackedForm
form_of(const SlmTier *tier, SlmDimension dimension, TimestampTz start)
{
	SlmPackedForm form = {.texts = dimension != SLM_PRODUCT_ID,.start = start,.unit = USECS_PER_SEC};

	form.key = pstrdup(slm_dimension_name(dimension));
	/* buckets of days and longer ones are where midnights are */
	if (tier->granularity.months == 0 && tier->granularity.usecs % USECS_PER_MINUTE == 0 && tier->granularity.usecs < USECS_PER_DAY)
		form.unit = USECS_PER_MINUTE;
	return form;
}

/* --- packing --- */

/* Does everybody see all rows of a table, and nobody others? */
static bool
all_see_all(Relation rel)
{
	TransactionId oldest = GetOldestNonRemovableTransactionId(rel);
	TableScanDesc scan = table_beginscan(rel, SnapshotAny, 0, NULL);
	HeapScanDesc heap = (HeapScanDesc) scan;
	HeapTuple	tuple;
	bool		all = true;

	while (all && (tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		HTSV_Result state;

		CHECK_FOR_INTERRUPTS();
		LockBuffer(heap->rs_cbuf, BUFFER_LOCK_SHARE);
		state = HeapTupleSatisfiesVacuum(tuple, oldest, heap->rs_cbuf);
		if (state == HEAPTUPLE_LIVE)
			all = HeapTupleHeaderXminFrozen(tuple->t_data) ||
				TransactionIdPrecedes(HeapTupleHeaderGetXmin(tuple->t_data), oldest);
		else
			all = state == HEAPTUPLE_DEAD;
		LockBuffer(heap->rs_cbuf, BUFFER_LOCK_UNLOCK);
	}
	table_endscan(scan);
	return all;
}

/* Is a partition as the extension has made it, with its primary key and nothing else? */
static bool
may_pack(Relation rel, const SlmShape *shape, int *places)
{
	List	   *indexes = RelationGetIndexList(rel);
	bool		alone = list_length(indexes) == 1 && OidIsValid(slm_primary_key_index(rel));

	list_free(indexes);
	return alone && rel->rd_rel->relkind == RELKIND_RELATION && rel->rd_rel->relam == HEAP_TABLE_AM_OID && rel->rd_rel->relpersistence == RELPERSISTENCE_PERMANENT &&
		RelationGetDescr(rel)->natts == SLM_TIER_COLUMNS && slm_may_write(rel, shape, places) && slm_may_write_new(shape) && !XLogLogicalInfoActive() &&
		strlen(slm_packed_companion(RelationGetRelationName(rel))) < NAMEDATALEN && all_see_all(rel);
}

/* A row as it is packed; false if it would not come back bit for bit. */
static bool
pack_row(const SlmPackedForm *form, const int *at, const Oid *event_types, bool wide, TupleTableSlot *slot, SlmPackedRow *row)
{
	Datum		gmv = slot->tts_values[at[SLM_TIER_GMV]];
	union
	{
		char		bytes[SLM_NUMERIC_MAX];
		int32		aligned;
	}			again;
	int128		money;
	Size		len;
	int			type = 0;

	while (type < SLM_EVENT_TYPES && event_types[type] != DatumGetObjectId(slot->tts_values[at[SLM_TIER_TYPE]]))
		type++;
	if (type == SLM_EVENT_TYPES || !slm_packed_place(form, DatumGetTimestampTz(slot->tts_values[at[SLM_TIER_TIME]]), type, &row->place) ||
		!slm_money_sum_from_numeric(gmv, &money))
		return false;
	row->gmv = money;
	len = slm_money_put_numeric(row->gmv, again.bytes);
	if (VARSIZE_ANY_EXHDR(DatumGetPointer(gmv)) != len - VARHDRSZ ||
		memcmp(VARDATA_ANY(DatumGetPointer(gmv)), again.bytes + VARHDRSZ, len - VARHDRSZ) != 0)
		return false;
	row->count = wide ? DatumGetInt64(slot->tts_values[at[SLM_TIER_COUNT]]) : DatumGetInt32(slot->tts_values[at[SLM_TIER_COUNT]]);
	if (form->texts)
	{
		text	   *key = DatumGetTextPP(slot->tts_values[at[SLM_TIER_KEY]]);

		row->text = (SlmSlice) {VARDATA_ANY(key), (uint32) VARSIZE_ANY_EXHDR(key)};
		return row->text.len <= SLM_MAX_KEY_BYTES;
	}
	row->product_id = DatumGetInt64(slot->tts_values[at[SLM_TIER_KEY]]);
	return true;
}

/* All rows of a partition, in the order of its key, to a companion; false if one can't go there. */
static bool
pack_rows(Relation rel, const SlmShape *shape, const int *at, SlmPackedTable *table)
{
	Relation	index = index_open(slm_primary_key_index(rel), AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	IndexScanDesc scan = slm_index_beginscan(rel, index, snapshot, 0);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	SlmPackedBuild *build = slm_packed_build_begin(table, true);
	Oid			event_types[SLM_EVENT_TYPES];
	bool		wide = shape->columns[SLM_TIER_COUNT].type == INT8OID;
	bool		all = true;

	for (int t = 0; t < SLM_EVENT_TYPES; t++)
		event_types[t] = slm_event_type_value(t);
	index_rescan(scan, NULL, 0, NULL, 0);
	while (all && index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		SlmPackedRow row = {0};

		slot_getallattrs(slot);
		all = pack_row(&table->form, at, event_types, wide, slot, &row);
		if (all)
			slm_packed_build_put(build, &row);
		table->form.rows += all;
	}
	table->form.keys = slm_packed_build_end(build);
	ExecDropSingleTupleTableSlot(slot);
	index_endscan(scan);
	UnregisterSnapshot(snapshot);
	index_close(index, NoLock);
	return all;
}

static SlmPackedTable *
make_companion(const SlmPackedForm *form, const char *partition)
{
	SlmPackedTable *table = palloc0(sizeof(SlmPackedTable));
	const char *name = slm_packed_companion(partition);

	slm_execute_once(psprintf("CREATE TABLE %s (last_key %s NOT NULL, last_place bigint NOT NULL, data bytea NOT NULL)",
							  qualified(name), form->texts ? "text COLLATE \"C\"" : "bigint"), SPI_OK_UTILITY);
	/* a block is small enough to be beside its key */
	slm_execute_once(psprintf("ALTER TABLE %s ALTER data SET STORAGE PLAIN", qualified(name)), SPI_OK_UTILITY);
	slm_let_dump(name);
	table->form = *form;
	table->companion = table_open(get_relname_relid(name, get_namespace_oid("sellometer", false)), AccessExclusiveLock);
	return table;
}

static void
add_companion_key(const char *partition)
{
	slm_execute_once(psprintf("ALTER TABLE %s ADD PRIMARY KEY (last_key, last_place)", qualified(slm_packed_companion(partition))), SPI_OK_UTILITY);
}

/* What is dropped with the foreign table. */
static void
bind_companion(Oid companion, Oid relid)
{
	ObjectAddress own;
	ObjectAddress other;

	ObjectAddressSet(own, RelationRelationId, companion);
	ObjectAddressSet(other, RelationRelationId, relid);
	recordDependencyOn(&own, &other, DEPENDENCY_AUTO);
}

static void
make_way(const SlmTier *tier, SlmDimension dimension, const char *name, const char *kind)
{
	slm_execute_once(psprintf("ALTER TABLE %s DETACH PARTITION %s", parent_name(tier, dimension), qualified(name)), SPI_OK_UTILITY);
	slm_execute_once(psprintf("ALTER %s %s RENAME TO %s", kind, qualified(name), OLD_NAME), SPI_OK_UTILITY);
}

/* The columns of a dimension's table as the definition of one with the same. */
static char *
column_definitions(const SlmTier *tier, SlmDimension dimension)
{
	Relation	parent = table_openrv(makeRangeVar("sellometer", psprintf("%s_%s", slm_dimension_name(dimension), tier->name), -1), AccessShareLock);
	TupleDesc	desc = RelationGetDescr(parent);
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);

		if (column->attisdropped)
			continue;
		appendStringInfo(&buf, "%s%s %s", buf.len > 0 ? ", " : "", quote_identifier(NameStr(column->attname)),
						 format_type_extended(column->atttypid, column->atttypmod, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY));
		if (OidIsValid(column->attcollation))
			appendStringInfo(&buf, " COLLATE %s", generate_collation_name(column->attcollation));
		if (column->attnotnull)
			appendStringInfoString(&buf, " NOT NULL");
	}
	table_close(parent, NoLock);
	return buf.data;
}

/* A partition that is a foreign table over the companion of that name; its oid.  Attached, as to be made in place it would lock the parent against all. */
static Oid
make_foreign(const SlmTier *tier, SlmDimension dimension, const char *name, const SlmPackedForm *form)
{
	Oid			relid;
	char	   *from = pstrdup(timestamptz_to_str(form->start));
	char	   *to = pstrdup(timestamptz_to_str(slm_bucket_next(tier->partition, form->start)));

	slm_execute_once(psprintf("CREATE FOREIGN TABLE %s (%s) SERVER " SLM_PACKED_SERVER
							  " OPTIONS (key %s, texts '%s', start '%s', unit '" INT64_FORMAT "', rows '%.0f', keys '%.0f')",
							  qualified(name), column_definitions(tier, dimension), quote_literal_cstr(form->key), form->texts ? "on" : "off", from,
							  form->unit, form->rows, form->keys), SPI_OK_UTILITY);
	slm_let_dump(name);
	relid = get_relname_relid(name, get_namespace_oid("sellometer", false));
	bind_companion(get_relname_relid(slm_packed_companion(name), get_namespace_oid("sellometer", false)), relid);
	slm_execute_once(psprintf("ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM ('%s') TO ('%s')", parent_name(tier, dimension), qualified(name),
							  from, to), SPI_OK_UTILITY);
	return relid;
}

/* The foreign table in place of the partition, with what the planner knows of that. */
static void
put_in_place(const SlmTier *tier, SlmDimension dimension, const char *name, const SlmPackedForm *form, Oid old)
{
	Oid			relid;

	make_way(tier, dimension, name, "TABLE");
	relid = make_foreign(tier, dimension, name, form);
	CopyStatistics(old, relid);
	CommandCounterIncrement();
	slm_execute_once("DROP TABLE sellometer." OLD_NAME, SPI_OK_UTILITY);
}

bool
slm_tier_pack(const SlmTier *tier, SlmDimension dimension, TimestampTz start)
{
	char		name[NAMEDATALEN];
	SlmShape   *shape = slm_tier_shape(tier, dimension);
	Oid			relid = slm_partition_find(tier, dimension, start, name);
	SlmPackedForm form = form_of(tier, dimension, start);
	SlmPackedTable *table;
	int			at[SLM_MAX_COLUMNS];
	Relation	rel;
	bool		packed;

	Assert(slm_lock_held(SLM_LOCK_WRITER));
	if (!OidIsValid(relid) || get_rel_relkind(relid) != RELKIND_RELATION)
		return false;
	/* nobody changes it, whoever it is */
	rel = table_open(relid, ShareLock);
	if (!may_pack(rel, shape, at))
	{
		table_close(rel, NoLock);
		return false;
	}
	table = make_companion(&form, name);
	packed = pack_rows(rel, shape, at, table);
	table_close(rel, NoLock);
	table_close(table->companion, NoLock);
	if (!packed)
	{
		slm_execute_once(psprintf("DROP TABLE %s", qualified(slm_packed_companion(name))), SPI_OK_UTILITY);
		return false;
	}
	add_companion_key(name);
	SLM_CRASH_POINT("pack.built");
	put_in_place(tier, dimension, name, &table->form, relid);
	SLM_CRASH_POINT("pack.placed");
	return true;
}

void
slm_tier_bind_packed(void)
{
	int			n = (int) slm_execute_once("SELECT c.oid, f.ftrelid FROM pg_foreign_table f JOIN pg_foreign_server s ON s.oid = f.ftserver AND s.srvname = '" SLM_PACKED_SERVER "' "
										   "JOIN pg_class p ON p.oid = f.ftrelid AND p.relnamespace = 'sellometer'::regnamespace "
										   "JOIN pg_class c ON c.relname = left(p.relname::text || '_z', 63) AND c.relnamespace = p.relnamespace AND c.relkind = 'r' "
										   "WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid "
										   "AND d.refclassid = 'pg_class'::regclass AND d.refobjid = f.ftrelid)", SPI_OK_SELECT);

	for (int i = 0; i < n; i++)
	{
		bool		isnull;
		Oid			companion = DatumGetObjectId(slm_value(i, 1, &isnull));

		bind_companion(companion, DatumGetObjectId(slm_value(i, 2, &isnull)));
	}
}

/* --- unpacking --- */

/* In a database that was restored nothing may say that it goes with its foreign table. */
static void
drop_companion(const char *name)
{
	const char *companion = slm_packed_companion(name);

	if (OidIsValid(get_relname_relid(companion, get_namespace_oid("sellometer", false))))
		slm_execute_once(psprintf("DROP TABLE %s", qualified(companion)), SPI_OK_UTILITY);
}

static void
unpack_row(const SlmPackedForm *form, const SlmPackedRow *row, const int *at, const Oid *event_types, bool wide, TupleTableSlot *slot)
{
	Datum	   *values = slot->tts_values;

	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, sizeof(bool) * slot->tts_tupleDescriptor->natts);
	for (int c = 0; c < SLM_TIER_COLUMNS; c++)
		slot->tts_isnull[at[c]] = false;
	values[at[SLM_TIER_TIME]] = TimestampTzGetDatum(slm_packed_time(form, row->place));
	values[at[SLM_TIER_KEY]] = form->texts ? PointerGetDatum(cstring_to_text_with_len(row->text.data, (int) row->text.len)) : Int64GetDatum(row->product_id);
	values[at[SLM_TIER_TYPE]] = ObjectIdGetDatum(event_types[row->place % SLM_EVENT_TYPES]);
	values[at[SLM_TIER_COUNT]] = wide ? Int64GetDatum(row->count) : Int32GetDatum((int32) row->count);
	values[at[SLM_TIER_GMV]] = NumericGetDatum(slm_money_to_numeric(row->gmv));
	ExecStoreVirtualTuple(slot);
}

static void
unpack_rows(SlmPackedTable *table, Relation rel, const SlmShape *shape)
{
	MemoryContext rows = AllocSetContextCreate(CurrentMemoryContext, "sellometer rows", ALLOCSET_DEFAULT_SIZES);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	SlmPackedRead *read = slm_packed_read_begin(table, snapshot);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	BulkInsertState bistate = GetBulkInsertState();
	CommandId	cid = GetCurrentCommandId(true);
	Oid			event_types[SLM_EVENT_TYPES];
	bool		wide = shape->columns[SLM_TIER_COUNT].type == INT8OID;
	int			at[SLM_MAX_COLUMNS];
	SlmPackedRow row;

	if (!slm_may_read(rel, shape, at))
		elog(ERROR, "table %s is not as it should be", RelationGetRelationName(rel));
	for (int t = 0; t < SLM_EVENT_TYPES; t++)
		event_types[t] = slm_event_type_value(t);
	slm_packed_read_all(read);
	while (slm_packed_read_next(read, &row))
	{
		MemoryContext old = MemoryContextSwitchTo(rows);

		unpack_row(&table->form, &row, at, event_types, wide, slot);
		MemoryContextSwitchTo(old);
		table_tuple_insert(rel, slot, cid, TABLE_INSERT_FROZEN | TABLE_INSERT_SKIP_FSM, bistate);
		ExecClearTuple(slot);
		MemoryContextReset(rows);
	}
	FreeBulkInsertState(bistate);
	ExecDropSingleTupleTableSlot(slot);
	slm_packed_read_end(read);
	UnregisterSnapshot(snapshot);
	MemoryContextDelete(rows);
	CommandCounterIncrement();
}

Oid
slm_tier_unpack(const SlmTier *tier, SlmDimension dimension, TimestampTz start)
{
	char		name[NAMEDATALEN];
	SlmShape   *shape = slm_tier_shape(tier, dimension);
	Oid			relid = slm_partition_find(tier, dimension, start, name);
	SlmPackedTable *table;
	Relation	rel;
	Oid			unpacked;

	Assert(slm_lock_held(SLM_LOCK_WRITER));
	Assert(slm_is_packed(relid));
	CommandCounterIncrement();
	table = slm_packed_open(relid, AccessExclusiveLock);
	make_way(tier, dimension, name, "FOREIGN TABLE");
	unpacked = slm_partition_create(tier, dimension, start);
	rel = table_open(unpacked, AccessExclusiveLock);
	unpack_rows(table, rel, shape);
	table_close(rel, NoLock);
	slm_packed_close(table);
	slm_partition_add_key(tier, dimension, start);
	slm_partition_attach(tier, dimension, start);
	slm_execute_once("DROP FOREIGN TABLE sellometer." OLD_NAME, SPI_OK_UTILITY);
	drop_companion(name);
	return unpacked;
}

void
slm_tier_drop_packed(const char *name)
{
	slm_execute_once(psprintf("DROP FOREIGN TABLE %s", qualified(name)), SPI_OK_UTILITY);
	drop_companion(name);
}

/* --- changes --- */

bool
slm_tier_may_change_packed(const SlmTierTarget *target)
{
	return slm_may_write_new(target->shape) && !XLogLogicalInfoActive();
}

typedef struct Changes
{
	const SlmTierTarget *target;
	const SlmDeltaRun *run;
	const SlmPackedForm *form;
	uint64		next;
} Changes;

static bool
next_change(void *arg, SlmPackedRow *row)
{
	Changes    *changes = arg;
	const SlmTierTarget *target = changes->target;
	const SlmDelta *delta;

	if (changes->next == changes->run->nrows)
		return false;
	delta = &changes->run->rows[changes->next++];
	if (!slm_packed_place(changes->form, delta->time, (int) delta->type, &row->place))
		elog(ERROR, "a time has no place in its partition");
	row->count = delta->count;
	row->gmv = delta->gmv;
	if (changes->form->texts)
		row->text = slm_dictionary_text(target->dictionary, target->dimension, delta->key);
	else
		row->product_id = slm_dictionary_product(target->dictionary, delta->key);
	return true;
}

uint64
slm_tier_change_packed(SlmTierTarget *target, Oid relid, const SlmDeltaRun *run)
{
	Relation	rel = table_open(relid, RowExclusiveLock);
	SlmPackedTable *table = slm_packed_open(relid, RowExclusiveLock);
	Changes		changes = {.target = target,.run = run,.form = &table->form};
	uint64		n = slm_packed_change(table, next_change, &changes, target->often);

	slm_packed_close(table);
	table_close(rel, NoLock);
	return n;
}

/* --- new ones --- */

TimestampTz
slm_packed_before(TimestampTz head)
{
	return slm_pack_after < 0 || TIMESTAMP_NOT_FINITE(head) ? DT_NOBEGIN : head - (int64) slm_pack_after * USECS_PER_SEC;
}

bool
slm_tier_may_pack_new(const SlmTierTarget *target, TimestampTz start)
{
	char		name[NAMEDATALEN];

	if (slm_bucket_next(target->tier->partition, start) > target->packed_before || !slm_tier_may_change_packed(target))
		return false;
	(void) slm_partition_find(target->tier, target->dimension, start, name);
	return strlen(slm_packed_companion(name)) < NAMEDATALEN;
}

uint64
slm_tier_insert_packed(SlmTierTarget *target, const SlmDeltaRun *run)
{
	char		name[NAMEDATALEN];
	SlmPackedForm form = form_of(target->tier, target->dimension, run->start);
	SlmPackedTable *table;
	SlmPackedBuild *build;
	Changes		changes = {.target = target,.run = run,.form = &form};
	SlmPackedRow row = {0};

	Assert(slm_lock_held(SLM_LOCK_WRITER));
	(void) slm_partition_find(target->tier, target->dimension, run->start, name);
	form.rows = (double) run->nrows;
	table = make_companion(&form, name);
	build = slm_packed_build_begin(table, false);
	while (next_change(&changes, &row))
	{
		slm_packed_build_put(build, &row);
		if (target->often != NULL && changes.next % SLM_ROWS_PER_STATEMENT == 0)
			target->often->function(target->often->arg);
	}
	form.keys = slm_packed_build_end(build);
	table_close(table->companion, NoLock);
	add_companion_key(name);
	make_foreign(target->tier, target->dimension, name, &form);
	return run->nrows;
}

/* Does a time overlap with a partition that is packed? */
static bool
any_packed(const SlmTier *tier, SlmDimension dimension, TimestampTz from, TimestampTz to, const TimestampTz *starts, int n)
{
	char		name[NAMEDATALEN];

	for (int i = 0; i < n; i++)
	{
		if (starts[i] < to && slm_bucket_next(tier->partition, starts[i]) > from && slm_is_packed(slm_partition_find(tier, dimension, starts[i], name)))
			return true;
	}
	return false;
}

static void
delete_from(const char *table, TimestampTz from, TimestampTz to)
{
	slm_execute_once(psprintf("DELETE FROM %s WHERE event_time >= '%s'::timestamptz AND event_time < '%s'::timestamptz", table,
							  pstrdup(timestamptz_to_str(from)), pstrdup(timestamptz_to_str(to))), SPI_OK_DELETE);
}

static void
delete_from_packed(Oid relid, TimestampTz from, TimestampTz to)
{
	Relation	rel = table_open(relid, RowExclusiveLock);
	SlmPackedTable *table = slm_packed_open(relid, RowExclusiveLock);

	slm_packed_delete(table, from, to);
	slm_packed_close(table);
	table_close(rel, NoLock);
}

void
slm_tier_delete(const SlmTier *tier, SlmDimension dimension, TimestampTz from, TimestampTz to)
{
	char		name[NAMEDATALEN];
	int			n;
	TimestampTz *starts = slm_partitions_of(tier, dimension, &n);
	bool		direct = slm_may_write_new(slm_tier_shape(tier, dimension)) && !XLogLogicalInfoActive();

	Assert(slm_lock_held(SLM_LOCK_WRITER));
	if (!any_packed(tier, dimension, from, to, starts, n))
	{
		delete_from(parent_name(tier, dimension), from, to);
		return;
	}
	for (int i = 0; i < n; i++)
	{
		Oid			relid;

		if (starts[i] >= to || slm_bucket_next(tier->partition, starts[i]) <= from)
			continue;
		relid = slm_partition_find(tier, dimension, starts[i], name);
		if (slm_is_packed(relid) && direct)
			delete_from_packed(relid, from, to);
		else
		{
			if (slm_is_packed(relid))
				(void) slm_tier_unpack(tier, dimension, starts[i]);
			delete_from(qualified(name), from, to);
		}
	}
}
