/*
 * s3_delete.c: deleting objects, up to a thousand with one request where the server can do that.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"

#include "store/s3_internal.h"

#define MAX_KEYS	1000

static bool
delete_one(SlmS3Store *s3, const char *key, SlmStoreError *error)
{
	SlmS3Call  *call = slm_s3_call_create(s3, "DELETE", key, "", "delete %s", slm_store_display_url(&s3->store, key));
	bool		ok = slm_s3_call_wait(call, error);

	if (!ok && error->kind == SLM_STORE_NOT_FOUND)
	{
		memset(error, 0, sizeof(*error));
		ok = true;
	}
	slm_s3_call_free(call);
	return ok;
}

/* A key goes into the request as XML: not every key can. */
static bool
append_key(SlmS3Store *s3, StringInfo body, const char *key)
{
	char	   *full = psprintf("%s%s", s3->store.key_prefix, key);
	size_t		len = strlen(full);
	char	   *escaped = palloc(6 * len + 1);
	size_t		escaped_len = slm_s3_xml_escape(escaped, full, len);
	bool		ok = escaped_len != SIZE_MAX && pg_verify_mbstr(PG_UTF8, full, len, true);

	if (ok)
	{
		appendStringInfoString(body, "<Object><Key>");
		appendBinaryStringInfo(body, escaped, escaped_len);
		appendStringInfoString(body, "</Key></Object>");
	}
	pfree(full);
	pfree(escaped);
	return ok;
}

typedef enum ManyResult
{
	MANY_DELETED,
	MANY_FAILED,
	MANY_NOT_POSSIBLE
} ManyResult;

/* The result lists those that failed. */
static bool
check_result(SlmS3Store *s3, SlmS3Call *call, SlmStoreError *error)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "sellometer delete", ALLOCSET_SMALL_SIZES);
	const SlmS3Document *document = slm_s3_call_document(call, context, "DeleteResult", error);
	bool		ok = document != NULL;

	for (size_t i = 0; ok && i < document->nitems; i++)
	{
		const SlmS3Item *item = &document->items[i];

		if (item->code != NULL && strcmp(item->code, "NoSuchKey") != 0)
			ok = slm_s3_fail_code(s3, psprintf("delete \"s3://%s/%s\"", s3->bucket,
											   slm_store_display(item->key ? item->key : "")),
								  item->code, item->message, error);
	}
	MemoryContextDelete(context);
	return ok;
}

static ManyResult
delete_many(SlmS3Store *s3, const char *const *keys, int nkeys, SlmStoreError *error)
{
	StringInfoData body;
	SlmS3Call  *call;
	ManyResult	result;

	initStringInfo(&body);
	appendStringInfoString(&body, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
						   "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>");
	for (int i = 0; i < nkeys; i++)
		if (!append_key(s3, &body, keys[i]))
			return MANY_NOT_POSSIBLE;
	appendStringInfoString(&body, "</Delete>");
	call = slm_s3_call_create(s3, "POST", NULL, "delete=", "delete %d objects of %s", nkeys,
							  slm_store_display_url(&s3->store, ""));
	slm_s3_call_set_body(call, body.data, body.len);
	slm_s3_call_add_header(call, "Content-Type: application/xml");
	slm_s3_call_add_checksum(call, false);
	if (slm_s3_call_wait(call, error))
		result = check_result(s3, call, error) ? MANY_DELETED : MANY_FAILED;
	/* some know it only with another checksum than ours */
	else if (slm_s3_is_not_implemented(call) || strcmp(call->code, "MissingContentMD5") == 0)
	{
		s3->no_multi_delete = true;
		result = MANY_NOT_POSSIBLE;
	}
	else
		result = MANY_FAILED;
	slm_s3_call_free(call);
	pfree(body.data);
	return result;
}

bool
slm_s3_delete(SlmStore *base, const char *const *keys, int nkeys, SlmStoreError *error)
{
	SlmS3Store *s3 = (SlmS3Store *) base;

	while (nkeys > 0)
	{
		int			n = Min(nkeys, MAX_KEYS);
		ManyResult	result = n == 1 || s3->no_multi_delete ? MANY_NOT_POSSIBLE : delete_many(s3, keys, n, error);

		if (result == MANY_FAILED)
			return false;
		for (int i = 0; result == MANY_NOT_POSSIBLE && i < n; i++)
			if (!delete_one(s3, keys[i], error))
				return false;
		keys += n;
		nkeys -= n;
	}
	memset(error, 0, sizeof(*error));
	return true;
}
