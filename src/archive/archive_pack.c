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

#include "archive/archive_internal.h"
#include "archive/archive_pack.h"
#include "archive/archive_verify.h"
#include "catalog/pg_type.h"
#include "common/sha2.h"
#include "compat.h"
#include "miscadmin.h"
#include "server/crash_point.h"
#include "server/out_of_memory.h"
#include "server/progress.h"
#include "server/spi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define OUT_BYTES		(64 * 1024)

/* When the context of the work goes: what is not in it. */
static void
free_pack(void *arg)
{
	SlmPack	   *pack = arg;

	for (uint32 i = 0; i < pack->nschemas; i++)
	{
		free(pack->schemas[i]->schema.column);
		free(pack->schemas[i]->header.data);
		free(pack->schemas[i]);
	}
	free(pack->schemas);
	free(pack->out.data);
	slm_columns_free(&pack->columns);
	slm_records_free(pack->records);
	slm_deflate_free(&pack->deflate);
	slm_row_map_free(&pack->map);
}

void
slm_archive_free_with_context(SlmPack *pack)
{
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

	callback->func = free_pack;
	callback->arg = pack;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
}

/* Give the objects that stay their numbers, and note with the others why they are left out. */
static void
number_originals(SlmPack *pack)
{
	static SlmStatement statement = {
		"UPDATE sellometer.objects SET error = $2, sqlstate = $3 WHERE id = $1 AND state = 'done'",
		3, {INT8OID, TEXTOID, TEXTOID}
	};

	for (int i = 0; i < pack->n; i++)
	{
		SlmOriginal   *original = &pack->originals[i];
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
flush(SlmPack *pack, bool last)
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

void
slm_archive_note_row(SlmPack *pack, uint32 object, bool counted)
{
	Assert(object < pack->packed->objects);
	if (!slm_row_map_add(&pack->map, object, counted))
		slm_out_of_memory();
	pack->packed->rows++;
	if (pack->out.len >= OUT_BYTES)
		flush(pack, false);
}

static void
write_row(SlmPack *pack, TupleTableSlot *slot)
{
	bool		isnull;
	SlmOriginal   *original = &pack->originals[SLM_PLACE_OBJECT(DatumGetInt64(slot_getattr(slot, ARCHIVE_PLACE + 1, &isnull)))];
	int			flags = DatumGetInt32(slot_getattr(slot, ARCHIVE_FLAGS + 1, &isnull));
	bytea	   *row = (bytea *) DatumGetPointer(slot_getattr(slot, ARCHIVE_ROW + 1, &isnull));
	SlmSlice	text = {VARDATA_ANY(row), VARSIZE_ANY_EXHDR(row)};
	bool		ok;

	Assert(original < pack->originals + pack->n);
	Assert((flags >> SLM_ROW_SCHEMA_SHIFT) < pack->nschemas);

	if (original->problem != NULL)
		return;
	if (flags & SLM_ROW_SINGLE)
		ok = slm_single_field(text, &pack->out);
	else if (pack->nschemas == 1)
		ok = slm_plain_row(text, &pack->out);
	else
		ok = slm_columns_row(&pack->columns, &pack->schemas[flags >> SLM_ROW_SCHEMA_SHIFT]->schema, text, pack->fields, pack->by_column, &pack->out);
	if (!ok)
		slm_out_of_memory();
	slm_archive_note_row(pack, original->number, (flags & SLM_ROW_COUNTED) != 0);
}

static void
write_rows(SlmPack *pack, void *arg)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(pack->desc, &TTSOpsMinimalTuple);
	uint32		most_fields = 1;

	for (uint32 i = 0; i < pack->nschemas; i++)
		most_fields = Max(most_fields, pack->schemas[i]->schema.nfields);
	pack->fields = palloc(sizeof(SlmSlice) * most_fields);
	pack->by_column = palloc(sizeof(SlmSlice) * (pack->columns.n + 1));
	if (pack->columns.n > 0 && !slm_columns_header(&pack->columns, &pack->out))
		slm_out_of_memory();
	while (tuplesort_gettupleslot(pack->sort, true, false, slot, NULL))
		write_row(pack, slot);
	ExecDropSingleTupleTableSlot(slot);
}

static void
finish_checksum(SlmPack *pack)
{
	uint8		digest[PG_SHA256_DIGEST_LENGTH];

	if (pg_cryptohash_final(pack->hash, digest, sizeof(digest)) < 0)
		slm_out_of_memory();
	pg_cryptohash_free(pack->hash);
	for (int i = 0; i < sizeof(digest); i++)
		snprintf(pack->packed->checksum + 2 * i, 3, "%02x", digest[i]);
}

void
slm_archive_write(SlmPack *pack, void (*write) (SlmPack *pack, void *arg), void *arg)
{
	SlmStoreError error;
	SlmPut	   *put;

	pack->hash = pg_cryptohash_create(PG_SHA256);
	if (pack->hash == NULL || pg_cryptohash_init(pack->hash) < 0 || !slm_deflate_init(&pack->deflate))
		slm_out_of_memory();
	pack->put = slm_store_put_begin(pack->store, pack->archive->key);
	PG_TRY();
	{
		write(pack, arg);
		flush(pack, true);
		if (!slm_row_map_finish(&pack->map))
			slm_out_of_memory();
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
}

/* --- recording --- */

static Datum
object_ids(const SlmPack *pack)
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
record_objects(const SlmPack *pack, Datum ids)
{
	static SlmStatement statement = {
		"UPDATE sellometer.objects SET state = 'archived', archived_at = clock_timestamp(), archive_key = $2, "
		"error = NULL, sqlstate = NULL WHERE id = ANY ($1) AND state = 'done'",
		2, {INT8ARRAYOID, TEXTOID}
	};
	Datum		args[2] = {ids, CStringGetTextDatum(pack->archive->key)};

	if (slm_execute_by_index(&statement, args, NULL, SPI_OK_UPDATE) != pack->packed->objects)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("objects have changed their state while they were archived"),
				 errhint("The next sellometer_archive() tries again.")));
}

static void
record(const SlmPack *pack)
{
	static SlmStatement statement = {
		"UPDATE sellometer.archives SET archived_at = clock_timestamp(), objects = $2, original_bytes = $3, rows = $4, "
		"csv_bytes = $5, bytes = $6, checksum = $7, etag = $8, row_map = $9, "
		"rates = (SELECT CASE WHEN count(o.rates) > 0 THEN array_agg(o.rates ORDER BY i.ordinality) END "
		"FROM unnest($2) WITH ORDINALITY i (id, ordinality) JOIN sellometer.objects o ON o.id = i.id), "
		"(counted_sources, counted_keys) = (SELECT array_agg(coalesce(o.counted_source, o.source) ORDER BY i.ordinality), "
		"array_agg(coalesce(o.counted_key, o.key) ORDER BY i.ordinality) "
		"FROM unnest($2) WITH ORDINALITY i (id, ordinality) JOIN sellometer.objects o ON o.id = i.id), "
		"(first_event, last_event) = (SELECT min(first_event), max(last_event) FROM sellometer.objects WHERE id = ANY ($2)) "
		"WHERE id = $1 AND archived_at IS NULL",
		9, {INT8OID, INT8ARRAYOID, INT8OID, INT8OID, INT8OID, INT8OID, TEXTOID, TEXTOID, BYTEAOID}
	};
	const SlmPacked *packed = pack->packed;
	bytea	   *map = MemoryContextAllocHuge(CurrentMemoryContext, pack->map.len + VARHDRSZ);
	Datum		args[9];

	Assert(packed->objects > 0 && pack->put == NULL);

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
	if (slm_execute_by_index(&statement, args, NULL, SPI_OK_UPDATE) != 1)
		elog(ERROR, "the archive's row in sellometer.archives is gone");
	record_objects(pack, args[1]);
}

void
slm_archive_pack(const SlmArchive *archive, SlmPacked *packed)
{
	SlmPack	   *pack = palloc0(sizeof(SlmPack));

	*packed = (SlmPacked) {0};
	pack->archive = archive;
	pack->packed = packed;
	slm_archive_free_with_context(pack);
	pack->source = slm_store_open(archive->source_url, archive->server, archive->owner);
	pack->store = slm_store_open(archive->url, archive->server, archive->owner);
	slm_archive_read(pack);
	number_originals(pack);
	if (packed->objects == 0)
	{
		tuplesort_end(pack->sort);
		return;
	}
	SLM_CRASH_POINT("archive.read");
	slm_progress_phase("sort and write");
	tuplesort_performsort(pack->sort);
	slm_archive_write(pack, write_rows, NULL);
	tuplesort_end(pack->sort);
	SLM_CRASH_POINT("archive.written");
	slm_archive_verify(pack->store, archive, packed);
	SLM_CRASH_POINT("archive.verified");
	record(pack);
	SLM_CRASH_POINT("archive.recorded");
}
