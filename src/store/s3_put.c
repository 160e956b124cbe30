/*
 * s3_put.c: writing objects: small ones with one request, large ones in parts.
 *
 * A put collects PART_BYTES.  If it is finished before there are more, one PUT does; else an upload is begun, and each
 * full buffer becomes a part.  An upload that isn't finished costs money on S3, so a failed or unwanted one is aborted
 * at once, and slm_s3_abort_uploads() finds those of killed processes.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "store/s3_internal.h"

int			slm_part_bytes = SLM_PART_KB;

/* S3 takes 10,000 parts, which makes 640 GB. */
#define PART_BYTES		((size_t) slm_part_bytes * 1024)
#define FIRST_BYTES		Min((size_t) 1024 * 1024, PART_BYTES)
#define MAX_PARTS		10000

typedef struct S3Put
{
	SlmPut		put;
	char	   *key;
	char	   *buffer;
	size_t		used;
	size_t		size;
	char	   *upload_id;		/* NULL = not begun */
	char	  **part_etags;
	int			nparts;
} S3Put;

static SlmS3Store *
store_of(S3Put *put)
{
	return (SlmS3Store *) put->put.store;
}

/* What the server's options say of each object that is written. */
static void
add_options(SlmS3Call *call)
{
	const SlmS3Options *o = &call->s3->options;

	if (o->storage_class)
		slm_s3_call_add_header(call, "x-amz-storage-class: %s", o->storage_class);
	if (o->sse)
		slm_s3_call_add_header(call, "x-amz-server-side-encryption: %s", o->sse);
	if (o->sse_kms_key_id)
		slm_s3_call_add_header(call, "x-amz-server-side-encryption-aws-kms-key-id: %s", o->sse_kms_key_id);
	if (o->acl)
		slm_s3_call_add_header(call, "x-amz-acl: %s", o->acl);
}

/* With a part's number and upload in the query, or none: a whole object. */
static bool
put_bytes(SlmS3Store *s3, const char *key, const char *query, const char *data, size_t len, char **etag,
		  SlmStoreError *error)
{
	SlmS3Call  *call = slm_s3_call_create(s3, "PUT", key, query, "write %s", slm_store_display_url(&s3->store, key));
	bool		is_part = query[0] != '\0';
	bool		ok;

	slm_s3_call_set_body(call, data, len);
	/* else curl says that it is a form, and some servers take it for one */
	slm_s3_call_add_header(call, "Content-Type: application/octet-stream");
	slm_s3_call_add_checksum(call, is_part);
	if (!is_part)
		add_options(call);
	ok = slm_s3_call_wait(call, error);
	if (ok)
		*etag = pstrdup(call->request->etag);
	slm_s3_call_free(call);
	return ok;
}

bool
slm_s3_put(SlmStore *base, const char *key, const char *data, size_t len, char **etag, SlmStoreError *error)
{
	return put_bytes((SlmS3Store *) base, key, "", data, len, etag, error);
}

SlmPut *
slm_s3_put_begin(SlmStore *base, const char *key)
{
	S3Put	   *put = MemoryContextAllocZero(base->context, sizeof(S3Put));

	put->put.store = base;
	put->key = MemoryContextStrdup(base->context, key);
	put->size = FIRST_BYTES;
	put->buffer = MemoryContextAllocHuge(base->context, put->size);
	return &put->put;
}

/* Ask for an upload's identifier. */
static bool
begin_upload(S3Put *put, SlmStoreError *error)
{
	SlmS3Store *s3 = store_of(put);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "sellometer upload", ALLOCSET_SMALL_SIZES);
	SlmS3Call  *call = slm_s3_call_create(s3, "POST", put->key, "uploads=", "begin an upload of %s",
										  slm_store_display_url(&s3->store, put->key));
	const SlmS3Document *document = NULL;

	slm_s3_call_set_body(call, "", 0);
	slm_s3_call_add_header(call, "Content-Type: application/octet-stream");
	add_options(call);
	if (slm_s3_call_wait(call, error))
		document = slm_s3_call_document(call, context, "InitiateMultipartUploadResult", error);
	if (document != NULL && document->upload_id == NULL)
	{
		slm_store_fail(error, SLM_STORE_FATAL, ERRCODE_PROTOCOL_VIOLATION,
					   "could not %s: the answer holds no identifier", call->doing);
		document = NULL;
	}
	if (document != NULL)
	{
		put->upload_id = MemoryContextStrdup(s3->store.context, document->upload_id);
		put->part_etags = MemoryContextAllocZero(s3->store.context, MAX_PARTS * sizeof(char *));
	}
	slm_s3_call_free(call);
	MemoryContextDelete(context);
	return put->upload_id != NULL;
}

static bool
put_part(S3Put *put, SlmStoreError *error)
{
	SlmS3Store *s3 = store_of(put);
	char	   *etag;
	char	   *upload_id;
	char	   *query;

	if (put->upload_id == NULL && !begin_upload(put, error))
		return false;
	if (put->nparts == MAX_PARTS)
		return slm_store_fail(error, SLM_STORE_FATAL, ERRCODE_PROGRAM_LIMIT_EXCEEDED, "%s is too large for S3",
							  slm_store_display_url(&s3->store, put->key));
	upload_id = slm_url_encoded(put->upload_id, false);
	query = psprintf("partNumber=%d&uploadId=%s", put->nparts + 1, upload_id);
	if (!put_bytes(s3, put->key, query, put->buffer, put->used, &etag, error))
		return false;
	put->part_etags[put->nparts++] = MemoryContextStrdup(s3->store.context, etag);
	put->used = 0;
	pfree(etag);
	pfree(upload_id);
	pfree(query);
	return true;
}

bool
slm_s3_put_write(SlmPut *base, const char *data, size_t len, SlmStoreError *error)
{
	S3Put	   *put = (S3Put *) base;

	while (len > 0)
	{
		size_t		n;

		/* A part is sent when more is known to follow: so the last one is never empty. */
		if (put->used == PART_BYTES && !put_part(put, error))
			return false;
		if (put->used == put->size)
		{
			put->size = Min(put->size * 2, PART_BYTES);
			put->buffer = repalloc_huge(put->buffer, put->size);
		}
		n = Min(len, put->size - put->used);
		memcpy(put->buffer + put->used, data, n);
		put->used += n;
		data += n;
		len -= n;
	}
	return true;
}

/* The last request may answer 200 first and say in its body that it failed. */
static bool
complete_upload(S3Put *put, char **etag, SlmStoreError *error)
{
	SlmS3Store *s3 = store_of(put);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "sellometer upload", ALLOCSET_SMALL_SIZES);
	char	   *query = psprintf("uploadId=%s", slm_url_encoded(put->upload_id, false));
	SlmS3Call  *call = slm_s3_call_create(s3, "POST", put->key, query, "finish the upload of %s",
										  slm_store_display_url(&s3->store, put->key));
	const SlmS3Document *document = NULL;
	StringInfoData body;

	initStringInfo(&body);
	appendStringInfoString(&body, "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
	for (int i = 0; i < put->nparts; i++)
		appendStringInfo(&body, "<Part><PartNumber>%d</PartNumber><ETag>\"%s\"</ETag></Part>", i + 1,
						 put->part_etags[i]);
	appendStringInfoString(&body, "</CompleteMultipartUpload>");
	slm_s3_call_set_body(call, body.data, body.len);
	slm_s3_call_add_header(call, "Content-Type: application/xml");
	if (slm_s3_call_wait(call, error))
		document = slm_s3_call_document(call, context, NULL, error);
	if (document != NULL && strcmp(document->root, "CompleteMultipartUploadResult") != 0)
	{
		slm_s3_fail_code(s3, call->doing, document->code ? document->code : document->root, document->message, error);
		document = NULL;
	}
	if (document != NULL)
		*etag = pstrdup(document->etag ? document->etag : "");
	slm_s3_call_free(call);
	pfree(body.data);
	MemoryContextDelete(context);
	return document != NULL;
}

static void
free_put(S3Put *put)
{
	for (int i = 0; i < put->nparts; i++)
		pfree(put->part_etags[i]);
	if (put->part_etags)
		pfree(put->part_etags);
	if (put->upload_id)
		pfree(put->upload_id);
	pfree(put->buffer);
	pfree(put->key);
	pfree(put);
}

bool
slm_s3_put_finish(SlmPut *base, char **etag, SlmStoreError *error)
{
	S3Put	   *put = (S3Put *) base;

	if (put->upload_id == NULL
		? put_bytes(store_of(put), put->key, "", put->buffer, put->used, etag, error)
		: put_part(put, error) && complete_upload(put, etag, error))
	{
		free_put(put);
		return true;
	}
	slm_s3_put_abort(base);
	return false;
}

void
slm_s3_put_abort(SlmPut *base)
{
	S3Put	   *put = (S3Put *) base;
	SlmS3Store *s3 = store_of(put);
	SlmStoreError ignored;

	if (put->upload_id != NULL)
	{
		char	   *query = psprintf("uploadId=%s", slm_url_encoded(put->upload_id, false));
		SlmS3Call  *call = slm_s3_call_create(s3, "DELETE", put->key, query, "abort the upload of %s",
											  slm_store_display_url(&s3->store, put->key));

		/* What fails here is left to slm_s3_abort_uploads(). */
		(void) slm_s3_call_wait(call, &ignored);
		slm_s3_call_free(call);
	}
	free_put(put);
}
