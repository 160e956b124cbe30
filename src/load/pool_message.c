/*
 * pool_message.c: tasks and results as bytes.
 */
#include "postgres.h"

#include "dedup/overrides.h"
#include "guc.h"
#include "libpq/pqformat.h"
#include "load/pool_message.h"
#include "server/zone.h"
#include "tiers/tier.h"
#include "utils/guc.h"

static void
send_text(StringInfo buf, const char *text)
{
	int			len = text == NULL ? -1 : (int) strlen(text);

	pq_sendint32(buf, len);
	if (len > 0)
		appendBinaryStringInfo(buf, text, len);
}

static char *
receive_text(StringInfo buf)
{
	int			len = (int) pq_getmsgint(buf, 4);

	return len < 0 ? NULL : pnstrdup(pq_getmsgbytes(buf, len), len);
}

/* NULL if there is nothing; as many bytes as an int64 before them says, -1 for that. */
static char *
receive_bytes(StringInfo buf, size_t *len)
{
	int64		n = pq_getmsgint64(buf);
	char	   *bytes = n < 0 ? NULL : palloc(Max(n, 1));

	*len = n < 0 ? 0 : (size_t) n;
	if (n > 0)
		memcpy(bytes, pq_getmsgbytes(buf, (int) n), n);
	return bytes;
}

/* Not empty. */
static void
send_slice(StringInfo buf, SlmSlice slice)
{
	pq_sendint32(buf, (int) slice.len);
	appendBinaryStringInfo(buf, slice.data, (int) slice.len);
}

static SlmSlice
receive_slice(StringInfo buf)
{
	uint32		len = pq_getmsgint(buf, 4);

	return (SlmSlice) {memcpy(palloc(len), pq_getmsgbytes(buf, (int) len), len), len};
}

static void
send_granularity(StringInfo buf, SlmGranularity g)
{
	pq_sendint32(buf, g.months);
	pq_sendint64(buf, g.usecs);
	send_text(buf, slm_zone_name(g.zone));
}

static SlmGranularity
receive_granularity(StringInfo buf)
{
	SlmGranularity g;

	g.months = (int32) pq_getmsgint(buf, 4);
	g.usecs = pq_getmsgint64(buf);
	g.zone = slm_zone(receive_text(buf));
	return g;
}

/* What slm_tiers_floor() looks at. */
static SlmTiers *
receive_tiers(StringInfo buf)
{
	SlmTiers   *tiers = palloc0(sizeof(SlmTiers));

	tiers->n = (int) pq_getmsgint(buf, 4);
	tiers->tiers = palloc0(sizeof(SlmTier) * Max(tiers->n, 1));
	for (int t = 0; t < tiers->n; t++)
	{
		tiers->tiers[t].partition = receive_granularity(buf);
		tiers->tiers[t].retention = receive_granularity(buf);
	}
	return tiers;
}

/* The settings that decide about rows go along: the leader's may be its session's own. */
void
slm_task_send(StringInfo buf, const SlmObject *objects, int n, const SlmClock *clock, int work_memory)
{
	pq_sendint32(buf, n);
	for (int i = 0; i < n; i++)
	{
		pq_sendint64(buf, objects[i].id);
		pq_sendint64(buf, objects[i].size);
		pq_sendint64(buf, objects[i].object_time);
		pq_sendbyte(buf, objects[i].time_doubtful);
		pq_sendbyte(buf, objects[i].own_slice);
		pq_sendint64(buf, objects[i].format_id);
		send_text(buf, objects[i].source);
		send_text(buf, objects[i].key);
		send_text(buf, objects[i].etag);
	}
	pq_sendint64(buf, clock->head);
	pq_sendint64(buf, clock->latest);
	pq_sendbyte(buf, clock->live);
	pq_sendint32(buf, (int32) clock->slice.of);
	pq_sendint32(buf, (int32) clock->slice.number);
	pq_sendbyte(buf, clock->visits);
	pq_sendint32(buf, clock->tiers->n);
	for (int t = 0; t < clock->tiers->n; t++)
	{
		send_granularity(buf, clock->tiers->tiers[t].partition);
		send_granularity(buf, clock->tiers->tiers[t].retention);
	}
	pq_sendint32(buf, slm_max_clock_jump);
	pq_sendint32(buf, slm_chunk_rows);
	pq_sendint32(buf, slm_max_rejects_kept);
	pq_sendint32(buf, slm_max_object_keys);
	pq_sendint32(buf, work_memory);
	pq_sendint32(buf, slm_live_lateness);
	pq_sendfloat8(buf, slm_max_reject_fraction);
	send_text(buf, slm_currency);
}

void
slm_task_receive(StringInfo buf, SlmTask *task)
{
	memset(task, 0, sizeof(SlmTask));
	task->nobjects = (int) pq_getmsgint(buf, 4);
	task->objects = palloc0(sizeof(SlmObject) * task->nobjects);
	for (int i = 0; i < task->nobjects; i++)
	{
		SlmObject  *object = &task->objects[i];

		object->id = pq_getmsgint64(buf);
		object->size = pq_getmsgint64(buf);
		object->object_time = pq_getmsgint64(buf);
		object->time_doubtful = pq_getmsgbyte(buf);
		object->own_slice = pq_getmsgbyte(buf);
		object->format_id = pq_getmsgint64(buf);
		object->source = receive_text(buf);
		object->key = receive_text(buf);
		object->etag = receive_text(buf);
		object->number = -1;
	}
	task->clock.head = pq_getmsgint64(buf);
	task->clock.latest = pq_getmsgint64(buf);
	task->clock.live = pq_getmsgbyte(buf);
	task->clock.slice.of = pq_getmsgint(buf, 4);
	task->clock.slice.number = pq_getmsgint(buf, 4);
	task->clock.visits = pq_getmsgbyte(buf);
	task->clock.tiers = receive_tiers(buf);
	slm_max_clock_jump = (int) pq_getmsgint(buf, 4);
	slm_chunk_rows = (int) pq_getmsgint(buf, 4);
	slm_max_rejects_kept = (int) pq_getmsgint(buf, 4);
	slm_max_object_keys = (int) pq_getmsgint(buf, 4);
	slm_work_memory = (int) pq_getmsgint(buf, 4);
	slm_live_lateness = (int) pq_getmsgint(buf, 4);
	slm_max_reject_fraction = pq_getmsgfloat8(buf);
	SetConfigOption("sellometer.currency", receive_text(buf), PGC_USERSET, PGC_S_SESSION);
	pq_getmsgend(buf);
}

static void
send_object(StringInfo buf, const SlmObject *object)
{
	pq_sendint32(buf, object->outcome);
	pq_sendint32(buf, object->number);
	pq_sendint64(buf, object->object_time);
	pq_sendint64(buf, object->rows_total);
	pq_sendint64(buf, object->rows_rejected);
	pq_sendint64(buf, object->rows_expired);
	pq_sendint64(buf, object->rows_elsewhere);
	pq_sendint64(buf, object->rows_ignored);
	pq_sendint64(buf, object->latest_expired);
	pq_sendint64(buf, object->first_event);
	pq_sendint64(buf, object->last_event);
	pq_sendint64(buf, object->median);
	pq_sendbyte(buf, object->has_checksum);
	appendBinaryStringInfo(buf, (const char *) object->checksum.bytes, sizeof(object->checksum.bytes));
	pq_sendint32(buf, object->sqlstate);
	pq_sendint32(buf, object->retry_after_ms);
	send_text(buf, object->error);
	send_text(buf, object->error_detail);
	pq_sendint64(buf, object->rates == NULL ? -1 : (int64) object->rates_len);
	appendBinaryStringInfo(buf, object->rates == NULL ? "" : object->rates, object->rates == NULL ? 0 : (int) object->rates_len);
	pq_sendint64(buf, object->refused_len);
	appendBinaryStringInfo(buf, object->refused_len > 0 ? object->refused : "", (int) object->refused_len);
	pq_sendint32(buf, (int) object->nskus);
	for (uint32 i = 0; i < object->nskus; i++)
	{
		pq_sendint64(buf, object->skus[i].product_id);
		send_slice(buf, object->skus[i].sku);
	}
	pq_sendint32(buf, (int) object->nnames);
	for (uint32 i = 0; i < object->nnames; i++)
	{
		pq_sendint64(buf, object->names[i].product_id);
		pq_sendint64(buf, object->names[i].hour);
		send_slice(buf, object->names[i].name);
	}
	pq_sendint32(buf, object->nrejects);
	for (int i = 0; i < object->nrejects; i++)
	{
		pq_sendint64(buf, object->rejects[i].line);
		send_text(buf, object->rejects[i].column);
		send_text(buf, object->rejects[i].reason);
		send_text(buf, object->rejects[i].detail);
		send_text(buf, object->rejects[i].raw);
	}
}

void
slm_result_send(StringInfo buf, const SlmTask *task, size_t len)
{
	pq_sendint32(buf, task->nobjects);
	for (int i = 0; i < task->nobjects; i++)
		pq_sendint64(buf, task->objects[i].id);
	for (int i = 0; i < task->nobjects; i++)
		send_object(buf, &task->objects[i]);
	/* by which labels rows were read */
	pq_sendint64(buf, slm_overrides_stamp);
	pq_sendint64(buf, len);
	while (buf->len % MAXIMUM_ALIGNOF != 0)
		pq_sendbyte(buf, 0);
}

int
slm_result_ids(StringInfo buf, int64 *ids)
{
	int			n = (int) pq_getmsgint(buf, 4);

	if (n <= 0 || n > SLM_TASK_OBJECTS)
		elog(ERROR, "a parse worker's result is malformed");
	for (int i = 0; i < n; i++)
		ids[i] = pq_getmsgint64(buf);
	return n;
}

static void
receive_products(StringInfo buf, SlmObject *object)
{
	SlmSku	   *skus;
	SlmName    *names;

	object->nskus = pq_getmsgint(buf, 4);
	skus = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(SlmSku) * Max(object->nskus, 1));
	for (uint32 i = 0; i < object->nskus; i++)
	{
		skus[i].product_id = pq_getmsgint64(buf);
		skus[i].sku = receive_slice(buf);
	}
	object->skus = skus;
	object->nnames = pq_getmsgint(buf, 4);
	names = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(SlmName) * Max(object->nnames, 1));
	for (uint32 i = 0; i < object->nnames; i++)
	{
		names[i].product_id = pq_getmsgint64(buf);
		names[i].hour = pq_getmsgint64(buf);
		names[i].name = receive_slice(buf);
	}
	object->names = names;
}

void
slm_result_object(StringInfo buf, SlmObject *object)
{
	object->outcome = (SlmOutcome) pq_getmsgint(buf, 4);
	object->number = (int32) pq_getmsgint(buf, 4);
	object->object_time = pq_getmsgint64(buf);
	object->rows_total = pq_getmsgint64(buf);
	object->rows_rejected = pq_getmsgint64(buf);
	object->rows_expired = pq_getmsgint64(buf);
	object->rows_elsewhere = pq_getmsgint64(buf);
	object->rows_ignored = pq_getmsgint64(buf);
	object->latest_expired = pq_getmsgint64(buf);
	object->first_event = pq_getmsgint64(buf);
	object->last_event = pq_getmsgint64(buf);
	object->median = pq_getmsgint64(buf);
	object->has_checksum = pq_getmsgbyte(buf);
	memcpy(object->checksum.bytes, pq_getmsgbytes(buf, sizeof(object->checksum.bytes)), sizeof(object->checksum.bytes));
	object->sqlstate = (int) pq_getmsgint(buf, 4);
	object->retry_after_ms = (int) pq_getmsgint(buf, 4);
	object->error = receive_text(buf);
	object->error_detail = receive_text(buf);
	object->rates = receive_bytes(buf, &object->rates_len);
	object->refused_len = pq_getmsgint64(buf);
	object->refused = NULL;
	if (object->refused_len > 0)
	{
		object->refused = palloc(object->refused_len);
		memcpy(object->refused, pq_getmsgbytes(buf, (int) object->refused_len), object->refused_len);
	}
	receive_products(buf, object);
	object->nrejects = (int) pq_getmsgint(buf, 4);
	object->rejects = palloc(sizeof(SlmRejectedRow) * Max(object->nrejects, 1));
	for (int i = 0; i < object->nrejects; i++)
	{
		object->rejects[i].line = pq_getmsgint64(buf);
		object->rejects[i].column = receive_text(buf);
		object->rejects[i].reason = receive_text(buf);
		object->rejects[i].detail = receive_text(buf);
		object->rejects[i].raw = receive_text(buf);
	}
}

char *
slm_result_batch(StringInfo buf, size_t *len, bool *stale)
{
	*stale = pq_getmsgint64(buf) != slm_overrides_stamp;
	*len = pq_getmsgint64(buf);
	buf->cursor = MAXALIGN(buf->cursor);
	if (buf->cursor + *len != buf->len)
		elog(ERROR, "a parse worker's result is malformed");
	return buf->data + buf->cursor;
}
