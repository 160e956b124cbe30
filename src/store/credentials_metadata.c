/*
 * credentials_metadata.c: credentials from the metadata services of a container or a virtual machine.
 *
 * Both answer with the same JSON, {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}.  The instance's wants a
 * token first (IMDSv2), which a request forged through some proxy could not get.
 */
#include "postgres.h"

#include "store/credentials_internal.h"
#include "store/store_internal.h"

/* These services are a hop away or not there at all. */
#define CONNECT_TIMEOUT_MS	1000
#define DEADLINE_S			2

static void
ask(const char *method, const char *url, const char *header, SlmAnswer *answer)
{
	SlmHttpSpec spec = {.method = method, .url = url, .headers = &header, .nheaders = header != NULL};

	if (strcmp(method, "PUT") == 0)
		spec.body = "";
	spec.connect_timeout_ms = CONNECT_TIMEOUT_MS;
	spec.deadline_s = DEADLINE_S;
	spec.no_proxy = true;
	slm_credentials_ask(&spec, answer);
}

/* A service that is there, but fails, is worth asking again. */
static SlmCredentialsFound
fail_answer(const char *service, const SlmAnswer *answer, SlmStoreError *error)
{
	bool		is_transient = answer->problem != NULL || answer->status >= 500 || answer->status == 429;

	slm_store_fail(error, is_transient ? SLM_STORE_TRANSIENT : SLM_STORE_DENIED,
				   ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, "could not get S3 credentials");
	error->detail = answer->problem ? psprintf("Of %s: %s.", service, answer->problem)
		: psprintf("The answer of %s was %d.", service, answer->status);
	error->hint = pstrdup("Check the role of the container or instance, or create a user mapping with keys.");
	return SLM_CREDENTIALS_FAILED;
}

static SlmCredentialsFound
take_answer(const char *service, SlmAnswer *answer, SlmCredentials *c, SlmStoreError *error)
{
	bool		ok = slm_credentials_of_json(answer->body, answer->len, "Token", c);

	explicit_bzero(answer->body, answer->len);
	if (!ok)
		return slm_credentials_fail(error, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, NULL,
									"The answer of %s holds no AccessKeyId and SecretAccessKey.", service);
	c->refreshable = true;
	strlcpy(c->source, service, sizeof(c->source));
	return SLM_CREDENTIALS_FOUND;
}

bool
slm_credentials_may_send(const char *url)
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
	SlmAnswer	answer;

	if (relative != NULL)
		url = psprintf("http://169.254.170.2%s", relative);
	if (url == NULL)
		return SLM_CREDENTIALS_NONE;
	if (!slm_credentials_may_send(url))
		return slm_credentials_fail(error, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, NULL,
									"AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor local.");
	if (token_file != NULL &&
		(token = slm_credentials_read_token(token_file, "the file that AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names", error)) == NULL)
		return SLM_CREDENTIALS_FAILED;
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
	SlmAnswer	answer;

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
