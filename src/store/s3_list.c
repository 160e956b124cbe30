/*
 * s3_list.c: ListObjectsV2 page by page, and the multipart uploads that nobody finished.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"

#include "store/s3_internal.h"

/* So many pages in a row may be empty. */
#define MAX_EMPTY_PAGES		1000

/* Append name=value to a query; the caller keeps the names in order, since the signature needs them sorted. */
static void
add_parameter(StringInfo query, const char *name, const char *value)
{
	char	   *encoded = slm_s3_encode(value, false);

	appendStringInfo(query, "%s%s=%s", query->len ? "&" : "", name, encoded);
	pfree(encoded);
}

/* One page.  Returns NULL with *error set. */
static const SlmS3Document *
get_page(SlmS3Store *s3, const char *query, const char *root, const char *prefix, MemoryContext context,
		 SlmStoreError *error)
{
	char	   *shown = slm_store_display_url(&s3->store, prefix);
	SlmS3Call  *call = slm_s3_call_create(s3, "GET", NULL, query, "list %s", shown);
	const SlmS3Document *page = NULL;

	if (slm_s3_call_wait(call, error))
		page = slm_s3_call_document(call, context, root, error);
	slm_s3_call_free(call);
	return page;
}

/* Hand out a page's objects.  Returns false when the callback has had enough. */
static bool
call_back(SlmS3Store *s3, const SlmS3Document *page, SlmListCallback callback, void *arg)
{
	size_t		prefix_len = strlen(s3->prefix);

	for (size_t i = 0; i < page->nitems; i++)
	{
		const SlmS3Item *item = &page->items[i];
		size_t		len = item->key ? strlen(item->key) : 0;
		SlmObjectInfo info;

		/* Left out: folder markers, a NUL byte in the key, and what a server should not have listed. */
		if (len == 0 || item->key[len - 1] == '/' || item->size < 0 || item->etag == NULL ||
			strncmp(item->key, s3->prefix, prefix_len) != 0)
			continue;
		info.key = item->key + prefix_len;
		info.etag = item->etag;
		info.size = item->size;
		info.last_modified = item->time;
		if (!callback(&info, arg))
			return false;
	}
	return true;
}

static bool
fail_endless(SlmS3Store *s3, SlmStoreError *error)
{
	slm_store_fail(error, SLM_STORE_FATAL, ERRCODE_PROTOCOL_VIOLATION, "could not list %s: the answer is not valid",
				   slm_store_display_url(&s3->store, ""));
	error->detail = pstrdup("A page of the list says that more follow, but not from where on.");
	return false;
}

static bool
fail_circle(SlmS3Store *s3, SlmStoreError *error)
{
	slm_store_fail(error, SLM_STORE_FATAL, ERRCODE_PROTOCOL_VIOLATION, "could not list %s: the answer is not valid",
				   slm_store_display_url(&s3->store, ""));
	error->detail = pstrdup("The list has no end: its pages begin with the same key, or are empty, again and again.");
	error->hint = pstrdup("Check that the server's endpoint is that of an S3 service.");
	return false;
}

/* How far a list has come, to tell one that has no end. */
typedef struct Advance
{
	char	   *first_key;		/* of the last page that had keys */
	int			empty_pages;	/* since then */
} Advance;

/*
 * Does a page bring the list on?  The tokens don't tell: a server that has lost its way can make new ones for ever.  Every
 * page of a list has keys of its own, so no two of them begin with the same one.  A page without keys is lawful.
 */
static bool
advances(Advance *advance, const SlmS3Document *page, MemoryContext context)
{
	const char *first = page->nitems > 0 ? page->items[0].key : NULL;

	if (first == NULL)
		return ++advance->empty_pages <= MAX_EMPTY_PAGES;
	if (advance->first_key != NULL && strcmp(advance->first_key, first) == 0)
		return false;
	advance->empty_pages = 0;
	if (advance->first_key != NULL)
		pfree(advance->first_key);
	advance->first_key = MemoryContextStrdup(context, first);
	return true;
}

bool
slm_s3_list(SlmStore *base, const char *prefix, const char *start_after,
			SlmListCallback callback, void *arg, int *requests, SlmStoreError *error)
{
	SlmS3Store *s3 = (SlmS3Store *) base;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "sellometer list", ALLOCSET_DEFAULT_SIZES);
	char	   *full_prefix = psprintf("%s%s", s3->prefix, prefix);
	MemoryContext outer = CurrentMemoryContext;
	Advance		advance = {0};
	char	   *token = NULL;
	bool		ok = true;

	for (;;)
	{
		const SlmS3Document *page;
		StringInfoData query;
		char	   *before = token;

		initStringInfo(&query);
		if (token != NULL)
			add_parameter(&query, "continuation-token", token);
		add_parameter(&query, "encoding-type", "url");
		add_parameter(&query, "list-type", "2");
		if (full_prefix[0] != '\0')
			add_parameter(&query, "prefix", full_prefix);
		if (start_after != NULL && token == NULL)
			add_parameter(&query, "start-after", psprintf("%s%s", s3->prefix, start_after));
		(*requests)++;
		page = get_page(s3, query.data, "ListBucketResult", prefix, context, error);
		pfree(query.data);
		ok = page != NULL && (advances(&advance, page, outer) || fail_circle(s3, error));
		if (!ok || !call_back(s3, page, callback, arg) || !page->is_truncated)
			break;
		token = page->next_continuation_token ? pstrdup(page->next_continuation_token) : NULL;
		if (token == NULL || (before != NULL && strcmp(token, before) == 0))
		{
			ok = fail_endless(s3, error);
			break;
		}
		if (before)
			pfree(before);
		MemoryContextReset(context);
		CHECK_FOR_INTERRUPTS();
	}
	MemoryContextDelete(context);
	return ok;
}

static bool
abort_upload(SlmS3Store *s3, const SlmS3Item *item, SlmStoreError *error)
{
	StringInfoData query;
	SlmS3Call  *call;
	bool		ok;

	initStringInfo(&query);
	add_parameter(&query, "uploadId", item->upload_id);
	call = slm_s3_call_create(s3, "DELETE", item->key + strlen(s3->prefix), query.data, "abort an upload of %s",
							  slm_store_display_url(&s3->store, item->key + strlen(s3->prefix)));
	ok = slm_s3_call_wait(call, error) || error->kind == SLM_STORE_NOT_FOUND;
	slm_s3_call_free(call);
	return ok;
}

bool
slm_s3_abort_uploads(SlmStore *base, const char *prefix, TimestampTz before, int *aborted, SlmStoreError *error)
{
	SlmS3Store *s3 = (SlmS3Store *) base;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "sellometer uploads", ALLOCSET_DEFAULT_SIZES);
	char	   *full_prefix = psprintf("%s%s", s3->prefix, prefix);
	char	   *key_marker = NULL;
	char	   *upload_marker = NULL;
	bool		ok = true;

	for (;;)
	{
		const SlmS3Document *page;
		StringInfoData query;

		initStringInfo(&query);
		add_parameter(&query, "encoding-type", "url");
		if (key_marker)
			add_parameter(&query, "key-marker", key_marker);
		if (full_prefix[0] != '\0')
			add_parameter(&query, "prefix", full_prefix);
		if (upload_marker)
			add_parameter(&query, "upload-id-marker", upload_marker);
		add_parameter(&query, "uploads", "");
		page = get_page(s3, query.data, "ListMultipartUploadsResult", prefix, context, error);
		ok = page != NULL;
		for (size_t i = 0; ok && i < page->nitems; i++)
		{
			const SlmS3Item *item = &page->items[i];

			if (item->key == NULL || item->upload_id == NULL || item->time >= before ||
				strncmp(item->key, full_prefix, strlen(full_prefix)) != 0)
				continue;
			ok = abort_upload(s3, item, error);
			*aborted += ok;
		}
		if (!ok || !page->is_truncated)
			break;
		if (page->next_key_marker == NULL ||
			(key_marker && upload_marker && strcmp(key_marker, page->next_key_marker) == 0 &&
			 strcmp(upload_marker, page->next_upload_id_marker ? page->next_upload_id_marker : "") == 0))
		{
			ok = fail_endless(s3, error);
			break;
		}
		key_marker = pstrdup(page->next_key_marker);
		upload_marker = pstrdup(page->next_upload_id_marker ? page->next_upload_id_marker : "");
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
	if (ok)
		memset(error, 0, sizeof(*error));
	return ok;
}
