/*
 * store.h: where objects live: a directory (file:///dir/) or an S3 bucket (s3://bucket/prefix/).
 *
 * A store is a URL prefix that has been opened.  Keys are relative to it: url || key is the object's URL.
 * Keys come from outside and are data: they may hold any byte but NUL.
 *
 * One table of operations, two implementations (store_file.c, store_s3.c); callers see only this header.
 * Every call that can wait processes interrupts (cancel, terminate) while it waits.
 *
 * Failures of the outside come back as SlmStoreError, so that one bad object never aborts a batch; only a misuse
 * or a cancel is raised with ereport.  slm_store_error_raise() turns one into an ereport where a user is waiting.
 */
#ifndef SLM_STORE_STORE_H
#define SLM_STORE_STORE_H

#include "postgres.h"

#include "store/store_error.h"
#include "store/store_types.h"

/* What is to be listed at once, by slm_store_list(). */
typedef struct SlmListQuery
{
	const char *prefix;			/* what keys must begin with; NULL = all */
	const char *start_after;	/* only keys greater than this; NULL = all */
	SlmListCallback found;
	SlmPassCallback passed;		/* NULL: what can't be read is an error, not passed over */
	void	   *arg;			/* of both */
	int			requests;		/* out: LIST requests made */
} SlmListQuery;

/*
 * Open a URL, taken literally (no percent-decoding).  server: name of a foreign server of wrapper sellometer_s3, or
 * NULL (environment, AWS endpoints).
 * userid: whose user mapping counts, and who must hold pg_read_server_files for file:// (pg_write_server_files to
 * change).  Without a server the environment's credentials are used, so userid needs the same rights there; with one,
 * USAGE on it.  Raises an error for a malformed URL, an unknown scheme, a missing right.  Touches no network yet, but
 * reads the catalogues: needs a transaction, as no other call here does.
 * The store lives in the current memory context, and is closed when that is reset or deleted.  Waiting resets MyLatch.
 *
 * A URL need not end in '/': it is just what URLs of objects begin with.  With an object's own URL, its key is "".
 */
extern SlmStore *slm_store_open(const char *url, const char *server, Oid userid);
extern void slm_store_close(SlmStore *store);

/* Let a store that is open change what another one of the same URL and role, opened later, may change. */
extern void slm_store_take_rights(SlmStore *store, const SlmStore *from);
/* Its URL in the one spelling that all of its aliases share: without "localhost", with the '/' behind the bucket. */
extern const char *slm_store_url(const SlmStore *store);

/*
 * While a store is brief, each call makes one attempt and waits for seconds only.  For one that is known not to answer, so
 * that others don't wait for it.
 */
extern void slm_store_set_brief(SlmStore *store, bool brief);

/*
 * List objects, calling back for each.  Folder markers (keys ending in '/') are nothing; what else is no object is passed
 * over, and counted by whoever wants to know: names that are left out (names.h), links, what can't be read below the store's
 * own directory.  The order is the store's; rely on none.  False with *error set if the listing did not come to its end.
 */
extern bool slm_store_list(SlmStore *store, SlmListQuery *query, SlmStoreError *error);

/*
 * The same piece by piece, for whoever has more to do than to wait for it.  A listing ends in an error if its pages bring keys again, or
 * if it has more keys than sellometer.max_list_keys or takes longer than sellometer.max_list_time: a server that has lost its
 * way, or means ill, can go on for ever.  It lives in the store's memory context until slm_listing_end().
 */
extern SlmListing *slm_listing_begin(SlmStore *store, const char *prefix, const char *start_after);
/* Whom to tell, with the argument of slm_listing_next(), of what is passed over: see SlmListQuery.  To be called before the first of that. */
extern void slm_listing_tell(SlmListing *listing, SlmPassCallback passed);
/* wait_ms: 0 = just see what is there.  *requests is increased by the LIST requests made. */
extern SlmListingStatus slm_listing_next(SlmListing *listing, long wait_ms, SlmListCallback callback, void *arg, int *requests,
										 SlmStoreError *error);
extern void slm_listing_end(SlmListing *listing);

/* Move all that the store has under way on, without waiting. */
extern void slm_store_move_on(SlmStore *store);

/*
 * Begin to get an object.  etag: what it must be (If-Match), or NULL.  offset: first byte wanted.  Returns at once;
 * transfers of one store run at the same time whenever any call on the store waits, each holding at most a few MB
 * that nobody has read yet.  Transient failures before the first byte are retried here (exponential, jittered).
 */
extern SlmTransfer *slm_store_get(SlmStore *store, const char *key, const char *etag, int64 offset);

/*
 * The next bytes of a transfer.  *data is valid until the next call for this transfer.  It waits for at most wait_ms: with 0 it
 * just moves all the store's transfers on.
 */
extern SlmTransferStatus slm_transfer_read(SlmTransfer *transfer, long wait_ms, const char **data, size_t *len,
										   SlmStoreError *error);

/*
 * Is so much of it there that a read need not wait: all of it, or as much as is held?  Waits for that for at most wait_ms.  True for
 * one that has failed, and for every file.
 */
extern bool slm_transfer_ready(SlmTransfer *transfer, long wait_ms);
extern void slm_transfer_close(SlmTransfer *transfer);

/*
 * Once bytes have come: did the server say that it sends them in an encoding of its own (Content-Encoding: gzip)?  Their
 * number may be another than the list's then; gzip data tells itself whether it is whole.
 */
extern bool slm_transfer_is_encoded(const SlmTransfer *transfer);

/* Put a whole object (small: it stands in memory).  *etag (may be NULL) gets the new ETag. */
extern bool slm_store_put(SlmStore *store, const char *key, const char *data, size_t len,
						  char **etag, SlmStoreError *error);

/* Delete some objects; one that is gone already is no failure.  Stops at the first failure. */
extern bool slm_store_delete(SlmStore *store, const char *const *keys, int nkeys, SlmStoreError *error);

/*
 * Put an object whose size isn't known: begin, write any number of times, then finish or abort, which also free it.
 * Nobody sees the object before finish has succeeded.  Memory is bounded: an S3 object of more than 64 MB is uploaded
 * in parts.  After a write that failed only abort is left.  When the store is closed an unfinished put is aborted as far
 * as no waiting is needed; slm_store_abort_uploads() clears what killed processes left.
 */
extern SlmPut *slm_store_put_begin(SlmStore *store, const char *key);
extern bool slm_store_put_write(SlmPut *put, const char *data, size_t len, SlmStoreError *error);
extern bool slm_store_put_finish(SlmPut *put, char **etag, SlmStoreError *error);
extern void slm_store_put_abort(SlmPut *put);

/*
 * Remove unfinished puts of objects whose key begins with prefix, begun before the given time (by the store's clock):
 * multipart uploads, or temporary files.  *aborted (may be NULL) gets their number.
 */
extern bool slm_store_abort_uploads(SlmStore *store, const char *prefix, TimestampTz before,
									int *aborted, SlmStoreError *error);

#endif							/* SLM_STORE_STORE_H */
