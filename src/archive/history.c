/*
 * history.c: the rows that count, read again.
 */
#include "postgres.h"

#include "archive/history.h"
#include "archive/missing.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "guc.h"
#include "ledger/relocate.h"
#include "ledger/source_format.h"
#include "ledger/windows.h"
#include "miscadmin.h"
#include "pure/rowmap.h"
#include "server/locks.h"
#include "server/out_of_memory.h"
#include "server/progress.h"
#include "server/spi.h"
#include "store/store.h"
#include "upkeep/runs.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* How far an object or an archive has been read.  Ids of archives are negative here. */
typedef struct Progress
{
	int64		id;
	int64		rows;
} Progress;

struct SlmHistory
{
	MemoryContext context;
	HTAB	   *progress;
	int64		leave_out;
	int64		leave_out_rows;
	int64		only;
	bool		stopped;		/* no more of it, for now */
	int64		only_rows;		/* of it, up to the last one that was read */
	bool		tolerant;
	List	   *missing;		/* of SlmMissing */
};

/* One archive or object, as it is being read. */
typedef struct HistoryPiece
{
	SlmHistory *history;
	TimestampTz from;
	TimestampTz to;
	SlmHistoryCallback callback;
	void	   *arg;

	int64		id;
	char	   *what;			/* for messages */
	char	   *url;
	char	   *server;
	Oid			owner;
	char	   *key;
	char	   *etag;
	int64		size;
	int64		skip;			/* rows that were read before */
	int64		end;			/* rows that are to be read; the rest is not loaded yet */
	int64		row;

	/* of an archive */
	bytea	   *row_map;
	SlmRowMapReader map;
	int64	   *first_rows;		/* by number of the object: its rows count from this one on */
	int64	   *seen;			/* likewise: rows of it so far */
	int			nobjects;
	bool		any;			/* of one of them rows count */

	/* of an object */
	SlmWindows	windows;
	int64		first_row;		/* rows before this one were taken out */
	const SlmFormat *format;	/* that it was loaded with; an archive has none */

	SlmReader  *reader;
} HistoryPiece;

SlmHistory *
slm_history_create(void)
{
	SlmHistory *history = palloc0(sizeof(SlmHistory));
	HASHCTL		ctl = {.keysize = sizeof(int64),.entrysize = sizeof(Progress),.hcxt = CurrentMemoryContext};

	history->context = CurrentMemoryContext;
	history->progress = hash_create("sellometer history", 256, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	return history;
}

void
slm_history_leave_out(SlmHistory *history, int64 object, int64 rows)
{
	Assert(history->only == 0);
	/* what was read before is not read again */
	Assert(hash_get_num_entries(history->progress) == 0);
	history->leave_out = object;
	history->leave_out_rows = rows;
}

void
slm_history_only(SlmHistory *history, int64 object)
{
	Assert(history->leave_out == 0);
	Assert(hash_get_num_entries(history->progress) == 0);
	history->only = object;
}

void
slm_history_stop(SlmHistory *history)
{
	/* where it stopped is a row of one object */
	Assert(history->only != 0);
	history->stopped = true;
}

int64
slm_history_stopped_at(const SlmHistory *history)
{
	return history->stopped ? history->only_rows : SLM_HISTORY_END;
}

void
slm_history_lock(void)
{
	slm_run_lock("archive");
	slm_relocate();
}

/* --- rows --- */

/* Does the row that was just read count by its time? */
static bool
counted(HistoryPiece *piece, TimestampTz time)
{
	uint32		object;
	bool		counted;
	int64		row;

	if (piece->row_map == NULL)
	{
		piece->history->only_rows = piece->row + 1;
		return slm_windows_counted(&piece->windows, piece->row, time) && piece->row >= piece->first_row;
	}
	if (!slm_row_map_next(&piece->map, &object, &counted) || object >= piece->nobjects)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("%s does not fit its row map in sellometer.archives", piece->what),
				 errdetail("Row " INT64_FORMAT " of it is not there.", piece->row + 1)));
	row = piece->seen[object]++;
	if (row < piece->first_rows[object])
		return false;
	piece->history->only_rows = row + 1;
	return counted;
}

static void
fail_by_reader(const HistoryPiece *piece)
{
	const char *message;

	(void) slm_reader_error(piece->reader, &message);
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("%s can't be read any more", piece->what), errdetail_internal("%s", message)));
}

/* Take all rows that the reader can give; false at the end. */
static bool
take_rows(HistoryPiece *piece)
{
	SlmReadRow	row;

	for (;;)
	{
		SlmReadStatus status;
		bool		event = false;

		if (piece->row >= piece->end)
			return false;
		status = slm_reader_next(piece->reader, &row);
		switch (status)
		{
			case SLM_READ_MORE:
				return true;
			case SLM_READ_END:
				return false;
			case SLM_READ_FAILED:
				fail_by_reader(piece);
				break;
			default:
				event = status == SLM_READ_EVENT;
				break;
		}
		/* a row that can't be read has no time, but a place in the map */
		if (counted(piece, event ? row.event.time : DT_NOBEGIN) && event && piece->row >= piece->skip &&
			row.event.time >= piece->from && row.event.time < piece->to)
			piece->callback(&row.event, piece->arg);
		piece->row++;
		if (piece->history->stopped)
			return false;
	}
}

/* It is gone or another: go on without it, if the caller judges what that means; else an error. */
static void
go_without(HistoryPiece *piece, const SlmStoreError *error, bool any_read)
{
	bool		is_gone = error->kind == SLM_STORE_NOT_FOUND || error->kind == SLM_STORE_CHANGED;

	if (is_gone && !any_read && piece->history->tolerant && piece->row_map == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(piece->history->context);

		piece->history->missing = lappend(piece->history->missing, slm_missing_of(piece->id));
		MemoryContextSwitchTo(old);
		return;
	}
	ereport(ERROR,
			(errcode(error->sqlstate),
			 errmsg("%s can't be read, and without it sums would be wrong", piece->what),
			 errdetail_internal("%s", error->message),
			 is_gone && piece->history->only != 0 ? errhint("Without it nobody can tell what it counted: that stays counted.") :
			 is_gone ? errhint("Nothing has been changed.  If it is lost for good, sellometer_declare_lost() has its rows stay counted as they "
							   "are, and what can be done without it goes on.") :
			 error->hint ? errhint("%s", error->hint) : errhint("Nothing has been changed.")));
}

/* False: it could not be read, and is noted as missing. */
static bool
pump(HistoryPiece *piece, SlmTransfer *transfer)
{
	SlmStoreError error;
	const char *data;
	size_t		len;
	bool		any_read = false;

	do
	{
		switch (slm_transfer_read(transfer, SLM_WAIT_FOR_EVER, &data, &len, &error))
		{
			case SLM_TRANSFER_DATA:
				slm_reader_feed(piece->reader, data, len, false);
				any_read = true;
				break;
			case SLM_TRANSFER_END:
				slm_reader_feed(piece->reader, NULL, 0, true);
				break;
			default:
				go_without(piece, &error, any_read);
				return false;
		}
		CHECK_FOR_INTERRUPTS();
	} while (take_rows(piece));
	return true;
}

static void
read_piece(HistoryPiece *piece)
{
	SlmReaderOptions options = {.latest = PG_INT64_MAX,.archive = piece->row_map != NULL,.format = piece->format};
	SlmStore   *store = slm_store_open(piece->url, piece->server, piece->owner);
	SlmTransfer *transfer = slm_store_get(store, piece->key, piece->etag, 0);
	volatile bool there = false;

	PG_TRY();
	{
		piece->reader = slm_reader_create(&options);
		if (piece->reader == NULL ||
			(piece->row_map != NULL && !slm_row_map_read(&piece->map, VARDATA_ANY(piece->row_map),
														 VARSIZE_ANY_EXHDR(piece->row_map))))
			slm_out_of_memory();
		there = pump(piece, transfer);
	}
	PG_FINALLY();
	{
		slm_reader_free(piece->reader);
		slm_row_map_close(&piece->map);
	}
	PG_END_TRY();
	slm_transfer_close(transfer);
	slm_store_close(store);
	if (!there)
		return;
	if (piece->row != piece->end && !piece->history->stopped)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("%s has " INT64_FORMAT " rows, where " INT64_FORMAT " are on record", piece->what, piece->row, piece->end)));
	slm_progress_add(1, piece->size, piece->row - piece->skip);
}

/* What is still to be read of a piece; false if nothing is.  It counts as read from now on. */
static bool
claim(HistoryPiece *piece, int64 id, int64 end)
{
	bool		found;
	Progress   *progress = hash_search(piece->history->progress, &id, HASH_ENTER, &found);

	piece->skip = found ? progress->rows : 0;
	piece->end = end;
	progress->rows = end;
	return !found || piece->skip < end;
}

/* --- what can't be read --- */

void
slm_history_tolerate(SlmHistory *history)
{
	history->tolerant = true;
}

List *
slm_history_missing(const SlmHistory *history)
{
	return history->missing;
}

/* --- archives --- */

/* From which row on rows of an object count; of one that is left out for a part, from behind that. */
static int64
first_row(const SlmHistory *history, int64 id, int64 unloaded)
{
	if (history->only != 0 && id != history->only)
		return SLM_HISTORY_END;
	return id == history->leave_out ? Max(unloaded, history->leave_out_rows) : unloaded;
}

/*
 * Which rows of the archive's objects count: none of one that was replaced or unloaded, or not those that have been taken out so far.  All
 * of one whose row the ledger does not keep any more: see ledger_prune.h.
 */
static void
find_live(HistoryPiece *piece)
{
	static SlmStatement statement = {
		"SELECT o.ordinality, cardinality(a.objects)::bigint, o.id, coalesce(l.unloaded_rows, 0) FROM sellometer.archives a "
		"CROSS JOIN unnest(a.objects) WITH ORDINALITY o (id, ordinality) LEFT JOIN sellometer.objects l ON l.id = o.id "
		"WHERE a.id = $1 AND (l.id IS NULL OR (l.state = 'archived' AND NOT l.lost))",
		1, {INT8OID}
	};
	Datum		arg = Int64GetDatum(piece->id);
	MemoryContext context = CurrentMemoryContext;
	int			n = (int) slm_execute(&statement, &arg, NULL, SPI_OK_SELECT);

	piece->nobjects = n == 0 ? 0 : (int) slm_int64(0, 2, 0);
	piece->first_rows = MemoryContextAlloc(context, Max(piece->nobjects, 1) * sizeof(int64));
	piece->seen = MemoryContextAllocZero(context, Max(piece->nobjects, 1) * sizeof(int64));
	for (int i = 0; i < piece->nobjects; i++)
		piece->first_rows[i] = SLM_HISTORY_END;
	for (int i = 0; i < n; i++)
	{
		int64		first = first_row(piece->history, slm_int64(i, 3, 0), slm_int64(i, 4, 0));

		piece->first_rows[slm_int64(i, 1, 0) - 1] = first;
		piece->any |= first < SLM_HISTORY_END;
	}
}

static void
read_archive(HistoryPiece *piece)
{
	static SlmStatement statement = {
		"SELECT url, server, owner::oid::bigint, key, etag, rows, bytes, row_map, source FROM sellometer.archives WHERE id = $1",
		1, {INT8OID}
	};
	Datum		arg = Int64GetDatum(piece->id);
	MemoryContext context = CurrentMemoryContext;
	bool		isnull;
	int64		rows;

	if (slm_execute(&statement, &arg, NULL, SPI_OK_SELECT) != 1)
		elog(ERROR, "an archive's row is gone");
	piece->url = slm_text(context, 0, 1);
	piece->server = slm_text(context, 0, 2);
	piece->owner = (Oid) slm_int64(0, 3, 0);
	piece->key = slm_text(context, 0, 4);
	piece->etag = slm_text(context, 0, 5);
	piece->size = slm_int64(0, 7, 0);
	piece->row_map = DatumGetByteaPCopy(slm_value(0, 8, &isnull));
	piece->what = psprintf("archive \"%s\" of source \"%s\"", piece->key, slm_text(context, 0, 9));
	rows = slm_int64(0, 6, 0);
	SPI_freetuptable(SPI_tuptable);
	if (!claim(piece, -piece->id, rows))
		return;
	find_live(piece);
	if (piece->any)				/* else all of its objects were replaced */
		read_piece(piece);
}

/* --- objects --- */

static void
read_object(HistoryPiece *piece)
{
	static SlmStatement statement = {
		"SELECT s.url, s.server, s.owner::oid::bigint, o.key, o.etag, CASE WHEN o.state = 'done' THEN o.rows_total ELSE o.resume_row END, "
		"o.size, o.first_event, o.last_event, (EXISTS (SELECT FROM sellometer.object_parts p WHERE p.object_id = o.id))::int::bigint, "
		"o.source, o.unloaded_rows, o.format_id FROM sellometer.objects o LEFT JOIN sellometer.sources s ON s.name = o.source WHERE o.id = $1",
		1, {INT8OID}
	};
	Datum		arg = Int64GetDatum(piece->id);
	MemoryContext context = CurrentMemoryContext;
	char	   *source;
	int64		format_id;

	if (slm_execute(&statement, &arg, NULL, SPI_OK_SELECT) != 1)
		elog(ERROR, "an object's row is gone");
	source = slm_text(context, 0, 11);
	piece->url = slm_text(context, 0, 1);
	piece->server = slm_text(context, 0, 2);
	piece->owner = (Oid) slm_int64(0, 3, 0);
	piece->key = slm_text(context, 0, 4);
	piece->etag = slm_text(context, 0, 5);
	piece->size = slm_int64(0, 7, 0);
	piece->what = psprintf("object \"%s\" of source \"%s\"", slm_store_display(piece->key), source);
	if (piece->url == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s can't be read, and without it sums would be wrong", piece->what),
				 errdetail("The source was dropped."),
				 errhint("sellometer_add_source() it again.")));
	piece->first_row = first_row(piece->history, piece->id, slm_int64(0, 12, 0));
	if (piece->first_row == SLM_HISTORY_END || !claim(piece, piece->id, slm_int64(0, 6, 0)))
		return;
	format_id = slm_int64(0, 13, 0);
	slm_windows_read(&piece->windows, piece->id, slm_int64(0, 10, 0) != 0, slm_int64(0, 8, DT_NOEND),
					 slm_int64(0, 9, DT_NOBEGIN));
	piece->format = slm_format_get(format_id);
	read_piece(piece);
}

/* --- all --- */

static int64 *
find_ids(SlmStatement *statement, const Datum *args, int *n)
{
	MemoryContext context = CurrentMemoryContext;
	int64	   *ids;

	*n = (int) slm_execute(statement, args, NULL, SPI_OK_SELECT);
	ids = MemoryContextAllocHuge(context, sizeof(int64) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
		ids[i] = slm_int64(i, 1, 0);
	SPI_freetuptable(SPI_tuptable);
	return ids;
}

static int
read_all(const HistoryPiece *like, const int64 *ids, int n, void (*read) (HistoryPiece *piece))
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "sellometer history", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(scratch);

	for (int i = 0; i < n; i++)
	{
		HistoryPiece piece = *like;

		piece.id = ids[i];
		read(&piece);
		MemoryContextReset(scratch);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
	return n;
}

int
slm_history_read(SlmHistory *history, TimestampTz from, TimestampTz to, SlmHistoryCallback callback, void *arg)
{
	static SlmStatement archives = {
		"SELECT id FROM sellometer.archives WHERE archived_at IS NOT NULL AND first_event < $2 AND last_event >= $1 "
		"AND ($3 = 0 OR $3 = ANY (objects)) ORDER BY id",
		3, {TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID}
	};
	static SlmStatement objects = {
		"SELECT id FROM sellometer.objects WHERE (state = 'done' OR resume_row > 0) AND first_event < $2 AND last_event >= $1 "
		"AND NOT lost AND ($3 = 0 OR id = $3) ORDER BY id",
		3, {TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID}
	};
	HistoryPiece like = {.history = history,.from = from,.to = to,.callback = callback,.arg = arg};
	Datum		args[3] = {TimestampTzGetDatum(from), TimestampTzGetDatum(to), Int64GetDatum(history->only)};
	int			n;
	int			read = 0;
	int64	   *ids = find_ids(&archives, args, &n);

	read += read_all(&like, ids, n, read_archive);
	ids = find_ids(&objects, args, &n);
	return read + read_all(&like, ids, n, read_object);
}
