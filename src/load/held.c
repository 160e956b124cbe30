/*
 * held.c: see held.h.
 */
#include "postgres.h"

#include "load/held.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* One that nobody has asked for so long is of an object that is done with elsewhere. */
#define FORGOTTEN	USECS_PER_MINUTE

typedef struct SlmHeld
{
	struct SlmHeld *next;
	int64		id;
	char	   *source;
	SlmStore   *store;
	SlmTransfer *transfer;
	TimestampTz kept_at;
} SlmHeld;

static void
forget(SlmHeld **link)
{
	SlmHeld    *held = *link;

	*link = held->next;
	pfree(held->source);
	pfree(held);
}

void
slm_held_keep(SlmIngest *ingest, SlmObject *object)
{
	SlmHeld    *held = MemoryContextAllocZero(ingest->context, sizeof(SlmHeld));

	Assert(object->transfer != NULL);

	held->id = object->id;
	held->source = MemoryContextStrdup(ingest->context, object->source);
	held->store = slm_sources_find(ingest->sources, object->source)->store;
	held->transfer = object->transfer;
	held->kept_at = GetCurrentTimestamp();
	held->next = ingest->held;
	ingest->held = held;
	object->transfer = NULL;
}

bool
slm_held_take(SlmIngest *ingest, SlmObject *object)
{
	Assert(object->transfer == NULL);
	for (SlmHeld **link = &ingest->held; *link != NULL; link = &(*link)->next)
	{
		if ((*link)->id != object->id)
			continue;
		object->transfer = (*link)->transfer;
		forget(link);
		return true;
	}
	return false;
}

bool
slm_held_has(const SlmIngest *ingest, const char *source)
{
	const SlmHeld *held = ingest->held;

	while (held != NULL && strcmp(held->source, source) != 0)
		held = held->next;
	return held != NULL;
}

void
slm_held_check(SlmIngest *ingest)
{
	SlmHeld   **link = &ingest->held;

	while (*link != NULL)
	{
		SlmHeld    *held = *link;
		SlmSource  *source = slm_sources_find(ingest->sources, held->source);

		if (source != NULL && source->store == held->store && GetCurrentTimestamp() - held->kept_at < FORGOTTEN)
		{
			link = &held->next;
			continue;
		}
		slm_transfer_close(held->transfer);
		forget(link);
	}
}

bool
slm_held_ready(const SlmIngest *ingest)
{
	for (const SlmHeld *held = ingest->held; held != NULL; held = held->next)
	{
		if (slm_transfer_ready(held->transfer, 0))
			return true;
	}
	return false;
}
