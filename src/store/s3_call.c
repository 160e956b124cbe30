/*
 * s3_call.c: one call of S3: attempts, back-off, credentials, and going on with an interrupted read.
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"

#include "store/s3_internal.h"

/* Attempts without progress, and the waits between them: full jitter, doubled each time. */
#define MAX_TRIES			6
#define FIRST_DELAY_MS		200.0
#define MAX_DELAY_MS		8000.0

/* So long is waited at once. */
#define MAX_WAIT_MS			60000

/* What a brief store waits for an answer. */
#define BRIEF_TIMEOUT_S		3

/* A page of a list, or what else is taken as a whole, may take so many times the time without progress. */
#define DOCUMENT_STALLS		10

/* A read that has brought so much since its last interruption has made progress. */
#define PROGRESS_BYTES		(1024 * 1024)

/* SHA-256 of nothing. */
#define EMPTY_SHA256	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

SlmS3Call *
slm_s3_call_create(SlmS3Store *s3, const char *method, const char *key, const char *query, const char *doing,...)
{
	MemoryContext outer = MemoryContextSwitchTo(s3->store.context);
	SlmS3Call  *call = palloc0(sizeof(SlmS3Call));
	StringInfoData text;
	va_list		args;
	int			needed;

	call->s3 = s3;
	call->method = method;
	if (key != NULL)
	{
		char	   *full = psprintf("%s%s", s3->store.key_prefix, key);
		char	   *encoded = slm_url_encoded(full, true);

		call->path = psprintf("/%s", encoded);
		pfree(full);
		pfree(encoded);
	}
	else
		call->path = pstrdup("");
	call->query = pstrdup(query);
	strlcpy(call->body_sha256, EMPTY_SHA256, sizeof(call->body_sha256));
	initStringInfo(&text);
	do
	{
		va_start(args, doing);
		needed = appendStringInfoVA(&text, doing, args);
		va_end(args);
		if (needed > 0)
			enlargeStringInfo(&text, needed);
	} while (needed > 0);
	call->doing = text.data;
	call->object_size = -1;
	call->first_try = -1;
	dlist_push_tail(&s3->calls, &call->node);
	MemoryContextSwitchTo(outer);
	return call;
}

void
slm_s3_call_add_header(SlmS3Call *call, const char *format,...)
{
	MemoryContext outer = MemoryContextSwitchTo(call->s3->store.context);
	StringInfoData text;
	va_list		args;
	int			needed;

	Assert(call->nheaders < SLM_S3_MAX_HEADERS);
	initStringInfo(&text);
	do
	{
		va_start(args, format);
		needed = appendStringInfoVA(&text, format, args);
		va_end(args);
		if (needed > 0)
			enlargeStringInfo(&text, needed);
	} while (needed > 0);
	call->headers[call->nheaders++] = text.data;
	MemoryContextSwitchTo(outer);
}

void
slm_s3_call_set_body(SlmS3Call *call, const char *body, size_t len)
{
	/* Without any body, curl would not announce its length of 0. */
	call->body = len > 0 ? body : "";
	call->body_len = len;
	slm_sha256_hex(call->body, len, call->body_sha256);
}

void
slm_s3_call_add_checksum(SlmS3Call *call, bool is_part)
{
	char	   *md5 = slm_md5_base64(call->body, call->body_len);

	if (md5 != NULL)
		slm_s3_call_add_header(call, "Content-MD5: %s", md5);
	else if (!is_part)
		slm_s3_call_add_header(call, "x-amz-checksum-sha256: %s", slm_sha256_base64(call->body, call->body_len));
}

static void
end_request(SlmS3Call *call)
{
	if (call->request)
		slm_http_end(call->request);
	call->request = NULL;
}

static void
set_running(SlmS3Call *call, SlmS3CallState state)
{
	if (call->is_read && call->state == SLM_CALL_RUNNING)
		call->s3->running_reads--;
	call->state = state;
	if (call->is_read && call->state == SLM_CALL_RUNNING)
		call->s3->running_reads++;
}

void
slm_s3_call_free(SlmS3Call *call)
{
	set_running(call, SLM_CALL_ENDED);
	end_request(call);
	slm_http_chunks_clear(call->s3->http, &call->chunks);
	dlist_delete(&call->node);
	for (int i = 0; i < call->nheaders; i++)
		pfree(call->headers[i]);
	pfree(call->path);
	pfree(call->query);
	pfree(call->doing);
	if (call->etag)
		pfree(call->etag);
	if (call->local.message)
		pfree(call->local.message);
	if (call->local.detail)
		pfree(call->local.detail);
	if (call->local.hint)
		pfree(call->local.hint);
	pfree(call);
}

/*
 * Runs inside of curl: no throwing.  Reads ask for one byte more than is wanted, before the first wanted one: so a read
 * from the object's very end is an answer too, instead of "416 Range Not Satisfiable".
 */
bool
slm_s3_accept_read(SlmHttpRequest *r, void *arg)
{
	SlmS3Call  *call = arg;
	int64		from = call->offset + call->chunks.total;
	int64		size = r->status == 206 ? r->range_total : r->content_length;
	bool		is_same = call->etag != NULL && strcmp(call->etag, r->etag) == 0;

	if (call->etag != NULL && r->etag[0] != '\0' && strcmp(call->etag, r->etag) != 0)
		call->was_changed = true;
	else if (r->status == 206 ? from == 0 || r->range_start != from - 1 : from > 0 || r->status != 200)
		call->was_misplaced = true;
	else if (size < 0 && !r->chunked)
		call->was_misplaced = true;
	/* one ETag and two sizes: one of the answers was damaged on the way, and the object is what it was */
	else if (!is_same && call->object_size >= 0 && size >= 0 && size != call->object_size)
		call->was_changed = true;
	if (size >= 0)
		call->object_size = size;
	return !call->was_changed && !call->was_misplaced;
}

/* The credentials to sign with.  Asking for them can wait, throw, or fail: NULL then, and the call has ended. */
static const SlmCredentials *
get_credentials(SlmS3Call *call)
{
	SlmS3Store *s3 = call->s3;
	const SlmCredentials *credentials = &s3->options.mapping;
	SlmStoreError error;

	if (!s3->options.has_mapping && (credentials = slm_credentials_get(s3->options.may_run, &error)) == NULL)
	{
		MemoryContext outer = MemoryContextSwitchTo(s3->store.context);

		slm_store_error_copy(&call->local, &error);
		MemoryContextSwitchTo(outer);
		call->outcome = error.kind;
		set_running(call, SLM_CALL_ENDED);
		return NULL;
	}
	strlcpy(call->credentials_source, credentials->source, sizeof(call->credentials_source));
	return credentials;
}

static int
patience(const SlmS3Store *s3, int seconds)
{
	return s3->store.brief ? Min(seconds, BRIEF_TIMEOUT_S) : seconds;
}

/* Send a call's request. */
static void
start_attempt(SlmS3Call *call)
{
	SlmS3Store *s3 = call->s3;
	const SlmCredentials *credentials = get_credentials(call);
	const char *headers[SLM_S3_MAX_HEADERS + 5];
	int			nheaders = 0;
	int64		from = call->offset + call->chunks.total;
	char	   *token_header = NULL;
	SlmHttpSpec spec = {0};

	if (credentials == NULL)
		return;
	for (int i = 0; i < call->nheaders; i++)
		headers[nheaders++] = call->headers[i];
	headers[nheaders++] = psprintf("x-amz-content-sha256: %s", call->body_sha256);
	if (credentials->session_token)
		headers[nheaders++] = token_header = psprintf("x-amz-security-token: %s", credentials->session_token);
	if (s3->options.request_payer)
		headers[nheaders++] = psprintf("x-amz-request-payer: %s", s3->options.request_payer);
	if (call->is_read && call->etag)
		headers[nheaders++] = psprintf("If-Match: \"%s\"", call->etag);
	if (call->is_read && from > 0)
		headers[nheaders++] = psprintf("Range: bytes=" INT64_FORMAT "-", from - 1);

	spec.method = call->method;
	spec.url = psprintf("%s%s%s%s", s3->base_url, call->path, call->query[0] ? "?" : "", call->query);
	spec.headers = headers;
	spec.nheaders = nheaders;
	spec.body = call->body;
	spec.body_len = call->body_len;
	spec.sigv4 = s3->sigv4;
	spec.access_key = credentials->access_key;
	spec.secret_key = credentials->secret_key;
	spec.ca_file = s3->options.ca_file;
	spec.connect_timeout_ms = patience(s3, s3->options.connect_timeout_s) * 1000;
	spec.stall_timeout_s = patience(s3, s3->options.stall_timeout_s);
	spec.min_rate = s3->options.min_rate;
	/* how long a document will be nobody has said, so it is not the rate alone that ends it */
	if (!call->is_read && call->body_len == 0)
		spec.deadline_s = patience(s3, s3->options.stall_timeout_s * DOCUMENT_STALLS);
	spec.any_address = s3->options.any_address;
	spec.chunks = &call->chunks;
	spec.max_waiting = call->is_read ? SLM_S3_READ_AHEAD : SLM_S3_MAX_DOCUMENT;
	spec.pause = call->is_read;
	spec.discard = call->is_read && from > 0 ? 1 : 0;
	spec.accept = call->is_read ? slm_s3_accept_read : NULL;
	spec.arg = call;
	spec.takes_gzip = call->is_read;

	if (!call->is_read)
		slm_http_chunks_clear(s3->http, &call->chunks);
	if (call->first_try < 0)
		call->first_try = slm_now_ms();
	call->tries++;
	call->request = slm_http_begin(s3->http, &spec);
	set_running(call, SLM_CALL_RUNNING);
	if (token_header)
		explicit_bzero(token_header, strlen(token_header));
}

/* Whether another attempt is due, and when. */
static bool
plan_retry(SlmS3Call *call)
{
	double		now = slm_now_ms();
	double		limit = call->first_try + call->s3->options.retry_timeout_s * 1000.0;
	double		delay;

	if (call->is_read && call->chunks.total - call->progress_mark >= PROGRESS_BYTES)
	{
		call->progress_mark = call->chunks.total;
		call->tries = 1;
		limit = (call->first_try = now) + call->s3->options.retry_timeout_s * 1000.0;
	}
	delay = FIRST_DELAY_MS * (1 << (call->tries - 1));
	delay = Min(delay, MAX_DELAY_MS) * pg_prng_double(&pg_global_prng_state);
	delay = Max(delay, call->request->retry_after_ms);
	if (call->tries >= MAX_TRIES || call->s3->store.brief || now + delay > limit)
		return false;
	call->not_before = now + delay;
	return true;
}

/*
 * A read that began without an ETag is held to the one of its first answer, should it have to go on with another.  (Not
 * done where the answer comes in, since nothing may be allocated there.)
 */
static void
remember_etag(SlmS3Call *call)
{
	if (call->is_read && call->etag == NULL && call->chunks.total > 0 && call->request->etag[0] != '\0')
		call->etag = MemoryContextStrdup(call->s3->store.context, call->request->etag);
}

static void
finish_attempt(SlmS3Call *call)
{
	const SlmCredentials *credentials = slm_s3_credentials(call->s3);

	call->outcome = slm_s3_judge(call);
	remember_etag(call);
	if (call->outcome == SLM_STORE_DENIED && slm_s3_refuses_credentials(call) &&
		credentials && credentials->refreshable && !call->asked_new_credentials)
	{
		slm_credentials_forget();
		call->asked_new_credentials = true;
		call->not_before = 0;
	}
	else if (call->outcome != SLM_STORE_TRANSIENT || !plan_retry(call))
	{
		set_running(call, SLM_CALL_ENDED);
		return;
	}
	set_running(call, SLM_CALL_WAITING);
	end_request(call);
}

void
slm_s3_pump(SlmS3Store *s3, long timeout_ms)
{
	double		now = slm_now_ms();
	dlist_iter	iter;

	CHECK_FOR_INTERRUPTS();
	dlist_foreach(iter, &s3->calls)
	{
		SlmS3Call  *call = dlist_container(SlmS3Call, node, iter.cur);

		if (call->state != SLM_CALL_WAITING)
			continue;
		if (call->is_read && !call->urgent && s3->running_reads >= slm_max_connections)
			continue;
		if (call->not_before > now)
		{
			timeout_ms = Min(timeout_ms, (long) (call->not_before - now) + 1);
			continue;
		}
		start_attempt(call);
		if (call->state == SLM_CALL_ENDED)
			timeout_ms = 0;
	}
	slm_http_poll(s3->http, timeout_ms);
	dlist_foreach(iter, &s3->calls)
	{
		SlmS3Call  *call = dlist_container(SlmS3Call, node, iter.cur);

		if (call->state == SLM_CALL_RUNNING && call->request->done)
			finish_attempt(call);
	}
}

long
slm_s3_remaining(double until)
{
	double		left = until - slm_now_ms();

	return left <= 0 ? 0 : (long) Min(left + 1, MAX_WAIT_MS);
}

bool
slm_s3_call_wait(SlmS3Call *call, SlmStoreError *error)
{
	while (call->state != SLM_CALL_ENDED)
		slm_s3_pump(call->s3, MAX_WAIT_MS);
	if (call->outcome == SLM_STORE_OK)
		return true;
	slm_s3_describe(call, error);
	return false;
}

static void
free_parser(void *arg)
{
	slm_s3_parser_free(arg);
}

const SlmS3Document *
slm_s3_call_document(SlmS3Call *call, MemoryContext owner, const char *root, SlmStoreError *error)
{
	MemoryContextCallback *callback = MemoryContextAllocZero(owner, sizeof(MemoryContextCallback));
	SlmS3Parser *parser = slm_s3_parser_create();
	const char *problem = parser == NULL ? "out of memory" : NULL;
	const SlmS3Document *document;
	const char *data;
	size_t		len;

	callback->func = free_parser;
	callback->arg = parser;
	MemoryContextRegisterResetCallback(owner, callback);
	while (problem == NULL && slm_http_chunks_take(call->s3->http, &call->chunks, NULL, &data, &len))
		problem = slm_s3_parser_feed(parser, data, len, false);
	if (problem == NULL)
		problem = slm_s3_parser_feed(parser, "", 0, true);
	document = parser ? slm_s3_parser_document(parser) : NULL;
	if (problem == NULL && root != NULL && strcmp(document->root, root) != 0)
		problem = psprintf("it is a \"%s\" instead of a \"%s\"", slm_store_display(document->root), root);
	if (problem == NULL)
		return document;
	slm_store_fail(error, SLM_STORE_FATAL, ERRCODE_PROTOCOL_VIOLATION, "could not %s: the answer is not valid",
				   call->doing);
	error->detail = psprintf("It can't be understood as XML of S3: %s.", problem);
	error->hint = pstrdup("Check that the server's endpoint is that of an S3 service.");
	return NULL;
}
