/*
 * source.c: the sources, their stores, and what is new in them.
 *
 * Listing a prefix costs a request for each 1,000 objects that are in it, so a source is listed whole (a sweep) at most
 * SWEEP_SHARE of the time.  In between only a window is listed: the keys after the greatest one that had been seen WINDOW
 * ago.  Where names hold the time, as they mostly do, what is new is there, though web servers never finish in the order of
 * their names.  What is not is found by the next sweep; so nothing relies on the order of names.
 *
 *   window_key ---- WINDOW ---- later_key ---- up to WINDOW ---- newest_key
 *
 * A source that holds no more than a window does is always listed whole.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "guc.h"
#include "ingest/crash_point.h"
#include "ingest/ledger.h"
#include "ingest/source.h"
#include "ingest/spi.h"
#include "ingest/trouble.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#define KEYS_PER_PIECE	1000
#define SWEEP_SHARE		20		/* a sweep that takes 1 s is followed by 20 s without one */
#define WINDOW			(2 * USECS_PER_MINUTE)
#define KEYS_IN_WINDOW	1000	/* more of them, and it begins at the newest */
#define REQUEST_USECS	(100 * INT64CONST(1000))	/* a request counts as no more: it may have hung, once */

struct SlmSources
{
	MemoryContext context;
	SlmSource **items;
	int			n;
	int			max;
	uint32		round;
	uint64		changes_seen;	/* of definitions, when the stores were opened */
	MemoryContext retired;		/* sources that went in the last round; transfers may still be open there */
	bool		held;			/* and stay so for longer */
};

/* Set by invalidations; each set of sources compares it with what it saw last. */
static uint64 definition_changes;

static void
note_change(Datum arg, int cacheid, uint32 hashvalue)
{
	definition_changes++;
}

SlmSources *
slm_sources_create(void)
{
	static bool registered = false;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "sellometer sources", ALLOCSET_SMALL_SIZES);
	SlmSources *sources = MemoryContextAllocZero(context, sizeof(SlmSources));

	sources->context = context;
	sources->changes_seen = definition_changes;
	sources->retired = AllocSetContextCreate(context, "sellometer old sources", ALLOCSET_SMALL_SIZES);
	if (!registered)
	{
		CacheRegisterSyscacheCallback(FOREIGNSERVEROID, note_change, (Datum) 0);
		CacheRegisterSyscacheCallback(USERMAPPINGOID, note_change, (Datum) 0);
		registered = true;
	}
	return sources;
}

SlmSource *
slm_sources_find(SlmSources *sources, const char *name)
{
	for (int i = 0; i < sources->n; i++)
	{
		if (strcmp(sources->items[i]->name, name) == 0)
			return sources->items[i];
	}
	return NULL;
}

void
slm_sources_for_each(SlmSources *sources, void (*function) (SlmSource *source))
{
	for (int i = 0; i < sources->n; i++)
		function(sources->items[i]);
}

void
slm_sources_hold(SlmSources *sources, bool held)
{
	sources->held = held;
}

static void
drop_source(SlmSources *sources, int i)
{
	MemoryContextSetParent(sources->items[i]->context, sources->retired);
	sources->items[i] = sources->items[--sources->n];
}

/* Open the store; what goes wrong is noted in the source. */
static void
open_store(SlmSource *source)
{
	MemoryContext old = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(source->context);
	PG_TRY();
	{
		source->store = slm_store_open(source->url, source->server, source->owner);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		MemoryContextSwitchTo(source->context);
		edata = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		source->store = NULL;
		source->error.kind = SLM_STORE_FATAL;
		source->error.sqlstate = edata->sqlerrcode;
		source->error.message = edata->message;
		source->error.detail = edata->detail;
		source->error.hint = edata->hint;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	CurrentResourceOwner = owner;
}

static void
copy_patterns(MemoryContext context, SlmPatterns *to, const SlmPatterns *from)
{
	to->n = from->n;
	to->globs = MemoryContextAlloc(context, sizeof(char *) * Max(from->n, 1));
	for (int i = 0; i < from->n; i++)
		to->globs[i] = MemoryContextStrdup(context, from->globs[i]);
}

static SlmSource *
add_source(SlmSources *sources, const SlmSource *like)
{
	MemoryContext context = AllocSetContextCreate(sources->context, "sellometer source", ALLOCSET_SMALL_SIZES);
	SlmSource  *source = MemoryContextAllocZero(context, sizeof(SlmSource));

	source->context = context;
	source->name = MemoryContextStrdup(context, like->name);
	source->url = MemoryContextStrdup(context, like->url);
	source->server = like->server ? MemoryContextStrdup(context, like->server) : NULL;
	source->owner = like->owner;
	source->patterns = MemoryContextStrdup(context, like->patterns);
	copy_patterns(context, &source->include, &like->include);
	copy_patterns(context, &source->exclude, &like->exclude);
	if (sources->n >= sources->max)
	{
		sources->max = Max(8, sources->max * 2);
		sources->items = sources->items == NULL
			? MemoryContextAlloc(sources->context, sizeof(SlmSource *) * sources->max)
			: repalloc(sources->items, sizeof(SlmSource *) * sources->max);
	}
	sources->items[sources->n++] = source;
	open_store(source);
	return source;
}

static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static SlmPatterns
patterns_at(uint64 row, int column)
{
	bool		isnull;
	Datum		array = slm_value(row, column, &isnull);

	return isnull ? (SlmPatterns) {0} : slm_patterns(array);
}

void
slm_sources_refresh(SlmSources *sources)
{
	static SlmStatement statement = {
		"SELECT name, url, server, owner::oid::bigint, ROW(include, exclude)::text, include, exclude "
		"FROM sellometer.sources WHERE enabled ORDER BY name"
	};
	bool		changed = sources->changes_seen != definition_changes;
	MemoryContext context = CurrentMemoryContext;
	SlmSource  *read;
	int			n;

	sources->changes_seen = definition_changes;
	if (!sources->held)
		MemoryContextReset(sources->retired);
	sources->round++;
	n = slm_execute(&statement, NULL, NULL, SPI_OK_SELECT);
	read = MemoryContextAllocZero(context, sizeof(SlmSource) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		read[i].name = slm_text(context, i, 1);
		read[i].url = slm_text(context, i, 2);
		read[i].server = slm_text(context, i, 3);
		read[i].owner = (Oid) slm_int64(i, 4, InvalidOid);
		read[i].patterns = slm_text(context, i, 5);
		read[i].include = patterns_at(i, 6);
		read[i].exclude = patterns_at(i, 7);
	}
	for (int i = 0; i < n; i++)
	{
		SlmSource  *source = slm_sources_find(sources, read[i].name);

		if (source != NULL && !changed && source->store != NULL && strcmp(source->url, read[i].url) == 0 &&
			same_text(source->server, read[i].server) && source->owner == read[i].owner &&
			strcmp(source->patterns, read[i].patterns) == 0)
		{
			source->seen = sources->round;
			continue;
		}
		if (source != NULL)
			source->seen = 0;
		add_source(sources, &read[i])->seen = sources->round;
	}
	for (int i = sources->n - 1; i >= 0; i--)
	{
		if (sources->items[i]->seen != sources->round)
			drop_source(sources, i);
	}
}

/* --- discovery --- */

/* A listing under way: pieces of it go to the ledger while the rest is still to come. */
typedef struct Discovery
{
	SlmSource  *source;
	MemoryContext scratch;		/* of a piece */
	MemoryContext named;		/* of the whole listing */
	SlmListed  *piece;
	int			n;
	int			added;
	int			listed;
	SlmPassed	passed;
} Discovery;

static void
flush_piece(Discovery *d)
{
	if (d->n > 0)
	{
		/* a listing may have thousands of pieces, and what one takes is not needed for the next */
		MemoryContext old = MemoryContextSwitchTo(d->scratch);

		d->added += slm_ledger_discover(d->source->name, d->piece, d->n);
		MemoryContextSwitchTo(old);
		SLM_CRASH_POINT("list.noted");
	}
	d->n = 0;
	MemoryContextReset(d->scratch);
}

static void
set_key(SlmSource *source, char **to, const char *key)
{
	char	   *old = *to;

	*to = key != NULL ? MemoryContextStrdup(source->context, key) : NULL;
	if (old != NULL)
		pfree(old);
}

/* After a listing: have the window follow what is new. */
static void
move_window(SlmSource *source, bool sweep, int listed)
{
	TimestampTz now = GetCurrentTimestamp();

	if (!sweep && listed > KEYS_IN_WINDOW)
		set_key(source, &source->later_key, source->newest_key);
	else if (now < source->next_window)
		return;
	set_key(source, &source->window_key, source->later_key);
	set_key(source, &source->later_key, source->newest_key);
	source->next_window = now + WINDOW;
}

static bool
note_object(const SlmObjectInfo *info, void *arg)
{
	Discovery  *d = arg;
	SlmListed  *listed = &d->piece[d->n];
	SlmSource  *source = d->source;

	if (slm_store_key_text(info->key) == NULL)
	{
		d->passed.encoding++;
		return true;
	}
	if (!slm_key_is_wanted(info->key, &source->include, &source->exclude))
	{
		d->passed.patterns++;
		return true;
	}
	listed->key = MemoryContextStrdup(d->scratch, info->key);
	listed->etag = MemoryContextStrdup(d->scratch, info->etag);
	listed->size = info->size;
	listed->last_modified = info->last_modified;
	d->n++;
	d->listed++;
	if (source->newest_key == NULL || strcmp(info->key, source->newest_key) > 0)
		set_key(source, &source->newest_key, info->key);
	if (d->n == KEYS_PER_PIECE)
		flush_piece(d);
	return true;
}

static void
note_passed(const char *key, SlmPassReason reason, const char *why, void *arg)
{
	Discovery  *d = arg;

	/* what is left out by pattern may be as unreadable as it likes */
	if (reason == SLM_PASS_UNREADABLE && !slm_key_is_wanted(key, &(SlmPatterns) {0}, &d->source->exclude))
		d->passed.patterns++;
	else
		slm_passed_count(&d->passed, d->named, key, reason, why);
}

/* After a whole listing: have the source's row tell what was passed over, if that has changed. */
static void
note_left_out(Discovery *d)
{
	static SlmStatement statement = {
		"UPDATE sellometer.sources SET left_out = $2, unreadable = $3 WHERE name = $1", 3, {TEXTOID, JSONBOID, TEXTARRAYOID}
	};
	SlmSource  *source = d->source;
	char	   *json = slm_passed_json(&d->passed);
	StringInfoData all;
	Datum	   *names = palloc(sizeof(Datum) * Max(d->passed.nunreadable, 1));
	Datum		args[3] = {CStringGetTextDatum(source->name)};

	initStringInfo(&all);
	appendStringInfoString(&all, json);
	for (int i = 0; i < d->passed.nunreadable; i++)
	{
		appendStringInfo(&all, "\n%s", d->passed.unreadable[i]);
		names[i] = CStringGetTextDatum(d->passed.unreadable[i]);
	}
	if (source->passed != NULL && strcmp(source->passed, all.data) == 0)
		return;
	args[1] = DirectFunctionCall1(jsonb_in, CStringGetDatum(json));
	args[2] = slm_array(names, NULL, d->passed.nunreadable, TEXTOID);
	slm_execute(&statement, args, d->passed.nunreadable > 0 ? NULL : "  n", SPI_OK_UPDATE);
	set_key(source, &source->passed, all.data);
}

/* An idle worker should not write every second: without news a source's row is brought up to date this often. */
#define NOTE_INTERVAL	USECS_PER_MINUTE

/* Write to the source's row what the listing was like; error: NULL for none. */
static void
note_listing(SlmSource *source, bool whole, const SlmStoreError *error)
{
	static SlmStatement statement = {
		"UPDATE sellometer.sources SET list_requests = list_requests + $2, "
		"listed_at = CASE WHEN $3 THEN clock_timestamp() ELSE listed_at END, "
		"last_error = $4, last_error_at = CASE WHEN $4 IS NULL THEN NULL WHEN last_error = $4 THEN last_error_at "
		"ELSE clock_timestamp() END WHERE name = $1",
		4, {TEXTOID, INT4OID, BOOLOID, TEXTOID}
	};
	Datum		args[4] = {CStringGetTextDatum(source->name), Int32GetDatum(source->requests), BoolGetDatum(whole), (Datum) 0};

	if (error != NULL)
	{
		char	   *text = error->message;

		if (error->detail != NULL)
			text = psprintf("%s: %s", text, error->detail);
		if (error->hint != NULL)
			text = psprintf("%s (%s)", text, error->hint);
		args[3] = CStringGetTextDatum(text);
	}
	slm_execute(&statement, args, error ? NULL : "   n", SPI_OK_UPDATE);
	source->requests = 0;
	source->failing = error != NULL;
	source->noted_at = GetCurrentTimestamp();
}

static int
discover_source(SlmSource *source, bool sweep)
{
	Discovery	d = {.source = source};
	SlmStoreError error = {0};
	instr_time	start;
	instr_time	took;
	SlmListQuery	listing = {.found = note_object,.passed = note_passed,.arg = &d};
	bool		ok;

	if (source->store == NULL)
	{
		if (!source->failing)
			note_listing(source, false, &source->error);
		return 0;
	}
	if (!sweep && !slm_trouble_may_list(source))
		return 0;
	d.scratch = AllocSetContextCreate(CurrentMemoryContext, "sellometer listing", ALLOCSET_DEFAULT_SIZES);
	d.named = CurrentMemoryContext;
	d.piece = palloc(sizeof(SlmListed) * KEYS_PER_PIECE);
	sweep = sweep || source->keys <= KEYS_IN_WINDOW || GetCurrentTimestamp() >= source->next_sweep;
	if (source->window_key == NULL)
		set_key(source, &source->window_key, source->newest_key);
	INSTR_TIME_SET_CURRENT(start);
	listing.start_after = sweep ? NULL : source->window_key;
	ok = slm_store_list(source->store, &listing, &error);
	flush_piece(&d);
	INSTR_TIME_SET_CURRENT(took);
	INSTR_TIME_SUBTRACT(took, start);
	if (sweep)
		source->next_sweep = GetCurrentTimestamp() +
			Min((int64) INSTR_TIME_GET_MICROSEC(took), listing.requests * REQUEST_USECS) * SWEEP_SHARE;
	source->keys = sweep ? d.listed + (int) Min(slm_passed_total(&d.passed), PG_INT32_MAX / 2) : source->keys + d.added;
	move_window(source, sweep, d.listed);
	source->requests += listing.requests;
	slm_trouble_listed(source, ok, INSTR_TIME_GET_MICROSEC(took));
	if (!ok || source->failing || d.added > 0 || GetCurrentTimestamp() - source->noted_at > NOTE_INTERVAL)
		note_listing(source, ok && sweep, ok ? NULL : &error);
	if (ok && sweep)
		note_left_out(&d);
	MemoryContextDelete(d.scratch);
	pfree(d.piece);
	return d.added;
}

int
slm_sources_discover(SlmSources *sources, const char *only, bool sweep)
{
	int			added = 0;

	for (int i = 0; i < sources->n; i++)
	{
		if (only != NULL && strcmp(sources->items[i]->name, only) != 0)
			continue;
		slm_secure_transaction();
		added += discover_source(sources->items[i], sweep);
		slm_commit();
		SLM_CRASH_POINT("list.committed");
	}
	return added;
}
