/*
 * look.c: the rows of a range, looked at once more.
 *
 *   which archives and objects --> piece by piece (history_piece.h) --> each row, with its object and what became of it
 *                                    | gone
 *                                    v
 *                       archived, renamed or written anew meanwhile? --> there; else a WARNING
 *
 * All is as the calling statement's snapshot has it.  Only who is looking for what has gone since looks at what is there now.
 */
#include "postgres.h"

#include "archive/history.h"
#include "archive/history_piece.h"
#include "archive/look.h"
#include "archive/missing.h"
#include "catalog/pg_type.h"
#include "ledger/head.h"
#include "miscadmin.h"
#include "server/progress.h"
#include "server/spi.h"
#include "tiers/tier.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define MAX_WARNINGS	10

typedef struct Look
{
	SlmLookCallback take;
	void	   *arg;
	int			unread;			/* pieces that are not there */

	/* of the piece at hand */
	SlmLookObject *objects;		/* by number in it */
	const char *archive;
} Look;

typedef enum Found
{
	FOUND,						/* and read, or there is nothing to read */
	GONE
} Found;

static bool
take_row(SlmPiece *piece, const SlmReadRow *read, bool is_event, SlmRowFate fate)
{
	Look	   *look = piece->arg;
	SlmLookRow	row = {.object = &look->objects[piece->object],.archive = look->archive,.number = piece->own_row,
	.taken = fate == SLM_FATE_TAKEN,.is_event = is_event,.slice = piece->slice,.read = read};

	if (fate != SLM_FATE_FOREIGN)
		look->take(&row, look->arg);
	return true;
}

/* --- what is on record of its objects --- */

static void
describe(Look *look, SlmStatement *statement, int64 id, int n)
{
	MemoryContext context = CurrentMemoryContext;
	Datum		arg = Int64GetDatum(id);
	int			rows = (int) slm_execute(statement, &arg, NULL, SPI_OK_SELECT);

	look->objects = MemoryContextAllocZero(context, sizeof(SlmLookObject) * Max(n, 1));
	for (int i = 0; i < rows; i++)
	{
		SlmLookObject *object = &look->objects[slm_int64(i, 1, 1) - 1];

		object->id = slm_int64(i, 2, 0);
		object->source = slm_text(context, i, 3);
		object->key = slm_text(context, i, 4);
		object->rows_rejected = slm_int64(i, 5, -1);
		object->rows_expired = slm_int64(i, 6, -1);
		object->first = slm_int64(i, 7, DT_NOEND);
		object->last = slm_int64(i, 8, DT_NOBEGIN);
		object->own_slice = slm_int64(i, 9, 0) != 0;
	}
}

static void
describe_piece(Look *look, const SlmPiece *piece)
{
	static SlmStatement object = {
		"SELECT 1::bigint, id, source, key, rows_rejected, rows_expired, first_event, last_event, own_slice::int::bigint FROM sellometer.objects WHERE id = $1",
		1, {INT8OID}
	};
	static SlmStatement archive = {
		"SELECT o.ordinality, o.id, coalesce(l.source, f.source, a.source), coalesce(l.key, f.key), l.rows_rejected, l.rows_expired, "
		"l.first_event, l.last_event, a.own_slice::int::bigint FROM sellometer.archives a CROSS JOIN unnest(a.objects) WITH ORDINALITY o (id, ordinality) "
		"LEFT JOIN sellometer.objects l ON l.id = o.id LEFT JOIN sellometer.forgotten_objects f ON f.object_id = o.id AND l.id IS NULL "
		"WHERE a.id = $1",
		1, {INT8OID}
	};

	int			n = piece->row_map == NULL ? 1 : piece->nobjects;

	look->archive = piece->row_map == NULL ? NULL : piece->key;
	describe(look, piece->row_map == NULL ? &object : &archive, piece->id, n);
	for (int i = 0; i < n && !slm_keeps_rejects(piece->slice); i++)
	{
		/* but for texts whose numbers others have, which only this node knows of */
		if (!look->objects[i].own_slice && look->objects[i].rows_rejected == 0)
			look->objects[i].rows_rejected = -1;
	}
}

/* --- reading --- */

static void
fail(const SlmPiece *piece, const SlmStoreError *error)
{
	ereport(ERROR,
			(errcode(error->sqlstate),
			 errmsg("%s can't be read", piece->what), errdetail_internal("%s", error->message),
			 error->hint ? errhint("%s", error->hint) : 0));
}

static Found
read_piece(Look *look, SlmPiece *piece)
{
	SlmStoreError error;
	bool		any_read;

	if (!slm_piece_open(piece))
		return FOUND;
	describe_piece(look, piece);
	if (piece->url == NULL)
		return GONE;
	if (!slm_piece_read(piece, &error, &any_read))
	{
		if (!slm_piece_is_gone(&error) || any_read)
			fail(piece, &error);
		return GONE;
	}
	slm_progress_add(1, piece->size, piece->row);
	return FOUND;
}

static SlmPiece
piece_of(Look *look, int64 only)
{
	return (SlmPiece) {.only = only,.take = take_row,.arg = look};
}

/* --- what has gone from where it was --- */

static void
warn(Look *look, const char *what, int64 rows)
{
	look->unread++;
	if (look->unread <= MAX_WARNINGS)
		ereport(WARNING,
				(errcode(ERRCODE_UNDEFINED_FILE),
				 errmsg("%s is gone: " INT64_FORMAT " rows that were loaded can't be looked at", what, rows),
				 errdetail("What it counted is in the sums.")));
}

/* It was archived since: its rows are there. */
static bool
read_archived_since(Look *look, int64 object)
{
	static SlmStatement statement = {
		"SELECT a.id FROM sellometer.objects o JOIN sellometer.archives a ON a.source = o.source AND a.key = o.archive_key AND o.id = ANY (a.objects) "
		"WHERE o.id = $1 AND o.state = 'archived'",
		1, {INT8OID}
	};
	Datum		arg = Int64GetDatum(object);
	SlmPiece	piece = piece_of(look, object);

	if (slm_execute(&statement, &arg, NULL, SPI_OK_SELECT) == 0)
		return false;
	slm_piece_of_archive(&piece, slm_int64(0, 1, 0));
	return read_piece(look, &piece) == FOUND;
}

/* It has another name since, or is where another name was skipped for holding the same. */
static bool
read_renamed(Look *look, int64 object)
{
	static SlmStatement statement = {
		"SELECT s.url, s.server, s.owner::oid::bigint, o.key, o.etag FROM sellometer.objects c JOIN sellometer.objects o "
		"ON o.id = c.id OR (o.state = 'skipped' AND o.checksum = c.checksum) JOIN sellometer.sources s ON s.name = o.source "
		"WHERE c.id = $1 ORDER BY o.id <> c.id, o.id DESC LIMIT 10",
		1, {INT8OID}
	};
	Datum		arg = Int64GetDatum(object);
	MemoryContext context = CurrentMemoryContext;
	int			n = (int) slm_execute(&statement, &arg, NULL, SPI_OK_SELECT);
	SPITupleTable *places = SPI_tuptable;

	for (int i = 0; i < n; i++)
	{
		SlmPiece	piece = piece_of(look, 0);

		slm_piece_of_object(&piece, object);
		SPI_tuptable = places;
		piece.url = slm_text(context, i, 1);
		piece.server = slm_text(context, i, 2);
		piece.owner = (Oid) slm_int64(i, 3, 0);
		piece.key = slm_text(context, i, 4);
		piece.etag = slm_text(context, i, 5);
		if (read_piece(look, &piece) == FOUND)
			return true;
	}
	return false;
}

/* With what is on record now. */
static bool
look_again(Look *look, int64 id, bool (*read) (Look *look, int64 id))
{
	bool		found;

	PushActiveSnapshot(GetLatestSnapshot());
	found = read(look, id);
	PopActiveSnapshot();
	return found;
}

/* It was written anew, under another name. */
static bool
read_archive_again(Look *look, int64 archive)
{
	SlmPiece	piece = piece_of(look, 0);

	slm_piece_of_archive(&piece, archive);
	return read_piece(look, &piece) == FOUND;
}

static void
read_archive(Look *look, int64 id)
{
	SlmPiece	piece = piece_of(look, 0);

	slm_piece_of_archive(&piece, id);
	if (read_piece(look, &piece) == GONE && !look_again(look, id, read_archive_again))
		warn(look, piece.what, piece.end);
}

static void
read_object(Look *look, int64 id)
{
	SlmPiece	piece = piece_of(look, 0);

	slm_piece_of_object(&piece, id);
	if (read_piece(look, &piece) == GONE && !look_again(look, id, read_archived_since) && !look_again(look, id, read_renamed))
		warn(look, piece.what, piece.end);
}

/* --- which --- */

/*
 * Of rows that were too old when they were loaded nobody has noted the times: they are before all that counted of their object.  Of one
 * that has no others, its own time is known, about.  $3: does the range begin before all tiers?
 */
#define MAY_HAVE_EXPIRED(o) \
	"(" o ".rows_expired > 0 AND $3 AND coalesce(" o ".first_event > $1, " o ".object_time >= $1 - interval '1 day' " \
	"AND " o ".object_time < $2 + interval '1 day', true))"

typedef struct Pieces
{
	int64	   *ids;
	int64	   *sizes;
	int			n;
} Pieces;

static Pieces
find(SlmStatement *statement, const Datum *args)
{
	MemoryContext context = CurrentMemoryContext;
	Pieces		pieces = {.n = (int) slm_execute(statement, args, NULL, SPI_OK_SELECT)};

	pieces.ids = MemoryContextAllocHuge(context, sizeof(int64) * Max(pieces.n, 1));
	pieces.sizes = MemoryContextAllocHuge(context, sizeof(int64) * Max(pieces.n, 1));
	for (int i = 0; i < pieces.n; i++)
	{
		pieces.ids[i] = slm_int64(i, 1, 0);
		pieces.sizes[i] = slm_int64(i, 2, 0);
	}
	SPI_freetuptable(SPI_tuptable);
	return pieces;
}

static int64
bytes_of(const Pieces *pieces)
{
	int64		bytes = 0;

	for (int i = 0; i < pieces->n; i++)
		bytes += pieces->sizes[i];
	return bytes;
}

static void
read_all(Look *look, const Pieces *pieces, void (*read) (Look *look, int64 id))
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "sellometer look", ALLOCSET_DEFAULT_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(scratch);

	for (int i = 0; i < pieces->n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		read(look, pieces->ids[i]);
		MemoryContextReset(scratch);
	}
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(scratch);
}

static void
warn_of_lost(Look *look, TimestampTz from, TimestampTz to)
{
	ListCell   *cell;

	foreach(cell, slm_missing_declared(from, to))
	{
		const SlmMissing *missing = lfirst(cell);

		warn(look, psprintf("object \"%s\" of source \"%s\"", slm_store_display(missing->key), missing->source), missing->rows_total);
	}
}

void
slm_look_read(TimestampTz from, TimestampTz to, SlmLookCallback take, void *arg)
{
	static SlmStatement archives = {
		"SELECT a.id, a.bytes FROM sellometer.archives a WHERE a.archived_at IS NOT NULL AND ((a.first_event < $2 AND a.last_event >= $1) "
		"OR ($3 AND a.objects && ARRAY(SELECT o.id FROM sellometer.objects o WHERE o.state = 'archived' AND " MAY_HAVE_EXPIRED("o") "))) ORDER BY a.id",
		3, {TIMESTAMPTZOID, TIMESTAMPTZOID, BOOLOID}
	};
	static SlmStatement objects = {
		"SELECT o.id, o.size FROM sellometer.objects o WHERE (o.state = 'done' OR o.resume_row > 0) AND NOT o.lost "
		"AND ((o.first_event < $2 AND o.last_event >= $1) OR " MAY_HAVE_EXPIRED("o") ") ORDER BY o.id",
		3, {TIMESTAMPTZOID, TIMESTAMPTZOID, BOOLOID}
	};
	Look		look = {.take = take,.arg = arg};
	bool		before_tiers = TIMESTAMP_IS_NOBEGIN(from) || from < slm_tiers_floor(slm_tiers_read(), slm_head_read());
	Datum		args[3] = {TimestampTzGetDatum(from), TimestampTzGetDatum(to), BoolGetDatum(before_tiers)};
	Pieces		in_archives = find(&archives, args);
	Pieces		alone = find(&objects, args);

	slm_progress_totals(in_archives.n + alone.n, bytes_of(&in_archives) + bytes_of(&alone));
	warn_of_lost(&look, from, to);
	read_all(&look, &in_archives, read_archive);
	read_all(&look, &alone, read_object);
	if (look.unread > MAX_WARNINGS)
		ereport(WARNING, (errmsg("likewise of %d others", look.unread - MAX_WARNINGS)));
}
