/*
 * credentials_ask.c: small requests to the services that give credentials, and what their answers have in common.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/memutils.h"

#include "store/credentials_internal.h"
#include "store/json.h"
#include "store/s3_time.h"
#include "store/store_internal.h"

#define TRIES				2
#define MAX_ANSWER			((size_t) 64 * 1024)

#define SECONDS_1970_TO_2000	INT64CONST(946684800)

static bool
try_once(SlmHttp *http, MemoryContext result_context, const SlmHttpSpec *wanted, SlmAnswer *answer)
{
	SlmHttpChunks chunks = {0};
	SlmHttpSpec spec = *wanted;
	SlmHttpRequest *request;
	const char *data;
	size_t		len;

	spec.stall_timeout_s = spec.deadline_s;
	spec.min_rate = 1;
	spec.any_address = true;	/* the process's environment says where to ask, or nobody */
	spec.chunks = &chunks;
	spec.max_waiting = MAX_ANSWER;
	request = slm_http_begin(http, &spec);
	while (!request->done)
		slm_http_poll(http, 10000);
	answer->status = request->status;
	answer->problem = NULL;
	if (request->code != CURLE_OK && (request->status < 300 || request->error_len == 0))
		answer->problem = MemoryContextStrdup(result_context, slm_store_display(curl_easy_strerror(request->code)));
	answer->body = MemoryContextAllocZero(result_context, Max(chunks.waiting, request->error_len) + 1);
	answer->len = 0;
	while (slm_http_chunks_take(http, &chunks, NULL, &data, &len))
	{
		memcpy(answer->body + answer->len, data, len);
		explicit_bzero(unconstify(char *, data), len);
		answer->len += len;
	}
	if (answer->len == 0 && request->error_body != NULL)
	{
		answer->len = request->error_len;
		memcpy(answer->body, request->error_body, answer->len);
	}
	slm_http_end(request);
	slm_http_chunks_clear(http, &chunks);
	return answer->problem == NULL && answer->status < 500;
}

static void
destroy_http(void *arg)
{
	slm_http_destroy(arg);
}

void
slm_credentials_ask(const SlmHttpSpec *spec, SlmAnswer *answer)
{
	MemoryContext result_context = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "sellometer credentials", ALLOCSET_SMALL_SIZES);

	PG_TRY();
	{
		MemoryContextCallback *callback = MemoryContextAllocZero(context, sizeof(MemoryContextCallback));
		SlmHttp    *http = slm_http_create(context);

		callback->func = destroy_http;
		callback->arg = http;
		MemoryContextRegisterResetCallback(context, callback);
		for (int i = 0; i < TRIES && !try_once(http, result_context, spec, answer); i++)
			;
	}
	PG_FINALLY();
	{
		MemoryContextDelete(context);
	}
	PG_END_TRY();
}

bool
slm_credentials_parse_time(const char *text, int64 *unix_time)
{
	SlmTime		time;

	if (!slm_s3_parse_time(text, &time))
		return false;
	*unix_time = time / SLM_USECS_PER_SEC + SECONDS_1970_TO_2000;
	return true;
}

static char *
json_string(const char *json, size_t len, const char *name)
{
	char		value[16384];
	char	   *copy = NULL;

	if (slm_json_string(json, len, name, value, sizeof(value)) && value[0] != '\0')
		copy = slm_credentials_copy(value);
	explicit_bzero(value, sizeof(value));
	return copy;
}

bool
slm_credentials_of_json(const char *json, size_t len, const char *token_name, SlmCredentials *c)
{
	char		expiration[64];

	c->access_key = json_string(json, len, "AccessKeyId");
	c->secret_key = json_string(json, len, "SecretAccessKey");
	c->session_token = json_string(json, len, token_name);
	if (slm_json_string(json, len, "Expiration", expiration, sizeof(expiration)))
		(void) slm_credentials_parse_time(expiration, &c->expires);
	if (c->access_key != NULL && c->secret_key != NULL)
		return true;
	slm_credentials_wipe(c);
	return false;
}

char *
slm_credentials_read_token(const char *path, const char *what, SlmStoreError *error)
{
	size_t		len;
	char	   *text = slm_read_small_file(path, &len);

	if (text == NULL)
	{
		slm_store_fail_errno(error, errno, "could not read %s", what);
		/* it is not an object that is missing */
		error->kind = SLM_STORE_DENIED;
		return NULL;
	}
	text[strcspn(text, "\r\n")] = '\0';
	if (text[0] != '\0')
		return text;
	(void) slm_credentials_fail(error, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, NULL, "There is nothing in %s.", what);
	return NULL;
}
