/*
 * s3_internal.h: what the parts of the S3 store share.
 *
 *   list, put, delete, get     store_s3.c, s3_list.c, s3_get.c, s3_put.c
 *        |  one call = what is asked for, until it has succeeded or failed for good
 *   attempts, back-off         s3_call.c
 *        |  one request = one attempt
 *   curl, sockets, latch       http.c
 *
 * All calls of a store move on together, in slm_s3_pump(), whichever of them somebody is waiting for.
 */
#ifndef SLM_STORE_S3_INTERNAL_H
#define SLM_STORE_S3_INTERNAL_H

#include "postgres.h"

#include "lib/ilist.h"

#include "store/credentials.h"
#include "store/http.h"
#include "store/s3_options.h"
#include "store/s3_xml.h"
#include "store/store_internal.h"

typedef struct SlmS3Store
{
	SlmStore	store;
	SlmHttp    *http;
	SlmS3Options options;
	char	   *bucket;
	char	   *base_url;		/* of the bucket, without '/' at the end */
	char	   *sigv4;			/* for CURLOPT_AWS_SIGV4 */
	dlist_head	calls;			/* of SlmS3Call */
	int			running_reads;
	bool		no_multi_delete;	/* the server can't delete several objects at once */
	bool		no_upload_list; /* nor say which uploads are unfinished */
} SlmS3Store;

typedef enum SlmS3CallState
{
	SLM_CALL_WAITING,			/* for its turn, or for not_before */
	SLM_CALL_RUNNING,
	SLM_CALL_ENDED
} SlmS3CallState;

/* How many bytes of a read wait at most, and how long an answer that is held as a whole may be. */
#define SLM_S3_READ_AHEAD		((size_t) 4 * 1024 * 1024)
#define SLM_S3_MAX_DOCUMENT		((size_t) 32 * 1024 * 1024)

#define SLM_S3_MAX_HEADERS	8

typedef struct SlmS3Call
{
	dlist_node	node;
	SlmS3Store *s3;
	SlmS3CallState state;

	/* The question.  Set between slm_s3_call_create() and the first pump. */
	const char *method;
	char	   *path;			/* "/" and the percent-encoded key, or "" for the bucket */
	char	   *query;			/* percent-encoded and sorted, or "" */
	char	   *headers[SLM_S3_MAX_HEADERS];	/* without those that every request has */
	int			nheaders;
	const char *body;			/* the caller's, or NULL */
	size_t		body_len;
	char		body_sha256[65];
	char	   *doing;			/* "read \"s3://...\"", for messages */

	/* Reading an object. */
	bool		is_read;		/* counts for sellometer.max_connections; goes on where it was interrupted */
	bool		urgent;			/* somebody waits for just this one: begin whatever else is running */
	char	   *etag;			/* what the object must be, or NULL until its first answer */
	int64		offset;			/* the first byte wanted */
	int64		object_size;	/* -1 = not known yet */
	int64		progress_mark;	/* chunks.total when tries was last set to 0 */
	bool		was_changed;	/* an answer's ETag is not the one wanted */
	bool		was_misplaced;	/* an answer's range or length makes no sense */

	/* The attempts. */
	int			tries;
	double		first_try;		/* ms, see slm_now_ms() */
	double		not_before;
	bool		asked_new_credentials;
	char		credentials_source[256];
	SlmHttpRequest *request;	/* while running, and the last one when ended */
	SlmHttpChunks chunks;		/* the answer */

	/* How it ended. */
	SlmStoreErrorKind outcome;	/* valid when ended */
	SlmStoreError local;		/* failed before a request was sent; in the store's context */
	char		code[64];		/* S3's code and words, if it gave some, scrubbed of secrets */
	char		message[512];
	char		region[64];		/* the right ones, if it told */
	char		endpoint[256];
} SlmS3Call;

/* s3_call.c */

/* A new call; method is a static string, doing is copied, key NULL is the bucket.  query is palloc'd or "". */
extern SlmS3Call *slm_s3_call_create(SlmS3Store *s3, const char *method, const char *key, const char *query,
									 const char *doing,...) pg_attribute_printf(5, 6);
extern void slm_s3_call_add_header(SlmS3Call *call, const char *format,...) pg_attribute_printf(2, 3);
extern void slm_s3_call_set_body(SlmS3Call *call, const char *body, size_t len);

/*
 * Add a checksum of the body, which S3 demands of some requests (and of every one that writes to a bucket with Object Lock): the old header,
 * which every server knows, where it can be computed; else another, but not for a part: S3 takes that only in an upload begun for it.
 */
extern void slm_s3_call_add_checksum(SlmS3Call *call, bool is_part);

/* Move all calls of the store on, waiting for at most so many milliseconds. */
extern void slm_s3_pump(SlmS3Store *s3, long timeout_ms);

/* How long to wait at once for what may take until then, a time of slm_now_ms(). */
extern long slm_s3_remaining(double until);

/* Wait until a call has ended.  Returns false with *error set if it failed. */
extern bool slm_s3_call_wait(SlmS3Call *call, SlmStoreError *error);
extern void slm_s3_call_free(SlmS3Call *call);

/*
 * The answer of a call as a document, which is freed with the given context.  NULL with *error set if it is none, or
 * its root isn't the wanted one (NULL = any).
 */
extern const SlmS3Document *slm_s3_call_document(SlmS3Call *call, MemoryContext owner, const char *root,
												 SlmStoreError *error);

/* Is an answer's header block what a read wants?  An accept function of SlmHttpSpec; arg is the call. */
extern bool slm_s3_accept_read(SlmHttpRequest *request, void *arg);

/* s3_error.c */

/* Judge an attempt that is over: sets code, message, region, endpoint of the call; returns how it ended. */
extern SlmStoreErrorKind slm_s3_judge(SlmS3Call *call);

/* The credentials that the store uses, or NULL if it has asked for none yet. */
extern const SlmCredentials *slm_s3_credentials(const SlmS3Store *s3);

/* Whether S3 refused just these credentials: they have expired, or been replaced. */
extern bool slm_s3_refuses_credentials(const SlmS3Call *call);

/* Did the server say of a call that failed that it doesn't know such a request, rather than that it won't do it? */
extern bool slm_s3_is_not_implemented(const SlmS3Call *call);

/* Fill *error for a call that has failed. */
extern void slm_s3_describe(const SlmS3Call *call, SlmStoreError *error);

/* The same for a code that stands inside of an answer, as for one of several objects to be deleted. */
extern bool slm_s3_fail_code(SlmS3Store *s3, const char *doing, const char *code, const char *message,
							 SlmStoreError *error);

/*
 * s3_list.c.  What begins like this is no ETag of the server's, but made for an object that was listed without one: its size
 * and time.
 */
#define SLM_S3_NO_ETAG	"none-"

extern SlmListing *slm_s3_list_begin(SlmStore *store, const char *prefix, const char *start_after);
extern SlmListingStatus slm_s3_list_next(SlmListing *listing, long wait_ms, SlmListCallback callback, void *arg,
										 int *requests, SlmStoreError *error);
extern void slm_s3_list_end(SlmListing *listing);
extern bool slm_s3_abort_uploads(SlmStore *store, const char *prefix, TimestampTz before,
								 int *aborted, SlmStoreError *error);

/* s3_get.c */
extern SlmTransfer *slm_s3_get(SlmStore *store, const char *key, const char *etag, int64 offset);
extern SlmTransferStatus slm_s3_read(SlmTransfer *transfer, long wait_ms, const char **data, size_t *len,
									 SlmStoreError *error);
extern bool slm_s3_ready(SlmTransfer *transfer, long wait_ms);
extern void slm_s3_close_transfer(SlmTransfer *transfer);

/* s3_put.c */
extern bool slm_s3_put(SlmStore *store, const char *key, const char *data, size_t len,
					   char **etag, SlmStoreError *error);
extern SlmPut *slm_s3_put_begin(SlmStore *store, const char *key);
extern bool slm_s3_put_write(SlmPut *put, const char *data, size_t len, SlmStoreError *error);
extern bool slm_s3_put_finish(SlmPut *put, char **etag, SlmStoreError *error);
extern void slm_s3_put_abort(SlmPut *put);

/* s3_delete.c */
extern bool slm_s3_delete(SlmStore *store, const char *const *keys, int nkeys, SlmStoreError *error);

/* s3_hash.c: digests by the server's own functions. */
extern void slm_sha256_hex(const char *data, size_t len, char *hex);	/* 65 bytes with NUL */

/* The base64 form, palloc'd; NULL where the server's OpenSSL forbids MD5 (FIPS). */
extern char *slm_md5_base64(const char *data, size_t len);
extern char *slm_sha256_base64(const char *data, size_t len);

#endif							/* SLM_STORE_S3_INTERNAL_H */
