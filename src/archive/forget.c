/*
 * forget.c: see forget.h.
 */
#include "postgres.h"

#include "archive/archive.h"
#include "archive/forget.h"
#include "archive/forget_archive.h"
#include "catalog/pg_type.h"
#include "dedup/view_state.h"
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
typedef struct Piece
{
	bool		archive;
	bool		unread;			/* its sessions are not known */
	int64		id;
} Piece;

typedef struct Work
{
	SlmRun	   *run;
	SlmForget  *forget;
	MemoryContext context;		/* of the result, and of all below */
	Piece	   *pieces;
	int			npieces;
	const Piece *piece;			/* the one at hand */
	SlmArchive	archive;		/* likewise, if it is one; of a file the same names */
	char	   *etag;
	char	   *block;
	SlmArchive	spare;
	int64		found;			/* rows of the person in it */
	bool		gone;			/* it is not there */
	bool		left_over;		/* there is something that was broken off */
} Work;

/* --- what there is --- */

static void
begin_step(void *arg)
{
	static SlmStatement sessions = {
		"SELECT user_session FROM sellometer.carts WHERE user_id = $1 UNION SELECT unnest(sessions) FROM sellometer.forgetting WHERE user_id = $1",
		1, {INT8OID}
	};
	static SlmStatement pieces = {
		"SELECT 1::bigint, id FROM sellometer.archives WHERE archived_at IS NOT NULL UNION ALL "
		"SELECT 0::bigint, o.id FROM sellometer.objects o JOIN sellometer.sources s ON s.name = o.source WHERE o.state <> 'archived' ORDER BY 1 DESC, 2"
	};
	Work	   *work = arg;
	SlmPerson  *person = &work->forget->person;
	Datum		id = Int64GetDatum(person->user_id);
	SlmChecksumKey unused;
	uint64		n;

	slm_run_begin(work->run);
	slm_relocate();
	slm_keys_read(&person->key, &unused);
	snprintf(person->digits, sizeof(person->digits), INT64_FORMAT, person->user_id);
	n = slm_execute(&sessions, &id, NULL, SPI_OK_SELECT);
	for (uint64 i = 0; i < n; i++)
	{
		char	   *session = slm_text(CurrentMemoryContext, i, 1);

		if (slm_dict_add(&person->sessions, &person->key, (SlmSlice) {session, (uint32) strlen(session)}) == SLM_NO_ENTRY)
			slm_out_of_memory();
	}
	work->npieces = (int) slm_execute(&pieces, NULL, NULL, SPI_OK_SELECT);
	work->pieces = MemoryContextAllocHuge(work->context, sizeof(Piece) * Max(work->npieces, 1));
	for (int i = 0; i < work->npieces; i++)
		work->pieces[i] = (Piece) {.archive = slm_int64(i, 1, 0) != 0,.id = slm_int64(i, 2, 0)};
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
	Work	   *work = arg;
	Datum		id = Int64GetDatum(work->spare.id);

	work->left_over = slm_execute(&statement, &id, NULL, SPI_OK_SELECT) > 0;
	if (!work->left_over)
		return;
	work->spare = read_place(work->context);
	slm_archive_clear(&work->spare);
}

/* Where the piece at hand is; false if it is not there any more. */
static bool
find_piece(Work *work)
{
	static SlmStatement archive = {
		"SELECT id, source, url, server, owner::oid::bigint, key, etag, block FROM sellometer.archives WHERE id = $1 AND archived_at IS NOT NULL",
		1, {INT8OID}
	};
	static SlmStatement object = {
		"SELECT o.id, o.source, s.url, s.server, s.owner::oid::bigint, o.key, o.etag, NULL FROM sellometer.objects o "
		"JOIN sellometer.sources s ON s.name = o.source WHERE o.id = $1 AND o.state <> 'archived'",
		1, {INT8OID}
	};
	Datum		id = Int64GetDatum(work->piece->id);

	if (slm_execute(work->piece->archive ? &archive : &object, &id, NULL, SPI_OK_SELECT) == 0)
		return false;
	work->archive = read_place(work->context);
	work->etag = slm_text(work->context, 0, 7);
	work->block = slm_text(work->context, 0, 8);
	return true;
}

/* --- looking through it --- */

static void
note_session(const SlmPersonRow *row, void *arg)
{
	Work	   *work = arg;

	slm_person_note_session(&work->forget->person, row);
}

static void
count_row(const SlmPersonRow *row, void *arg)
{
	Work	   *work = arg;

	if (!row->header && slm_person_has(&work->forget->person, row))
		work->found++;
}

static void
look_through(Work *work, SlmPersonRowCallback callback)
{
	SlmStore   *store;
	SlmStoreError error;

	work->found = 0;
	work->gone = !find_piece(work);
	if (work->gone)
		return;
	store = slm_store_open(work->archive.url, work->archive.server, work->archive.owner);
	if (!slm_person_rows(store, work->archive.key, work->etag, work->piece->archive, callback, work, &error))
	{
		/* a file that is gone holds nothing; one that is another by now has, or will get, a row of its own */
		work->gone = !work->piece->archive && (error.kind == SLM_STORE_NOT_FOUND || error.kind == SLM_STORE_CHANGED);
		if (!work->gone)
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
	Work	   *work = arg;
	Datum		args[2] = {Int64GetDatum(work->forget->person.user_id), sessions_array(&work->forget->person)};

	slm_execute(&statement, args, NULL, SPI_OK_INSERT);
}

static void
end_step(void *arg)
{
	static SlmStatement statement = {"DELETE FROM sellometer.forgetting WHERE user_id = $1", 1, {INT8OID}};
	Work	   *work = arg;
	Datum		id = Int64GetDatum(work->forget->person.user_id);

	slm_execute(&statement, &id, NULL, SPI_OK_DELETE);
}

static void
database_step(void *arg)
{
	static SlmStatement statement = {"SELECT * FROM sellometer.forget_person($1, $2)", 2, {INT8OID, TEXTARRAYOID}};
	Work	   *work = arg;
	SlmForgotten *result = &work->forget->result;
	Datum		args[2] = {Int64GetDatum(work->forget->person.user_id), sessions_array(&work->forget->person)};

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
	Work	   *work = arg;
	MemoryContext old = MemoryContextSwitchTo(work->context);

	work->spare = work->archive;
	slm_archive_reserve(&work->spare, work->block);
	MemoryContextSwitchTo(old);
}

static void
rewrite_step(void *arg)
{
	Work	   *work = arg;

	work->found = slm_forget_in_archive(&work->forget->person, &work->archive, &work->spare);
}

/* The spare's row is that of the old archive now. */
static void
delete_step(void *arg)
{
	Work	   *work = arg;
	SlmArchive	old = work->archive;

	old.id = work->spare.id;
	slm_archive_clear(&old);
}

static void
note_name(Work *work, List **list, const char *why)
{
	MemoryContext old = MemoryContextSwitchTo(work->context);

	*list = lappend(*list, psprintf("%s/%s%s%s", work->archive.source, work->archive.key, why ? ": " : "", why ? why : ""));
	MemoryContextSwitchTo(old);
}

/* Do a step for the piece at hand; false if it fails, which is told, and noted with the piece. */
static bool
try_for_piece(Work *work, SlmStep step)
{
	ErrorData  *error;

	work->archive = (SlmArchive) {.source = "",.key = ""};
	error = slm_try_step(work->run, step, work);
	if (error == NULL)
		return true;
	if (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
		ReThrowError(error);
	note_name(work, &work->forget->result.unread, error->message);
	FreeErrorData(error);
	return false;
}

static void
forget_in_archive(Work *work)
{
	slm_step(work->run, reserve_step, work);
	SLM_CRASH_POINT("forget.reserved");
	slm_step(work->run, rewrite_step, work);
	SLM_CRASH_POINT("forget.exchanged");
	slm_step(work->run, delete_step, work);
	work->forget->result.archives++;
	work->forget->result.archived_rows += work->found;
}

static void
forget_in_piece(Work *work)
{
	if (!try_for_piece(work, count_step) || work->gone || work->found == 0)
		return;
	if (work->piece->unread)
	{
		/* it can be read by now, but may tell of more sessions: those must be known first */
		note_name(work, &work->forget->result.unread, "could not be read at first; call sellometer_forget_user() again");
		return;
	}
	if (work->piece->archive)
	{
		forget_in_archive(work);
		return;
	}
	work->forget->result.raw_rows += work->found;
	note_name(work, &work->forget->result.raw_files, NULL);
}

/* What can't be read is named when its rows are looked for. */
static void
find_sessions(Work *work)
{
	List	   *unread = work->forget->result.unread;

	slm_progress_phase("look for sessions");
	for (int i = 0; i < work->npieces; i++)
	{
		work->piece = &work->pieces[i];
		work->pieces[i].unread = !try_for_piece(work, sessions_step);
		work->forget->result.unread = unread;
	}
	work->forget->result.sessions = work->forget->person.sessions.nentries;
}

static void
forget_everywhere(Work *work)
{
	do
		slm_step(work->run, clear_step, work);
	while (work->left_over);
	slm_step(work->run, begin_step, work);
	slm_progress_totals(2 * work->npieces, 0);
	find_sessions(work);
	slm_step(work->run, remember_step, work);
	slm_step(work->run, database_step, work);
	slm_progress_phase("archives and files");
	for (int i = 0; i < work->npieces; i++)
	{
		CHECK_FOR_INTERRUPTS();
		work->piece = &work->pieces[i];
		forget_in_piece(work);
	}
	if (work->forget->result.unread == NIL)
		slm_step(work->run, end_step, work);
}

void
slm_forget_user(SlmRun *run, void *arg)
{
	Work		work = {.run = run,.forget = arg,.context = CurrentMemoryContext};
	SlmForgotten *result = &work.forget->result;
	LOCKTAG		tag = slm_lock_tag(slm_lock_of_run("archive"));

	(void) LockAcquire(&tag, ExclusiveLock, true, false);
	PG_TRY();
	{
		forget_everywhere(&work);
	}
	PG_FINALLY();
	{
		slm_dict_free(&work.forget->person.sessions);
		(void) LockRelease(&tag, ExclusiveLock, true);
	}
	PG_END_TRY();
	appendStringInfo(&run->detail, "{\"carts\": " INT64_FORMAT ", \"reminders\": " INT64_FORMAT ", \"rejected_rows\": " INT64_FORMAT ", "
					 "\"messages\": " INT64_FORMAT ", \"archives\": " INT64_FORMAT ", \"archived_rows\": " INT64_FORMAT ", "
					 "\"raw_files\": %d, \"unread\": %d}", result->carts, result->reminders, result->rejected_rows, result->messages,
					 result->archives, result->archived_rows, list_length(result->raw_files), list_length(result->unread));
}
