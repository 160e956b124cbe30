/*
 * forget.c: see forget.h.
 */
#include "postgres.h"

#include "archive/archive.h"
#include "archive/forget.h"
#include "archive/forget_archive.h"
#include "catalog/pg_type.h"
#include "dedup/view_state.h"
#include "ledger/source_format.h"
#include "ledger/relocate.h"
#include "miscadmin.h"
#include "pure/utf8.h"
#include "server/crash_point.h"
#include "server/locks.h"
#include "server/out_of_memory.h"
#include "server/progress.h"
#include "server/spi.h"
#include "storage/lock.h"
#include "store/store.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

/* An archive or a file, by its id. */
typedef struct ErasurePiece
{
	bool		archive;
	bool		unread;			/* its sessions are not known */
	int64		id;
} ErasurePiece;

typedef struct Erasure
{
	SlmRun	   *run;
	SlmForget  *forget;
	MemoryContext context;		/* of the result, and of all below */
	ErasurePiece *pieces;
	int			npieces;
	const ErasurePiece *piece;			/* the one at hand */
	SlmArchive	archive;		/* likewise, if it is one; of a file the same names */
	char	   *etag;
	const SlmFormat *format;	/* that a file is read by; NULL: none */
	char	   *block;
	SlmArchive	spare;
	int64		found;			/* rows of the person in it */
	bool		gone;			/* it is not there */
	bool		left_over;		/* there is something that was broken off */
} Erasure;

/* --- what there is --- */

static void
begin_step(void *arg)
{
	static SlmStatement sessions = {
		"SELECT user_session FROM sellometer.carts WHERE user_id = $1 UNION SELECT unnest(sessions) FROM sellometer.forgetting WHERE user_id = $1",
		1, {INT8OID}
	};
	static SlmStatement pieces = {
		"SELECT 1::bigint, id FROM sellometer.archives WHERE archived_at IS NOT NULL "
		"AND (own_slice OR NOT EXISTS (SELECT FROM sellometer.state s WHERE s.slice ~ '^[1-9]')) UNION ALL "
		"SELECT 0::bigint, o.id FROM sellometer.objects o JOIN sellometer.sources s ON s.name = o.source WHERE o.state <> 'archived' ORDER BY 1 DESC, 2"
	};
	Erasure    *erasure = arg;
	SlmPerson  *person = &erasure->forget->person;
	Datum		id = Int64GetDatum(person->user_id);
	SlmChecksumKey unused;
	uint64		n;

	slm_run_begin(erasure->run);
	slm_relocate();
	slm_keys_read(&person->key, &unused);
	snprintf(person->digits, sizeof(person->digits), INT64_FORMAT, person->user_id);
	n = slm_execute(&sessions, &id, NULL, SPI_OK_SELECT);
	for (uint64 i = 0; i < n; i++)
	{
		char	   *session = slm_text(CurrentMemoryContext, i, 1);

		if (slm_interner_add(&person->sessions, &person->key, (SlmSlice) {session, (uint32) strlen(session)}) == SLM_NO_ENTRY)
			slm_out_of_memory();
	}
	erasure->npieces = (int) slm_execute(&pieces, NULL, NULL, SPI_OK_SELECT);
	erasure->pieces = MemoryContextAllocHuge(erasure->context, sizeof(ErasurePiece) * Max(erasure->npieces, 1));
	for (int i = 0; i < erasure->npieces; i++)
		erasure->pieces[i] = (ErasurePiece) {.archive = slm_int64(i, 1, 0) != 0,.id = slm_int64(i, 2, 0)};
}

/* An archive, or a file by the same names, of the first row of a result: id, source, url, server, owner, key. */
static SlmArchive
read_place(MemoryContext context)
{
	return (SlmArchive) {
		.id = slm_int64(0, 1, 0),.source = slm_text(context, 0, 2),.url = slm_text(context, 0, 3),.server = slm_text(context, 0, 4),
		.owner = (Oid) slm_int64(0, 5, 0),.key = slm_text(context, 0, 6)
	};
}

/* What an earlier call, or an archive that was broken off, has left. */
static void
clear_step(void *arg)
{
	static SlmStatement statement = {
		"SELECT id, source, url, server, owner::oid::bigint, key FROM sellometer.archives WHERE archived_at IS NULL AND id > $1 ORDER BY id LIMIT 1",
		1, {INT8OID}
	};
	Erasure    *erasure = arg;
	Datum		id = Int64GetDatum(erasure->spare.id);

	erasure->left_over = slm_execute(&statement, &id, NULL, SPI_OK_SELECT) > 0;
	if (!erasure->left_over)
		return;
	erasure->spare = read_place(erasure->context);
	slm_archive_clear_left_over(&erasure->spare);
}

/* Where the piece at hand is; false if it is not there any more. */
static bool
find_piece(Erasure *erasure)
{
	static SlmStatement archive = {
		"SELECT id, source, url, server, owner::oid::bigint, key, etag, block, NULL::bigint FROM sellometer.archives WHERE id = $1 AND archived_at IS NOT NULL",
		1, {INT8OID}
	};
	static SlmStatement object = {
		"SELECT o.id, o.source, s.url, s.server, s.owner::oid::bigint, o.key, o.etag, NULL, "
		"CASE WHEN o.state = 'done' OR o.resume_row > 0 THEN o.format_id WHEN o.state <> 'failed' THEN s.format_id END FROM sellometer.objects o "
		"JOIN sellometer.sources s ON s.name = o.source WHERE o.id = $1 AND o.state <> 'archived'",
		1, {INT8OID}
	};
	Datum		id = Int64GetDatum(erasure->piece->id);

	if (slm_execute(erasure->piece->archive ? &archive : &object, &id, NULL, SPI_OK_SELECT) == 0)
		return false;
	erasure->archive = read_place(erasure->context);
	erasure->etag = slm_text(erasure->context, 0, 7);
	erasure->block = slm_text(erasure->context, 0, 8);
	erasure->format = slm_format_get(slm_int64(0, 9, 0));
	return true;
}

/* --- looking through it --- */

static void
note_session(const SlmPersonRow *row, void *arg)
{
	Erasure    *erasure = arg;

	slm_person_note_session(&erasure->forget->person, row);
}

static void
count_row(const SlmPersonRow *row, void *arg)
{
	Erasure    *erasure = arg;

	if (!row->header && slm_person_has(&erasure->forget->person, row))
		erasure->found++;
}

static void
look_through(Erasure *erasure, SlmPersonRowCallback callback)
{
	SlmStore   *store;
	SlmStoreError error;

	erasure->found = 0;
	erasure->gone = !find_piece(erasure);
	if (erasure->gone)
		return;
	store = slm_store_open(erasure->archive.url, erasure->archive.server, erasure->archive.owner);
	if (!slm_person_rows(store, erasure->archive.key, erasure->etag, erasure->piece->archive, erasure->format, callback, erasure, &error))
	{
		/* a file that is gone holds nothing; one that is another by now has, or will get, a row of its own */
		erasure->gone = !erasure->piece->archive && (error.kind == SLM_STORE_NOT_FOUND || error.kind == SLM_STORE_CHANGED);
		if (!erasure->gone)
			slm_store_error_raise(&error);
	}
	slm_store_close(store);
	slm_progress_add(1, 0, 0);
}

static void
sessions_step(void *arg)
{
	look_through(arg, note_session);
}

static void
count_step(void *arg)
{
	look_through(arg, count_row);
}

/* --- what is done --- */

static Datum
sessions_array(const SlmPerson *person)
{
	Datum	   *values = palloc(sizeof(Datum) * Max(person->sessions.nentries, 1));
	int			n = 0;

	for (uint32 i = 0; i < person->sessions.nentries; i++)
	{
		SlmSlice	session = person->sessions.entries[i].text;

		/* what is no text of the database stands nowhere in it */
		if (slm_utf8_check(session.data, session.len) == session.len)
			values[n++] = PointerGetDatum(cstring_to_text_with_len(session.data, session.len));
	}
	return slm_array(values, NULL, n, TEXTOID);
}

/* Before anything is taken away that tells which sessions they are: whatever happens then, the next call knows them. */
static void
remember_step(void *arg)
{
	static SlmStatement statement = {
		"INSERT INTO sellometer.forgetting VALUES ($1, $2) ON CONFLICT (user_id) DO UPDATE SET sessions = excluded.sessions",
		2, {INT8OID, TEXTARRAYOID}
	};
	Erasure    *erasure = arg;
	Datum		args[2] = {Int64GetDatum(erasure->forget->person.user_id), sessions_array(&erasure->forget->person)};

	slm_execute(&statement, args, NULL, SPI_OK_INSERT);
}

static void
end_step(void *arg)
{
	static SlmStatement statement = {"DELETE FROM sellometer.forgetting WHERE user_id = $1", 1, {INT8OID}};
	Erasure    *erasure = arg;
	Datum		id = Int64GetDatum(erasure->forget->person.user_id);

	slm_execute(&statement, &id, NULL, SPI_OK_DELETE);
}

static void
database_step(void *arg)
{
	static SlmStatement statement = {"SELECT * FROM sellometer.forget_person($1, $2)", 2, {INT8OID, TEXTARRAYOID}};
	Erasure    *erasure = arg;
	SlmForgotten *result = &erasure->forget->result;
	Datum		args[2] = {Int64GetDatum(erasure->forget->person.user_id), sessions_array(&erasure->forget->person)};

	(void) slm_writer_lock();
	slm_execute(&statement, args, NULL, SPI_OK_SELECT);
	result->carts += slm_int64(0, 1, 0);
	result->reminders += slm_int64(0, 2, 0);
	result->rejected_rows += slm_int64(0, 3, 0);
	result->messages += slm_int64(0, 4, 0);
	SLM_CRASH_POINT("forget.database");
}

static void
reserve_step(void *arg)
{
	Erasure    *erasure = arg;
	MemoryContext old = MemoryContextSwitchTo(erasure->context);

	erasure->spare = erasure->archive;
	slm_archive_reserve(&erasure->spare, erasure->block, true);
	MemoryContextSwitchTo(old);
}

static void
rewrite_step(void *arg)
{
	Erasure    *erasure = arg;

	erasure->found = slm_forget_in_archive(&erasure->forget->person, &erasure->archive, &erasure->spare);
}

/* The spare's row is that of the old archive now. */
static void
delete_step(void *arg)
{
	Erasure    *erasure = arg;
	SlmArchive	old = erasure->archive;

	old.id = erasure->spare.id;
	slm_archive_clear(&old);
}

static void
note_name(Erasure *erasure, List **list, const char *why)
{
	MemoryContext old = MemoryContextSwitchTo(erasure->context);

	*list = lappend(*list, psprintf("%s/%s%s%s", erasure->archive.source, erasure->archive.key, why ? ": " : "", why ? why : ""));
	MemoryContextSwitchTo(old);
}

/* Do a step for the piece at hand; false if it fails, which is told, and noted with the piece. */
static bool
try_for_piece(Erasure *erasure, SlmStep step)
{
	ErrorData  *error;

	erasure->archive = (SlmArchive) {.source = "",.key = ""};
	error = slm_try_step(erasure->run, step, erasure);
	if (error == NULL)
		return true;
	if (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
		ReThrowError(error);
	note_name(erasure, &erasure->forget->result.unread, error->message);
	FreeErrorData(error);
	return false;
}

static void
forget_in_archive(Erasure *erasure)
{
	slm_step(erasure->run, reserve_step, erasure);
	SLM_CRASH_POINT("forget.reserved");
	slm_step(erasure->run, rewrite_step, erasure);
	SLM_CRASH_POINT("forget.exchanged");
	slm_step(erasure->run, delete_step, erasure);
	erasure->forget->result.archives++;
	erasure->forget->result.archived_rows += erasure->found;
}

static void
forget_in_piece(Erasure *erasure)
{
	if (!try_for_piece(erasure, count_step) || erasure->gone || erasure->found == 0)
		return;
	if (erasure->piece->unread)
	{
		/* it can be read by now, but may tell of more sessions: those must be known first */
		note_name(erasure, &erasure->forget->result.unread, "could not be read at first; call sellometer_forget_user() again");
		return;
	}
	if (erasure->piece->archive)
	{
		forget_in_archive(erasure);
		return;
	}
	erasure->forget->result.raw_rows += erasure->found;
	note_name(erasure, &erasure->forget->result.raw_files, NULL);
}

/* What can't be read is named when its rows are looked for. */
static void
find_sessions(Erasure *erasure)
{
	List	   *unread = erasure->forget->result.unread;

	slm_progress_phase("look for sessions");
	for (int i = 0; i < erasure->npieces; i++)
	{
		erasure->piece = &erasure->pieces[i];
		erasure->pieces[i].unread = !try_for_piece(erasure, sessions_step);
		erasure->forget->result.unread = unread;
	}
	erasure->forget->result.sessions = erasure->forget->person.sessions.nentries;
}

static void
forget_everywhere(Erasure *erasure)
{
	do
		slm_step(erasure->run, clear_step, erasure);
	while (erasure->left_over);
	slm_step(erasure->run, begin_step, erasure);
	slm_progress_totals(2 * erasure->npieces, 0);
	find_sessions(erasure);
	slm_step(erasure->run, remember_step, erasure);
	slm_step(erasure->run, database_step, erasure);
	slm_progress_phase("archives and files");
	for (int i = 0; i < erasure->npieces; i++)
	{
		CHECK_FOR_INTERRUPTS();
		erasure->piece = &erasure->pieces[i];
		forget_in_piece(erasure);
	}
	if (erasure->forget->result.unread == NIL)
		slm_step(erasure->run, end_step, erasure);
}

void
slm_forget_user(SlmRun *run, void *arg)
{
	Erasure 	erasure = {.run = run,.forget = arg,.context = CurrentMemoryContext};
	SlmForgotten *result = &erasure.forget->result;
	LOCKTAG		tag = slm_lock_tag(slm_lock_of_run("archive"));

	(void) LockAcquire(&tag, ExclusiveLock, true, false);
	PG_TRY();
	{
		forget_everywhere(&erasure);
	}
	PG_FINALLY();
	{
		slm_interner_free(&erasure.forget->person.sessions);
		(void) LockRelease(&tag, ExclusiveLock, true);
	}
	PG_END_TRY();
	appendStringInfo(&run->detail, "{\"carts\": " INT64_FORMAT ", \"reminders\": " INT64_FORMAT ", \"rejected_rows\": " INT64_FORMAT ", "
					 "\"messages\": " INT64_FORMAT ", \"archives\": " INT64_FORMAT ", \"archived_rows\": " INT64_FORMAT ", "
					 "\"raw_files\": %d, \"unread\": %d}", result->carts, result->reminders, result->rejected_rows, result->messages,
					 result->archives, result->archived_rows, list_length(result->raw_files), list_length(result->unread));
}
