/*
 * credentials_metadata.c: credentials from the metadata services of a container or a virtual machine.
 *
 * Both answer with the same JSON, {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}.  The instance's wants a
 * token first (IMDSv2), which a request forged through some proxy could not get.
 */
#include "postgres.h"

#include <time.h>

#include "utils/memutils.h"

#include "store/credentials_internal.h"
#include "store/credentials_parse.h"
#include "store/http.h"
#include "store/s3_xml.h"
#include "store/store_internal.h"

/* These services are a hop away or not there at all. */
#define CONNECT_TIMEOUT_MS	1000
#define STALL_TIMEOUT_S		2
#define TRIES				2
#define MAX_ANSWER			((size_t) 64 * 1024)

#define SECONDS_1970_TO_2000	INT64CONST(946684800)

typedef struct Answer
{
	int			status;			/* 0 = none */
	char	   *body;			/* palloc'd, NUL-terminated; wipe it */
	size_t		len;
	char	   *problem;		/* of the transport, fit for a message; NULL if there was none */
} Answer;

static bool
try_once(SlmHttp *http, MemoryContext result_context, const SlmHttpSpec *wanted, Answer *answer)
{
	SlmChunks	chunks = {0};
	SlmHttpSpec spec = *wanted;
	SlmHttpRequest *request;
	const char *data;
	size_t		len;

	spec.connect_timeout_ms = CONNECT_TIMEOUT_MS;
	spec.stall_timeout_s = spec.deadline_s = STALL_TIMEOUT_S;
	spec.min_rate = 1;
	spec.no_proxy = true;
	spec.any_address = true;	/* the process's environment says where to ask, or nobody */
	spec.chunks = &chunks;
	spec.max_waiting = MAX_ANSWER;
	request = slm_http_begin(http, &spec);
	while (!request->done)
		slm_http_poll(http, 10000);
	answer->status = request->status;
	answer->problem = NULL;
	if (request->code != CURLE_OK)
		answer->problem = MemoryContextStrdup(result_context, slm_store_display(curl_easy_strerror(request->code)));
	answer->body = MemoryContextAllocZero(result_context, chunks.waiting + 1);
	answer->len = 0;
	while (slm_chunks_take(http, &chunks, NULL, &data, &len))
	{
		memcpy(answer->body + answer->len, data, len);
		explicit_bzero(unconstify(char *, data), len);
		answer->len += len;
	}
	slm_http_end(request);
	slm_chunks_clear(http, &chunks);
	return answer->problem == NULL && answer->status < 500;
}

static void
destroy_http(void *arg)
{
	slm_http_destroy(arg);
}

/* Ask a service, with an engine of its own: the store's may just be starting the request that needs credentials. */
static void
ask(const char *method, const char *url, const char *header, Answer *answer)
{
	MemoryContext result_context = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "sellometer metadata", ALLOCSET_SMALL_SIZES);
	SlmHttpSpec spec = {.method = method, .url = url, .headers = &header, .nheaders = header != NULL};

	PG_TRY();
	{
		MemoryContextCallback *callback = MemoryContextAllocZero(context, sizeof(MemoryContextCallback));
		SlmHttp    *http = slm_http_create(context);

		callback->func = destroy_http;
		callback->arg = http;
		MemoryContextRegisterResetCallback(context, callback);
		if (strcmp(method, "PUT") == 0)
			spec.body = "";
		for (int i = 0; i < TRIES && !try_once(http, result_context, &spec, answer); i++)
			;
	}
	PG_FINALLY();
	{
		MemoryContextDelete(context);
	}
	PG_END_TRY();
}

/* A service that is there, but fails, is worth asking again. */
static SlmCredentialsFound
fail_answer(const char *service, const Answer *answer, SlmStoreError *error)
{
	bool		is_transient = answer->problem != NULL || answer->status >= 500 || answer->status == 429;

	slm_store_fail(error, is_transient ? SLM_STORE_TRANSIENT : SLM_STORE_DENIED,
				   ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, "could not get S3 credentials");
	error->detail = answer->problem ? psprintf("Of %s: %s.", service, answer->problem)
		: psprintf("The answer of %s was %d.", service, answer->status);
	error->hint = pstrdup("Check the role of the container or instance, or create a user mapping with keys.");
	return SLM_CREDENTIALS_FAILED;
}

static char *
json_string(const Answer *answer, const char *name)
{
	char		value[8192];
	char	   *copy = NULL;

	if (slm_json_string(answer->body, answer->len, name, value, sizeof(value)) && value[0] != '\0')
		copy = slm_credentials_copy(value);
	explicit_bzero(value, sizeof(value));
	return copy;
}

static SlmCredentialsFound
take_answer(const char *service, Answer *answer, SlmCredentials *c, SlmStoreError *error)
{
	char		expiration[64];
	SlmTime		expires;

	c->access_key = json_string(answer, "AccessKeyId");
	c->secret_key = json_string(answer, "SecretAccessKey");
	c->session_token = json_string(answer, "Token");
	if (slm_json_string(answer->body, answer->len, "Expiration", expiration, sizeof(expiration)) &&
		slm_s3_parse_time(expiration, &expires))
		c->expires = expires / SLM_USECS_PER_SEC + SECONDS_1970_TO_2000;
	explicit_bzero(answer->body, answer->len);
	c->refreshable = true;
	strlcpy(c->source, service, sizeof(c->source));
	if (c->access_key != NULL && c->secret_key != NULL)
		return SLM_CREDENTIALS_FOUND;
	slm_credentials_wipe(c);
	slm_store_fail(error, SLM_STORE_DENIED, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
				   "could not get S3 credentials");
	error->detail = psprintf("The answer of %s holds no AccessKeyId and SecretAccessKey.", service);
	return SLM_CREDENTIALS_FAILED;
}

/* Without TLS the token goes only to this machine, or to the addresses that AWS's container services have. */
static bool
may_send_token(const char *url)
{
	static const char *const hosts[] = {"127.0.0.1", "localhost", "[::1]", "169.254.170.2", "169.254.170.23",
	"[fd00:ec2::23]"};

	if (strncmp(url, "https://", 8) == 0)
		return true;
	if (strncmp(url, "http://", 7) != 0)
		return false;
	url += 7;
	for (int i = 0; i < lengthof(hosts); i++)
	{
		size_t		len = strlen(hosts[i]);

		if (strncmp(url, hosts[i], len) == 0 && (url[len] == '/' || url[len] == ':' || url[len] == '\0') &&
			strchr(url, '@') == NULL)
			return true;
	}
	return false;
}

SlmCredentialsFound
slm_credentials_of_container(SlmCredentials *c, SlmStoreError *error)
{
	const char *service = "the container's metadata service";
	const char *relative = slm_getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *url = slm_getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
	const char *token_file = slm_getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	const char *token = slm_getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN");
	char	   *header = NULL;
	Answer		answer;

	if (relative != NULL)
		url = psprintf("http://169.254.170.2%s", relative);
	if (url == NULL)
		return SLM_CREDENTIALS_NONE;
	if (!may_send_token(url))
	{
		slm_store_fail(error, SLM_STORE_DENIED, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
					   "could not get S3 credentials");
		error->detail = pstrdup("AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor local.");
		return SLM_CREDENTIALS_FAILED;
	}
	if (token_file != NULL)
	{
		size_t		len;
		char	   *text = slm_read_small_file(token_file, &len);

		if (text == NULL)
		{
			slm_store_fail_errno(error, errno, "could not read the file that AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
								 " names");
			return SLM_CREDENTIALS_FAILED;
		}
		text[strcspn(text, "\r\n")] = '\0';
		token = text;
	}
	if (token != NULL && strpbrk(token, "\r\n") == NULL)
		header = psprintf("Authorization: %s", token);
	ask("GET", url, header, &answer);
	if (header)
		explicit_bzero(header, strlen(header));
	if (answer.problem != NULL || answer.status != 200)
		return fail_answer(service, &answer, error);
	return take_answer(service, &answer, c, error);
}

SlmCredentialsFound
slm_credentials_of_instance(SlmCredentials *c, SlmStoreError *error)
{
	const char *service = "the instance's metadata service";
	const char *disabled = slm_getenv("AWS_EC2_METADATA_DISABLED");
	const char *endpoint = slm_getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT");
	int			endpoint_len;
	char	   *header;
	char	   *role;
	Answer		answer;

	if (disabled != NULL && pg_strcasecmp(disabled, "true") == 0)
		return SLM_CREDENTIALS_NONE;
	if (endpoint == NULL)
		endpoint = "http://169.254.169.254";
	endpoint_len = (int) strlen(endpoint);
	if (endpoint[endpoint_len - 1] == '/')
		endpoint_len--;

	ask("PUT", psprintf("%.*s/latest/api/token", endpoint_len, endpoint),
		"X-aws-ec2-metadata-token-ttl-seconds: 300", &answer);
	/* Nobody there: this is no such machine. */
	if (answer.problem != NULL && answer.status == 0)
		return SLM_CREDENTIALS_NONE;
	if (answer.problem != NULL || answer.status != 200 || strpbrk(answer.body, "\r\n") != NULL)
		return fail_answer(service, &answer, error);
	header = psprintf("X-aws-ec2-metadata-token: %s", answer.body);
	explicit_bzero(answer.body, answer.len);

	ask("GET", psprintf("%.*s/latest/meta-data/iam/security-credentials/", endpoint_len, endpoint), header, &answer);
	/* An instance without a role. */
	if (answer.problem == NULL && answer.status == 404)
		return SLM_CREDENTIALS_NONE;
	if (answer.problem != NULL || answer.status != 200)
		return fail_answer(service, &answer, error);
	answer.body[strcspn(answer.body, "\r\n")] = '\0';
	role = palloc(3 * strlen(answer.body) + 1);
	slm_url_encode(role, answer.body, strlen(answer.body), false);

	ask("GET", psprintf("%.*s/latest/meta-data/iam/security-credentials/%s", endpoint_len, endpoint, role), header,
		&answer);
	explicit_bzero(header, strlen(header));
	if (answer.problem != NULL || answer.status != 200)
		return fail_answer(service, &answer, error);
	return take_answer(service, &answer, c, error);
}
