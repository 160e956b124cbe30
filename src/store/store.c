/*
 * store.c: opening a store, rights, and the table of operations.
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "store/names.h"
#include "store/store.h"
#include "store/store_internal.h"

/* What there is, by the scheme of the URL. */
static SlmStore *(*const openers[]) (const SlmUrl *url, const char *server, Oid userid) = {
	[SLM_URL_FILE] = slm_file_open,
	[SLM_URL_S3] = slm_s3_open
};

static void
close_on_reset(void *arg)
{
	SlmStore   *store = arg;

	store->ops->close(store);
}

/* Without a server of its own, a store acts with the rights of the operating system's user: who may ask for that? */
static void
check_read_right(const SlmUrl *url, Oid userid)
{
	if (has_privs_of_role(userid, ROLE_PG_READ_SERVER_FILES))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 url->scheme == SLM_URL_FILE
			 ? errmsg("permission denied to read files of the server")
			 : errmsg("permission denied to use the server's own S3 credentials"),
			 errdetail("This needs the privileges of the role \"%s\".", "pg_read_server_files"),
			 url->scheme == SLM_URL_FILE
			 ? errhint("Ask a superuser to GRANT pg_read_server_files, or use a bucket through a foreign server.")
			 : errhint("Name a foreign server of wrapper sellometer_s3 on which you have USAGE and a user mapping.")));
}

/* The one spelling of a URL: so two are of the same objects only if one begins with the other. */
static char *
spell(const SlmUrl *parsed)
{
	if (parsed->scheme == SLM_URL_FILE)
		return psprintf("file://%.*s%.*s", (int) parsed->dir.len, parsed->dir.data, (int) parsed->prefix.len,
						parsed->prefix.data);
	return psprintf("s3://%.*s/%.*s", (int) parsed->bucket.len, parsed->bucket.data, (int) parsed->prefix.len,
					parsed->prefix.data);
}

SlmStore *
slm_store_open(const char *url, const char *server, Oid userid)
{
	SlmUrl		parsed;
	const char *hint;
	const char *problem = slm_url_parse(url, &parsed, &hint);
	MemoryContext context;
	MemoryContext outer;
	SlmStore   *store;

	/* A URL that somebody wrote credentials into is not shown. */
	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 strchr(url, '@') ? errmsg_internal("%s", problem)
				 : errmsg("%s: \"%s\"", problem, slm_store_display(url)),
				 errhint("%s", hint)));
	if (parsed.scheme == SLM_URL_FILE && server != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a file URL takes no foreign server"),
				 errdetail("The URL is \"%s\", the server \"%s\".", slm_store_display(url), server)));
	if (!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(userid)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the role does not exist any more that \"%s\" belonged to", slm_store_display(url))));
	if (server == NULL)
		check_read_right(&parsed, userid);

	context = AllocSetContextCreate(CurrentMemoryContext, "sellometer store", ALLOCSET_DEFAULT_SIZES);
	outer = MemoryContextSwitchTo(context);
	url = spell(&parsed);
	slm_url_parse(url, &parsed, &hint);
	store = openers[parsed.scheme] (&parsed, server, userid);
	store->context = context;
	store->url = unconstify(char *, url);
	store->key_prefix = pnstrdup(parsed.prefix.data, parsed.prefix.len);
	store->parsed = parsed;
	store->userid = userid;
	/* With credentials of one's own it is up to the bucket. */
	store->may_write |= has_privs_of_role(userid, ROLE_PG_WRITE_SERVER_FILES);
	store->on_reset.func = close_on_reset;
	store->on_reset.arg = store;
	MemoryContextRegisterResetCallback(context, &store->on_reset);
	MemoryContextSwitchTo(outer);
	return store;
}

void
slm_store_set_brief(SlmStore *store, bool brief)
{
	store->brief = brief;
}

void
slm_store_take_rights(SlmStore *store, const SlmStore *from)
{
	store->may_write = from->may_write;
	if (store->ops->take_rights != NULL && store->ops == from->ops)
		store->ops->take_rights(store, from);
}

void
slm_store_close(SlmStore *store)
{
	MemoryContextDelete(store->context);
}

const char *
slm_store_url(const SlmStore *store)
{
	return store->url;
}

/* --- lists --- */

SlmListing *
slm_listing_begin(SlmStore *store, const char *prefix, const char *start_after)
{
	SlmListing *listing = store->ops->list_begin(store, prefix, start_after);

	listing->store = store;
	listing->keys = 0;
	listing->began = GetCurrentTimestamp();
	listing->too_many = false;
	listing->passed = NULL;
	return listing;
}

void
slm_listing_tell(SlmListing *listing, SlmPassCallback passed)
{
	listing->passed = passed;
}

/* All that looks like an object comes by here, to be counted; what is none is passed over. */
static bool
found_key(const SlmObjectInfo *info, void *arg)
{
	SlmListing *listing = arg;

	listing->too_many = listing->keys >= slm_max_list_keys;
	if (listing->too_many)
		return false;
	listing->keys++;
	Assert(info->size >= 0);
	if (slm_key_is_passed_over(listing->store->key_prefix, info->key))
		slm_listing_passed(listing, info->key, SLM_PASS_NAME, NULL);
	else if (info->size > SLM_MAX_OBJECT_SIZE)
		slm_listing_passed(listing, info->key, SLM_PASS_SIZE, "its size is said to be " INT64_FORMAT " bytes", info->size);
	else
		return listing->callback(info, listing->arg);
	return true;
}

static SlmListingStatus
fail_listing(SlmListing *listing, const char *setting, SlmStoreError *error)
{
	slm_store_fail(error, SLM_STORE_FATAL, ERRCODE_PROGRAM_LIMIT_EXCEEDED, "could not list %s: the list goes on beyond %s",
				   slm_store_display_url(listing->store, ""), setting);
	error->detail = psprintf("After " INT64_FORMAT " keys it had no end.", listing->keys);
	error->hint = psprintf("If there are really so many objects, archive or move old ones away, or increase %s.", setting);
	return SLM_LISTING_ERROR;
}

SlmListingStatus
slm_listing_next(SlmListing *listing, long wait_ms, SlmListCallback callback, void *arg, int *requests, SlmStoreError *error)
{
	SlmListingStatus status;

	memset(error, 0, sizeof(*error));
	listing->callback = callback;
	listing->arg = arg;
	status = listing->store->ops->list_next(listing, wait_ms, found_key, listing, requests, error);
	if (listing->too_many)
		return fail_listing(listing, "sellometer.max_list_keys", error);
	if ((status == SLM_LISTING_MORE || status == SLM_LISTING_WAIT) &&
		GetCurrentTimestamp() - listing->began > slm_max_list_time * USECS_PER_SEC)
		return fail_listing(listing, "sellometer.max_list_time", error);
	return status;
}

void
slm_listing_end(SlmListing *listing)
{
	listing->store->ops->list_end(listing);
}

bool
slm_store_list(SlmStore *store, SlmListQuery *query, SlmStoreError *error)
{
	SlmListing *listing = slm_listing_begin(store, query->prefix ? query->prefix : "", query->start_after);
	SlmListingStatus status;

	query->requests = 0;
	slm_listing_tell(listing, query->passed);
	do
		status = slm_listing_next(listing, SLM_WAIT_FOR_EVER, query->found, query->arg, &query->requests, error);
	while (status == SLM_LISTING_MORE || status == SLM_LISTING_WAIT);
	slm_listing_end(listing);
	return status == SLM_LISTING_END;
}

void
slm_store_move_on(SlmStore *store)
{
	store->ops->move_on(store);
}

/* --- transfers --- */

SlmTransfer *
slm_store_get(SlmStore *store, const char *key, const char *etag, int64 offset)
{
	Assert(offset >= 0);
	return store->ops->get(store, key, etag, offset);
}

SlmTransferStatus
slm_transfer_read(SlmTransfer *transfer, long wait_ms, const char **data, size_t *len, SlmStoreError *error)
{
	memset(error, 0, sizeof(*error));
	return transfer->store->ops->read(transfer, wait_ms, data, len, error);
}

bool
slm_transfer_ready(SlmTransfer *transfer, long wait_ms)
{
	return transfer->store->ops->ready(transfer, wait_ms);
}

bool
slm_transfer_is_encoded(const SlmTransfer *transfer)
{
	return transfer->encoded;
}

void
slm_transfer_close(SlmTransfer *transfer)
{
	transfer->store->ops->close_transfer(transfer);
}

static bool
check_may_write(SlmStore *store, const char *key, SlmStoreError *error)
{
	memset(error, 0, sizeof(*error));
	if (store->may_write)
		return true;
	slm_store_fail(error, SLM_STORE_DENIED, ERRCODE_INSUFFICIENT_PRIVILEGE,
				   "permission denied to change %s", slm_store_display_url(store, key));
	error->detail = psprintf("This needs the privileges of the role \"%s\".", "pg_write_server_files");
	error->hint = pstrdup("Ask a superuser to GRANT pg_write_server_files to the source's owner.");
	return false;
}

bool
slm_store_put(SlmStore *store, const char *key, const char *data, size_t len, char **etag, SlmStoreError *error)
{
	char	   *ignored;

	return check_may_write(store, key, error) &&
		store->ops->put(store, key, data, len, etag ? etag : &ignored, error);
}

bool
slm_store_delete(SlmStore *store, const char *const *keys, int nkeys, SlmStoreError *error)
{
	memset(error, 0, sizeof(*error));
	if (nkeys == 0)
		return true;
	return check_may_write(store, keys[0], error) && store->ops->delete(store, keys, nkeys, error);
}

SlmPut *
slm_store_put_begin(SlmStore *store, const char *key)
{
	return store->ops->put_begin(store, key);
}

bool
slm_store_put_write(SlmPut *put, const char *data, size_t len, SlmStoreError *error)
{
	Assert(!put->failed);
	if (!check_may_write(put->store, "", error) || !put->store->ops->put_write(put, data, len, error))
		put->failed = true;
	return !put->failed;
}

bool
slm_store_put_finish(SlmPut *put, char **etag, SlmStoreError *error)
{
	SlmStore   *store = put->store;
	char	   *ignored;

	Assert(!put->failed);
	if (!check_may_write(store, "", error))
	{
		store->ops->put_abort(put);
		return false;
	}
	return store->ops->put_finish(put, etag ? etag : &ignored, error);
}

void
slm_store_put_abort(SlmPut *put)
{
	put->store->ops->put_abort(put);
}

bool
slm_store_abort_uploads(SlmStore *store, const char *prefix, TimestampTz before, int *aborted, SlmStoreError *error)
{
	int			ignored;

	if (aborted == NULL)
		aborted = &ignored;
	*aborted = 0;
	return check_may_write(store, prefix, error) &&
		store->ops->abort_uploads(store, prefix, before, aborted, error);
}
