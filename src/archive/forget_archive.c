/*
 * forget_archive.c: an archive without a person.
 *
 *   old archive --> rows --> the person's without him or her --> SHA-256, gzip --> new archive --> read back
 *   row map  ------------->  the same, row by row            --> row map           --> [the two rows change their keys]
 *
 * No row comes or goes, and none changes its place.
 */
#include "postgres.h"

#include "archive/archive_internal.h"
#include "archive/archive_verify.h"
#include "archive/forget_archive.h"
#include "catalog/pg_type.h"
#include "dedup/own_dimensions.h"
#include "server/crash_point.h"
#include "server/out_of_memory.h"
#include "server/spi.h"
#include "utils/builtins.h"


typedef struct Rewrite
{
	const SlmPerson *person;
	const SlmArchive *archive;
	SlmPack	   *pack;
	char	   *etag;
	int64		rows_expected;
	bytea	   *row_map;
	SlmRowMapReader map;
	int64		found;			/* rows of the person */
} Rewrite;

static void
read_archive_row(Rewrite *rewrite)
{
	static SlmStatement statement = {
		"SELECT etag, rows, row_map, cardinality(objects)::bigint, original_bytes FROM sellometer.archives WHERE id = $1 AND archived_at IS NOT NULL FOR UPDATE", 1, {INT8OID}
	};
	Datum		id = Int64GetDatum(rewrite->archive->id);
	bool		isnull;

	slm_own_read();
	if (slm_execute(&statement, &id, NULL, SPI_OK_SELECT) != 1)
		elog(ERROR, "an archive's row is gone");
	rewrite->etag = slm_text(CurrentMemoryContext, 0, 1);
	rewrite->rows_expected = slm_int64(0, 2, 0);
	rewrite->row_map = DatumGetByteaPCopy(slm_value(0, 3, &isnull));
	rewrite->pack->packed->objects = (int) slm_int64(0, 4, 0);
	rewrite->pack->packed->original_bytes = slm_int64(0, 5, 0);
}

static void
copy_row(const SlmPersonRow *row, void *arg)
{
	Rewrite    *rewrite = arg;
	SlmPack	   *pack = rewrite->pack;
	bool		turned = false;
	uint32		object;
	bool		counted;

	if (!row->header && slm_person_has(rewrite->person, row))
	{
		slm_person_forget(rewrite->person, row, &pack->out, &turned);
		rewrite->found++;
	}
	else if (!slm_plain_row(row->text, &pack->out))
		slm_out_of_memory();
	if (row->header)
		return;
	if (!slm_row_map_next(&rewrite->map, &object, &counted))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("archive \"%s\" of source \"%s\" does not fit its row map in sellometer.archives", rewrite->archive->key,
						rewrite->archive->source)));
	/* what was no event has counted nowhere, and must not begin to */
	slm_archive_note_row(pack, object, counted && !turned);
}

static void
copy_rows(SlmPack *pack, void *arg)
{
	Rewrite    *rewrite = arg;
	SlmStoreError error;

	if (!slm_row_map_read(&rewrite->map, VARDATA_ANY(rewrite->row_map), VARSIZE_ANY_EXHDR(rewrite->row_map)))
		slm_out_of_memory();
	PG_TRY();
	{
		if (!slm_person_rows(pack->store, rewrite->archive->key, rewrite->etag, true, NULL, copy_row, rewrite, &error))
			slm_store_error_raise(&error);
	}
	PG_FINALLY();
	{
		slm_row_map_close(&rewrite->map);
	}
	PG_END_TRY();
	if (pack->packed->rows != rewrite->rows_expected)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("archive \"%s\" of source \"%s\" has " UINT64_FORMAT " rows, where " INT64_FORMAT " are on record",
						rewrite->archive->key, rewrite->archive->source, pack->packed->rows, rewrite->rows_expected)));
}

/* The two change places. */
static void
record_rewritten(const Rewrite *rewrite, const SlmArchive *spare)
{
	static SlmStatement statement = {
		"SELECT sellometer.exchange_archive($1, $2, $3, $4, $5, $6, $7)",
		7, {INT8OID, INT8OID, INT8OID, INT8OID, TEXTOID, TEXTOID, BYTEAOID}
	};
	const SlmPack *pack = rewrite->pack;
	bytea	   *map = MemoryContextAllocHuge(CurrentMemoryContext, pack->map.len + VARHDRSZ);
	Datum		args[7];

	SET_VARSIZE(map, pack->map.len + VARHDRSZ);
	memcpy(VARDATA(map), pack->map.data, pack->map.len);
	args[0] = Int64GetDatum(rewrite->archive->id);
	args[1] = Int64GetDatum(spare->id);
	args[2] = Int64GetDatum(pack->packed->csv_bytes);
	args[3] = Int64GetDatum(pack->packed->bytes);
	args[4] = CStringGetTextDatum(pack->packed->checksum);
	args[5] = CStringGetTextDatum(pack->packed->etag);
	args[6] = PointerGetDatum(map);
	slm_execute(&statement, args, NULL, SPI_OK_SELECT);
}

int64
slm_forget_in_archive(const SlmPerson *person, const SlmArchive *archive, const SlmArchive *spare)
{
	SlmPack	   *pack = palloc0(sizeof(SlmPack));
	SlmPacked	packed = {0};
	Rewrite		rewrite = {.person = person,.archive = archive,.pack = pack};

	pack->archive = spare;
	pack->packed = &packed;
	slm_archive_free_with_context(pack);
	pack->store = slm_store_open(archive->url, archive->server, archive->owner);
	read_archive_row(&rewrite);
	slm_archive_write(pack, copy_rows, &rewrite);
	SLM_CRASH_POINT("forget.written");
	slm_archive_verify(pack->store, spare, &packed);
	SLM_CRASH_POINT("forget.verified");
	record_rewritten(&rewrite, spare);
	SLM_CRASH_POINT("forget.recorded");
	return rewrite.found;
}
