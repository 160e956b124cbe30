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

#include <limits.h>

#include "compat.h"
#include "datatype/timestamp.h"

typedef struct SlmStore SlmStore;
typedef struct SlmTransfer SlmTransfer;
typedef struct SlmPut SlmPut;
typedef struct SlmListing SlmListing;

typedef enum SlmStoreErrorKind
{
	SLM_STORE_OK,
	SLM_STORE_NOT_FOUND,		/* no such object, bucket or directory */
	SLM_STORE_CHANGED,			/* If-Match failed: the object is not the one that was listed */
	SLM_STORE_DENIED,			/* credentials missing, wrong, or without the right */
	SLM_STORE_TRANSIENT,		/* worth trying again later: 429, 5xx, timeout, reset, short body, name not resolved */
	SLM_STORE_FATAL				/* anything else: not worth trying again until something is changed */
} SlmStoreErrorKind;

/* All strings are in the memory context that was current when the failing call was made.  Never holds a secret. */
typedef struct SlmStoreError
{
	SlmStoreErrorKind kind;
	int			sqlstate;		/* MAKE_SQLSTATE code */
	int			retry_after_ms; /* what the server asked for, or 0 */
	char	   *message;		/* lower-case, no full stop */
	char	   *detail;			/* or NULL */
	char	   *hint;			/* or NULL */
} SlmStoreError;

typedef struct SlmObjectInfo
{
	const char *key;			/* relative to the store's URL */
	const char *etag;			/* without quotes; of a file: made of inode, size and mtime */
	int64		size;
	TimestampTz last_modified;
} SlmObjectInfo;

/* Called for each listed object; the info is valid during the call.  Returning false ends the listing early. */
typedef bool (*SlmListCallback) (const SlmObjectInfo *info, void *arg);

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
/* Its URL in the one spelling that all of its aliases share: without "localhost", with the '/' behind the bucket. */
extern const char *slm_store_url(const SlmStore *store);

/*
 * While a store is brief, each call makes one attempt and waits for seconds only.  For one that is known not to answer, so
 * that others don't wait for it.
 */
extern void slm_store_set_brief(SlmStore *store, bool brief);

/*
 * List the objects whose key begins with prefix ("" = all) and is greater than start_after (NULL = from the start),
 * calling back for each.  Folder markers (key ending in '/'), and for directories names beginning with '.' or ending
 * with ".tmp" or ".part", are left out.  The order is the store's; rely on none.  *requests: LIST requests made.
 */
extern bool slm_store_list(SlmStore *store, const char *prefix, const char *start_after,
						   SlmListCallback callback, void *arg, int *requests, SlmStoreError *error);

/*
 * The same piece by piece, for whoever has more to do than to wait for it.  A listing ends in an error if its pages bring keys again, or
 * if it has more keys than sellometer.max_list_keys or takes longer than sellometer.max_list_time: a server that has lost its
 * way, or means ill, can go on for ever.  It lives in the store's memory context until slm_listing_end().
 */
typedef enum SlmListingStatus
{
	SLM_LISTING_MORE,			/* the callback was called for some objects, perhaps for none; more may follow */
	SLM_LISTING_END,			/* likewise, and they were the last, or the callback has had enough */
	SLM_LISTING_WAIT,			/* nothing has come within wait_ms */
	SLM_LISTING_ERROR
} SlmListingStatus;

extern SlmListing *slm_listing_begin(SlmStore *store, const char *prefix, const char *start_after);
/* wait_ms: 0 = just see what is there.  *requests is increased by the LIST requests made. */
extern SlmListingStatus slm_listing_next(SlmListing *listing, long wait_ms, SlmListCallback callback, void *arg, int *requests,
										 SlmStoreError *error);
extern void slm_listing_end(SlmListing *listing);

#define SLM_WAIT_FOR_EVER	LONG_MAX

/* Move all that the store has under way on, without waiting. */
extern void slm_store_move_on(SlmStore *store);

/*
 * Begin to get an object.  etag: what it must be (If-Match), or NULL.  offset: first byte wanted.  Returns at once;
 * transfers of one store run at the same time whenever any call on the store waits, each holding at most a few MB
 * that nobody has read yet.  Transient failures before the first byte are retried here (exponential, jittered).
 */
extern SlmTransfer *slm_store_get(SlmStore *store, const char *key, const char *etag, int64 offset);

typedef enum SlmTransferStatus
{
	SLM_TRANSFER_DATA,
	SLM_TRANSFER_END,			/* all bytes were delivered, and their number is what the server announced */
	SLM_TRANSFER_ERROR,
	SLM_TRANSFER_WAIT			/* nothing came within wait_ms */
} SlmTransferStatus;

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
#define SLM_PART_KB		(64 * 1024)
extern int	slm_part_bytes;		/* kB of a part: SLM_PART_KB but in tests */

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

/*
 * A key as it can stand in a text column: the key itself if it is valid in the database's encoding (which must be UTF-8
 * for anything but ASCII), else NULL.
 */
extern const char *slm_store_key_text(const char *key);

/* Any bytes made fit for a message: what isn't printable becomes \xHH, and what is too long is cut.  Palloc'd. */
extern char *slm_store_display(const char *bytes);

/* ereport(ERROR) what error says. */
pg_noreturn extern void slm_store_error_raise(const SlmStoreError *error);

#endif							/* SLM_STORE_STORE_H */
