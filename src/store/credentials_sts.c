/*
 * credentials_sts.c: credentials of roles, from AWS's service for them (STS) or another that speaks its language.
 *
 *   AssumeRole                  signed with the credentials of whoever may take the role
 *   AssumeRoleWithWebIdentity   not signed: the token of a file says who we are; it is read anew each time, as it is replaced now and then
 */
#include "postgres.h"

#include <time.h>

#include "lib/stringinfo.h"

#include "store/credentials_internal.h"
#include "store/option_values.h"
#include "store/s3_internal.h"
#include "store/sts_xml.h"
#include "store/store_internal.h"

#define CONNECT_TIMEOUT_MS	3000
#define DEADLINE_S			6

#define DEFAULT_SESSION_NAME	"sellometer"

/* What errors of STS mean. */
static const struct CodeMeaning
{
	const char *code;
	SlmStoreErrorKind kind;
	const char *hint;
}			meanings[] = {
	{"AccessDenied", SLM_STORE_DENIED,
	"Allow sts:AssumeRole (or sts:AssumeRoleWithWebIdentity) to whoever asks, in the role's trust policy too."},
	{"ExpiredToken", SLM_STORE_DENIED,
	"Renew the token, or the credentials that the role is assumed with."},
	{"ExpiredTokenException", SLM_STORE_DENIED,
	"Renew the token in the file that web_identity_token_file or AWS_WEB_IDENTITY_TOKEN_FILE names."},
	{"InvalidIdentityToken", SLM_STORE_DENIED,
	"Check the file that web_identity_token_file or AWS_WEB_IDENTITY_TOKEN_FILE names, and the identity provider's thumbprint and audience."},
	{"InvalidClientTokenId", SLM_STORE_DENIED, "Correct the keys that the role is assumed with."},
	{"SignatureDoesNotMatch", SLM_STORE_DENIED, "Correct the keys that the role is assumed with, and set the database server's clock."},
	{"ValidationError", SLM_STORE_DENIED, "Correct role_arn, role_session_name, external_id and duration_seconds."},
	{"RegionDisabledException", SLM_STORE_DENIED, "Activate STS in this region, or name another in AWS_REGION or AWS_ENDPOINT_URL_STS."},
	{"IDPCommunicationError", SLM_STORE_TRANSIENT, NULL},
	{"Throttling", SLM_STORE_TRANSIENT, NULL},
	{"ThrottlingException", SLM_STORE_TRANSIENT, NULL},
	{"RequestLimitExceeded", SLM_STORE_TRANSIENT, NULL},
};

static const struct CodeMeaning *
meaning_of(const char *code)
{
	for (int i = 0; i < lengthof(meanings); i++)
		if (strcmp(meanings[i].code, code) == 0)
			return &meanings[i];
	return NULL;
}

/* Where AWS has a role: its part of the world, if it is none of those with an end point of their own elsewhere. */
static const char *
region_of(const SlmRole *role)
{
	char	   *region = slm_environment_region();

	if (region != NULL && slm_option_check(SLM_OPTION_REGION, region) == SLM_OPTION_FINE)
		return region;
	if (strncmp(role->arn, "arn:aws-cn:", 11) == 0)
		return "cn-north-1";
	if (strncmp(role->arn, "arn:aws-us-gov:", 15) == 0)
		return "us-gov-west-1";
	return "us-east-1";
}

/* The URL to ask, or NULL with *error set. */
static char *
endpoint_of(const SlmRole *role, const char *region, SlmStoreError *error)
{
	char	   *endpoint = slm_environment_sts_endpoint();
	size_t		len;

	if (endpoint == NULL)
		return psprintf("https://sts.%s.amazonaws.com%s/", region, strncmp(region, "cn-", 3) == 0 ? ".cn" : "");
	len = strlen(endpoint);
	if (slm_option_check(SLM_OPTION_ENDPOINT, endpoint) != SLM_OPTION_FINE)
		slm_credentials_fail(error, ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE, "Write https://host or https://host:port.",
							 "The endpoint for STS (AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL or endpoint_url) is not valid; it is needed for"
							 " the role of %s.", role->whose);
	else if (!slm_credentials_may_send(endpoint))
		slm_credentials_fail(error, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
							 "Secrets of roles go over the wire in clear there: name an endpoint that speaks TLS in AWS_ENDPOINT_URL_STS.",
							 "The endpoint for STS (AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL or endpoint_url) is neither https nor local.");
	else
		return endpoint[len - 1] == '/' ? endpoint : psprintf("%s/", endpoint);
	return NULL;
}

static void
add_parameter(StringInfo body, const char *name, const char *value)
{
	char	   *encoded;

	if (value == NULL)
		return;
	encoded = slm_url_encoded(value, false);
	appendStringInfo(body, "&%s=%s", name, encoded);
	explicit_bzero(encoded, strlen(encoded));
	pfree(encoded);
}

static void
begin_body(StringInfo body, const char *action, const SlmRole *role)
{
	initStringInfo(body);
	appendStringInfo(body, "Action=%s&Version=2011-06-15", action);
	add_parameter(body, "RoleArn", role->arn);
	add_parameter(body, "RoleSessionName", role->session_name ? role->session_name : DEFAULT_SESSION_NAME);
	add_parameter(body, "DurationSeconds", role->duration);
}

/* Send it; signed, if there is a source. */
static void
ask(const char *url, const char *region, const StringInfo body, const SlmCredentials *source, SlmAnswer *answer)
{
	char		sha256[65];
	const char *headers[3];
	char	   *token = NULL;
	SlmHttpSpec spec = {.method = "POST", .url = url, .headers = headers, .body = body->data, .body_len = body->len};

	headers[spec.nheaders++] = "Content-Type: application/x-www-form-urlencoded";
	if (source != NULL)
	{
		slm_sha256_hex(body->data, body->len, sha256);
		headers[spec.nheaders++] = psprintf("x-amz-content-sha256: %s", sha256);
		if (source->session_token)
			headers[spec.nheaders++] = token = psprintf("x-amz-security-token: %s", source->session_token);
		spec.sigv4 = psprintf("aws:amz:%s:sts", region);
		spec.access_key = source->access_key;
		spec.secret_key = source->secret_key;
	}
	spec.connect_timeout_ms = CONNECT_TIMEOUT_MS;
	spec.deadline_s = DEADLINE_S;
	spec.ca_file = slm_getenv("AWS_CA_BUNDLE");
	slm_credentials_ask(&spec, answer);
	if (token != NULL)
		explicit_bzero(token, strlen(token));
}

/* The words of STS are shown, scrubbed of what it was sent. */
static SlmCredentialsFound
fail_answer(const SlmRole *role, const SlmAnswer *answer, const SlmStsAnswer *said, const SlmCredentials *source, SlmStoreError *error)
{
	const struct CodeMeaning *meaning = meaning_of(said->code);
	bool		is_transient = answer->problem != NULL || answer->status >= 500 || answer->status == 429;

	slm_store_fail(error, meaning ? meaning->kind : is_transient ? SLM_STORE_TRANSIENT : SLM_STORE_DENIED,
				   ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, "could not get S3 credentials");
	if (answer->problem)
		error->detail = psprintf("STS could not be asked for role \"%s\" of %s: %s.", slm_store_display(role->arn), role->whose,
								 answer->problem);
	else
		error->detail = psprintf("STS answered %d%s%s%s%s when it was asked for role \"%s\" of %s%s%s.", answer->status, said->code[0] ? " " : "",
								 slm_store_display(said->code), said->message[0] ? ": " : "", slm_store_display(said->message),
								 slm_store_display(role->arn), role->whose, source ? ", with credentials from " : "", source ? source->source : "");
	error->hint = pstrdup(meaning && meaning->hint ? meaning->hint
						  : "Check the role, and that its STS can be reached: by default that of AWS in the region of AWS_REGION, else what"
						  " AWS_ENDPOINT_URL_STS names.");
	return SLM_CREDENTIALS_FAILED;
}

static SlmCredentialsFound
take_credentials(const SlmRole *role, const SlmStsAnswer *said, SlmCredentials *c, SlmStoreError *error)
{
	if (said->access_key[0] == '\0' || said->secret_key[0] == '\0' || said->session_token[0] == '\0' ||
		!slm_credentials_parse_time(said->expiration, &c->expires))
		return slm_credentials_fail(error, ERRCODE_PROTOCOL_VIOLATION, "Check that AWS_ENDPOINT_URL_STS names a service that speaks STS.",
									"What was asked for role \"%s\" of %s gave no credentials with an end.", slm_store_display(role->arn), role->whose);
	if (c->expires <= (int64) time(NULL))
		return slm_credentials_fail(error, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, "Set the clock of the database server, for example with NTP.",
									"The credentials that STS gave for role \"%s\" of %s have expired already.", slm_store_display(role->arn),
									role->whose);
	c->access_key = slm_credentials_copy(said->access_key);
	c->secret_key = slm_credentials_copy(said->secret_key);
	c->session_token = slm_credentials_copy(said->session_token);
	c->refreshable = true;
	snprintf(c->source, sizeof(c->source), "role \"%s\" of %s", slm_store_display(role->arn), role->whose);
	return SLM_CREDENTIALS_FOUND;
}

/* Ask, and judge the answer.  Wipes the body. */
static SlmCredentialsFound
assume(const SlmRole *role, StringInfo body, const SlmCredentials *source, const char *token, SlmCredentials *c, SlmStoreError *error)
{
	const char *region = region_of(role);
	char	   *url = endpoint_of(role, region, error);
	SlmStsAnswer *said;
	SlmCredentialsFound found;
	SlmAnswer	answer;

	if (url == NULL)
		return SLM_CREDENTIALS_FAILED;
	ask(url, region, body, source, &answer);
	explicit_bzero(body->data, body->len);
	said = palloc0(sizeof(SlmStsAnswer));
	if (answer.len > 0 && answer.status != 200)
	{
		/* before anything is cut, so that not even the beginning of a secret stays */
		slm_credentials_scrub(answer.body, source);
		slm_credentials_scrub_secret(answer.body, token);
	}
	if (answer.len > 0 && !slm_sts_parse(answer.body, answer.len, said))
		explicit_bzero(said, sizeof(*said));
	if (answer.problem != NULL || answer.status != 200)
		found = fail_answer(role, &answer, said, source, error);
	else
		found = take_credentials(role, said, c, error);
	explicit_bzero(answer.body, answer.len);
	explicit_bzero(said, sizeof(*said));
	pfree(said);
	return found;
}

static SlmCredentialsFound
check_duration(const SlmRole *role, SlmStoreError *error)
{
	char	   *end;
	long		seconds;

	if (role->duration == NULL)
		return SLM_CREDENTIALS_FOUND;
	errno = 0;
	seconds = strtol(role->duration, &end, 10);
	if (errno == 0 && end != role->duration && *end == '\0' && seconds >= 900 && seconds <= 43200)
		return SLM_CREDENTIALS_FOUND;
	return slm_credentials_fail(error, ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE, "Give whole seconds, from 900 to 43200.",
								"duration_seconds of %s is \"%s\".", role->whose, slm_store_display(role->duration));
}

SlmCredentialsFound
slm_sts_assume_role(const SlmRole *role, const SlmCredentials *source, SlmCredentials *c, SlmStoreError *error)
{
	StringInfoData body;
	SlmCredentialsFound found = check_duration(role, error);

	if (found != SLM_CREDENTIALS_FOUND)
		return found;
	begin_body(&body, "AssumeRole", role);
	add_parameter(&body, "ExternalId", role->external_id);
	found = assume(role, &body, source, NULL, c, error);
	if (found == SLM_CREDENTIALS_FOUND)
		c->of_program = source->of_program;
	return found;
}

SlmCredentialsFound
slm_sts_assume_role_with_token(const SlmRole *role, const char *token_file, SlmCredentials *c, SlmStoreError *error)
{
	StringInfoData body;
	SlmCredentialsFound found = check_duration(role, error);
	char	   *token;

	if (found != SLM_CREDENTIALS_FOUND)
		return found;
	token = slm_credentials_read_token(token_file, psprintf("the file with the web identity token of %s", role->whose), error);
	if (token == NULL)
		return SLM_CREDENTIALS_FAILED;
	begin_body(&body, "AssumeRoleWithWebIdentity", role);
	add_parameter(&body, "WebIdentityToken", token);
	found = assume(role, &body, NULL, token, c, error);
	explicit_bzero(token, strlen(token));
	return found;
}

SlmCredentialsFound
slm_credentials_of_web_identity(SlmCredentials *c, SlmStoreError *error)
{
	const char *token_file = slm_getenv("AWS_WEB_IDENTITY_TOKEN_FILE");
	SlmRole		role = {
		.arn = slm_getenv("AWS_ROLE_ARN"),
		.session_name = slm_getenv("AWS_ROLE_SESSION_NAME"),
		.whose = "the environment variable AWS_ROLE_ARN of the server process"
	};

	if (token_file == NULL && role.arn == NULL)
		return SLM_CREDENTIALS_NONE;
	if (token_file == NULL || role.arn == NULL)
		return slm_credentials_fail(error, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, "Set both for the server process, or none.",
									"Of AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN only %s is set.", token_file ? "the first" : "the second");
	return slm_sts_assume_role_with_token(&role, token_file, c, error);
}
