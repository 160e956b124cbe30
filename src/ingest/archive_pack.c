/*
 * archive_pack.c: some objects become one archive.
 *
 *   transfers --> records --(time, object, row)--> tuplesort --> rows under one header --> SHA-256, gzip --> put
 *                    |                                 |
 *                    headers: all columns              row map
 *
 * Memory: the sort's (maintenance_work_mem; the rest is in temporary files), a few MB for each transfer, the deflated row
 * map, and the put's.  An object that can't be read any more is left out, with all of its rows, and stays as it is.
 */
#include "postgres.h"

#include "access/tupdesc.h"
#include "catalog/pg_operator_d.h"
#include "catalog/pg_type.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "compat.h"
#include "executor/tuptable.h"
#include "guc.h"
#include "ingest/archive.h"
#include "ingest/shmem.h"
#include "ingest/spi.h"
#include "ingest/windows.h"
#include "miscadmin.h"
#include "pure/columns.h"
#include "pure/csv.h"
#include "pure/datetime.h"
#include "pure/deflate.h"
#include "pure/records.h"
#include "pure/rowmap.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplesort.h"

#define OUT_BYTES		(64 * 1024)

/* A tuple of the sort: the time, and object and row in one number. */
enum
{
	COL_TIME,
	COL_PLACE,
	COL_FLAGS,
	COL_ROW,
	COLS
};

#define PLACE(object, row)	((int64) (object) << 40 | (int64) (row))
#define PLACE_OBJECT(place)	((uint32) ((place) >> 40))
#define MAX_OBJECTS			(1 << 23)

#define FLAG_COUNTED	1		/* its time is in the object's window */
#define FLAG_SINGLE		2		/* it fits no header: a line of one field */

typedef struct Original
{
	int64		id;
	char	   *key;
	char	   *etag;
	int64		size;
	int64		rows_total;
	SlmWindows	windows;
	SlmTransfer *transfer;
	const SlmSchema *schema;	/* NULL: it has no header */
	int64		rows;			/* read */
	TimestampTz last_time;		/* of the last row whose time could be read */
	uint32		number;			/* in the archive */
	char	   *problem;		/* why it is left out, or NULL */
	int			sqlstate;
} Original;

typedef struct Pack
{
	const SlmArchive *archive;
	SlmStore   *source;
	SlmStore   *store;
	Original   *originals;
	int			n;

	SlmTimeCache time_cache;
	SlmColumns	columns;
	SlmSchema **schemas;
	uint32		nschemas;
	uint32		maxschemas;
	SlmText		last_header;	/* that schemas[nschemas - 1] is of */
	SlmRecords *records;
	Tuplesortstate *sort;
	TupleDesc	desc;
	TupleTableSlot *slot;
	bytea	   *row;			/* to put into the sort */
	size_t		row_size;

	SlmText		out;
	SlmSlice   *fields;			/* scratch */
	SlmSlice   *by_column;
	SlmDeflate	deflate;
	SlmRowMap	map;
	pg_cryptohash_ctx *hash;
	SlmPut	   *put;
	SlmPacked  *packed;
} Pack;

void
slm_out_of_memory(void)
{
	ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
}

/* When the context of the work goes: what is not in it. */
static void
free_pack(void *arg)
{
	Pack	   *pack = arg;

	for (uint32 i = 0; i < pack->nschemas; i++)
	{
		free(pack->schemas[i]->column);
		free(pack->schemas[i]);
	}
	free(pack->schemas);
	free(pack->last_header.data);
	free(pack->out.data);
	slm_columns_free(&pack->columns);
	slm_records_free(pack->records);
	slm_deflate_free(&pack->deflate);
	slm_row_map_free(&pack->map);
}

/* --- which objects --- */

static void
find_originals(Pack *pack)
{
	static SlmStatement statement = {
		"SELECT o.id, o.key, o.etag, o.size, o.rows_total, o.first_event, o.last_event, "
		"(EXISTS (SELECT FROM sellometer.object_parts p WHERE p.object_id = o.id))::int::bigint "
		"FROM sellometer.objects o WHERE o.source = $1 AND o.state = 'done' AND o.object_time >= $2 AND o.object_time < $3 "
		"ORDER BY o.object_time, o.key LIMIT " CppAsString2(MAX_OBJECTS),
		3, {TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	Datum		args[3] = {CStringGetTextDatum(pack->archive->source), TimestampTzGetDatum(pack->archive->start),
	TimestampTzGetDatum(pack->archive->end)};
	MemoryContext context = CurrentMemoryContext;
	SPITupleTable *table;

	pack->n = (int) slm_execute(&statement, args, NULL, SPI_OK_SELECT);
	table = SPI_tuptable;
	pack->originals = MemoryContextAllocExtended(context, sizeof(Original) * Max(pack->n, 1),
												 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (int i = 0; i < pack->n; i++)
	{
		Original   *original = &pack->originals[i];
		TimestampTz first;
		TimestampTz last;

		SPI_tuptable = table;
		original->id = slm_int64(i, 1, 0);
		original->key = slm_text(context, i, 2);
		original->etag = slm_text(context, i, 3);
		original->size = slm_int64(i, 4, 0);
		original->rows_total = slm_int64(i, 5, 0);
		original->last_time = pack->archive->start;
		first = slm_int64(i, 6, DT_NOEND);
		last = slm_int64(i, 7, DT_NOBEGIN);
		slm_windows_read(&original->windows, original->id, slm_int64(i, 8, 0) != 0, first, last);
	}
}

/* --- reading --- */

static void
leave_out(Original *original, int sqlstate, char *problem)
{
	original->sqlstate = sqlstate;
	original->problem = problem;
}

/* The schema of a header; most objects share theirs with the one before. */
static const SlmSchema *
schema_of(Pack *pack, SlmSlice header)
{
	SlmSchema  *schema;

	if (pack->nschemas > 0 && header.len == pack->last_header.len &&
		memcmp(header.data, pack->last_header.data, header.len) == 0)
		return pack->schemas[pack->nschemas - 1];
	pack->last_header.len = 0;
	schema = malloc(sizeof(SlmSchema));
	if (schema == NULL || !slm_grow((void **) &pack->schemas, pack->nschemas, &pack->maxschemas, sizeof(SlmSchema *)) ||
		!slm_text_add(&pack->last_header, header.data, header.len))
	{
		free(schema);
		slm_out_of_memory();
	}
	schema->column = NULL;
	pack->schemas[pack->nschemas++] = schema;
	if (!slm_columns_take(&pack->columns, header, schema))
		slm_out_of_memory();
	return schema;
}

/* Put a row into the sort. */
static void
sort_row(Pack *pack, Original *original, TimestampTz time, int flags, SlmSlice row)
{
	TupleTableSlot *slot = pack->slot;

	if (pack->row_size < row.len + VARHDRSZ)
	{
		pack->row_size = Max(2 * (row.len + VARHDRSZ), 1024);
		pack->row = pack->row ? repalloc_huge(pack->row, pack->row_size)
			: MemoryContextAllocHuge(CurrentMemoryContext, pack->row_size);
	}
	SET_VARSIZE(pack->row, row.len + VARHDRSZ);
	memcpy(VARDATA(pack->row), row.data, row.len);
	ExecClearTuple(slot);
	slot->tts_values[COL_TIME] = Int64GetDatum(time);
	slot->tts_values[COL_PLACE] = Int64GetDatum(PLACE(original - pack->originals, original->rows));
	slot->tts_values[COL_FLAGS] = Int32GetDatum(flags);
	slot->tts_values[COL_ROW] = PointerGetDatum(pack->row);
	memset(slot->tts_isnull, false, COLS * sizeof(bool));
	ExecStoreVirtualTuple(slot);
	tuplesort_puttupleslot(pack->sort, slot);
}

/* One row of an object: its time, else that of the row before, says where it goes. */
static void
take_row(Pack *pack, Original *original, const SlmRawRecord *record)
{
	const SlmSchema *schema = original->schema;
	int			flags = 0;

	if (record->broken || slm_record_fields(record->text, pack->fields, schema->nfields) != schema->nfields)
	{
		flags = FLAG_SINGLE;
		/* within quotes a newline is part of the field, but no reader waits for so long a field's end */
		if (record->text.len >= SLM_MAX_RECORD / 2 - 16 && memchr(record->text.data, '\n', record->text.len) != NULL)
			leave_out(original, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
					  psprintf("row " INT64_FORMAT " is too long for an archive, and has newlines in it", original->rows + 1));
	}
	else
	{
		SlmTime		time;

		if (schema->time_field < schema->nfields &&
			slm_parse_time(slm_field_inside(pack->fields[schema->time_field]), &pack->time_cache, &time))
		{
			original->last_time = time;
			if (slm_windows_counted(&original->windows, original->rows, time))
				flags = FLAG_COUNTED;
		}
		/* other objects' columns make it a little longer */
		if (record->text.len > SLM_MAX_RECORD - 4096)
			leave_out(original, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
					  psprintf("row " INT64_FORMAT " is too long for an archive", original->rows + 1));
	}
	sort_row(pack, original, original->last_time, flags, record->text);
	original->rows++;
}

static void
take_header(Pack *pack, Original *original, const SlmRawRecord *record)
{
	static const size_t least = 64;

	original->schema = schema_of(pack, record->text);
	pack->fields = pack->fields ? repalloc_huge(pack->fields, sizeof(SlmSlice) * Max(original->schema->nfields, least))
		: palloc(sizeof(SlmSlice) * Max(original->schema->nfields, least));
}

/* All rows that the bytes which were fed give; false if the object is at its end or left out. */
static bool
take_rows(Pack *pack, Original *original)
{
	SlmRawRecord record;

	for (;;)
	{
		switch (slm_records_next(pack->records, &record))
		{
			case SLM_RECORDS_ROW:
				if (original->schema == NULL)
					take_header(pack, original, &record);
				else
					take_row(pack, original, &record);
				if (original->problem != NULL)
					return false;
				break;
			case SLM_RECORDS_MORE:
				return true;
			case SLM_RECORDS_END:
				return false;
			case SLM_RECORDS_DAMAGED:
				leave_out(original, ERRCODE_DATA_CORRUPTED, pstrdup("its gzip data is damaged"));
				return false;
			case SLM_RECORDS_TOO_LONG:
				leave_out(original, ERRCODE_PROGRAM_LIMIT_EXCEEDED, pstrdup("it has a row that is too long for an archive"));
				return false;
			case SLM_RECORDS_MEMORY:
				slm_out_of_memory();
		}
	}
}

static void
read_original(Pack *pack, Original *original)
{
	SlmStoreError error;
	const char *data;
	size_t		len;
	bool		more = true;

	pack->records = slm_records_create();
	if (pack->records == NULL)
		slm_out_of_memory();
	while (more)
	{
		switch (slm_transfer_read(original->transfer, true, &data, &len, &error))
		{
			case SLM_TRANSFER_DATA:
				slm_records_feed(pack->records, data, len, false);
				break;
			case SLM_TRANSFER_END:
				slm_records_feed(pack->records, NULL, 0, true);
				break;
			default:
				if (error.kind != SLM_STORE_CHANGED && error.kind != SLM_STORE_NOT_FOUND)
					slm_store_error_raise(&error);
				leave_out(original, error.sqlstate, error.message);
				slm_records_free(pack->records);
				pack->records = NULL;
				return;
		}
		more = take_rows(pack, original);
		CHECK_FOR_INTERRUPTS();
	}
	slm_records_free(pack->records);
	pack->records = NULL;
	if (original->problem == NULL && original->rows != original->rows_total)
		leave_out(original, ERRCODE_DATA_CORRUPTED,
				  psprintf("it has " INT64_FORMAT " rows, where " INT64_FORMAT " were loaded", original->rows,
						   original->rows_total));
}

static void
begin_sort(Pack *pack)
{
	AttrNumber	columns[2] = {COL_TIME + 1, COL_PLACE + 1};
	Oid			operators[2] = {Int8LessOperator, Int8LessOperator};
	Oid			collations[2] = {InvalidOid, InvalidOid};
	bool		nulls_first[2] = {false, false};

	pack->desc = CreateTemplateTupleDesc(COLS);
	TupleDescInitEntry(pack->desc, COL_TIME + 1, "time", INT8OID, -1, 0);
	TupleDescInitEntry(pack->desc, COL_PLACE + 1, "place", INT8OID, -1, 0);
	TupleDescInitEntry(pack->desc, COL_FLAGS + 1, "flags", INT4OID, -1, 0);
	TupleDescInitEntry(pack->desc, COL_ROW + 1, "row", BYTEAOID, -1, 0);
	pack->slot = MakeSingleTupleTableSlot(pack->desc, &TTSOpsVirtual);
	pack->sort = tuplesort_begin_heap(pack->desc, 2, columns, operators, collations, nulls_first,
									  maintenance_work_mem, NULL, TUPLESORT_NONE);
}

static void
read_originals(Pack *pack)
{
	int			started = 0;

	slm_progress_phase("read");
	begin_sort(pack);
	for (int i = 0; i < pack->n; i++)
	{
		for (; started < pack->n && started < i + slm_max_connections; started++)
			pack->originals[started].transfer = slm_store_get(pack->source, pack->originals[started].key,
															  pack->originals[started].etag, 0);
		read_original(pack, &pack->originals[i]);
		slm_transfer_close(pack->originals[i].transfer);
		slm_progress_add(1, pack->originals[i].size, pack->originals[i].rows);
	}
}

/* Give the objects that stay their numbers, and note with the others why they are left out. */
static void
number_originals(Pack *pack)
{
	static SlmStatement statement = {
		"UPDATE sellometer.objects SET error = $2, sqlstate = $3 WHERE id = $1 AND state = 'done'",
		3, {INT8OID, TEXTOID, TEXTOID}
	};

	for (int i = 0; i < pack->n; i++)
	{
		Original   *original = &pack->originals[i];
		Datum		args[3];

		if (original->problem == NULL)
		{
			original->number = pack->packed->objects++;
			pack->packed->original_bytes += original->size;
			continue;
		}
		pack->packed->left_out++;
		args[0] = Int64GetDatum(original->id);
		args[1] = CStringGetTextDatum(psprintf("can't be archived: %s", original->problem));
		args[2] = CStringGetTextDatum(unpack_sql_state(original->sqlstate));
		slm_execute(&statement, args, NULL, SPI_OK_UPDATE);
		ereport(WARNING,
				(errcode(original->sqlstate),
				 errmsg("object \"%s\" of source \"%s\" can't be archived and stays where it is",
						slm_store_display(original->key), pack->archive->source),
				 errdetail_internal("%s", original->problem)));
	}
}

/* --- writing --- */

/* Send what has been gathered on its way. */
static void
flush_out(Pack *pack, bool last)
{
	const char *data = pack->out.data;
	size_t		len = pack->out.len;
	SlmStoreError error;
	char		buffer[16 * 1024];
	size_t		n;

	if (len > 0 && pg_cryptohash_update(pack->hash, (const uint8 *) data, len) < 0)
		slm_out_of_memory();
	pack->packed->csv_bytes += len;
	do
	{
		n = slm_deflate_run(&pack->deflate, &data, &len, last, buffer, sizeof(buffer));
		if (n > 0 && !slm_store_put_write(pack->put, buffer, n, &error))
			slm_store_error_raise(&error);
		pack->packed->bytes += n;
	} while (n == sizeof(buffer) || len > 0);
	pack->out.len = 0;
	CHECK_FOR_INTERRUPTS();
}

static void
write_row(Pack *pack, TupleTableSlot *slot)
{
	bool		isnull;
	Original   *original = &pack->originals[PLACE_OBJECT(DatumGetInt64(slot_getattr(slot, COL_PLACE + 1, &isnull)))];
	int			flags = DatumGetInt32(slot_getattr(slot, COL_FLAGS + 1, &isnull));
	bytea	   *row = (bytea *) DatumGetPointer(slot_getattr(slot, COL_ROW + 1, &isnull));
	SlmSlice	text = {VARDATA_ANY(row), VARSIZE_ANY_EXHDR(row)};
	bool		ok;

	if (original->problem != NULL)
		return;
	if (flags & FLAG_SINGLE)
		ok = slm_single_field(text, &pack->out);
	else if (pack->nschemas == 1)
		ok = slm_plain_row(text, &pack->out);
	else
		ok = slm_columns_row(&pack->columns, original->schema, text, pack->fields, pack->by_column, &pack->out);
	if (!ok || !slm_row_map_add(&pack->map, original->number, (flags & FLAG_COUNTED) != 0))
		slm_out_of_memory();
	pack->packed->rows++;
	if (pack->out.len >= OUT_BYTES)
		flush_out(pack, false);
}

static void
write_rows(Pack *pack)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(pack->desc, &TTSOpsMinimalTuple);
	uint32		most_fields = 1;

	for (uint32 i = 0; i < pack->nschemas; i++)
		most_fields = Max(most_fields, pack->schemas[i]->nfields);
	pack->fields = palloc(sizeof(SlmSlice) * most_fields);
	pack->by_column = palloc(sizeof(SlmSlice) * (pack->columns.n + 1));
	if (pack->columns.n > 0 && !slm_columns_header(&pack->columns, &pack->out))
		slm_out_of_memory();
	while (tuplesort_gettupleslot(pack->sort, true, false, slot, NULL))
		write_row(pack, slot);
	ExecDropSingleTupleTableSlot(slot);
	flush_out(pack, true);
	if (!slm_row_map_finish(&pack->map))
		slm_out_of_memory();
}

static void
finish_checksum(Pack *pack)
{
	uint8		digest[PG_SHA256_DIGEST_LENGTH];

	if (pg_cryptohash_final(pack->hash, digest, sizeof(digest)) < 0)
		slm_out_of_memory();
	pg_cryptohash_free(pack->hash);
	for (int i = 0; i < sizeof(digest); i++)
		snprintf(pack->packed->checksum + 2 * i, 3, "%02x", digest[i]);
}

static void
write_archive(Pack *pack)
{
	SlmStoreError error;
	SlmPut	   *put;

	slm_progress_phase("sort and write");
	pack->hash = pg_cryptohash_create(PG_SHA256);
	if (pack->hash == NULL || pg_cryptohash_init(pack->hash) < 0 || !slm_deflate_init(&pack->deflate))
		slm_out_of_memory();
	tuplesort_performsort(pack->sort);
	pack->put = slm_store_put_begin(pack->store, pack->archive->key);
	PG_TRY();
	{
		write_rows(pack);
		/* finishing frees it, whatever comes of that */
		put = pack->put;
		pack->put = NULL;
		if (!slm_store_put_finish(put, &pack->packed->etag, &error))
			slm_store_error_raise(&error);
	}
	PG_CATCH();
	{
		if (pack->put != NULL)
			slm_store_put_abort(pack->put);
		PG_RE_THROW();
	}
	PG_END_TRY();
	finish_checksum(pack);
	tuplesort_end(pack->sort);
}

/* --- recording --- */

static Datum
object_ids(const Pack *pack)
{
	Datum	   *ids = palloc(sizeof(Datum) * Max(pack->n, 1));
	int			n = 0;

	for (int i = 0; i < pack->n; i++)
	{
		if (pack->originals[i].problem == NULL)
			ids[n++] = Int64GetDatum(pack->originals[i].id);
	}
	return slm_array(ids, NULL, n, INT8OID);
}

static void
record_objects(const Pack *pack, Datum ids)
{
	static SlmStatement statement = {
		"UPDATE sellometer.objects SET state = 'archived', archived_at = clock_timestamp(), archive_key = $2, "
		"error = NULL, sqlstate = NULL WHERE id = ANY ($1) AND state = 'done'",
		2, {INT8ARRAYOID, TEXTOID}
	};
	Datum		args[2] = {ids, CStringGetTextDatum(pack->archive->key)};

	if (slm_execute(&statement, args, NULL, SPI_OK_UPDATE) != pack->packed->objects)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("objects have changed their state while they were archived"),
				 errhint("The next sellometer_archive() tries again.")));
}

static void
record(const Pack *pack)
{
	static SlmStatement statement = {
		"UPDATE sellometer.archives SET archived_at = clock_timestamp(), objects = $2, original_bytes = $3, rows = $4, "
		"csv_bytes = $5, bytes = $6, checksum = $7, etag = $8, row_map = $9, "
		"(first_event, last_event) = (SELECT min(first_event), max(last_event) FROM sellometer.objects WHERE id = ANY ($2)) "
		"WHERE id = $1 AND archived_at IS NULL",
		9, {INT8OID, INT8ARRAYOID, INT8OID, INT8OID, INT8OID, INT8OID, TEXTOID, TEXTOID, BYTEAOID}
	};
	const SlmPacked *packed = pack->packed;
	bytea	   *map = MemoryContextAllocHuge(CurrentMemoryContext, pack->map.len + VARHDRSZ);
	Datum		args[9];

	SET_VARSIZE(map, pack->map.len + VARHDRSZ);
	memcpy(VARDATA(map), pack->map.data, pack->map.len);
	args[0] = Int64GetDatum(pack->archive->id);
	args[1] = object_ids(pack);
	args[2] = Int64GetDatum(packed->original_bytes);
	args[3] = Int64GetDatum(packed->rows);
	args[4] = Int64GetDatum(packed->csv_bytes);
	args[5] = Int64GetDatum(packed->bytes);
	args[6] = CStringGetTextDatum(packed->checksum);
	args[7] = CStringGetTextDatum(packed->etag);
	args[8] = PointerGetDatum(map);
	if (slm_execute(&statement, args, NULL, SPI_OK_UPDATE) != 1)
		elog(ERROR, "the archive's row in sellometer.archives is gone");
	record_objects(pack, args[1]);
}

void
slm_archive_pack(const SlmArchive *archive, SlmPacked *packed)
{
	Pack	   *pack = palloc0(sizeof(Pack));
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

	*packed = (SlmPacked) {0};
	pack->archive = archive;
	pack->packed = packed;
	callback->func = free_pack;
	callback->arg = pack;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	pack->source = slm_store_open(archive->source_url, archive->server, archive->owner);
	pack->store = slm_store_open(archive->url, archive->server, archive->owner);
	find_originals(pack);
	read_originals(pack);
	number_originals(pack);
	if (packed->objects == 0)
	{
		tuplesort_end(pack->sort);
		return;
	}
	write_archive(pack);
	slm_archive_verify(pack->store, archive, packed);
	record(pack);
}
