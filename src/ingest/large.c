/*
 * large.c: objects of more rows than a chunk, loaded in parts.
 */
#include "postgres.h"

#include "ingest/crash_point.h"
#include "ingest/large.h"
#include "utils/memutils.h"

typedef struct SlmLarge
{
	MemoryContext context;		/* of all of it */
	SlmObject	object;			/* its transfer is open */
	SlmStore   *store;			/* that the transfer is from */
	SlmReading *reading;
	int64		next_row;		/* rows read so far */
} SlmLarge;

void
slm_large_check(SlmIngest *ingest)
{
	SlmLarge   *large = ingest->large;
	SlmSource  *source = large == NULL ? NULL : slm_sources_find(ingest->sources, large->object.source);

	if (large != NULL && (source == NULL || source->store != large->store))
		slm_large_end(ingest);
}

void
slm_large_end(SlmIngest *ingest)
{
	SlmLarge   *large = ingest->large;

	if (large == NULL)
		return;
	ingest->large = NULL;
	if (large->reading != NULL)
		slm_reading_end(large->reading);
	if (large->object.transfer != NULL)
		slm_transfer_close(large->object.transfer);
	MemoryContextDelete(large->context);
}

static void
open_transfer(SlmIngest *ingest, SlmLarge *large, const SlmClock *clock)
{
	SlmObject  *object = &large->object;
	SlmSource  *source = slm_sources_find(ingest->sources, object->source);
	MemoryContext old;

	object->outcome = SLM_OBJECT_WAITING;
	slm_object_open(object, source);
	if (object->outcome != SLM_OBJECT_WAITING)
		return;
	large->store = source->store;
	old = MemoryContextSwitchTo(large->context);
	large->reading = slm_reading_begin(object, clock, &ingest->views->key);
	MemoryContextSwitchTo(old);
}

static void
close_transfer(SlmLarge *large)
{
	slm_reading_end(large->reading);
	large->reading = NULL;
	slm_transfer_close(large->object.transfer);
	large->object.transfer = NULL;
}

/* Begin, or take up again where an earlier process was stopped; the outcome is WAITING if parts can be read now. */
static SlmLarge *
begin(SlmIngest *ingest, const SlmObject *like, const SlmClock *clock)
{
	MemoryContext context = AllocSetContextCreate(ingest->context, "sellometer large object", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	SlmLarge   *large = palloc0(sizeof(SlmLarge));
	SlmObject  *object = &large->object;

	large->context = context;
	ingest->large = large;
	*object = *like;
	object->transfer = NULL;
	object->source = pstrdup(like->source);
	object->key = pstrdup(like->key);
	object->etag = pstrdup(like->etag);
	MemoryContextSwitchTo(old);
	open_transfer(ingest, large, clock);
	if (object->outcome == SLM_OBJECT_WAITING && object->resume_row == 0)
	{
		slm_reading_validate(large->reading);
		SLM_CRASH_POINT("large.validated");
		close_transfer(large);
		if (object->outcome == SLM_OBJECT_LOADED)
			open_transfer(ingest, large, clock);
	}
	else if (object->outcome == SLM_OBJECT_WAITING && !slm_reading_skip(large->reading, object->resume_row) &&
			 object->outcome == SLM_OBJECT_LOADED)
		slm_object_fail(object, SLM_OBJECT_FAILED, ERRCODE_DATA_EXCEPTION,
						"the object has fewer rows than were loaded from it before");
	large->next_row = object->resume_row;
	return large;
}

/* What was found goes to the object that the batch works on, whose memory lives as long as the batch. */
static void
copy_outcome(SlmObject *to, const SlmObject *from)
{
	SlmObject	kept = *to;

	*to = *from;
	to->source = kept.source;
	to->key = kept.key;
	to->etag = kept.etag;
	to->transfer = NULL;
	to->number = -1;
	if (from->error != NULL)
		to->error = pstrdup(from->error);
}

void
slm_large_part(SlmIngest *ingest, SlmObject *object, const SlmClock *clock)
{
	SlmLarge   *large = ingest->large;
	SlmObject  *own;

	if (large != NULL && (large->object.id != object->id || large->next_row != object->resume_row))
	{
		slm_large_end(ingest);
		large = NULL;
	}
	if (large == NULL)
		large = begin(ingest, object, clock);
	own = &large->object;
	if (own->outcome == SLM_OBJECT_WAITING || own->outcome == SLM_OBJECT_PART)
	{
		own->resume_row = object->resume_row;
		own->rejected_before = object->rejected_before;
		slm_reading_chunk(large->reading, clock, ingest->views->catalog, &ingest->chunk, true);
		large->next_row += own->rows_total;
		SLM_CRASH_POINT("large.part");
	}
	copy_outcome(object, own);
	if (object->outcome == SLM_OBJECT_LOADED || object->outcome == SLM_OBJECT_PART)
	{
		object->number = ingest->batch.nobjects;
		if (!slm_batch_add(&ingest->batch, ingest->chunk.rows, ingest->chunk.nrows) ||
			!slm_carts_fold(&ingest->batch.carts, &ingest->chunk.carts))
			ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	}
	if (object->outcome != SLM_OBJECT_PART)
		slm_large_end(ingest);
}
