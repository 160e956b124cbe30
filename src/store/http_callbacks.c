/*
 * http_callbacks.c: what curl calls.  Nothing here may throw, wait or call curl back.
 */
#include "postgres.h"

#include <sys/socket.h>
#include <unistd.h>

#include "storage/fd.h"
#include "utils/memutils.h"

#include "store/address.h"
#include "store/http_internal.h"

/* So much of an error's body is kept: S3's are well below a kilobyte. */
#define MAX_ERROR_BYTES		((size_t) 16 * 1024)

/* And so much is taken of headers, which curl keeps. */
#define MAX_HEADER_BYTES	((size_t) 256 * 1024)

/* Nobody is to make us sleep for longer than this by a header. */
#define MAX_RETRY_AFTER_S	3600

int
slm_http_on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	SlmHttp    *http = arg;
	int			i = 0;

	http->set_stale = true;
	while (i < http->nsockets && http->sockets[i].fd != fd)
		i++;
	if (what == CURL_POLL_REMOVE)
	{
		if (i < http->nsockets)
			http->sockets[i] = http->sockets[--http->nsockets];
		return 0;
	}
	if (i == http->max_sockets)
	{
		int			max = Max(64, http->max_sockets * 2);
		SlmHttpSocket *larger = realloc(http->sockets, max * sizeof(SlmHttpSocket));

		if (larger == NULL)
			return -1;
		http->sockets = larger;
		http->max_sockets = max;
	}
	if (i == http->nsockets)
		http->nsockets++;
	http->sockets[i].fd = fd;
	http->sockets[i].what = what;
	return 0;
}

int
slm_http_on_timer(CURLM *multi, long timeout_ms, void *arg)
{
	SlmHttp    *http = arg;

	http->timer_due = timeout_ms < 0 ? -1 : slm_now_ms() + timeout_ms;
	return 0;
}

/*
 * PostgreSQL wants to know of every descriptor that isn't its own.  The address is looked at here, as what a host's name means is not
 * known before, and may be another each time.
 */
curl_socket_t
slm_http_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	SlmHttpRequest *r = arg;
	curl_socket_t fd;

	if (!r->spec.any_address && slm_address_is_local_link(&address->addr))
	{
		r->forbidden = true;
		return CURL_SOCKET_BAD;
	}
	if (!AcquireExternalFD())
		return CURL_SOCKET_BAD;
	fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
	if (fd == CURL_SOCKET_BAD)
		ReleaseExternalFD();
	return fd;
}

int
slm_http_close_socket(void *arg, curl_socket_t fd)
{
	ReleaseExternalFD();
	return close(fd);
}

void
slm_http_reset_answer(SlmHttpRequest *r)
{
	r->status = 0;
	r->content_length = r->range_start = r->range_total = -1;
	r->chunked = r->gzip = false;
	r->retry_after_ms = 0;
	r->server_time = -1;
	r->etag[0] = r->request_id[0] = r->bucket_region[0] = r->location[0] = '\0';
}

/* A decimal number at the beginning of text, or -1. */
static int64
parse_number(const char *text)
{
	char	   *end;
	int64		value;

	if (*text < '0' || *text > '9')
		return -1;
	errno = 0;
	value = strtoll(text, &end, 10);
	return errno == 0 ? value : -1;
}

/* "bytes 5-9/10"; both parts may be '*'. */
static void
parse_content_range(SlmHttpRequest *r, const char *value)
{
	const char *slash = strchr(value, '/');

	if (pg_strncasecmp(value, "bytes ", 6) == 0)
		r->range_start = parse_number(value + 6);
	if (slash)
		r->range_total = parse_number(slash + 1);
}

/* Seconds, or a date. */
static void
parse_retry_after(SlmHttpRequest *r, const char *value)
{
	int64		seconds = parse_number(value);

	if (seconds < 0)
	{
		time_t		when = curl_getdate(value, NULL);

		seconds = when < 0 ? 0 : Max(0, (int64) when - (int64) time(NULL));
	}
	r->retry_after_ms = (int) Min(seconds, MAX_RETRY_AFTER_S) * 1000;
}

/* ETag: "abc", also W/"abc" from proxies that compress. */
static void
parse_etag(SlmHttpRequest *r, char *value)
{
	size_t		len;

	if (strncmp(value, "W/", 2) == 0)
		value += 2;
	if (*value == '"')
		value++;
	len = strlen(value);
	if (len > 0 && value[len - 1] == '"')
		value[len - 1] = '\0';
	strlcpy(r->etag, value, sizeof(r->etag));
}

static void
parse_header(SlmHttpRequest *r, const char *name, char *value)
{
	if (pg_strcasecmp(name, "content-length") == 0)
		r->content_length = parse_number(value);
	else if (pg_strcasecmp(name, "content-range") == 0)
		parse_content_range(r, value);
	else if (pg_strcasecmp(name, "transfer-encoding") == 0)
		r->chunked = pg_strcasecmp(value, "chunked") == 0;
	else if (pg_strcasecmp(name, "content-encoding") == 0)
		r->gzip = pg_strcasecmp(value, "gzip") == 0;
	else if (pg_strcasecmp(name, "etag") == 0)
		parse_etag(r, value);
	else if (pg_strcasecmp(name, "retry-after") == 0)
		parse_retry_after(r, value);
	else if (pg_strcasecmp(name, "date") == 0)
		r->server_time = (int64) curl_getdate(value, NULL);
	else if (pg_strcasecmp(name, "x-amz-request-id") == 0)
		strlcpy(r->request_id, value, sizeof(r->request_id));
	else if (pg_strcasecmp(name, "x-amz-bucket-region") == 0)
		strlcpy(r->bucket_region, value, sizeof(r->bucket_region));
	else if (pg_strcasecmp(name, "location") == 0)
		strlcpy(r->location, value, sizeof(r->location));
}

size_t
slm_http_on_header(char *data, size_t size, size_t count, void *arg)
{
	SlmHttpRequest *r = arg;
	char		line[1024];
	size_t		len = Min(size * count, sizeof(line) - 1);
	char	   *colon;
	char	   *value;

	r->header_bytes += size * count;
	if (r->header_bytes > MAX_HEADER_BYTES)
		return 0;
	memcpy(line, data, len);
	while (len > 0 && (line[len - 1] == '\r' || line[len - 1] == '\n' || line[len - 1] == ' '))
		len--;
	line[len] = '\0';
	if (strncmp(line, "HTTP/", 5) == 0)
	{
		const char *space = strchr(line, ' ');

		slm_http_reset_answer(r);
		r->status = space ? (int) parse_number(space + 1) : 0;
		return size * count;
	}
	colon = strchr(line, ':');
	if (colon != NULL)
	{
		*colon = '\0';
		for (value = colon + 1; *value == ' ' || *value == '\t'; value++)
			;
		parse_header(r, line, value);
	}
	return size * count;
}

bool
slm_http_ask(SlmHttpRequest *r)
{
	if (!r->asked)
	{
		r->asked = true;
		r->refused = r->spec.accept != NULL && !r->spec.accept(r, r->spec.arg);
	}
	return !r->refused;
}

static SlmHttpChunk *
new_chunk(SlmHttp *http)
{
	SlmHttpChunk *chunk = http->free_chunks;

	if (chunk)
	{
		http->free_chunks = chunk->next;
		http->nfree--;
	}
	else
		chunk = MemoryContextAllocExtended(http->context, offsetof(SlmHttpChunk, data) + SLM_HTTP_CHUNK_BYTES,
										   MCXT_ALLOC_NO_OOM);
	if (chunk)
	{
		chunk->next = NULL;
		chunk->len = chunk->taken = 0;
	}
	return chunk;
}

/*
 * Bytes are added behind those that are there and never move, so what slm_http_chunks_take() has handed out stays valid.
 * Either all are added or none: curl offers a piece again after a pause.
 */
static bool
add_bytes(SlmHttp *http, SlmHttpChunks *chunks, const char *data, size_t len)
{
	size_t		room = chunks->last ? SLM_HTTP_CHUNK_BYTES - chunks->last->len : 0;
	SlmHttpChunk *more = NULL;

	/* A piece is smaller than a chunk, so one more always does; without it nothing is begun. */
	Assert(len <= SLM_HTTP_CHUNK_BYTES);
	if (len > room)
	{
		more = new_chunk(http);
		if (more == NULL)
			return false;
	}
	room = Min(room, len);
	if (room > 0)
	{
		memcpy(chunks->last->data + chunks->last->len, data, room);
		chunks->last->len += room;
	}
	if (more != NULL)
	{
		memcpy(more->data, data + room, len - room);
		more->len = len - room;
		if (chunks->last)
			chunks->last->next = more;
		else
			chunks->first = more;
		chunks->last = more;
	}
	chunks->waiting += len;
	chunks->total += len;
	return true;
}

/* What is kept is enough to know what is wrong: the request ends there, however much more is said. */
static size_t
keep_error_body(SlmHttpRequest *r, const char *data, size_t len)
{
	size_t		kept = Min(len, MAX_ERROR_BYTES - r->error_len);

	if (r->error_body == NULL)
		r->error_body = MemoryContextAllocExtended(r->http->context, MAX_ERROR_BYTES, MCXT_ALLOC_NO_OOM);
	r->out_of_memory = r->error_body == NULL;
	if (r->out_of_memory)
		return 0;
	memcpy(r->error_body + r->error_len, data, kept);
	r->error_len += kept;
	return kept;
}

/* Any return value but len (or a pause) makes curl end the request with CURLE_WRITE_ERROR. */
size_t
slm_http_on_body(char *data, size_t size, size_t count, void *arg)
{
	SlmHttpRequest *r = arg;
	SlmHttpChunks *chunks = r->spec.chunks;
	size_t		len = size * count;
	size_t		discard;

	if (r->status / 100 != 2)
	{
		r->bytes_received += len;
		return keep_error_body(r, data, len);
	}
	if (!slm_http_ask(r))
		return 0;
	if (chunks == NULL)
	{
		r->bytes_received += len;
		return len;
	}
	if (chunks->waiting + len > r->spec.max_waiting)
	{
		r->too_long = !r->spec.pause;
		r->paused = r->spec.pause;
		return r->spec.pause ? CURL_WRITEFUNC_PAUSE : 0;
	}
	discard = Min(len, r->discard);
	if (len > discard && !add_bytes(r->http, chunks, data + discard, len - discard))
	{
		r->out_of_memory = true;
		return 0;
	}
	r->discard -= discard;
	r->bytes_received += len;
	return len;
}
