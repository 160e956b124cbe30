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
#include "ingest/alive.h"
#include "ingest/crash_point.h"
#include "ingest/ledger.h"
#include "ingest/source.h"
#include "ingest/spi.h"
#include "ingest/trouble.h"
#include "miscadmin.h"
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
#define TURN_MS			200		/* of a source, until it is the next one's turn */
#define FIRST_LIST_MAX	(1000 * INT64CONST(1000))	/* so long all wait for the first list of a source to end */
#define LATER_LIST_MAX	(10 * USECS_PER_SEC)	/* and the source itself for another one */
#define LIST_SOON_MS	500		/* a page that takes longer is not waited for the next time */
#define REQUEST_USECS	(100 * INT64CONST(1000))	/* a request counts as no more: it may have hung, once */

struct SlmSources
{
	MemoryContext context;
	SlmSource **items;
	int			n;
	int			max;
	uint32		round;
	uint64		changes_seen;	/* of definitions, when the stores were opened */
	uint64		role_changes_seen;	/* 0: the owners have not been looked at yet */
	MemoryContext retired;		/* sources that went in the last round; transfers may still be open there */
	bool		held;			/* and stay so for longer */
	int			long_list_at;	/* of those with long lists whose turn it was last */
};

/* A listing under way: pieces of it go to the ledger while the rest is still to come. */
typedef struct Discovery
{
	SlmListing *listing;
	bool		sweep;
	SlmSource  *source;
	MemoryContext context;		/* of all of this */
	MemoryContext scratch;		/* of a piece */
	SlmListed  *piece;
	int			n;
	int			added;
	int			listed;
	int			requests;
	SlmPassed	passed;			/* its strings live in context */
} Discovery;

/* Counted by invalidations; each set of sources compares them with what it saw last. */
static uint64 definition_changes = 1;
static uint64 role_changes = 1;

static void
note_change(Datum arg, int cacheid, uint32 hashvalue)
{
	definition_changes++;
}

static void
note_role_change(Datum arg, int cacheid, uint32 hashvalue)
{
	role_changes++;
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
		/* roles, and who has whose rights */
		CacheRegisterSyscacheCallback(AUTHOID, note_role_change, (Datum) 0);
		CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, note_role_change, (Datum) 0);
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
		if (source->owner_trouble != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
					 errmsg("the rights of whom the source belongs to count no longer"),
					 errdetail_internal("%s", source->owner_trouble),
					 errhint("sellometer_drop_source(), and sellometer_add_source() as another role: the ledger is kept.")));
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

/*
 * Is a list under way that brings what comes first in time perhaps last?  Then what it has brought so far waits: else the head would be
 * ahead of the rest, which would be backlog.  Of later lists just a few objects are expected.
 */
static bool
in_first_list(const SlmSource *source, TimestampTz now)
{
	const Discovery *d = source->discovery;

	return d != NULL && (source->keys == 0 || (d->added > 0 && now - source->list_began < LATER_LIST_MAX));
}

bool
slm_sources_in_first_list(SlmSources *sources, const char *only)
{
	TimestampTz now = GetCurrentTimestamp();

	for (int i = 0; i < sources->n; i++)
	{
		SlmSource  *source = sources->items[i];

		if (source->discovery != NULL && source->keys == 0 && !source->slow_list && now - source->list_began < FIRST_LIST_MAX &&
			(only == NULL || strcmp(source->name, only) == 0))
			return true;
	}
	return false;
}

int
slm_sources_choose(SlmSources *sources, const char *only, bool apart, const char ***names)
{
	TimestampTz now = GetCurrentTimestamp();
	int			n = 0;

	*names = palloc(sizeof(char *) * Max(sources->n, 1));
	for (int i = 0; i < sources->n; i++)
	{
		SlmSource  *source = sources->items[i];
		bool		is_apart = source->unreadable || now < source->apart_until;

		if (is_apart == apart && !in_first_list(source, now) && source->store != NULL && (only == NULL || strcmp(source->name, only) == 0))
			(*names)[n++] = source->name;
	}
	return n;
}

void
slm_sources_move_on(SlmSources *sources)
{
	for (int i = 0; i < sources->n; i++)
	{
		if (sources->items[i]->store != NULL)
			slm_store_move_on(sources->items[i]->store);
	}
}

/*
 * Roles have changed, anybody's: are the rights of this source's owner still enough?  If so the store stays, and what is known
 * of its listing: nobody causes all to be listed anew by changing a password.
 */
static bool
still_opens(SlmSource *source)
{
	SlmStore   *store = source->store;
	bool		opens;

	open_store(source);
	opens = source->store != NULL;
	if (opens)
	{
		slm_store_take_rights(store, source->store);
		slm_store_close(source->store);
	}
	source->store = store;
	return opens;
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
	source->unreadable = like->unreadable;
	source->long_list = true;
	source->owner_trouble = like->owner_trouble ? MemoryContextStrdup(context, like->owner_trouble) : NULL;
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
		"SELECT name, url, server, owner::oid::bigint, ROW(include, exclude)::text, include, exclude, "
		"(unreadable_since IS NOT NULL)::int::bigint, "
		"sellometer.owner_trouble(owner, owner_name, owner_login) "
		"FROM sellometer.sources WHERE enabled ORDER BY name"
	};
	static SlmStatement note_owners = {"SELECT sellometer.note_owners()"};
	bool		changed = sources->changes_seen != definition_changes;
	bool		roles_changed = sources->role_changes_seen != role_changes;
	MemoryContext context = CurrentMemoryContext;
	SlmSource  *read;
	int			n;

	sources->changes_seen = definition_changes;
	sources->role_changes_seen = role_changes;
	if (!sources->held)
		MemoryContextReset(sources->retired);
	sources->round++;
	if (roles_changed)
		slm_execute(&note_owners, NULL, NULL, SPI_OK_SELECT);
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
		read[i].unreadable = slm_int64(i, 8, 0) != 0;
		read[i].owner_trouble = slm_text(context, i, 9);
	}
	for (int i = 0; i < n; i++)
	{
		SlmSource  *source = slm_sources_find(sources, read[i].name);

		if (source != NULL && !changed && source->store != NULL && strcmp(source->url, read[i].url) == 0 &&
			same_text(source->server, read[i].server) && source->owner == read[i].owner &&
			strcmp(source->patterns, read[i].patterns) == 0 && read[i].owner_trouble == NULL &&
			(!roles_changed || still_opens(source)))
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

static void
flush_piece(Discovery *d)
{
	/* a listing may have thousands of pieces, and what one takes is not needed for the next */
	MemoryContext old = MemoryContextSwitchTo(d->scratch);

	if (d->n > 0)
	{
		d->added += slm_ledger_discover(d->source->name, d->piece, d->n);
		SLM_CRASH_POINT("list.noted");
	}
	d->n = 0;
	MemoryContextSwitchTo(old);
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
		slm_passed_count(&d->passed, d->context, key, reason, why);
}

/* After a whole listing: have the source's row tell what was passed over, if that has changed. */
static void
note_passed_over(Discovery *d)
{
	static SlmStatement statement = {
		"UPDATE sellometer.sources SET passed_over = $2, unreadable_entries = $3 WHERE name = $1", 3, {TEXTOID, JSONBOID, TEXTARRAYOID}
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
		args[3] = CStringGetTextDatum(slm_store_error_text(error));
	slm_execute(&statement, args, error ? NULL : "   n", SPI_OK_UPDATE);
	source->requests = 0;
	source->failing = error != NULL;
	source->noted_at = GetCurrentTimestamp();
}

/* Begin a list, unless it is not time yet. */
static void
begin_discovery(SlmSource *source, bool sweep)
{
	TimestampTz now = GetCurrentTimestamp();
	MemoryContext context;
	Discovery  *d;

	if (!sweep && (!slm_trouble_may_list(source) || now - source->list_began < slm_poll_interval * INT64CONST(1000)))
		return;
	context = AllocSetContextCreate(source->context, "sellometer discovery", ALLOCSET_SMALL_SIZES);
	d = MemoryContextAllocZero(context, sizeof(Discovery));
	d->context = context;
	d->source = source;
	d->scratch = AllocSetContextCreate(context, "sellometer listing", ALLOCSET_DEFAULT_SIZES);
	d->piece = MemoryContextAlloc(context, sizeof(SlmListed) * KEYS_PER_PIECE);
	d->sweep = sweep || source->keys <= KEYS_IN_WINDOW || now >= source->next_sweep;
	if (source->window_key == NULL)
		set_key(source, &source->window_key, source->newest_key);
	d->listing = slm_listing_begin(source->store, "", d->sweep ? NULL : source->window_key);
	slm_listing_tell(d->listing, note_passed);
	source->list_began = now;
	source->discovery = d;
}

static void
end_discovery(Discovery *d, bool ok, const SlmStoreError *error)
{
	SlmSource  *source = d->source;
	int64		took = GetCurrentTimestamp() - source->list_began;

	slm_listing_end(d->listing);
	source->discovery = NULL;
	source->slow_list = took > LIST_SOON_MS * INT64CONST(1000) * Max(d->requests, 1);
	if (d->sweep)
		source->next_sweep = GetCurrentTimestamp() + Min(took, d->requests * REQUEST_USECS) * SWEEP_SHARE;
	source->keys = d->sweep ? d->listed + (int) Min(slm_passed_total(&d->passed), PG_INT32_MAX / 2) : source->keys + d->added;
	move_window(source, d->sweep, d->listed);
	source->requests += d->requests;
	slm_trouble_listed(source, ok, took);
	if (!ok || source->failing || d->added > 0 || GetCurrentTimestamp() - source->noted_at > NOTE_INTERVAL)
		note_listing(source, ok && d->sweep, ok ? NULL : error);
	if (ok && d->sweep)
		note_passed_over(d);
	MemoryContextDelete(d->context);
}

/* A turn of a list: until it ends, does not come on, or has taken its time. */
static void
continue_discovery(Discovery *d)
{
	TimestampTz until = GetCurrentTimestamp() + TURN_MS * INT64CONST(1000);
	SlmListingStatus status;
	SlmStoreError error;

	do
	{
		long		wait_ms = d->source->slow_list ? 0 : Max(0, (until - GetCurrentTimestamp()) / 1000);

		slm_alive();
		status = slm_listing_next(d->listing, wait_ms, note_object, d, &d->requests, &error);
		flush_piece(d);
	} while (status == SLM_LISTING_MORE && GetCurrentTimestamp() < until);
	if (status == SLM_LISTING_WAIT)
		d->source->slow_list = true;
	d->source->long_list = status == SLM_LISTING_MORE;
	if (status == SLM_LISTING_END || status == SLM_LISTING_ERROR)
		end_discovery(d, status == SLM_LISTING_END, &error);
}

/* A turn of one source, in a transaction.  True if its list goes on after that. */
static bool
go_on(SlmSource *source)
{
	slm_secure_transaction();
	if (source->discovery != NULL)
		continue_discovery(source->discovery);
	else
		note_listing(source, false, &source->error);
	slm_commit();
	SLM_CRASH_POINT("list.committed");
	return source->discovery != NULL;
}

/* Together they take no more than one turn, and the next call goes on behind the last that had one: or else the others would wait for as
 * many turns as there are of these. */
static bool
go_on_with_long_lists(SlmSources *sources, const char *only)
{
	TimestampTz until = GetCurrentTimestamp() + TURN_MS * INT64CONST(1000);
	int			first = sources->long_list_at + 1;
	bool		under_way = false;

	for (int i = 0; i < sources->n; i++)
	{
		int			at = (first + i) % sources->n;
		SlmSource  *source = sources->items[at];

		if (source->discovery == NULL || !source->long_list || (only != NULL && strcmp(source->name, only) != 0))
			continue;
		if (GetCurrentTimestamp() >= until)
			return true;
		under_way |= go_on(source);
		sources->long_list_at = at;
	}
	return under_way;
}

bool
slm_sources_go_on(SlmSources *sources, const char *only)
{
	bool		under_way = false;

	for (int i = 0; i < sources->n; i++)
	{
		SlmSource  *source = sources->items[i];
		bool		unopened = source->store == NULL && !source->failing;

		if ((unopened || (source->discovery != NULL && !source->long_list)) && (only == NULL || strcmp(source->name, only) == 0))
			under_way |= go_on(source);
	}
	return go_on_with_long_lists(sources, only) || under_way;
}

bool
slm_sources_discover(SlmSources *sources, const char *only, bool sweep)
{
	/* all requests are on their way before the first answer is waited for */
	for (int i = 0; i < sources->n; i++)
	{
		SlmSource  *source = sources->items[i];

		if (source->store != NULL && source->discovery == NULL && (only == NULL || strcmp(source->name, only) == 0))
			begin_discovery(source, sweep);
	}
	slm_sources_move_on(sources);
	return slm_sources_go_on(sources, only);
}
