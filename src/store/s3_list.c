/*
 * s3_list.c: ListObjectsV2 page by page, and the multipart uploads that nobody finished.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"

#include "store/s3_internal.h"

/* So many pages in a row may be empty. */
#define MAX_EMPTY_PAGES		1000

/* Append name=value to a query; the caller keeps the names in order, since the signature needs them sorted. */
static void
add_parameter(StringInfo query, const char *name, const char *value)
{
	char	   *encoded = slm_url_encoded(value, false);

	appendStringInfo(query, "%s%s=%s", query->len ? "&" : "", name, encoded);
	pfree(encoded);
}

/*
 * What an object is known by whose server gives no ETag: its size and time.  A read can't ask for just this content then, but
 * compares its length with the list's, as always.
 */
static const char *
etag_of(const SlmS3Item *item, char *buf, size_t size)
{
	if (item->etag != NULL && item->etag[0] != '\0')
		return item->etag;
	snprintf(buf, size, SLM_S3_NO_ETAG INT64_FORMAT "-" INT64_FORMAT, item->size, item->time);
	return buf;
}

/* One entry of a page.  Returns false when the caller has had enough. */
static bool
hand_out(const SlmListing *listing, const char *full_prefix, const SlmS3Item *item, SlmListCallback callback, void *arg)
{
	size_t		prefix_len = strlen(listing->store->key_prefix);
	size_t		len = item->key ? strlen(item->key) : 0;
	char		etag[64];
	SlmObjectInfo info;

	/* A folder marker; or a key with a NUL byte, which the parser leaves out. */
	if (len > 0 && item->key[len - 1] == '/')
		return true;
	/* Whoever asked relies on the prefix, so what a server lists beside it must not get there. */
	if (len == 0 || strncmp(item->key, full_prefix, strlen(full_prefix)) != 0)
	{
		slm_listing_passed(listing, "", SLM_PASS_ENTRY, len == 0 ? "an entry of the list has no key that can be used"
						   : "the list has keys beside the prefix that was asked for");
		return true;
	}
	if (item->size < 0)
	{
		slm_listing_passed(listing, item->key + prefix_len, SLM_PASS_ENTRY, "the list gives no size that can be used");
		return true;
	}
	info.key = item->key + prefix_len;
	info.etag = etag_of(item, etag, sizeof(etag));
	info.size = item->size;
	info.last_modified = item->time;
	return callback(&info, arg);
}

/* Hand out a page's objects.  Returns false when the callback has had enough. */
static bool
hand_out_page(const SlmListing *listing, const char *full_prefix, const SlmS3Document *page, SlmListCallback callback, void *arg)
{
	for (size_t i = 0; i < page->nitems; i++)
	{
		if (!hand_out(listing, full_prefix, &page->items[i], callback, arg))
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
	error->detail = pstrdup("The list has no end: its pages bring keys again, or are empty, again and again.");
	error->hint = pstrdup("Check that the server's endpoint is that of an S3 service.");
	return false;
}

/* A list under way: a call gets its next page. */
typedef struct S3Listing
{
	SlmListing	listing;
	MemoryContext context;		/* of all of it, a child of the store's */
	MemoryContext page_context; /* of the page at hand */
	char	   *prefix;
	char	   *full_prefix;
	char	   *start_after;	/* or NULL */
	char	   *token;			/* where the next page begins; NULL: at the beginning */
	SlmS3Call  *call;			/* or NULL */
	uint64	   *marks;			/* of the pages that had keys: a hash table of their least hash of a key; 0 is free */
	uint32		nmarks;
	uint32		max_marks;		/* a power of two */
	int			empty_pages;	/* since the last one that had */
} S3Listing;

static bool
insert_mark(uint64 *marks, uint32 max, uint64 mark)
{
	uint32		i = (uint32) mark & (max - 1);

	while (marks[i] != 0 && marks[i] != mark)
		i = (i + 1) & (max - 1);
	if (marks[i] == mark)
		return false;
	marks[i] = mark;
	return true;
}

/* Note a page's mark; false if a page had it before. */
static bool
note_mark(S3Listing *l, uint64 mark)
{
	if (l->nmarks >= l->max_marks / 2)
	{
		uint32		max = Max(64, l->max_marks * 2);
		uint64	   *larger = MemoryContextAllocExtended(l->context, sizeof(uint64) * max, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);

		for (uint32 i = 0; i < l->max_marks; i++)
		{
			if (l->marks[i] != 0)
				(void) insert_mark(larger, max, l->marks[i]);
		}
		if (l->marks != NULL)
			pfree(l->marks);
		l->marks = larger;
		l->max_marks = max;
	}
	if (!insert_mark(l->marks, l->max_marks, mark))
		return false;
	l->nmarks++;
	return true;
}

/*
 * Does a page bring the list on?  The tokens don't tell: a server that has lost its way can make new ones for ever; nor does the
 * order, as some services have none.  But no key is in a list twice.  So of each page that has keys one is remembered, by its hash,
 * and it is the one with the least: if pages come again, in whatever order their keys are and even if they come with others, it is
 * mostly the same.  What gets by goes on until sellometer.max_list_keys.  A page without keys is lawful.
 */
static bool
advances(S3Listing *l, const SlmS3Document *page)
{
	uint64		mark = UINT64_MAX;
	size_t		keys = 0;

	for (size_t i = 0; i < page->nitems; i++)
	{
		const char *key = page->items[i].key;

		if (key == NULL)
			continue;
		mark = Min(mark, DatumGetUInt64(hash_any_extended((const unsigned char *) key, (int) strlen(key), 0)));
		keys++;
	}
	if (keys == 0)
		return ++l->empty_pages <= MAX_EMPTY_PAGES;
	l->empty_pages = 0;
	return note_mark(l, Max(mark, 1));
}

SlmListing *
slm_s3_list_begin(SlmStore *base, const char *prefix, const char *start_after)
{
	SlmS3Store *s3 = (SlmS3Store *) base;
	MemoryContext context = AllocSetContextCreate(base->context, "sellometer list", ALLOCSET_DEFAULT_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(context);
	S3Listing  *l = palloc0(sizeof(S3Listing));

	l->context = context;
	l->page_context = AllocSetContextCreate(context, "sellometer list page", ALLOCSET_DEFAULT_SIZES);
	l->prefix = pstrdup(prefix);
	l->full_prefix = psprintf("%s%s", s3->store.key_prefix, prefix);
	l->start_after = start_after ? psprintf("%s%s", s3->store.key_prefix, start_after) : NULL;
	MemoryContextSwitchTo(outer);
	return &l->listing;
}

static void
ask_for_page(S3Listing *l)
{
	SlmS3Store *s3 = (SlmS3Store *) l->listing.store;
	StringInfoData query;
	char	   *shown = slm_store_display_url(&s3->store, l->prefix);

	initStringInfo(&query);
	if (l->token != NULL)
		add_parameter(&query, "continuation-token", l->token);
	add_parameter(&query, "encoding-type", "url");
	add_parameter(&query, "list-type", "2");
	if (l->full_prefix[0] != '\0')
		add_parameter(&query, "prefix", l->full_prefix);
	if (l->start_after != NULL && l->token == NULL)
		add_parameter(&query, "start-after", l->start_after);
	l->call = slm_s3_call_create(s3, "GET", NULL, query.data, "list %s", shown);
	pfree(query.data);
	pfree(shown);
}

static void
free_call(S3Listing *l)
{
	if (l->call != NULL)
		slm_s3_call_free(l->call);
	l->call = NULL;
}

/* The page has come, and its objects were handed out: where does the next one begin? */
static SlmListingStatus
turn_page(S3Listing *l, const SlmS3Document *page, SlmStoreError *error)
{
	char	   *before = l->token;

	if (!page->is_truncated)
		return SLM_LISTING_END;
	if (page->next_continuation_token == NULL || (before != NULL && strcmp(page->next_continuation_token, before) == 0))
	{
		(void) fail_endless((SlmS3Store *) l->listing.store, error);
		return SLM_LISTING_ERROR;
	}
	l->token = MemoryContextStrdup(l->context, page->next_continuation_token);
	if (before != NULL)
		pfree(before);
	return SLM_LISTING_MORE;
}

SlmListingStatus
slm_s3_list_next(SlmListing *listing, long wait_ms, SlmListCallback callback, void *arg, int *requests,
				 SlmStoreError *error)
{
	S3Listing  *l = (S3Listing *) listing;
	SlmS3Store *s3 = (SlmS3Store *) listing->store;
	double		until = slm_now_ms() + (double) wait_ms;
	const SlmS3Document *page = NULL;
	SlmListingStatus status;

	if (l->call == NULL)
	{
		ask_for_page(l);
		(*requests)++;
	}
	/* it may have ended while something else was waited for */
	for (bool moved = false; l->call->state != SLM_CALL_ENDED; moved = true)
	{
		if (moved && slm_now_ms() >= until)
			return SLM_LISTING_WAIT;
		slm_s3_pump(s3, slm_s3_remaining(until));
	}
	if (slm_s3_call_wait(l->call, error))
		page = slm_s3_call_document(l->call, l->page_context, "ListBucketResult", error);
	free_call(l);
	if (page == NULL || (!advances(l, page) && !fail_circle(s3, error)))
		status = SLM_LISTING_ERROR;
	else if (!hand_out_page(listing, l->full_prefix, page, callback, arg))
		status = SLM_LISTING_END;
	else
		status = turn_page(l, page, error);
	MemoryContextReset(l->page_context);
	/* the next one is on its way while this one is worked on */
	if (status == SLM_LISTING_MORE)
	{
		ask_for_page(l);
		(*requests)++;
		slm_s3_pump(s3, 0);
	}
	return status;
}

void
slm_s3_list_end(SlmListing *listing)
{
	S3Listing  *l = (S3Listing *) listing;

	free_call(l);
	MemoryContextDelete(l->context);
}

static bool
abort_upload(SlmS3Store *s3, const SlmS3Item *item, SlmStoreError *error)
{
	StringInfoData query;
	SlmS3Call  *call;
	bool		ok;

	initStringInfo(&query);
	add_parameter(&query, "uploadId", item->upload_id);
	call = slm_s3_call_create(s3, "DELETE", item->key + strlen(s3->store.key_prefix), query.data, "abort an upload of %s",
							  slm_store_display_url(&s3->store, item->key + strlen(s3->store.key_prefix)));
	ok = slm_s3_call_wait(call, error) || error->kind == SLM_STORE_NOT_FOUND;
	slm_s3_call_free(call);
	return ok;
}

/* Where a page of uploads begins; NULL: at the beginning. */
typedef struct UploadMarkers
{
	char	   *key;
	char	   *upload;
} UploadMarkers;

/*
 * A page of unfinished uploads.  NULL with *error set, or, if the server doesn't know such a list, with no_upload_list: some say so, others
 * answer with a list of objects.
 */
static const SlmS3Document *
get_uploads(SlmS3Store *s3, const char *prefix, const char *full_prefix, const UploadMarkers *from, MemoryContext context, SlmStoreError *error)
{
	const SlmS3Document *page = NULL;
	StringInfoData query;
	SlmS3Call  *call;

	initStringInfo(&query);
	add_parameter(&query, "encoding-type", "url");
	if (from->key)
		add_parameter(&query, "key-marker", from->key);
	if (full_prefix[0] != '\0')
		add_parameter(&query, "prefix", full_prefix);
	if (from->upload)
		add_parameter(&query, "upload-id-marker", from->upload);
	add_parameter(&query, "uploads", "");
	call = slm_s3_call_create(s3, "GET", NULL, query.data, "list unfinished uploads of %s", slm_store_display_url(&s3->store, prefix));
	if (slm_s3_call_wait(call, error))
		page = slm_s3_call_document(call, context, NULL, error);
	else
		s3->no_upload_list = slm_s3_is_not_implemented(call);
	if (page != NULL && strcmp(page->root, "ListMultipartUploadsResult") != 0)
	{
		s3->no_upload_list = strcmp(page->root, "ListBucketResult") == 0;
		slm_store_fail(error, SLM_STORE_FATAL, ERRCODE_PROTOCOL_VIOLATION, "could not %s: the answer is not valid", call->doing);
		error->detail = psprintf("It is a \"%s\" instead of a \"ListMultipartUploadsResult\".", slm_store_display(page->root));
		page = NULL;
	}
	slm_s3_call_free(call);
	return page;
}

/* Abort those of a page that begin with the prefix and are old enough. */
static bool
abort_page(SlmS3Store *s3, const SlmS3Document *page, const char *full_prefix, TimestampTz before, int *aborted, SlmStoreError *error)
{
	for (size_t i = 0; i < page->nitems; i++)
	{
		const SlmS3Item *item = &page->items[i];

		if (item->key == NULL || item->upload_id == NULL || item->time >= before ||
			strncmp(item->key, full_prefix, strlen(full_prefix)) != 0)
			continue;
		if (!abort_upload(s3, item, error))
			return false;
		(*aborted)++;
	}
	return true;
}

/* Go to the next page.  False if the server says not where it begins. */
static bool
turn_uploads(UploadMarkers *markers, const SlmS3Document *page)
{
	const char *upload = page->next_upload_id_marker ? page->next_upload_id_marker : "";

	if (page->next_key_marker == NULL ||
		(markers->key && strcmp(markers->key, page->next_key_marker) == 0 && strcmp(markers->upload, upload) == 0))
		return false;
	markers->key = pstrdup(page->next_key_marker);
	markers->upload = pstrdup(upload);
	return true;
}

/*
 * An unfinished upload is no object: where the server can't list them, nothing stands in the way of whoever asked, but what it takes may
 * cost money until it is gone.
 */
static void
warn_of_uploads(const SlmS3Store *s3, const char *prefix)
{
	ereport(WARNING,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("the server can't list unfinished uploads"),
			 errdetail("One of %s may be left.", slm_store_display_url(&s3->store, prefix)),
			 errhint("Have a lifecycle rule of the bucket abort incomplete multipart uploads.")));
}

bool
slm_s3_abort_uploads(SlmStore *base, const char *prefix, TimestampTz before, int *aborted, SlmStoreError *error)
{
	SlmS3Store *s3 = (SlmS3Store *) base;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "sellometer uploads", ALLOCSET_DEFAULT_SIZES);
	char	   *full_prefix = psprintf("%s%s", s3->store.key_prefix, prefix);
	UploadMarkers markers = {0};
	bool		ok = true;
	bool		more = !s3->no_upload_list;

	while (ok && more)
	{
		const SlmS3Document *page = get_uploads(s3, prefix, full_prefix, &markers, context, error);

		ok = page != NULL && abort_page(s3, page, full_prefix, before, aborted, error);
		more = ok && page->is_truncated;
		if (more && !turn_uploads(&markers, page))
			ok = fail_endless(s3, error);
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
	if (s3->no_upload_list)
	{
		warn_of_uploads(s3, prefix);
		ok = true;
	}
	if (ok)
		memset(error, 0, sizeof(*error));
	return ok;
}
