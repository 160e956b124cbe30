/*
 * s3_get.c: reading objects, many at the same time.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "store/s3_internal.h"

/* While data waits there is no hurry to see what the other transfers do, but they must not stand still either. */
#define PUMP_INTERVAL_MS	1.0

typedef struct S3Transfer
{
	SlmTransfer transfer;
	SlmS3Call  *call;
	double		last_pump;
} S3Transfer;

SlmTransfer *
slm_s3_get(SlmStore *base, const char *key, const char *etag, int64 offset)
{
	SlmS3Store *s3 = (SlmS3Store *) base;
	S3Transfer *t = MemoryContextAllocZero(base->context, sizeof(S3Transfer));
	char	   *shown = slm_store_display_url(base, key);

	t->transfer.store = base;
	t->call = slm_s3_call_create(s3, "GET", key, "", "read %s", shown);
	t->call->is_read = true;
	t->call->offset = offset;
	if (etag != NULL && strncmp(etag, SLM_S3_NO_ETAG, strlen(SLM_S3_NO_ETAG)) != 0)
		t->call->etag = MemoryContextStrdup(base->context, etag);
	/* What could end the header that it goes into is no ETag, and then it matches none. */
	for (char *p = t->call->etag; p != NULL && *p != '\0'; p++)
		if (*p <= ' ' || *p >= 0x7f || *p == '"')
			*p = '?';
	pfree(shown);
	return &t->transfer;
}

SlmTransferStatus
slm_s3_read(SlmTransfer *transfer, long wait_ms, const char **data, size_t *len, SlmStoreError *error)
{
	S3Transfer *t = (S3Transfer *) transfer;
	SlmS3Call  *call = t->call;
	SlmS3Store *s3 = call->s3;

	double		until = slm_now_ms() + (double) wait_ms;

	call->urgent |= wait_ms > 0;
	for (;;)
	{
		SlmHttpRequest *running = call->state == SLM_CALL_RUNNING ? call->request : NULL;
		double		now = slm_now_ms();

		if (slm_http_chunks_take(s3->http, &call->chunks, running, data, len))
		{
			transfer->encoded |= call->request != NULL && call->request->gzip;
			if (now - t->last_pump >= PUMP_INTERVAL_MS)
			{
				t->last_pump = now;
				slm_s3_pump(s3, 0);
			}
			return SLM_TRANSFER_DATA;
		}
		if (call->state == SLM_CALL_ENDED)
		{
			if (call->outcome == SLM_STORE_OK)
				return SLM_TRANSFER_END;
			slm_s3_describe(call, error);
			return SLM_TRANSFER_ERROR;
		}
		slm_s3_pump(s3, slm_s3_remaining(until));
		t->last_pump = slm_now_ms();
		if (t->last_pump >= until && call->chunks.waiting == 0 && call->state != SLM_CALL_ENDED)
			return SLM_TRANSFER_WAIT;
	}
}

bool
slm_s3_ready(SlmTransfer *transfer, long wait_ms)
{
	SlmS3Call  *call = ((S3Transfer *) transfer)->call;
	double		until = slm_now_ms() + (double) wait_ms;

	call->urgent |= wait_ms > 0;
	for (;;)
	{
		bool		full = call->state == SLM_CALL_RUNNING && call->request->paused;

		if (full || call->state == SLM_CALL_ENDED)
			return true;
		if (slm_now_ms() >= until)
			return false;
		slm_s3_pump(call->s3, slm_s3_remaining(until));
	}
}

void
slm_s3_close_transfer(SlmTransfer *transfer)
{
	S3Transfer *t = (S3Transfer *) transfer;

	slm_s3_call_free(t->call);
	pfree(t);
}
