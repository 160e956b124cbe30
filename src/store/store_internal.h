/*
 * store_internal.h: what the implementations of stores share.  Nobody else includes it.
 */
#ifndef SLM_STORE_INTERNAL_H
#define SLM_STORE_INTERNAL_H

#include "postgres.h"
#include "utils/memutils.h"

#include "store/store_error.h"
#include "store/store_types.h"
#include "store/url.h"

/* The table of operations.  Arguments are as in store.h; pointers to results are never NULL here. */
typedef struct SlmStoreOps
{
	SlmListing *(*list_begin) (SlmStore *store, const char *prefix, const char *start_after);
	SlmListingStatus (*list_next) (SlmListing *listing, long wait_ms, SlmListCallback callback, void *arg,
								   int *requests, SlmStoreError *error);
	void		(*list_end) (SlmListing *listing);
	SlmTransfer *(*get) (SlmStore *store, const char *key, const char *etag, int64 offset);
	SlmTransferStatus (*read) (SlmTransfer *transfer, long wait_ms, const char **data, size_t *len,
							   SlmStoreError *error);
	bool		(*ready) (SlmTransfer *transfer, long wait_ms);
	void		(*close_transfer) (SlmTransfer *transfer);
	bool		(*put) (SlmStore *store, const char *key, const char *data, size_t len,
						char **etag, SlmStoreError *error);
	bool		(*delete) (SlmStore *store, const char *const *keys, int nkeys, SlmStoreError *error);
	SlmPut	   *(*put_begin) (SlmStore *store, const char *key);
	bool		(*put_write) (SlmPut *put, const char *data, size_t len, SlmStoreError *error);
	bool		(*put_finish) (SlmPut *put, char **etag, SlmStoreError *error);
	void		(*put_abort) (SlmPut *put);
	bool		(*abort_uploads) (SlmStore *store, const char *prefix, TimestampTz before,
								  int *aborted, SlmStoreError *error);

	void		(*move_on) (SlmStore *store);
	void		(*take_rights) (SlmStore *store, const SlmStore *from);	/* NULL: but for may_write there are none */

	/*
	 * Give back what isn't memory of the store's context.  Runs when that context is reset, so it must not throw, wait
	 * or allocate, and child contexts are gone already.
	 */
	void		(*close) (SlmStore *store);
} SlmStoreOps;

/* What every store begins with. */
struct SlmStore
{
	const SlmStoreOps *ops;
	MemoryContext context;		/* the store's own, a child of the opener's */
	MemoryContextCallback on_reset;
	char	   *url;
	char	   *key_prefix;		/* what stands before a key in the bucket, or below the directory */
	SlmUrl		parsed;			/* slices of url */
	Oid			userid;
	bool		may_write;
	bool		brief;
};

/* What every transfer, and every put, begins with. */
struct SlmTransfer
{
	SlmStore   *store;
	bool		encoded;		/* see slm_transfer_is_encoded() */
};

struct SlmPut
{
	SlmStore   *store;
	bool		failed;			/* a write has failed: finish must not be called */
};

/* What every listing begins with; store.c fills it. */
struct SlmListing
{
	SlmStore   *store;
	int64		keys;			/* that were handed out */
	TimestampTz began;
	SlmListCallback callback;	/* of the call under way */
	SlmPassCallback passed;		/* or NULL */
	void	   *arg;			/* of both */
	bool		too_many;		/* keys */
};

/* The URL of an object fit for a message, in double quotes. */
extern char *slm_store_display_url(const SlmStore *store, const char *key);

/* Text percent-encoded, palloc'd: see slm_url_encode(). */
extern char *slm_url_encoded(const char *text, bool keep_slash);

/* A listing passes something over; why is a format or NULL. */
extern void slm_listing_passed(const SlmListing *listing, const char *key, SlmPassReason reason,
							   const char *why,...) pg_attribute_printf(4, 5);

/* Open a store of either kind in the current context, which is its own; the caller fills the fields of SlmStore. */
extern SlmStore *slm_file_open(const SlmUrl *url, const char *server, Oid userid);
extern SlmStore *slm_s3_open(const SlmUrl *url, const char *server, Oid userid);

#endif							/* SLM_STORE_INTERNAL_H */
