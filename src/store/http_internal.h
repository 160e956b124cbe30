/*
 * http_internal.h: what http.c and http_callbacks.c share.
 */
#ifndef SLM_STORE_HTTP_INTERNAL_H
#define SLM_STORE_HTTP_INTERNAL_H

#include "store/http.h"

#include "storage/latch.h"

typedef struct SlmHttpSocket
{
	curl_socket_t fd;
	int			what;			/* CURL_POLL_IN, _OUT or _INOUT */
} SlmHttpSocket;

struct SlmHttp
{
	MemoryContext context;
	CURLM	   *multi;
	dlist_head	requests;

	SlmHttpSocket *sockets;		/* what curl waits for; malloc'ed, as callbacks let it grow */
	int			nsockets;
	int			max_sockets;
	WaitEventSet *set;			/* the same for PostgreSQL */
	bool		set_stale;		/* sockets has changed since */

	double		timer_due;		/* when curl wants to be called, or -1 */
	SlmHttpChunk *free_chunks;
	int			nfree;
};

/* Forget an answer's headers: those of "100 Continue" come before the real ones. */
extern void slm_http_reset_answer(SlmHttpRequest *r);

/* Ask, once, whether a 2xx answer is what was wanted.  False if not. */
extern bool slm_http_ask(SlmHttpRequest *r);

extern int	slm_http_on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg);
extern int	slm_http_on_timer(CURLM *multi, long timeout_ms, void *arg);
extern size_t slm_http_on_header(char *line, size_t size, size_t count, void *arg);
extern size_t slm_http_on_body(char *data, size_t size, size_t count, void *arg);
extern curl_socket_t slm_http_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address);
extern int	slm_http_close_socket(void *arg, curl_socket_t fd);

#endif							/* SLM_STORE_HTTP_INTERNAL_H */
