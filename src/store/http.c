/*
 * http.c: see http.h.  The loop, and what starts and ends a request; curl's callbacks stand in http_callbacks.c.
 */
#include "postgres.h"

#include <signal.h>
#include <time.h>

#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#include "compat.h"
#include "server/out_of_memory.h"
#include "store/http_internal.h"

/* Chunks kept for the next answer, and connections kept open for it. */
#define MAX_FREE_CHUNKS		32
#define MAX_IDLE_CONNECTIONS	64L

/* So much of the time between two calls counts as time that a request has taken. */
#define MAX_UNSEEN_MS		1000.0

bool
slm_http_signs_prefixes(void)
{
	return curl_version_info(CURLVERSION_NOW)->version_num >= 0x080a00;
}

/* curl's global state lives as long as the process; initialising it again would do no harm, but not be free. */
static void
initialise_curl(void)
{
	static bool done = false;

	if (done)
		return;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("could not initialize libcurl")));
	done = true;
}

SlmHttp *
slm_http_create(MemoryContext context)
{
	SlmHttp    *http;

	initialise_curl();
	http = MemoryContextAllocZero(context, sizeof(SlmHttp));
	http->context = context;
	http->set_stale = true;
	http->timer_due = -1;
	dlist_init(&http->requests);
	http->multi = curl_multi_init();
	if (http->multi == NULL)
		slm_out_of_memory();
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, slm_http_on_socket);
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, slm_http_on_timer);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, (long) CURLPIPE_NOTHING);
	curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, MAX_IDLE_CONNECTIONS);
	return http;
}

void
slm_http_destroy(SlmHttp *http)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &http->requests)
		slm_http_end(dlist_container(SlmHttpRequest, node, iter.cur));
	if (http->multi)
		curl_multi_cleanup(http->multi);
	http->multi = NULL;
	if (http->set)
		FreeWaitEventSet(http->set);
	http->set = NULL;
	free(http->sockets);
	http->sockets = NULL;
}

/* Everything that can be said about a request before it starts.  Any failure of a setopt is lack of memory. */
static bool
set_options(SlmHttpRequest *r, const SlmHttpSpec *spec)
{
	CURL	   *easy = r->easy;
	CURLcode	rc = CURLE_OK;

#define SET(option, value) (rc = rc != CURLE_OK ? rc : curl_easy_setopt(easy, option, value))
	SET(CURLOPT_PRIVATE, r);
	SET(CURLOPT_CURLU, r->url);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_USERAGENT, "sellometer");
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	if (spec->ca_file)
	{
		SET(CURLOPT_CAINFO, spec->ca_file);
		/* Only that file's authorities are meant, not the system's too. */
		SET(CURLOPT_CAPATH, NULL);
	}
	if (spec->no_proxy)
		SET(CURLOPT_PROXY, "");
	SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long) spec->connect_timeout_ms);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	if (spec->takes_gzip)
	{
		/* curl's own header is not signed, as it must not be: some services change it on the way in */
		SET(CURLOPT_ACCEPT_ENCODING, "gzip");
		SET(CURLOPT_HTTP_CONTENT_DECODING, 0L);
	}
	/* Before a large body curl waits for "100 Continue"; its "Expect" can't be left out of a signed request. */
	SET(CURLOPT_EXPECT_100_TIMEOUT_MS, 300L);
	SET(CURLOPT_BUFFERSIZE, 128L * 1024);
	/* Else cancelling a query would wait for a name server that doesn't answer. */
	SET(CURLOPT_QUICK_EXIT, 1L);
	SET(CURLOPT_ERRORBUFFER, r->curl_error);
	SET(CURLOPT_HTTPHEADER, r->headers);
	SET(CURLOPT_HEADERFUNCTION, slm_http_on_header);
	SET(CURLOPT_HEADERDATA, r);
	SET(CURLOPT_WRITEFUNCTION, slm_http_on_body);
	SET(CURLOPT_WRITEDATA, r);
	SET(CURLOPT_OPENSOCKETFUNCTION, slm_http_open_socket);
	SET(CURLOPT_OPENSOCKETDATA, r);
	SET(CURLOPT_CLOSESOCKETFUNCTION, slm_http_close_socket);
	if (spec->body)
	{
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) spec->body_len);
		SET(CURLOPT_POSTFIELDS, spec->body);
	}
	else
		SET(CURLOPT_HTTPGET, 1L);
	SET(CURLOPT_CUSTOMREQUEST, spec->method);
	if (spec->sigv4)
	{
		SET(CURLOPT_AWS_SIGV4, spec->sigv4);
		SET(CURLOPT_USERNAME, spec->access_key);
		SET(CURLOPT_PASSWORD, spec->secret_key);
	}
#undef SET
	return rc == CURLE_OK;
}

/*
 * Keys hold "/../" too, and are signed as they stand.  CURLOPT_PATH_AS_IS would say so, but newer versions of libcurl (8.14 is
 * one) refuse to sign with it: so the URL is given in parts.
 */
static CURLcode
parse_url(SlmHttpRequest *r, const char *url)
{
	CURLUcode	rc;

	r->url = curl_url();
	if (r->url == NULL)
		return CURLE_OUT_OF_MEMORY;
	rc = curl_url_set(r->url, CURLUPART_URL, url, CURLU_PATH_AS_IS);
	if (rc == CURLUE_OK)
		return CURLE_OK;
	return rc == CURLUE_OUT_OF_MEMORY ? CURLE_OUT_OF_MEMORY : CURLE_URL_MALFORMAT;
}

static bool
copy_headers(SlmHttpRequest *r, const SlmHttpSpec *spec)
{
	for (int i = 0; i < spec->nheaders; i++)
	{
		struct curl_slist *longer = curl_slist_append(r->headers, spec->headers[i]);

		if (longer == NULL)
			return false;
		r->headers = longer;
	}
	return true;
}

SlmHttpRequest *
slm_http_begin(SlmHttp *http, const SlmHttpSpec *spec)
{
	SlmHttpRequest *r = MemoryContextAllocZero(http->context, sizeof(SlmHttpRequest));

	r->http = http;
	r->spec = *spec;
	r->discard = spec->discard;
	r->seen_at = slm_now_ms();
	slm_http_reset_answer(r);
	/* From here on slm_http_destroy() finds it. */
	dlist_push_tail(&http->requests, &r->node);
	r->easy = curl_easy_init();
	r->code = parse_url(r, spec->url);
	if (r->code == CURLE_OK && (r->easy == NULL || !copy_headers(r, spec) || !set_options(r, spec) ||
								curl_multi_add_handle(http->multi, r->easy) != CURLM_OK))
		r->code = CURLE_OUT_OF_MEMORY;
	if (r->code != CURLE_OK)
		r->done = true;
	else
		r->added = true;
	/* curl has copies of these. */
	r->spec.url = r->spec.access_key = r->spec.secret_key = r->spec.sigv4 = r->spec.ca_file = NULL;
	r->spec.headers = NULL;
	return r;
}

/* Give back curl's part of a request; the answer stays. */
static void
release_curl(SlmHttpRequest *r)
{
	if (r->added)
		curl_multi_remove_handle(r->http->multi, r->easy);
	r->added = false;
	if (r->easy)
		curl_easy_cleanup(r->easy);
	r->easy = NULL;
	curl_url_cleanup(r->url);
	r->url = NULL;
	curl_slist_free_all(r->headers);
	r->headers = NULL;
}

void
slm_http_end(SlmHttpRequest *r)
{
	release_curl(r);
	dlist_delete(&r->node);
	if (r->error_body)
		pfree(r->error_body);
	pfree(r);
}

/*
 * Let curl act.  It may start a thread that resolves a host's name, and a thread inherits the mask of signals: all are
 * blocked meanwhile, so that none of PostgreSQL's handlers ever runs outside of the main thread.
 */
static void
let_curl_act(SlmHttp *http, curl_socket_t fd, int what)
{
	sigset_t	all;
	sigset_t	before;
	int			running;
	CURLMcode	rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = curl_multi_socket_action(http->multi, fd, what, &running);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc != CURLM_OK)
		elog(ERROR, "libcurl failed: %s", curl_multi_strerror(rc));
}

static void
collect_finished(SlmHttp *http)
{
	CURLMsg    *message;
	int			left;

	while ((message = curl_multi_info_read(http->multi, &left)) != NULL)
	{
		char	   *private = NULL;
		SlmHttpRequest *r;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
		r = (SlmHttpRequest *) private;
		r->code = message->data.result;
		r->done = true;
		/* An answer without body has not been judged yet. */
		if (r->code == CURLE_OK && r->status / 100 == 2)
			slm_http_ask(r);
		release_curl(r);
	}
}

/* How much longer a request may go on as it does; 0 or less: no longer. */
static double
patience_left(SlmHttpRequest *r)
{
	double		left = r->mark_ms + r->spec.stall_timeout_s * 1000.0 - r->age_ms;

	if (r->spec.deadline_s > 0)
		left = Min(left, r->spec.deadline_s * 1000.0 - r->age_ms);
	return left;
}

/*
 * Let a request grow older.  Time counts while somebody waits here, and a little of that between two calls: when we are busy with
 * something else, bytes wait in the kernel for us and not we for them.  curl's own limit of speed would count all of it.
 */
static void
grow_older(SlmHttpRequest *r, double poll_began, double now)
{
	curl_off_t	sent = 0;
	int64		bytes;

	if (!r->paused)
		r->age_ms += now - Max(poll_began, r->seen_at) + Max(0, Min(poll_began - r->seen_at, MAX_UNSEEN_MS));
	r->seen_at = now;
	if (r->spec.body_len > 0)
		curl_easy_getinfo(r->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
	bytes = r->bytes_received + (int64) sent;
	if (r->paused || bytes - r->mark_bytes >= (int64) r->spec.min_rate * r->spec.stall_timeout_s)
	{
		r->mark_bytes = bytes;
		r->mark_ms = r->age_ms;
	}
}

/* End the requests that are too slow. */
static void
end_slow_ones(SlmHttp *http, double poll_began)
{
	double		now = slm_now_ms();
	dlist_iter	iter;

	dlist_foreach(iter, &http->requests)
	{
		SlmHttpRequest *r = dlist_container(SlmHttpRequest, node, iter.cur);

		if (r->done)
			continue;
		grow_older(r, poll_began, now);
		if (patience_left(r) > 0)
			continue;
		r->too_slow = r->done = true;
		r->code = CURLE_OPERATION_TIMEDOUT;
		release_curl(r);
	}
}

/* When the next one of them might be. */
static long
until_slow(SlmHttp *http, long timeout_ms)
{
	dlist_iter	iter;

	dlist_foreach(iter, &http->requests)
	{
		SlmHttpRequest *r = dlist_container(SlmHttpRequest, node, iter.cur);

		if (!r->done && !r->paused)
			timeout_ms = Min(timeout_ms, (long) Max(patience_left(r), 0) + 1);
	}
	return timeout_ms;
}

/* curl's sockets come and go with each request, while a WaitEventSet can only grow: so it is made anew. */
static void
make_event_set(SlmHttp *http)
{
	if (http->set)
		FreeWaitEventSet(http->set);
	http->set = NULL;
	http->set = slm_create_wait_event_set(http->context, http->nsockets + 2);
	AddWaitEventToSet(http->set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	if (IsUnderPostmaster)
		AddWaitEventToSet(http->set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	for (int i = 0; i < http->nsockets; i++)
	{
		uint32		events = 0;

		if (http->sockets[i].what & CURL_POLL_IN)
			events |= WL_SOCKET_READABLE;
		if (http->sockets[i].what & CURL_POLL_OUT)
			events |= WL_SOCKET_WRITEABLE;
		if (events)
			AddWaitEventToSet(http->set, events, http->sockets[i].fd, NULL, NULL);
	}
	http->set_stale = false;
}

void
slm_http_poll(SlmHttp *http, long timeout_ms)
{
	WaitEvent	events[64];
	int			nevents;
	double		began = slm_now_ms();

	CHECK_FOR_INTERRUPTS();
	timeout_ms = until_slow(http, timeout_ms);
	if (http->timer_due >= 0)
	{
		double		until_timer = http->timer_due - slm_now_ms();

		/* Rounded up, for else the last fraction of a millisecond would be spent spinning. */
		timeout_ms = until_timer <= 0 ? 0 : Min(timeout_ms, (long) until_timer + 1);
	}
	if (http->set_stale)
		make_event_set(http);
	nevents = WaitEventSetWait(http->set, timeout_ms, events, lengthof(events), slm_wait_event("SellometerS3"));
	for (int i = 0; i < nevents; i++)
	{
		int			what = 0;

		if (events[i].events & WL_LATCH_SET)
		{
			ResetLatch(MyLatch);
			continue;
		}
		if (events[i].events & WL_SOCKET_READABLE)
			what |= CURL_CSELECT_IN;
		if (events[i].events & WL_SOCKET_WRITEABLE)
			what |= CURL_CSELECT_OUT;
		if (what)
			let_curl_act(http, events[i].fd, what);
	}
	if (http->timer_due >= 0 && slm_now_ms() >= http->timer_due)
	{
		http->timer_due = -1;
		let_curl_act(http, CURL_SOCKET_TIMEOUT, 0);
	}
	collect_finished(http);
	end_slow_ones(http, began);
	CHECK_FOR_INTERRUPTS();
}

static void
release_chunk(SlmHttp *http, SlmHttpChunk *chunk)
{
	if (http->nfree >= MAX_FREE_CHUNKS)
	{
		pfree(chunk);
		return;
	}
	chunk->next = http->free_chunks;
	http->free_chunks = chunk;
	http->nfree++;
}

bool
slm_http_chunks_take(SlmHttp *http, SlmHttpChunks *chunks, SlmHttpRequest *request, const char **data, size_t *len)
{
	SlmHttpChunk *chunk = chunks->first;

	/* What the last call handed out is used up now. */
	while (chunk != NULL && chunk->taken == chunk->len)
	{
		chunks->first = chunk->next;
		if (chunks->first == NULL)
			chunks->last = NULL;
		release_chunk(http, chunk);
		chunk = chunks->first;
	}
	if (request != NULL && request->paused && !request->done && chunks->waiting <= request->spec.max_waiting / 2)
	{
		/* Delivers what curl holds itself, then curl's timer makes the rest go on at the next poll. */
		request->paused = false;
		curl_easy_pause(request->easy, CURLPAUSE_CONT);
		chunk = chunks->first;
	}
	if (chunk == NULL)
		return false;
	*data = chunk->data + chunk->taken;
	*len = chunk->len - chunk->taken;
	chunk->taken = chunk->len;
	chunks->waiting -= *len;
	return true;
}

void
slm_http_chunks_clear(SlmHttp *http, SlmHttpChunks *chunks)
{
	while (chunks->first)
	{
		SlmHttpChunk *chunk = chunks->first;

		chunks->first = chunk->next;
		release_chunk(http, chunk);
	}
	memset(chunks, 0, sizeof(*chunks));
}
