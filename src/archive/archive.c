/*
 * archive.c: the last tier: which blocks are archived, and in which steps.
 *
 *   adopt     archives that other nodes know of: see archive_adopt.c
 *   tidy      archives that were broken off: delete what there is of them;
 *             archives whose originals are still there: delete these
 *   reserve   [commit]  a finished block has objects: a row in sellometer.archives names the key that will be written
 *   pack      [commit]  write, read back, record: the objects are archived from here on
 *   delete    [commit]  the originals
 *
 * A key is written only if its row is there, and a new row gets a key that no object in the store has: so nothing is ever
 * overwritten, and what is deleted from the archive is only what an earlier run of ours has left unfinished.
 */
#include "postgres.h"

#include "archive/archive.h"
#include "archive/archive_adopt.h"
#include "archive/archive_delete.h"
#include "archive/archive_pack.h"
#include "catalog/pg_type.h"
#include "guc.h"
#include "ledger/head.h"
#include "ledger/relocate.h"
#include "miscadmin.h"
#include "pure/archive_name.h"
#include "pure/granularity.h"
#include "pure/node_slice.h"
#include "server/crash_point.h"
#include "server/progress.h"
#include "server/spi.h"
#include "store/store.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

typedef struct Archiving
{
	SlmRun	   *run;
	const char *source;			/* NULL: all */
	MemoryContext context;		/* of the archive at hand */
	bool		found;			/* there is one */
	SlmArchive	archive;
	SlmPacked	packed;
	int64		width;			/* of a block, in microseconds */

	/* blocks up to this one, in the order of time and source, have had their turn */
	TimestampTz after;
	char		after_source[NAMEDATALEN * 4];
	int64		after_id;		/* the same for what is to be deleted */

	SlmNodeSlice slice;			/* that this database counts */
	int			held;			/* archives whose originals wait for other nodes */
	int			archives;
	int			failed;
	int64		objects;
	int64		left_out;
	uint64		rows;
	uint64		bytes;
	int64		original_bytes;
	ErrorData  *first_error;
} Archiving;

static char *
keep_text(Archiving *archiving, int column)
{
	return slm_text(archiving->context, 0, column);
}

static const char *
source_or_null(const Archiving *archiving, char *null)
{
	*null = archiving->source ? ' ' : 'n';
	return archiving->source ? archiving->source : "";
}

/* --- what a killed run has left --- */

/* The next archive at hand, from a row (id, source, source_url, url, server, owner, key); false if there is none. */
static bool
take_archive(Archiving *archiving, SlmStatement *statement)
{
	SlmArchive *archive = &archiving->archive;
	char		nulls[] = "  ";
	Datum		args[2] = {Int64GetDatum(archiving->after_id), CStringGetTextDatum(source_or_null(archiving, &nulls[1]))};

	MemoryContextReset(archiving->context);
	archiving->found = false;
	if (slm_execute(statement, args, nulls, SPI_OK_SELECT) == 0)
		return false;
	*archive = (SlmArchive) {.id = slm_int64(0, 1, 0),.owner = (Oid) slm_int64(0, 6, 0)};
	archive->source = keep_text(archiving, 2);
	archive->source_url = keep_text(archiving, 3);
	archive->url = keep_text(archiving, 4);
	archive->server = keep_text(archiving, 5);
	archive->key = keep_text(archiving, 7);
	archiving->after_id = archive->id;
	archiving->found = true;
	slm_run_begin(archiving->run);
	return true;
}

void
slm_archive_clear(const SlmArchive *archive)
{
	static SlmStatement forget = {"DELETE FROM sellometer.archives WHERE id = $1 AND archived_at IS NULL", 1, {INT8OID}};
	const char *key = archive->key;
	SlmStore   *store = slm_store_open(archive->url, archive->server, archive->owner);
	SlmStoreError error;
	Datum		id = Int64GetDatum(archive->id);

	if (!slm_store_abort_uploads(store, key, DT_NOEND, NULL, &error) || !slm_store_delete(store, &key, 1, &error))
		slm_store_error_raise(&error);
	SLM_CRASH_POINT("archive.cleared");
	slm_execute(&forget, &id, NULL, SPI_OK_DELETE);
}

/*
 * One that can't be made anew, as loaded objects of its time are gone: it may hold them, if this database was set back to before that was
 * recorded.  Its key stays taken, so nothing overwrites it.
 */
static void
leave_alone(const SlmArchive *archive)
{
	static SlmStatement forget = {"DELETE FROM sellometer.archives WHERE id = $1 AND archived_at IS NULL", 1, {INT8OID}};
	Datum		id = Int64GetDatum(archive->id);

	slm_execute(&forget, &id, NULL, SPI_OK_DELETE);
	ereport(WARNING,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("archive \"%s\" of source \"%s\" was broken off, and is left as it is, should it be there", archive->key, archive->source),
			 errdetail("Loaded objects of its time are gone from the source, so it may be the only place where their rows are: "
					   "as if this database had been set back to an older backup."),
			 errhint("See \"Set back to an older backup\" in docs/archive-and-replay.md.")));
}

void
slm_archive_clear_left_over(const SlmArchive *archive)
{
	static SlmStatement statement = {
		"SELECT a.is_spare::int::bigint, s.url FROM sellometer.archives a LEFT JOIN sellometer.sources s ON s.name = a.source WHERE a.id = $1",
		1, {INT8OID}
	};
	SlmArchive	there = *archive;
	Datum		id = Int64GetDatum(archive->id);

	if (slm_execute(&statement, &id, NULL, SPI_OK_SELECT) != 1)
		elog(ERROR, "an archive's row is gone");
	there.source_url = slm_text(CurrentMemoryContext, 0, 2);
	if (slm_int64(0, 1, 0) != 0 || there.source_url == NULL || slm_archive_originals_there(&there))
		slm_archive_clear(archive);
	else
		leave_alone(archive);
}

static void
clear_step(void *arg)
{
	static SlmStatement statement = {
		"SELECT id, source, '', url, server, owner::oid::bigint, key FROM sellometer.archives "
		"WHERE archived_at IS NULL AND id > $1 AND ($2 IS NULL OR source = $2) ORDER BY id LIMIT 1",
		2, {INT8OID, TEXTOID}
	};
	Archiving  *archiving = arg;

	if (take_archive(archiving, &statement))
		slm_archive_clear_left_over(&archiving->archive);
}

/* The next archive whose originals have not been deleted, and need not stay. */
static void
find_undeleted_step(void *arg)
{
	static SlmStatement statement = {
		"SELECT a.id, a.source, s.url, a.url, s.server, s.owner::oid::bigint, a.key FROM sellometer.archives a "
		"JOIN sellometer.sources s ON s.name = a.source AND s.enabled AND sellometer.is_archived_here(s) "
		"AND sellometer.owner_trouble(s.owner, s.owner_name, s.owner_login) IS NULL "
		"WHERE a.archived_at IS NOT NULL AND a.originals_deleted_at IS NULL AND a.id > $1 AND ($2 IS NULL OR a.source = $2) "
		"AND a.archived_at <= clock_timestamp() - current_setting('sellometer.keep_originals')::interval ORDER BY a.id LIMIT 1",
		2, {INT8OID, TEXTOID}
	};
	(void) take_archive(arg, &statement);
}

/* What another node has not loaded yet stays.  Says why it is held, and returns whether it is. */
static bool
is_held(const Archiving *archiving)
{
	static SlmStatement statement = {"SELECT sellometer.awaited_by($1)", 1, {INT8OID}};
	static SlmStatement note = {"UPDATE sellometer.archives SET held_by = $2 WHERE id = $1", 2, {INT8OID, TEXTOID}};
	Datum		args[2] = {Int64GetDatum(archiving->archive.id)};
	char	   *why;

	if (!slm_is_sliced(archiving->slice))
		return false;
	slm_execute(&statement, args, NULL, SPI_OK_SELECT);
	why = slm_text(CurrentMemoryContext, 0, 1);
	if (why != NULL)
		args[1] = CStringGetTextDatum(why);
	slm_execute(&note, args, why == NULL ? " n" : NULL, SPI_OK_UPDATE);
	return why != NULL;
}

static void
delete_step(void *arg)
{
	Archiving  *archiving = arg;

	if (is_held(archiving))
		archiving->held++;
	else
		slm_archive_delete_originals(&archiving->archive);
}

/* --- which block is next --- */

/* "2019-10-01-00", or "2019-10-01" for a whole day. */
static char *
block_name(const Archiving *archiving)
{
	struct pg_tm tm;
	fsec_t		fsec;

	if (timestamp2tm(archiving->archive.start, NULL, &tm, &fsec, NULL, NULL) != 0)
		elog(ERROR, "time out of range");
	if (archiving->width == USECS_PER_DAY)
		return psprintf("%04d-%02d-%02d", tm.tm_year, tm.tm_mon, tm.tm_mday);
	return psprintf("%04d-%02d-%02d-%02d", tm.tm_year, tm.tm_mon, tm.tm_mday, tm.tm_hour);
}

/* The first block with loaded objects behind those that had their turn; false if there is none that has ended. */
static bool
find_block(Archiving *archiving)
{
	static SlmStatement statement = {
		"SELECT s.name, s.url, s.archive_url, s.server, s.owner::oid::bigint, t.block FROM sellometer.sources s "
		"CROSS JOIN LATERAL (SELECT date_bin($5, o.object_time, '2000-01-01 00:00:00+00') AS block FROM sellometer.objects o "
		"WHERE o.source = s.name AND o.state = 'done' AND o.unloaded_rows = 0 AND NOT o.lost AND o.object_time < $2 "
		"AND o.object_time >= CASE WHEN s.name > $4 COLLATE \"C\" THEN $3 ELSE $3 + $5 END ORDER BY o.object_time LIMIT 1) t "
		"WHERE s.enabled AND sellometer.is_archived_here(s) AND ($1 IS NULL OR s.name = $1) "
		"AND sellometer.owner_trouble(s.owner, s.owner_name, s.owner_login) IS NULL "
		"ORDER BY t.block, s.name COLLATE \"C\" LIMIT 1",
		5, {TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID, INTERVALOID}
	};
	SlmGranularity block = {.usecs = archiving->width};
	Interval	width = {.time = archiving->width};
	TimestampTz head = slm_head_read();
	SlmArchive *archive = &archiving->archive;
	char		nulls[] = "     ";
	Datum		args[5];

	if (TIMESTAMP_NOT_FINITE(head))
		return false;
	args[0] = CStringGetTextDatum(source_or_null(archiving, &nulls[0]));
	args[1] = TimestampTzGetDatum(slm_bucket_start(block, slm_live_from(head)));
	args[2] = TimestampTzGetDatum(archiving->after);
	args[3] = CStringGetTextDatum(archiving->after_source);
	args[4] = IntervalPGetDatum(&width);
	MemoryContextReset(archiving->context);
	if (slm_execute(&statement, args, nulls, SPI_OK_SELECT) == 0)
		return false;
	*archive = (SlmArchive) {.owner = (Oid) slm_int64(0, 5, 0),.start = slm_int64(0, 6, 0)};
	archive->end = archive->start + archiving->width;
	archive->source = keep_text(archiving, 1);
	archive->source_url = keep_text(archiving, 2);
	archive->url = keep_text(archiving, 3);
	archive->server = keep_text(archiving, 4);
	if (archive->url[strlen(archive->url) - 1] != '/')
	{
		MemoryContext old = MemoryContextSwitchTo(archiving->context);

		archive->url = psprintf("%s/", archive->url);
		MemoryContextSwitchTo(old);
	}
	return true;
}

/* --- which key --- */

static char *
part_key(const char *name, int part)
{
	return part == 0 ? psprintf("%s.csv.gz", name) : psprintf("%s.%d.csv.gz", name, part);
}

typedef struct Listed
{
	const char *name;
	int			next;			/* part behind all that are there */
} Listed;

static bool
note_part(const SlmObjectInfo *info, void *arg)
{
	Listed	   *listed = arg;

	listed->next = Max(listed->next, slm_archive_part(info->key, listed->name) + 1);
	return true;
}

static void
insert_reserved(SlmArchive *archive, const char *name, int part, bool spare)
{
	static SlmStatement statement = {
		"INSERT INTO sellometer.archives (source, url, server, owner, block, is_spare, part, key, own_slice) "
		"VALUES ($1, $2, $3, $4, $5, $7, (SELECT greatest(max(part) + 1, $6) FROM sellometer.archives WHERE url = $2 AND block = $5), '', "
		"coalesce((SELECT s.own_slice FROM sellometer.sources s WHERE s.name = $1), false)) "
		"RETURNING id, part::bigint",
		7, {TEXTOID, TEXTOID, TEXTOID, OIDOID, TEXTOID, INT4OID, BOOLOID}
	};
	static SlmStatement name_it = {"UPDATE sellometer.archives SET key = $2 WHERE id = $1", 2, {INT8OID, TEXTOID}};
	Datum		args[7] = {CStringGetTextDatum(archive->source), CStringGetTextDatum(archive->url),
		archive->server ? CStringGetTextDatum(archive->server) : (Datum) 0, ObjectIdGetDatum(archive->owner),
	CStringGetTextDatum(name), Int32GetDatum(part), BoolGetDatum(spare)};

	slm_execute(&statement, args, archive->server ? NULL : "  n    ", SPI_OK_INSERT_RETURNING);
	archive->id = slm_int64(0, 1, 0);
	archive->key = part_key(name, (int) slm_int64(0, 2, 0));
	args[0] = Int64GetDatum(archive->id);
	args[1] = CStringGetTextDatum(archive->key);
	slm_execute(&name_it, args, NULL, SPI_OK_UPDATE);
}

void
slm_archive_reserve(SlmArchive *archive, const char *block, bool spare)
{
	SlmStore   *store = slm_store_open(archive->url, archive->server, archive->owner);
	SlmStoreError error;
	Listed		listed = {.name = block};
	SlmListQuery	listing = {.prefix = psprintf("%s.", block),.found = note_part,.arg = &listed};

	if (!slm_store_list(store, &listing, &error))
		slm_store_error_raise(&error);
	slm_store_close(store);
	insert_reserved(archive, block, listed.next, spare);
	SLM_CRASH_POINT("archive.reserve");
}

static void
reserve_step(void *arg)
{
	Archiving  *archiving = arg;
	SlmArchive *archive = &archiving->archive;
	MemoryContext old;

	archiving->found = false;
	archiving->found = find_block(archiving);
	if (!archiving->found)
		return;
	slm_run_begin(archiving->run);
	archiving->after = archive->start;
	strlcpy(archiving->after_source, archive->source, sizeof(archiving->after_source));
	old = MemoryContextSwitchTo(archiving->context);
	slm_archive_reserve(archive, block_name(archiving), false);
	MemoryContextSwitchTo(old);
}

/* --- the steps of a block --- */

static void
pack_step(void *arg)
{
	static SlmStatement forget = {"DELETE FROM sellometer.archives WHERE id = $1", 1, {INT8OID}};
	Archiving  *archiving = arg;
	Datum		id = Int64GetDatum(archiving->archive.id);

	slm_archive_pack(&archiving->archive, &archiving->packed);
	if (archiving->packed.objects == 0)
		slm_execute(&forget, &id, NULL, SPI_OK_DELETE);
}

static void
totals_step(void *arg)
{
	static SlmStatement statement = {
		"SELECT count(*), least(coalesce(sum(o.size), 0), 4611686018427387904)::bigint FROM sellometer.objects o JOIN sellometer.sources s "
		"ON s.name = o.source AND s.enabled AND sellometer.is_archived_here(s) "
		"WHERE o.state = 'done' AND o.unloaded_rows = 0 AND NOT o.lost AND o.object_time < $1 AND ($2 IS NULL OR o.source = $2)",
		2, {TIMESTAMPTZOID, TEXTOID}
	};
	Archiving  *archiving = arg;
	SlmGranularity block = {.usecs = archiving->width};
	TimestampTz head = slm_head_read();
	char		nulls[] = "  ";
	Datum		args[2];

	if (TIMESTAMP_NOT_FINITE(head))
		return;
	args[0] = TimestampTzGetDatum(slm_bucket_start(block, slm_live_from(head)));
	args[1] = CStringGetTextDatum(source_or_null(archiving, &nulls[1]));
	slm_execute(&statement, args, nulls, SPI_OK_SELECT);
	slm_progress_totals(slm_int64(0, 1, 0), slm_int64(0, 2, 0));
}

static void
adopt_step(void *arg)
{
	Archiving  *archiving = arg;

	archiving->archives = slm_archive_adopt(archiving->run, archiving->source);
}

/* Also of a node that has loaded nothing yet: it may have archives to take. */
static void
slice_step(void *arg)
{
	static SlmStatement statement = {"SELECT sellometer.own_slice()"};
	Archiving  *archiving = arg;

	slm_execute(&statement, NULL, NULL, SPI_OK_SELECT);
	(void) slm_slice_parse(slm_text(CurrentMemoryContext, 0, 1), &archiving->slice);
}

static void
relocate_step(void *arg)
{
	slm_relocate();
}

/* Do a step for the archive at hand.  False if it fails, which is noted; a cancel, and the like, is raised. */
static bool
try_for_block(Archiving *archiving, SlmStep step, const char *doing)
{
	ErrorData  *error = slm_try_step(archiving->run, step, archiving);

	if (error == NULL)
		return true;
	if (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
		ReThrowError(error);
	archiving->failed++;
	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("could not %s: %s", doing, error->message),
			 error->detail ? errdetail_internal("%s", error->detail) : 0,
			 error->hint ? errhint("%s", error->hint) : 0));
	if (archiving->first_error == NULL)
		archiving->first_error = error;
	return false;
}

static void
delete_originals(Archiving *archiving)
{
	(void) try_for_block(archiving, delete_step, psprintf("delete what was archived as \"%s\"", archiving->archive.key));
	SLM_CRASH_POINT("archive.done");
}

static bool
hold(Archiving *archiving)
{
	CHECK_FOR_INTERRUPTS();
	return slm_run_hold(archiving->run);
}

static void
tidy(Archiving *archiving)
{
	slm_progress_phase("tidy");
	do
		(void) try_for_block(archiving, clear_step, "clear an archive that was broken off");
	while (archiving->found && !hold(archiving));
	archiving->after_id = 0;
	while (!hold(archiving))
	{
		slm_step(archiving->run, find_undeleted_step, archiving);
		if (!archiving->found)
			break;
		delete_originals(archiving);
	}
}

static void
archive_blocks(Archiving *archiving)
{
	while (!hold(archiving))
	{
		slm_progress_phase("look for objects");
		if (!try_for_block(archiving, reserve_step, "begin an archive"))
		{
			if (!archiving->found)
				break;
			continue;
		}
		if (!archiving->found)
			break;
		SLM_CRASH_POINT("archive.reserved");
		if (!try_for_block(archiving, pack_step, psprintf("archive \"%s\"", archiving->archive.key)))
			continue;
		SLM_CRASH_POINT("archive.packed");
		archiving->left_out += archiving->packed.left_out;
		if (archiving->packed.objects == 0)
			continue;
		archiving->archives++;
		archiving->objects += archiving->packed.objects;
		archiving->rows += archiving->packed.rows;
		archiving->bytes += archiving->packed.bytes;
		archiving->original_bytes += archiving->packed.original_bytes;
		if (slm_keep_originals == 0)
			delete_originals(archiving);
	}
}

static void
raise_failures(const Archiving *archiving)
{
	const ErrorData *error = archiving->first_error;

	if (error == NULL)
		return;
	ereport(ERROR,
			(errcode(error->sqlerrcode),
			 errmsg("archiving has failed in %d places, the first: %s", archiving->failed, error->message),
			 errdetail("%d archives were made, of " INT64_FORMAT " objects.", archiving->archives, archiving->objects),
			 errhint("Nothing is lost.  The next sellometer_archive() tries again what has failed.")));
}

void
slm_archive_all(SlmRun *run, const char *source)
{
	Archiving	archiving = {.run = run,.source = source,.after = DT_NOBEGIN};

	archiving.width = slm_archive_block == SLM_ARCHIVE_DAY ? USECS_PER_DAY : USECS_PER_HOUR;
	archiving.context = AllocSetContextCreate(CurrentMemoryContext, "sellometer archive", ALLOCSET_SMALL_SIZES);
	slm_progress_begin("archive");
	PG_TRY();
	{
		slm_step(run, slice_step, &archiving);
		slm_step(run, totals_step, &archiving);
		slm_step(run, relocate_step, &archiving);
		if (slm_is_sliced(archiving.slice))
			slm_step(run, adopt_step, &archiving);
		tidy(&archiving);
		archive_blocks(&archiving);
		raise_failures(&archiving);
	}
	PG_FINALLY();
	{
		slm_progress_end();
	}
	PG_END_TRY();
	appendStringInfo(&run->detail, "{\"archives\": %d, \"objects\": " INT64_FORMAT ", \"left_out\": " INT64_FORMAT ", "
					 "\"rows\": " UINT64_FORMAT ", \"original_bytes\": " INT64_FORMAT ", \"bytes\": " UINT64_FORMAT "}",
					 archiving.archives, archiving.objects, archiving.left_out, archiving.rows, archiving.original_bytes, archiving.bytes);
}
