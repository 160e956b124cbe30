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

/*
 * All strings are in the memory context that was current when the failing call was made.  Never holds a secret.  The message names
 * neither server, role, endpoint nor where credentials come from, and nothing that a server says: it is shown to whoever may see that
 * something went wrong.  Detail and hint are for those who may know how the store is reached.
 */
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

/* Why something that a listing came upon is no object. */
typedef enum SlmPassReason
{
	SLM_PASS_NAME,				/* its name is one of names.h */
	SLM_PASS_LINK,				/* a symbolic link, a socket and the like */
	SLM_PASS_UNREADABLE,		/* a directory or file that can't be looked at */
	SLM_PASS_ENTRY,				/* an entry of a server's list without what an object has */
	SLM_PASS_SIZE,				/* larger than any object can be */
	SLM_PASS_REASONS
} SlmPassReason;

/*
 * Called for each thing that a listing passes over; key: relative to the store's URL, of a directory with '/' at its end;
 * why: words for SLM_PASS_UNREADABLE, ENTRY and SIZE, else NULL.  Both are valid during the call.
 */
typedef void (*SlmPassCallback) (const char *key, SlmPassReason reason, const char *why, void *arg);

/* No service keeps objects beyond this: a list that says so is wrong, or a file is a sparse one. */
#define SLM_MAX_OBJECT_SIZE		(INT64CONST(1) << 50)

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
typedef enum SlmListingStatus
{
	SLM_LISTING_MORE,			/* the callback was called for some objects, perhaps for none; more may follow */
	SLM_LISTING_END,			/* likewise, and they were the last, or the callback has had enough */
	SLM_LISTING_WAIT,			/* nothing has come within wait_ms */
	SLM_LISTING_ERROR
} SlmListingStatus;

extern SlmListing *slm_listing_begin(SlmStore *store, const char *prefix, const char *start_after);
/* Whom to tell, with the argument of slm_listing_next(), of what is passed over: see SlmListQuery.  To be called before the first of that. */
extern void slm_listing_tell(SlmListing *listing, SlmPassCallback passed);
/* wait_ms: 0 = just see what is there.  *requests is increased by the LIST requests made. */
extern SlmListingStatus slm_listing_next(SlmListing *listing, long wait_ms, SlmListCallback callback, void *arg, int *requests,
										 SlmStoreError *error);
extern void slm_listing_end(SlmListing *listing);

/* Settings of the same names (guc.c): transfers of a store that are under way at the same time; the limits of a listing. */
extern int	slm_max_connections;
extern int	slm_max_list_keys;
extern int	slm_max_list_time;		/* s */

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

/*
 * Any bytes made fit for a message: what isn't printable, or turns the direction of writing, becomes \xHH, and what is too long
 * is cut.  Palloc'd.
 */
extern char *slm_store_display(const char *bytes);

/* Likewise text of any length, with tabs and ends of lines as they are. */
extern char *slm_store_display_text(const char *bytes, size_t len);

/* An error with its detail and hint as one text, palloc'd. */
extern char *slm_store_error_text(const SlmStoreError *error);

/* ereport(ERROR) what error says. */
pg_noreturn extern void slm_store_error_raise(const SlmStoreError *error);

#endif							/* SLM_STORE_STORE_H */
