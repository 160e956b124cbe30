/*
 * source_health.c: sources that can't be read for a while, and the objects that wait for them.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/pg_prng.h"
#include "ledger/source_health.h"
#include "server/spi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* Between two probes: half of it, and up to so much again by chance. */
#define PROBE_MS	10000

/* How long a batch waits for the objects of a source. */
#define PATIENCE_MS	500

/* How often an unhealthy source gets little patience. */
#define BRIEF_SHARE	0.8

/* A source whose objects did not come soon is apart from the others for so long; then it has another try. */
#define APART_FOR	(30 * USECS_PER_SEC)
#define APART_MAX	(600 * USECS_PER_SEC)

/* A list that failed after 1 s is followed by so many without one, up to a limit (in microseconds). */
#define LIST_SHARE		4
#define MAX_LIST_DELAY	(15 * USECS_PER_SEC)

/* Rows that others have picked are left to them: who holds the writer's lock must not wait for a row. */
#define WAITING \
	"id IN (SELECT id FROM sellometer.objects WHERE source = $1 AND state IN ('pending', 'backlog') " \
	"AND next_attempt IS NOT NULL"

static void
plan_probe(SlmSource *source)
{
	source->next_probe = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													 (int64) (PROBE_MS * (0.5 + pg_prng_double(&pg_global_prng_state))));
}

/* Its row says that it can't be listed, or read. */
#define IN_TROUBLE \
	"EXISTS (SELECT FROM sellometer.sources WHERE name = $1 AND (last_error IS NOT NULL OR unreadable_since IS NOT NULL))"

/* It is back: those that were given up too are due, as far as they were for want of being read, which next_attempt says. */
static void
revive(SlmSource *source)
{
	static SlmStatement statement = {
		"UPDATE sellometer.objects SET state = 'pending', next_attempt = NULL, attempts = 0 WHERE id IN (SELECT id "
		"FROM sellometer.objects WHERE source = $1 AND state = 'failed' AND next_attempt = 'infinity' FOR UPDATE SKIP LOCKED) "
		"AND " IN_TROUBLE, 1, {TEXTOID}
	};
	static SlmStatement readable = {
		"UPDATE sellometer.sources SET unreadable_since = NULL WHERE name = $1 AND unreadable_since IS NOT NULL", 1, {TEXTOID}
	};
	Datum		arg = CStringGetTextDatum(source->name);

	slm_execute(&statement, &arg, NULL, SPI_OK_UPDATE);
	slm_execute(&readable, &arg, NULL, SPI_OK_UPDATE);
	source->unreadable = false;
}

static void
is_unreadable(SlmSource *source)
{
	static SlmStatement statement = {
		"UPDATE sellometer.sources SET unreadable_since = clock_timestamp() WHERE name = $1 AND unreadable_since IS NULL",
		1, {TEXTOID}
	};
	Datum		arg = CStringGetTextDatum(source->name);

	slm_execute(&statement, &arg, NULL, SPI_OK_UPDATE);
	source->unreadable = true;
	plan_probe(source);
}

static void
all_are_due(SlmSource *source)
{
	static SlmStatement statement = {
		"UPDATE sellometer.objects SET next_attempt = NULL WHERE " WAITING " FOR UPDATE SKIP LOCKED)", 1, {TEXTOID}
	};
	Datum		arg = CStringGetTextDatum(source->name);

	slm_execute(&statement, &arg, NULL, SPI_OK_UPDATE);
	source->unhealthy = false;
}

static void
probe_is_due(SlmSource *source)
{
	static SlmStatement statement = {
		"UPDATE sellometer.objects SET next_attempt = NULL, attempts = greatest(attempts - 1, 0) "
		"WHERE " WAITING " AND next_attempt > clock_timestamp() ORDER BY next_attempt LIMIT 1 FOR UPDATE SKIP LOCKED)",
		1, {TEXTOID}
	};
	Datum		arg = CStringGetTextDatum(source->name);

	slm_execute(&statement, &arg, NULL, SPI_OK_UPDATE);
	plan_probe(source);
}

/* Its row tells whether it has failed, also what happened before this process began. */
static void
begin_anew(SlmSource *source)
{
	static SlmStatement statement = {
		"UPDATE sellometer.objects SET next_attempt = NULL, attempts = 0 WHERE " WAITING " FOR UPDATE SKIP LOCKED) "
		"AND " IN_TROUBLE,
		1, {TEXTOID}
	};
	Datum		arg = CStringGetTextDatum(source->name);

	slm_execute(&statement, &arg, NULL, SPI_OK_UPDATE);
	revive(source);
	source->unhealthy = false;
}

/* Mostly brief, lest the others wait; not always, for a server may be slow to answer. */
static void
choose_patience(SlmSource *source, bool unhealthy)
{
	if (source->store != NULL)
		slm_store_set_brief(source->store, unhealthy && pg_prng_double(&pg_global_prng_state) < BRIEF_SHARE);
}

static void
begin_batch(SlmSource *source)
{
	source->strikes = 0;
	source->patience_ms = PATIENCE_MS;
	choose_patience(source, source->unhealthy);
}

void
slm_source_health_begin(SlmSources *sources)
{
	slm_sources_for_each(sources, begin_batch);
}

bool
slm_source_health_may_read(const SlmSource *source)
{
	return source->strikes < SLM_STRIKES;
}

bool
slm_source_health_has_come(SlmSource *source, SlmTransfer *transfer)
{
	TimestampTz begin = GetCurrentTimestamp();
	bool		ready;

	if (source == NULL)
		return true;
	ready = slm_transfer_ready(transfer, source->patience_ms);
	source->patience_ms = Max(0, source->patience_ms - (int) ((GetCurrentTimestamp() - begin) / 1000));
	return ready;
}

void
slm_source_health_was_read(SlmSource *source, const SlmObject *object)
{
	if (source == NULL || source->store == NULL)
		return;
	if (object->outcome == SLM_OBJECT_RETRY)
	{
		source->strikes++;
		slm_store_set_brief(source->store, true);
	}
	else if (object->outcome == SLM_OBJECT_LOADED || object->outcome == SLM_OBJECT_PART)
	{
		source->strikes = 0;
		if (source->patience_ms > 0)
			source->slow_times = 0;
		slm_store_set_brief(source->store, false);
	}
}

void
slm_source_health_set_apart(SlmSource *source)
{
	if (source == NULL)
		return;
	/* longer each time, as each time it keeps the others waiting for a moment */
	source->apart_until = GetCurrentTimestamp() + Min(APART_FOR << source->slow_times, APART_MAX);
	source->slow_times = Min(source->slow_times + 1, 10);
}

static bool
was_read(const SlmObject *object)
{
	return object->outcome == SLM_OBJECT_LOADED || object->outcome == SLM_OBJECT_PART || object->outcome == SLM_OBJECT_SAME;
}

/* How many objects of the same source as this one could not be read; 0 if one could. */
static int
count_failures(const SlmObject *objects, int n, const SlmObject *like)
{
	int			failures = 0;

	for (int i = 0; i < n; i++)
	{
		if (strcmp(objects[i].source, like->source) != 0)
			continue;
		if (was_read(&objects[i]))
			return 0;
		failures += objects[i].outcome == SLM_OBJECT_RETRY;
	}
	return failures;
}

void
slm_source_health_excuse(SlmSources *sources, SlmObject *objects, int n)
{
	for (int i = 0; i < n; i++)
	{
		SlmSource  *source;

		if (objects[i].outcome != SLM_OBJECT_RETRY)
			continue;
		source = slm_sources_find(sources, objects[i].source);
		objects[i].uncounted = source == NULL || source->failing || source->unreadable ||
			count_failures(objects, n, &objects[i]) >= SLM_STRIKES;
	}
}

bool
slm_source_health_probe(SlmSource *source)
{
	if (!source->unreadable || GetCurrentTimestamp() < source->next_probe)
		return false;
	probe_is_due(source);
	return true;
}

void
slm_source_health_judge(SlmSources *sources, const SlmObject *objects, int n)
{
	for (int i = 0; i < n; i++)
	{
		SlmSource  *source = slm_sources_find(sources, objects[i].source);

		if (objects[i].outcome != SLM_OBJECT_RETRY || source == NULL)
			continue;
		if (!source->unreadable && count_failures(objects, n, &objects[i]) >= SLM_STRIKES)
			is_unreadable(source);
		if (source->unhealthy)
			continue;
		source->unhealthy = true;
		plan_probe(source);
	}
	/* one object that can't be read, beside others that can, says nothing against the source */
	for (int i = 0; i < n; i++)
	{
		SlmSource  *source = slm_sources_find(sources, objects[i].source);

		if (!was_read(&objects[i]) || source == NULL)
			continue;
		source->unhealthy = false;
		if (source->unreadable || objects[i].attempts > 0)
			all_are_due(source);
		if (source->unreadable)
			revive(source);
	}
}

bool
slm_source_health_may_list(SlmSource *source)
{
	choose_patience(source, source->failing);
	return !source->failing || GetCurrentTimestamp() >= source->next_list;
}

void
slm_source_health_listed(SlmSource *source, bool ok, int64 took)
{
	source->next_list = ok ? 0 : GetCurrentTimestamp() + Min(took * LIST_SHARE, MAX_LIST_DELAY);
	if (!ok)
		return;
	if (source->failing || (source->noted_at == 0 && !source->unreadable))
		begin_anew(source);
	if (source->unhealthy && !source->unreadable && GetCurrentTimestamp() >= source->next_probe)
		probe_is_due(source);
}
