/*
 * read_alone.c: objects read by this process, one after the other.
 *
 *   start_transfers: as many as connections allow --> come? --> read_object --> batch
 *                                                      | no
 *                                                      v
 *                                                    held.c: goes on beside, for a later batch
 */
#include "postgres.h"

#include "budget.h"
#include "guc.h"
#include "ledger/reading.h"
#include "ledger/source_health.h"
#include "load/held.h"
#include "load/large.h"
#include "load/read_alone.h"
#include "server/out_of_memory.h"
#include "server/progress.h"

/* An object that has come by half and takes longer than this is read like a large one, from turn to turn. */
#define READ_MS					1000

/* Start the transfers of the next objects, as far as connections allow.  Those of sources that can't be read now stay as they are. */
static int
start_transfers(SlmIngest *ingest, SlmObject *objects, int n, int current, int started)
{
	for (; started < n && started < current + slm_max_connections; started++)
	{
		SlmObject  *object = &objects[started];
		SlmSource  *source = slm_sources_find(ingest->sources, object->source);

		if (object->outcome != SLM_OBJECT_WAITING || (source != NULL && !slm_source_health_may_read(source)))
			continue;
		if (!slm_held_take(ingest, object))
			slm_object_open(object, source);
	}
	return started;
}

void
slm_read_close(SlmObject *objects, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (objects[i].transfer != NULL)
			slm_transfer_close(objects[i].transfer);
		objects[i].transfer = NULL;
	}
}

static void
add_to_batch(SlmIngest *ingest, SlmObject *object)
{
	if (!slm_object_add(object, &ingest->batch, &ingest->chunk))
		slm_out_of_memory();
}

bool
slm_read_enough(const SlmIngest *ingest)
{
	const SlmBatch *batch = &ingest->batch;
	const SlmViewState *views = ingest->views;
	Size		new_names = slm_dictionary_memory(views->dictionary) - views->names_before;
	Size		takes = slm_batch_memory(batch) + 2 * new_names + (batch->groups.ngroups + slm_batch_views(batch)) * SLM_ROW_BYTES;

	return takes > slm_budget_batch(slm_views_memory(&views->known) + views->names_before);
}

/* Has an object come, so that reading it need not wait?  If not, its transfer goes on beside. */
static bool
has_come_or_is_held(SlmIngest *ingest, SlmObject *object)
{
	SlmSource  *source = slm_sources_find(ingest->sources, object->source);

	if (slm_source_health_has_come(source, object->transfer))
		return true;
	slm_source_health_set_apart(source);
	slm_held_keep(ingest, object);
	return false;
}

/* Read one object whole; large objects come back as SLM_OBJECT_PART, and nothing of them is in the batch. */
static void
read_object(SlmIngest *ingest, const SlmClock *clock, SlmObject *object)
{
	SlmReading *reading = slm_reading_begin(object, clock, &ingest->views->key, &ingest->views->checksum);

	slm_reading_limit(reading, READ_MS, true);
	slm_reading_chunk(reading, clock, ingest->views->dictionary, &ingest->chunk, false);
	/* not small, and slow: what can go on from turn to turn is a large object */
	if (slm_reading_interrupted(reading))
		object->outcome = SLM_OBJECT_PART;
	slm_reading_end(reading);
	slm_transfer_close(object->transfer);
	object->transfer = NULL;
	slm_source_health_was_read(slm_sources_find(ingest->sources, object->source), object);
	if (object->outcome == SLM_OBJECT_LOADED)
		add_to_batch(ingest, object);
	if (object->outcome != SLM_OBJECT_PART)
		slm_progress_add(1, object->size, object->rows_total);
}

void
slm_read_one(SlmIngest *ingest, const SlmClock *clock, SlmObject *object)
{
	(void) start_transfers(ingest, object, 1, 0, 0);
	if (object->transfer != NULL && has_come_or_is_held(ingest, object))
		read_object(ingest, clock, object);
}

int
slm_read_dealt_with(const SlmObject *objects, int n)
{
	int			dealt_with = 0;

	for (int i = 0; i < n; i++)
		dealt_with += objects[i].outcome != SLM_OBJECT_WAITING;
	return dealt_with;
}

int
slm_read_alone(SlmIngest *ingest, const SlmClock *clock, SlmObject *objects, int n, int *large)
{
	int			started = 0;
	int			missing = 0;

	for (int i = 0; i < n; i++)
	{
		if (objects[i].outcome != SLM_OBJECT_WAITING || slm_large_must_wait(ingest, &objects[i]))
			continue;
		if (objects[i].resume_row == 0 && objects[i].id != ingest->large_id && !slm_large_has(ingest, objects[i].id))
		{
			started = start_transfers(ingest, objects, n, i, Max(started, i));
			if (objects[i].transfer != NULL && has_come_or_is_held(ingest, &objects[i]))
				read_object(ingest, clock, &objects[i]);
			else if (objects[i].outcome == SLM_OBJECT_WAITING && ++missing >= slm_max_connections)
				return i + 1;	/* enough is under way */
		}
		else
			objects[i].outcome = SLM_OBJECT_PART;
		if (objects[i].outcome == SLM_OBJECT_PART)
		{
			objects[i].outcome = SLM_OBJECT_WAITING;
			ingest->large_id = objects[i].id;
			if (slm_read_dealt_with(objects, i) > 0)
				return i;
			*large = i;
			return i + 1;
		}
		if (slm_read_enough(ingest))
			return i + 1;
	}
	return n;
}
