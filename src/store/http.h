/*
 * http.h: many HTTP transfers at the same time, waiting in the same place as the latch.
 *
 *   slm_http_begin --> curl --> chunks of the answer's body --> slm_http_chunks_take
 *                        ^
 *   slm_http_poll: one WaitEventSet for curl's sockets, MyLatch and postmaster death
 *
 * This file knows one attempt of one request; s3_call.c knows S3, retries and errors.
 *
 * No curl callback ever throws, since curl could not survive a longjmp: they only fill chunks, tables and flags.
 * Whatever waits does it outside of curl, so a cancel leaves handles in order, and slm_http_destroy(), called when the
 * store's memory context is reset, frees them.
 */
#ifndef SLM_STORE_HTTP_H
#define SLM_STORE_HTTP_H

#include "postgres.h"

#include <time.h>
#include <curl/curl.h>

#include "lib/ilist.h"

/* A queue of bytes.  Chunks are allocated without throwing; their memory is the context's. */
typedef struct SlmHttpChunk
{
	struct SlmHttpChunk *next;
	uint32		len;			/* bytes that are there */
	uint32		taken;			/* of them, already handed out */
	char		data[FLEXIBLE_ARRAY_MEMBER];
} SlmHttpChunk;

#define SLM_HTTP_CHUNK_BYTES	(256 * 1024 - offsetof(SlmHttpChunk, data))

typedef struct SlmHttpChunks
{
	SlmHttpChunk *first;
	SlmHttpChunk *last;
	size_t		waiting;		/* bytes that nobody has taken */
	int64		total;			/* bytes that ever came */
} SlmHttpChunks;

typedef struct SlmHttp SlmHttp;
typedef struct SlmHttpRequest SlmHttpRequest;

/* What to ask for, and how.  All but chunks, body and arg is copied by slm_http_begin(). */
typedef struct SlmHttpSpec
{
	const char *method;
	const char *url;			/* percent-encoded */
	const char *const *headers; /* "Name: value"; all are signed */
	int			nheaders;
	const char *body;			/* or NULL; must stay until the request is ended */
	size_t		body_len;
	const char *sigv4;			/* NULL = don't sign */
	const char *access_key;
	const char *secret_key;
	const char *ca_file;		/* NULL = the system's */
	int			connect_timeout_ms;
	int			stall_timeout_s;	/* how long an answer may be without progress ... */
	int			min_rate;		/* ... which is so many bytes a second */
	int			deadline_s;		/* how long all of it may take; 0 = any time, as long as there is progress */
	bool		any_address;	/* may go where slm_address_is_local_link() holds, too */
	bool		no_proxy;		/* don't use the environment's http_proxy */
	bool		takes_gzip;		/* say so: what is stored as gzip must come as it is, not unpacked on the way */

	SlmHttpChunks *chunks;		/* where the body of a 2xx answer goes */
	size_t		max_waiting;	/* the limit of chunks->waiting ... */
	bool		pause;			/* ... beyond which curl pauses; if false, the request fails (too_long) */
	int			discard;		/* so many bytes at the body's beginning are not wanted */

	/* Asked once when the headers of a 2xx answer are there: is this what we want?  Must not throw. */
	bool		(*accept) (SlmHttpRequest *request, void *arg);
	void	   *arg;
} SlmHttpSpec;

struct SlmHttpRequest
{
	dlist_node	node;
	SlmHttp    *http;
	SlmHttpSpec spec;			/* without what was copied */
	CURL	   *easy;
	CURLU	   *url;
	struct curl_slist *headers;
	bool		added;			/* curl's multi handle knows it */
	bool		done;
	bool		paused;
	bool		asked;			/* accept was called */
	bool		refused;		/* and returned false */
	bool		too_long;
	bool		out_of_memory;
	bool		too_slow;		/* it was ended for that */
	bool		forbidden;		/* an address of its host is one that it may not go to */
	int			discard;		/* bytes still to be dropped */
	size_t		header_bytes;	/* of the answer */

	/* How long it has taken, without what it was paused or nobody moved it on. */
	double		age_ms;
	double		seen_at;		/* slm_now_ms() when age_ms was set */
	double		mark_ms;		/* age at which the last progress was seen ... */
	int64		mark_bytes;		/* ... and how many bytes had gone to and fro by then */
	int64		bytes_received; /* of the body, wanted or not */

	/* The answer. */
	CURLcode	code;
	char		curl_error[CURL_ERROR_SIZE];
	int			status;			/* 0 = none came */
	int64		content_length; /* -1 = not given, as in the next two */
	int64		range_start;
	int64		range_total;
	bool		chunked;
	bool		gzip;			/* Content-Encoding: gzip */
	int			retry_after_ms; /* 0 = not given */
	int64		server_time;	/* the Date header as Unix time, -1 = not given */
	char		etag[256];		/* without quotes */
	char		request_id[128];
	char		bucket_region[64];
	char		location[512];
	char	   *error_body;		/* the beginning of an answer that isn't 2xx, or NULL */
	size_t		error_len;
};

/* A new engine in the given context.  Raises an error when out of memory. */
extern SlmHttp *slm_http_create(MemoryContext context);

/* End all.  Doesn't throw; the memory of the context must still be there. */
extern void slm_http_destroy(SlmHttp *http);

/*
 * Start a request.  It moves on in slm_http_poll() until done is set; then, or earlier, slm_http_end() frees it.
 * It is ended (too_slow, CURLE_OPERATION_TIMEDOUT) if of its bodies fewer than min_rate * stall_timeout_s bytes move in any
 * stall_timeout_s: so an answer of n bytes takes n / min_rate + stall_timeout_s at the most, whatever the server does.
 */
extern SlmHttpRequest *slm_http_begin(SlmHttp *http, const SlmHttpSpec *spec);
extern void slm_http_end(SlmHttpRequest *request);

/* Move all requests on, waiting for at most so many milliseconds for something to do.  Processes interrupts. */
extern void slm_http_poll(SlmHttp *http, long timeout_ms);

/*
 * The next bytes of a queue, or false if none wait.  They stay valid until the next call for this queue.  The request
 * that fills it, or NULL, goes on if it had paused.
 */
extern bool slm_http_chunks_take(SlmHttp *http, SlmHttpChunks *chunks, SlmHttpRequest *request,
							const char **data, size_t *len);
extern void slm_http_chunks_clear(SlmHttp *http, SlmHttpChunks *chunks);

/*
 * Does this libcurl sign headers in the right order when the name of one begins with that of another?  Before 8.10 it compares them with their
 * values.
 */
extern bool slm_http_signs_prefixes(void);

/* Milliseconds of a clock that nobody sets. */
static inline double
slm_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000.0 + ts.tv_nsec / 1000000.0;
}

#endif							/* SLM_STORE_HTTP_H */
