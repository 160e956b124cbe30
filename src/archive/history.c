/*
 * history.c: the rows that count, read again.
 */
#include "postgres.h"

#include "archive/history.h"
#include "archive/history_piece.h"
#include "archive/missing.h"
#include "catalog/pg_type.h"
#include "ledger/relocate.h"
#include "miscadmin.h"
#include "server/locks.h"
#include "server/progress.h"
#include "server/spi.h"
#include "upkeep/runs.h"
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

/* What is read of a piece now. */
typedef struct Turn
{
	SlmHistory *history;
	TimestampTz from;
	TimestampTz to;
	SlmHistoryCallback callback;
	void	   *arg;
	int64		skip;			/* rows that were read before */
} Turn;

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

static bool
take_row(SlmPiece *piece, const SlmReadRow *row, bool is_event, SlmRowFate fate)
{
	const Turn *turn = piece->arg;

	if (fate != SLM_FATE_FOREIGN)
		turn->history->only_rows = piece->own_row + 1;
	if (is_event && fate == SLM_FATE_TAKEN && piece->row >= turn->skip &&
		row->event.time >= turn->from && row->event.time < turn->to)
		turn->callback(&row->event, turn->arg);
	return !turn->history->stopped;
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

/* It is gone or another: go on without it, if the caller judges what that means; else an error. */
static void
go_without(const SlmPiece *piece, const SlmStoreError *error, bool any_read)
{
	SlmHistory *history = ((Turn *) piece->arg)->history;
	bool		is_gone = slm_piece_is_gone(error);

	if (is_gone && !any_read && history->tolerant && piece->row_map == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(history->context);

		history->missing = lappend(history->missing, slm_missing_of(piece->id));
		MemoryContextSwitchTo(old);
		return;
	}
	ereport(ERROR,
			(errcode(error->sqlstate),
			 errmsg("%s can't be read, and without it sums would be wrong", piece->what),
			 errdetail_internal("%s", error->message),
			 is_gone && history->only != 0 ? errhint("Without it nobody can tell what it counted: that stays counted.") :
			 is_gone ? errhint("Nothing has been changed.  If it is lost for good, sellometer_declare_lost() has its rows stay counted as they "
							   "are, and what can be done without it goes on.") :
			 error->hint ? errhint("%s", error->hint) : errhint("Nothing has been changed.")));
}

/* --- pieces --- */

/* What is still to be read of a piece; false if nothing is.  It counts as read from now on. */
static bool
claim(Turn *turn, int64 id, int64 end)
{
	bool		found;
	Progress   *progress = hash_search(turn->history->progress, &id, HASH_ENTER, &found);

	turn->skip = found ? progress->rows : 0;
	progress->rows = end;
	return !found || turn->skip < end;
}

static void
read_piece(SlmPiece *piece)
{
	const Turn *turn = piece->arg;
	SlmStoreError error;
	bool		any_read;

	if (!slm_piece_open(piece))
		return;
	if (slm_piece_read(piece, &error, &any_read))
		slm_progress_add(1, piece->size, piece->row - turn->skip);
	else
		go_without(piece, &error, any_read);
}

static void
read_archive(SlmPiece *piece, int64 id)
{
	slm_piece_of_archive(piece, id);
	if (claim(piece->arg, -id, piece->end))
		read_piece(piece);
}

static void
read_object(SlmPiece *piece, int64 id)
{
	slm_piece_of_object(piece, id);
	if (piece->url == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s can't be read, and without it sums would be wrong", piece->what),
				 errdetail("The source was dropped."),
				 errhint("sellometer_add_source() it again.")));
	if (piece->first_row != SLM_HISTORY_END && claim(piece->arg, id, piece->end))
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
read_all(const Turn *like, const int64 *ids, int n, void (*read) (SlmPiece *piece, int64 id))
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "sellometer history", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(scratch);
	const SlmHistory *history = like->history;

	for (int i = 0; i < n; i++)
	{
		Turn		turn = *like;
		SlmPiece	piece = {.only = history->only,.leave_out = history->leave_out,.leave_out_rows = history->leave_out_rows,
		.take = take_row,.arg = &turn};

		read(&piece, ids[i]);
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
	Turn		like = {.history = history,.from = from,.to = to,.callback = callback,.arg = arg};
	Datum		args[3] = {TimestampTzGetDatum(from), TimestampTzGetDatum(to), Int64GetDatum(history->only)};
	int			n;
	int			read = 0;
	int64	   *ids = find_ids(&archives, args, &n);

	read += read_all(&like, ids, n, read_archive);
	ids = find_ids(&objects, args, &n);
	return read + read_all(&like, ids, n, read_object);
}
