/*
 * large.c: objects of more rows than a chunk, loaded in parts.
 */
#include "postgres.h"

#include "ledger/pick.h"
#include "ledger/reading.h"
#include "load/large.h"
#include "server/crash_point.h"
#include "server/out_of_memory.h"
#include "server/progress.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* So long a turn lasts at the most. */
#define TURN_MS		500

/* One that nobody has picked for so long is done with elsewhere. */
#define FORGOTTEN	(5 * USECS_PER_MINUTE)

typedef enum LargePhase
{
	LARGE_VALIDATE,				/* read it to its end, without counting */
	LARGE_SKIP,					/* pass over what is committed */
	LARGE_PARTS
} LargePhase;

typedef struct SlmLarge
{
	struct SlmLarge *next;
	MemoryContext context;		/* of all of it */
	SlmObject	object;			/* its transfer is open */
	SlmStore   *store;			/* that the transfer is from */
	SlmReading *reading;
	LargePhase	phase;
	SlmChunk	chunk;			/* the part at hand */
	uint64		dictionaries;		/* as in SlmViewState, when the part was begun */
	int64		next_row;		/* rows read so far */
	TimestampTz last_turn;
} SlmLarge;

static void
end_one(SlmIngest *ingest, SlmLarge *large)
{
	SlmLarge  **link = &ingest->large;

	while (*link != large)
		link = &(*link)->next;
	*link = large->next;
	if (large->reading != NULL)
		slm_reading_end(large->reading);
	if (large->object.transfer != NULL)
		slm_transfer_close(large->object.transfer);
	slm_chunk_free(&large->chunk);
	MemoryContextDelete(large->context);
}

void
slm_large_check(SlmIngest *ingest)
{
	SlmLarge   *next;

	for (SlmLarge *large = ingest->large; large != NULL; large = next)
	{
		SlmSource  *source = slm_sources_find(ingest->sources, large->object.source);

		next = large->next;
		if (source == NULL || source->store != large->store || GetCurrentTimestamp() - large->last_turn > FORGOTTEN)
			end_one(ingest, large);
	}
}

void
slm_large_end(SlmIngest *ingest)
{
	while (ingest->large != NULL)
		end_one(ingest, ingest->large);
}

void
slm_large_free_chunks(SlmIngest *ingest)
{
	for (SlmLarge *large = ingest->large; large != NULL; large = large->next)
		slm_chunk_free(&large->chunk);
}

bool
slm_large_has(const SlmIngest *ingest, int64 id)
{
	const SlmLarge *large = ingest->large;

	while (large != NULL && large->object.id != id)
		large = large->next;
	return large != NULL;
}

int
slm_large_ids(const SlmIngest *ingest, int64 **ids)
{
	int			n = 0;

	for (SlmLarge *large = ingest->large; large != NULL; large = large->next)
		n++;
	*ids = palloc(sizeof(int64) * Max(n, 1));
	n = 0;
	for (SlmLarge *large = ingest->large; large != NULL; large = large->next)
		(*ids)[n++] = large->object.id;
	return n;
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
	large->reading = slm_reading_begin(object, clock, &ingest->views->key, &ingest->views->checksum);
	MemoryContextSwitchTo(old);
}

static void
close_transfer(SlmLarge *large)
{
	Assert(large->reading != NULL && large->object.transfer != NULL);
	slm_reading_end(large->reading);
	large->reading = NULL;
	slm_transfer_close(large->object.transfer);
	large->object.transfer = NULL;
}

/* Begin, or take up again where an earlier process was stopped. */
static SlmLarge *
begin(SlmIngest *ingest, const SlmObject *like, const SlmClock *clock)
{
	MemoryContext context = AllocSetContextCreate(ingest->context, "sellometer large object", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	SlmLarge   *large = palloc0(sizeof(SlmLarge));
	SlmObject  *object = &large->object;

	large->context = context;
	large->next = ingest->large;
	ingest->large = large;
	*object = *like;
	object->transfer = NULL;
	object->reach = DT_NOBEGIN;
	object->source = pstrdup(like->source);
	object->key = pstrdup(like->key);
	object->etag = pstrdup(like->etag);
	MemoryContextSwitchTo(old);
	large->phase = object->resume_row == 0 ? LARGE_VALIDATE : LARGE_SKIP;
	large->next_row = object->resume_row;
	open_transfer(ingest, large, clock);
	/* the reading has them; these are the batch's */
	object->rates = NULL;
	return large;
}

/* Go on with the object before its parts; false if the turn ended meanwhile. */
static bool
prepare(SlmIngest *ingest, SlmLarge *large, const SlmClock *clock)
{
	SlmObject  *object = &large->object;

	if (large->phase == LARGE_VALIDATE && object->outcome == SLM_OBJECT_WAITING)
	{
		slm_reading_validate(large->reading);
		if (slm_reading_interrupted(large->reading))
			return false;
		SLM_CRASH_POINT("large.validated");
		close_transfer(large);
		if (object->outcome == SLM_OBJECT_LOADED)
			open_transfer(ingest, large, clock);
	}
	else if (large->phase == LARGE_SKIP && object->outcome == SLM_OBJECT_WAITING)
	{
		bool		skipped = slm_reading_skip(large->reading, object->resume_row);

		if (slm_reading_interrupted(large->reading))
			return false;
		if (!skipped && object->outcome == SLM_OBJECT_LOADED)
			slm_object_fail(object, SLM_OBJECT_FAILED, ERRCODE_DATA_EXCEPTION,
							"the object has fewer rows than were loaded from it before");
	}
	large->phase = LARGE_PARTS;
	return true;
}

/* What was found goes to the object that the batch works on, whose memory lives as long as the batch. */
static void
copy_outcome(SlmObject *to, const SlmObject *from)
{
	SlmObject	kept = *to;

	*to = *from;
	to->source = kept.source;
	to->source_number = kept.source_number;
	to->key = kept.key;
	to->etag = kept.etag;
	to->transfer = NULL;
	to->number = -1;
	if (from->error != NULL)
		to->error = pstrdup(from->error);
	if (from->error_detail != NULL)
		to->error_detail = pstrdup(from->error_detail);
	to->rejects = palloc(sizeof(SlmRejectedRow) * Max(from->nrejects, 1));
	for (int i = 0; i < from->nrejects; i++)
	{
		to->rejects[i] = from->rejects[i];
		to->rejects[i].detail = pstrdup(from->rejects[i].detail);
		to->rejects[i].raw = pstrdup(from->rejects[i].raw);
	}
}

/* Read on, for a turn; false if it ended before there is an outcome. */
static bool
take_turn(SlmIngest *ingest, SlmLarge *large, const SlmObject *object, const SlmClock *clock, bool patient)
{
	SlmObject  *own = &large->object;

	large->last_turn = GetCurrentTimestamp();
	if (large->reading != NULL)
		slm_reading_limit(large->reading, TURN_MS, patient);
	if (large->phase != LARGE_PARTS)
	{
		if (!prepare(ingest, large, clock))
			return false;
		if (large->reading != NULL)
			slm_reading_limit(large->reading, TURN_MS, patient);
	}
	if (own->outcome != SLM_OBJECT_WAITING && own->outcome != SLM_OBJECT_PART)
		return true;
	own->resume_row = object->resume_row;
	own->rejected_before = object->rejected_before;
	large->dictionaries = ingest->views->dictionaries;
	slm_reading_chunk(large->reading, clock, ingest->views->dictionary, &large->chunk, true);
	if (slm_reading_interrupted(large->reading))
		return false;
	large->next_row += own->rows_total;
	SLM_CRASH_POINT("large.part");
	return true;
}

/* Of all that are under way: bytes that were looked through, and those of parts. */
static void
report(const SlmIngest *ingest)
{
	int64		seen = 0;
	int64		loaded = 0;
	bool		skipping = false;

	for (const SlmLarge *large = ingest->large; large != NULL; large = large->next)
	{
		int64		bytes = large->reading == NULL ? 0 : Min(slm_reading_bytes(large->reading), large->object.size);

		seen += large->phase == LARGE_VALIDATE ? bytes : large->object.size;
		loaded += large->phase == LARGE_VALIDATE ? 0 : bytes;
		skipping |= large->phase == LARGE_SKIP;
	}
	slm_progress_large(seen, loaded, skipping);
}

static SlmLarge *
of_source(const SlmIngest *ingest, const char *source)
{
	SlmLarge   *large = ingest->large;

	while (large != NULL && strcmp(large->object.source, source) != 0)
		large = large->next;
	return large;
}

bool
slm_large_must_wait(const SlmIngest *ingest, const SlmObject *object)
{
	const SlmLarge *large = of_source(ingest, object->source);

	return large != NULL && large->object.id != object->id &&
		(object->resume_row > 0 || object->size >= SLM_LARGE_BYTES || object->id == ingest->large_id);
}

bool
slm_large_part(SlmIngest *ingest, SlmObject *object, const SlmClock *clock, bool patient, bool *starved)
{
	SlmLarge   *large = of_source(ingest, object->source);

	*starved = true;
	if (large != NULL && large->object.id != object->id)
		return false;
	ingest->last_large = object->id;
	/* rows of an unfinished part refer to offers of a dictionary, which may be gone */
	if (large != NULL && (large->next_row != object->resume_row ||
						  (large->reading != NULL && large->phase == LARGE_PARTS && slm_reading_interrupted(large->reading) &&
						   large->dictionaries != ingest->views->dictionaries)))
	{
		end_one(ingest, large);
		large = NULL;
	}
	if (large == NULL)
		large = begin(ingest, object, clock);
	slm_progress_phase(large->phase == LARGE_VALIDATE ? "look through a large object" : "read a large object");
	if (!take_turn(ingest, large, object, clock, patient))
	{
		*starved = slm_reading_starved(large->reading);
		report(ingest);
		return false;
	}
	copy_outcome(object, &large->object);
	if (object->outcome == SLM_OBJECT_PART)
		slm_progress_add(0, 0, object->rows_total);
	else
		slm_progress_add(1, object->size, object->outcome == SLM_OBJECT_LOADED ? object->rows_total : 0);
	if (object->outcome == SLM_OBJECT_LOADED || object->outcome == SLM_OBJECT_PART)
	{
		if (!slm_object_add(object, &ingest->batch, &large->chunk))
			slm_out_of_memory();
	}
	if (object->outcome != SLM_OBJECT_PART)
		end_one(ingest, large);
	report(ingest);
	return true;
}
