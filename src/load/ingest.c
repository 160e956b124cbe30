/*
 * ingest.c: whose turn it is: batch after batch, of the sources that are well and of those that are apart.
 *
 *   slm_ingest_batch --> the sources that are well: slm_load_batch
 *                    --> each that is apart:        slm_load_batch, of what has come
 *   slm_ingest_wait  --> until a transfer has come, or somebody sets the latch
 */
#include "postgres.h"

#include "budget.h"
#include "guc.h"
#include "ledger/discovery.h"
#include "ledger/source_health.h"
#include "load/held.h"
#include "load/ingest.h"
#include "load/large.h"
#include "load/pool.h"
#include "miscadmin.h"
#include "server/alive.h"
#include "server/spi.h"
#include "server/worker_slots.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#define MAX_OBJECTS_PER_BATCH	2000

/* The first batch of backlog: as large as surely does not hold the writer's lock for long. */
#define FIRST_LATE_BYTES		(4 * 1024 * 1024)

/* How often is looked, while nothing else is to be done, whether a transfer has come. */
#define LOOK_MS					20

static void
ingest_free(void *arg)
{
	SlmIngest  *ingest = arg;

	slm_batch_free(&ingest->batch);
	slm_chunk_free(&ingest->chunk);
	slm_large_free_chunks(ingest);
}

SlmIngest *
slm_ingest_begin(SlmViewState *views, bool persistent)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "sellometer ingest", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	SlmIngest  *ingest = palloc0(sizeof(SlmIngest));
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

	callback->func = ingest_free;
	callback->arg = ingest;
	MemoryContextRegisterResetCallback(context, callback);
	ingest->context = context;
	ingest->batch_context = AllocSetContextCreate(context, "sellometer batch", ALLOCSET_DEFAULT_SIZES);
	ingest->sources = slm_sources_create();
	ingest->late_bytes = FIRST_LATE_BYTES;
	ingest->many = true;
	slm_secure_transaction();
	ingest->views = views ? views : slm_view_state_create(persistent);
	MemoryContextSwitchTo(old);
	return ingest;
}

void
slm_ingest_end(SlmIngest *ingest)
{
	MemoryContextDelete(ingest->context);
}

void
slm_ingest_set_surge(SlmIngest *ingest, bool surge)
{
	MemoryContext old = MemoryContextSwitchTo(ingest->context);
	int			wanted = slm_budget_parser_count(slm_max_parse_workers);

	if (surge && ingest->pool != NULL)
		slm_pool_replace(ingest->pool);
	if (surge && ingest->pool == NULL && wanted > 0)
		ingest->pool = slm_pool_start(wanted);
	if (!surge && ingest->pool != NULL)
	{
		slm_pool_stop(ingest->pool);
		ingest->pool = NULL;
	}
	slm_slot_set_lacking(surge ? Max(wanted - (ingest->pool ? slm_pool_size(ingest->pool) : 0), 0) : 0);
	MemoryContextSwitchTo(old);
}

/* In a transaction of its own: what there is to be known of the sources. */
static void
look_at_sources(SlmIngest *ingest)
{
	slm_secure_transaction();
	slm_sources_refresh(ingest->sources);
	slm_large_check(ingest);
	slm_held_check(ingest);
}

/* What has come of a source that is apart from the others. */
static void
batch_apart(SlmIngest *ingest, const char *state, const char *name, SlmBatchResult *result)
{
	SlmSource  *source;
	SlmBatchScope scope = {.state = state,.sources = &name,.nsources = 1,.limit = MAX_OBJECTS_PER_BATCH,.apart = true};

	look_at_sources(ingest);
	source = slm_sources_find(ingest->sources, name);
	if (source == NULL || source->store == NULL)
		return;
	if (source->unreadable)
	{
		/* a probe that is under way is seen to its end */
		if (!slm_held_has(ingest, name) && !slm_source_health_probe(source))
			return;
		scope.limit = SLM_STRIKES;
	}
	slm_load_batch(ingest, &scope, result);
}

void
slm_ingest_batch(SlmIngest *ingest, const char *state, const char *source, SlmBatchResult *result)
{
	MemoryContext old;
	SlmBatchScope well = {.state = state,.limit = MAX_OBJECTS_PER_BATCH};
	const char **names;
	int			n;

	*result = (SlmBatchResult) {.applied.head = DT_NOBEGIN};
	MemoryContextReset(ingest->batch_context);
	old = MemoryContextSwitchTo(ingest->batch_context);
	look_at_sources(ingest);
	well.nsources = slm_sources_choose(ingest->sources, source, false, &names);
	well.sources = names;
	slm_load_batch(ingest, &well, result);
	n = slm_sources_choose(ingest->sources, source, true, &names);
	for (int i = 0; i < n; i++)
		names[i] = pstrdup(names[i]);
	for (int i = 0; i < n; i++)
		batch_apart(ingest, state, names[i], result);
	ingest->turn = ingest->large == NULL ? 0 : (ingest->turn + 1) % 3;
	MemoryContextSwitchTo(old);
}

void
slm_ingest_wait(SlmIngest *ingest, long wait_ms)
{
	TimestampTz until = GetCurrentTimestamp() + wait_ms * INT64CONST(1000);

	for (;;)
	{
		long		left = (long) ((until - GetCurrentTimestamp()) / 1000);
		int			events;

		slm_alive();
		if (left <= 0)
			return;
		events = WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, Min(left, LOOK_MS), PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		slm_sources_move_on(ingest->sources);
		if ((events & WL_LATCH_SET) || slm_held_ready(ingest))
			return;
	}
}
