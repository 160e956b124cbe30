/*
 * discovery.c: what is new in the sources.
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

#include "catalog/pg_type.h"
#include "guc.h"
#include "ledger/discovery.h"
#include "ledger/enter.h"
#include "ledger/source_health.h"
#include "ledger/source_internal.h"
#include "miscadmin.h"
#include "server/alive.h"
#include "server/crash_point.h"
#include "server/spi.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define KEYS_PER_PIECE	1000
#define SWEEP_SHARE		20		/* a sweep that takes 1 s is followed by 20 s without one */
#define WINDOW			(2 * USECS_PER_MINUTE)
#define KEYS_IN_WINDOW	1000	/* more of them, and it begins at the newest */
#define LEAST_TURN_MS	20L
#define FIRST_LIST_MAX	(1000 * INT64CONST(1000))	/* so long all wait for the first list of a source to end */
#define LATER_LIST_MAX	(10 * USECS_PER_SEC)	/* and the source itself for another one */
#define LIST_SOON_MS	500		/* a page that takes longer is not waited for the next time */
#define REQUEST_USECS	(100 * INT64CONST(1000))	/* a request counts as no more: it may have hung, once */

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

static void
flush_piece(Discovery *d)
{
	/* a listing may have thousands of pieces, and what one takes is not needed for the next */
	MemoryContext old = MemoryContextSwitchTo(d->scratch);

	if (d->n > 0)
	{
		d->added += slm_ledger_enter(d->source->name, d->piece, d->n);
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

	if (!sweep && (!slm_source_health_may_list(source) || now - source->list_began < slm_poll_interval * INT64CONST(1000)))
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
	source->list_failed |= !ok;
	source->slow_list = took > LIST_SOON_MS * INT64CONST(1000) * Max(d->requests, 1);
	if (d->sweep)
		source->next_sweep = GetCurrentTimestamp() + Min(took, d->requests * REQUEST_USECS) * SWEEP_SHARE;
	source->keys = d->sweep ? d->listed + (int) Min(slm_passed_total(&d->passed), PG_INT32_MAX / 2) : source->keys + d->added;
	move_window(source, d->sweep, d->listed);
	source->requests += d->requests;
	slm_source_health_listed(source, ok, took);
	if (!ok || source->failing || d->added > 0 || GetCurrentTimestamp() - source->noted_at > NOTE_INTERVAL)
		note_listing(source, ok && d->sweep, ok ? NULL : error);
	if (ok && d->sweep)
		note_passed_over(d);
	MemoryContextDelete(d->context);
}

long
slm_list_turn_after(TimestampTz batch_began)
{
	long		took = (long) ((GetCurrentTimestamp() - batch_began) / 1000);

	return Min(Max(took, LEAST_TURN_MS), SLM_LIST_TURN_MS);
}

/* A turn of a list: until it ends, does not come on, or has taken its time. */
static void
continue_discovery(Discovery *d, long turn_ms)
{
	TimestampTz until = GetCurrentTimestamp() + turn_ms * INT64CONST(1000);
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
go_on(SlmSource *source, long turn_ms)
{
	slm_secure_transaction();
	if (source->discovery != NULL)
		continue_discovery(source->discovery, turn_ms);
	else
		note_listing(source, false, &source->error);
	slm_commit();
	SLM_CRASH_POINT("list.committed");
	return source->discovery != NULL;
}

/* Together they take no more than one turn, and the next call goes on behind the last that had one: or else the others would wait for as
 * many turns as there are of these. */
static bool
go_on_with_long_lists(SlmSources *sources, const char *only, long turn_ms)
{
	TimestampTz until = GetCurrentTimestamp() + turn_ms * INT64CONST(1000);
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
		under_way |= go_on(source, turn_ms);
		sources->long_list_at = at;
	}
	return under_way;
}

bool
slm_sources_go_on(SlmSources *sources, const char *only, long long_turn_ms)
{
	bool		under_way = false;

	for (int i = 0; i < sources->n; i++)
	{
		SlmSource  *source = sources->items[i];
		bool		unopened = source->store == NULL && !source->failing;

		if ((unopened || (source->discovery != NULL && !source->long_list)) && (only == NULL || strcmp(source->name, only) == 0))
			under_way |= go_on(source, SLM_LIST_TURN_MS);
	}
	return go_on_with_long_lists(sources, only, long_turn_ms) || under_way;
}

bool
slm_sources_discover(SlmSources *sources, const char *only, bool sweep, long long_turn_ms)
{
	/* all requests are on their way before the first answer is waited for */
	for (int i = 0; i < sources->n; i++)
	{
		SlmSource  *source = sources->items[i];

		if (source->store != NULL && source->discovery == NULL && (only == NULL || strcmp(source->name, only) == 0))
			begin_discovery(source, sweep);
	}
	slm_sources_move_on(sources);
	return slm_sources_go_on(sources, only, long_turn_ms);
}

/* --- what waits for lists --- */

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

		if (source->discovery != NULL && source->keys == 0 && !source->slow_list && !source->list_failed &&
			now - source->list_began < FIRST_LIST_MAX && (only == NULL || strcmp(source->name, only) == 0))
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
