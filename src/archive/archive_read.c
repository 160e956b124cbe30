/*
 * archive_read.c: the originals of an archive, sorted by time.
 *
 *   transfers --> records --(time, object, row)--> tuplesort
 *                    |
 *                    headers: all columns
 */
#include "postgres.h"

#include "access/tupdesc.h"
#include "archive/archive_internal.h"
#include "catalog/pg_operator_d.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "guc.h"
#include "miscadmin.h"
#include "pure/header.h"
#include "pure/line.h"
#include "server/out_of_memory.h"
#include "server/progress.h"
#include "server/spi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* Among how many of the last headers one is looked for: an object that was put together has the same ones by turns. */
#define LAST_SCHEMAS	SLM_MAX_HEADERS

/* In quotes, and its own quotes doubled, it can still be read back. */
#define LONGEST_ROW		(SLM_RECORDS_LONGEST / 4)

/* --- which objects --- */

static void
find_originals(SlmPack *pack)
{
	static SlmStatement statement = {
		"SELECT o.id, o.key, o.etag, o.size, o.rows_total, o.first_event, o.last_event, "
		"(EXISTS (SELECT FROM sellometer.object_parts p WHERE p.object_id = o.id))::int::bigint, o.format_id "
		"FROM sellometer.objects o WHERE o.source = $1 AND o.state = 'done' AND o.unloaded_rows = 0 AND NOT o.lost AND o.object_time >= $2 AND o.object_time < $3 "
		"ORDER BY o.object_time, o.key LIMIT " CppAsString2(SLM_MAX_ORIGINALS),
		3, {TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	Datum		args[3] = {CStringGetTextDatum(pack->archive->source), TimestampTzGetDatum(pack->archive->start),
	TimestampTzGetDatum(pack->archive->end)};
	MemoryContext context = CurrentMemoryContext;
	SPITupleTable *table;

	pack->n = (int) slm_execute(&statement, args, NULL, SPI_OK_SELECT);
	table = SPI_tuptable;
	pack->originals = MemoryContextAllocExtended(context, sizeof(SlmOriginal) * Max(pack->n, 1),
												 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (int i = 0; i < pack->n; i++)
	{
		SlmOriginal   *original = &pack->originals[i];
		TimestampTz first;
		TimestampTz last;

		SPI_tuptable = table;
		original->id = slm_int64(i, 1, 0);
		original->key = slm_text(context, i, 2);
		original->etag = slm_text(context, i, 3);
		original->size = slm_int64(i, 4, 0);
		original->rows_total = slm_int64(i, 5, 0);
		original->format_id = slm_int64(i, 9, 0);
		original->last_time = pack->archive->start;
		first = slm_int64(i, 6, DT_NOEND);
		last = slm_int64(i, 7, DT_NOBEGIN);
		slm_windows_read(&original->windows, original->id, slm_int64(i, 8, 0) != 0, first, last);
	}
}

/* --- reading --- */

static void
leave_out(SlmOriginal *original, int sqlstate, char *problem)
{
	original->sqlstate = sqlstate;
	original->problem = problem;
}

/* The number of a header's schema; most objects share theirs with the one before. */
static uint32
schema_of(SlmPack *pack, SlmSlice header)
{
	SlmPackSchema *schema;

	for (uint32 i = pack->nschemas; i > 0 && i + LAST_SCHEMAS > pack->nschemas; i--)
	{
		const SlmText *known = &pack->schemas[i - 1]->header;

		if (header.len == known->len && memcmp(header.data, known->data, header.len) == 0)
			return i - 1;
	}
	schema = calloc(1, sizeof(SlmPackSchema));
	if (schema == NULL || pack->nschemas >= PG_INT32_MAX >> SLM_ROW_SCHEMA_SHIFT ||
		!slm_grow((void **) &pack->schemas, pack->nschemas, &pack->maxschemas, sizeof(SlmPackSchema *)))
	{
		free(schema);
		slm_out_of_memory();
	}
	pack->schemas[pack->nschemas++] = schema;
	if (!slm_text_add(&schema->header, header.data, header.len) ||
		!slm_columns_take(&pack->columns, header, &schema->schema))
		slm_out_of_memory();
	return pack->nschemas - 1;
}

/* Put a row into the sort. */
static void
sort_row(SlmPack *pack, SlmOriginal *original, TimestampTz time, int flags, SlmSlice row)
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
	slot->tts_values[ARCHIVE_TIME] = Int64GetDatum(time);
	slot->tts_values[ARCHIVE_PLACE] = Int64GetDatum(SLM_PLACE(original - pack->originals, original->rows));
	slot->tts_values[ARCHIVE_FLAGS] = Int32GetDatum(flags);
	slot->tts_values[ARCHIVE_ROW] = PointerGetDatum(pack->row);
	memset(slot->tts_isnull, false, ARCHIVE_COLS * sizeof(bool));
	ExecStoreVirtualTuple(slot);
	tuplesort_puttupleslot(pack->sort, slot);
}

/* One row of an object: its time, else that of the row before, says where it goes. */
static void
take_row(SlmPack *pack, SlmOriginal *original, const SlmRawRecord *record)
{
	const SlmSchema *schema = original->schema;
	int			flags = original->schema_number << SLM_ROW_SCHEMA_SHIFT;

	if (!record->fits)
	{
		flags |= SLM_ROW_SINGLE;
		/* within quotes a newline is part of the field, but no reader waits for so long a field's end */
		if (record->text.len > LONGEST_ROW ||
			(record->text.len >= SLM_MAX_RECORD / 2 - 16 &&
			 slm_line_length(record->text.data, record->text.len) < record->text.len))
			leave_out(original, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
					  psprintf("row " INT64_FORMAT " is too long for an archive", original->rows + 1));
	}
	else
	{
		SlmTime		time;

		(void) slm_record_fields(record->text, pack->fields, schema->nfields);
		if (schema->time_field < schema->nfields &&
			slm_parse_time(slm_cell_inside(pack->fields[schema->time_field]), &pack->time_cache, &time))
		{
			original->last_time = time;
			if (slm_windows_counted(&original->windows, original->rows, time))
				flags |= SLM_ROW_COUNTED;
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
take_header(SlmPack *pack, SlmOriginal *original, const SlmRawRecord *record)
{
	static const size_t least = 64;

	original->schema_number = schema_of(pack, record->text);
	original->schema = &pack->schemas[original->schema_number]->schema;
	pack->fields = pack->fields ? repalloc_huge(pack->fields, sizeof(SlmSlice) * Max(original->schema->nfields, least))
		: palloc(sizeof(SlmSlice) * Max(original->schema->nfields, least));
}

/* All rows that the bytes which were fed give; false if the object is at its end or left out. */
static bool
take_rows(SlmPack *pack, SlmOriginal *original)
{
	SlmRawRecord record;

	for (;;)
	{
		switch (slm_records_next(pack->records, &record))
		{
			case SLM_RECORDS_ROW:
				if (record.header)
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
read_original(SlmPack *pack, SlmOriginal *original)
{
	SlmStoreError error;
	const char *data;
	size_t		len;
	bool		more = true;

	pack->records = slm_records_create(false, slm_format_get(original->format_id));
	if (pack->records == NULL)
		slm_out_of_memory();
	while (more)
	{
		switch (slm_transfer_read(original->transfer, SLM_WAIT_FOR_EVER, &data, &len, &error))
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
begin_sort(SlmPack *pack)
{
	AttrNumber	columns[2] = {ARCHIVE_TIME + 1, ARCHIVE_PLACE + 1};
	Oid			operators[2] = {Int8LessOperator, Int8LessOperator};
	Oid			collations[2] = {InvalidOid, InvalidOid};
	bool		nulls_first[2] = {false, false};

	pack->desc = CreateTemplateTupleDesc(ARCHIVE_COLS);
	TupleDescInitEntry(pack->desc, ARCHIVE_TIME + 1, "time", INT8OID, -1, 0);
	TupleDescInitEntry(pack->desc, ARCHIVE_PLACE + 1, "place", INT8OID, -1, 0);
	TupleDescInitEntry(pack->desc, ARCHIVE_FLAGS + 1, "flags", INT4OID, -1, 0);
	TupleDescInitEntry(pack->desc, ARCHIVE_ROW + 1, "row", BYTEAOID, -1, 0);
	pack->slot = MakeSingleTupleTableSlot(pack->desc, &TTSOpsVirtual);
	pack->sort = tuplesort_begin_heap(pack->desc, 2, columns, operators, collations, nulls_first,
									  maintenance_work_mem, NULL, TUPLESORT_NONE);
}

static void
read_originals(SlmPack *pack)
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

void
slm_archive_read(SlmPack *pack)
{
	find_originals(pack);
	read_originals(pack);
}
