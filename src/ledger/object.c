/*
 * object.c: an object from its transfer to the batch, and how it fails.
 */
#include "postgres.h"

#include "guc.h"
#include "ledger/object.h"
#include "lib/stringinfo.h"

void
slm_object_fail(SlmObject *object, SlmOutcome outcome, int sqlstate, const char *error)
{
	Assert(outcome == SLM_OBJECT_RETRY || outcome == SLM_OBJECT_FAILED);
	Assert(sqlstate != 0 && error != NULL);
	object->outcome = outcome;
	object->sqlstate = sqlstate;
	object->error = slm_store_display_text(error, strlen(error));
	object->error_detail = NULL;
}

void
slm_object_fail_by_store(SlmObject *object, const SlmStoreError *error)
{
	/* only these two tell of the object; all else is about the way to it, which may be mended */
	bool		of_object = error->kind == SLM_STORE_NOT_FOUND || error->kind == SLM_STORE_CHANGED;
	StringInfoData message;

	initStringInfo(&message);
	appendStringInfoString(&message, error->message);
	if (object->reloaded)
		;						/* what would help would only help to load it */
	else if (error->kind == SLM_STORE_NOT_FOUND)
		appendStringInfoString(&message, " (it was deleted after it was listed: should it be listed again, it is "
							   "loaded; sellometer_skip() puts it aside)");
	else if (of_object && error->hint)
		appendStringInfo(&message, " (%s)", error->hint);
	else if (error->detail || error->hint)
		appendStringInfoString(&message, " (more is in sellometer.error_details)");
	slm_object_fail(object, of_object ? SLM_OBJECT_FAILED : SLM_OBJECT_RETRY, error->sqlstate, message.data);
	object->error_detail = slm_store_error_text(error);
	object->retry_after_ms = error->retry_after_ms;
}

void
slm_object_fail_by_memory(SlmObject *object)
{
	slm_object_fail(object, SLM_OBJECT_RETRY, ERRCODE_OUT_OF_MEMORY, "out of memory");
}

static void
fail_by_source(SlmObject *object, const SlmSource *source)
{
	if (source != NULL)
		slm_object_fail_by_store(object, &source->error);
	else
		slm_object_fail(object, SLM_OBJECT_RETRY, ERRCODE_CONNECTION_DOES_NOT_EXIST, "the source is not enabled any more");
	/* whatever it is, it is not the object's fault */
	object->outcome = SLM_OBJECT_RETRY;
}

void
slm_object_open(SlmObject *object, SlmSource *source)
{
	/* it would stay open for ever */
	Assert(object->transfer == NULL);
	if (source == NULL || source->store == NULL)
		fail_by_source(object, source);
	else if (object->resume_row == 0 && !slm_key_is_wanted(object->key, &source->include, &source->exclude))
		object->outcome = SLM_OBJECT_EXCLUDED;
	else if (object->size / 1024 > slm_max_object_bytes)
		slm_object_fail(object, SLM_OBJECT_FAILED, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
						psprintf("the object has " INT64_FORMAT " bytes, more than sellometer.max_object_bytes allows (increase the "
								 "setting and call sellometer_retry(), or put it aside with sellometer_skip())", object->size));
	else
		object->transfer = slm_store_get(source->store, object->key, object->etag, 0);
}

bool
slm_object_add(SlmObject *object, SlmBatch *batch, const SlmChunk *chunk)
{
	Assert(object->outcome == SLM_OBJECT_LOADED || object->outcome == SLM_OBJECT_PART);
	/* or its rows would be in the batch twice */
	Assert(object->number < 0);
	object->number = (int) batch->nobjects;
	batch->visits.wanted &= chunk->visits.wanted;
	return slm_batch_add(batch, chunk->rows, chunk->nrows) && slm_carts_fold(&batch->carts, &chunk->carts) &&
		slm_visits_take(&batch->visits, chunk->visits.visits, chunk->visits.n);
}
