/*
 * s3_error.c: what went wrong with a call of S3, and what to do about it.
 *
 * Words of the server are shown, but cut, made printable, and with every secret that it might repeat painted over.
 */
#include "postgres.h"

#include <time.h>

#include "lib/stringinfo.h"

#include "store/s3_internal.h"

#define NOT_OF_S3	"(none)"

/* What S3 calls its errors, and what they mean to us. */
static const struct CodeMeaning
{
	const char *code;
	SlmStoreErrorKind kind;
	int			sqlstate;
	const char *summary;
	const char *hint;			/* or NULL */
}			meanings[] = {
	{"NoSuchKey", SLM_STORE_NOT_FOUND, ERRCODE_UNDEFINED_FILE, "there is no such object", NULL},
	{"NoSuchUpload", SLM_STORE_NOT_FOUND, ERRCODE_UNDEFINED_FILE, "there is no such upload", NULL},
	{"NoSuchBucket", SLM_STORE_FATAL, ERRCODE_UNDEFINED_FILE, "there is no such bucket",
	"Check the bucket's name in the URL, and the server's options endpoint and region."},
	/* not S3's, but ours: see code_of_status() */
	{NOT_OF_S3, SLM_STORE_TRANSIENT, ERRCODE_CONNECTION_FAILURE, "what answered is no S3 service, or one that is not up",
	"Only an answer in S3's own words tells that an object is gone. Check what stands between the database server and the"
	" server's endpoint."},
	{"PreconditionFailed", SLM_STORE_CHANGED, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
	"the object is not the one that was listed",
	"It was overwritten. Objects must not be changed once they are there."},
	{"InvalidAccessKeyId", SLM_STORE_DENIED, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
	"the access key is not known to the server", "Correct access_key_id of the user mapping (or AWS_ACCESS_KEY_ID)."},
	{"SignatureDoesNotMatch", SLM_STORE_DENIED, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
	"the secret key is wrong", "Correct secret_access_key of the user mapping (or AWS_SECRET_ACCESS_KEY)."
	" If it is right, check the server's option region, and any proxy that changes requests."},
	{"ExpiredToken", SLM_STORE_DENIED, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
	"the session token has expired", "Set a new access_key_id, secret_access_key and session_token."},
	{"TokenRefreshRequired", SLM_STORE_DENIED, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
	"the session token must be renewed", "Set a new access_key_id, secret_access_key and session_token."},
	{"InvalidToken", SLM_STORE_DENIED, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
	"the session token is not valid", "Correct session_token, which belongs to one access_key_id; leave it out for a"
	" permanent key."},
	{"RequestTimeTooSkewed", SLM_STORE_DENIED, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
	"the clocks differ too much", "Set the clock of the database server, for example with NTP."},
	{"AuthorizationHeaderMalformed", SLM_STORE_DENIED, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
	"the request was signed for another region", "Set the server's option region to the bucket's."},
	{"PermanentRedirect", SLM_STORE_FATAL, ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION,
	"the bucket is at another endpoint", "Set the server's options region and endpoint to the bucket's."},
	{"TemporaryRedirect", SLM_STORE_FATAL, ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION,
	"the bucket is at another endpoint", "Set the server's options region and endpoint to the bucket's."},
	{"AccessDenied", SLM_STORE_DENIED, ERRCODE_INSUFFICIENT_PRIVILEGE, "access denied",
	"Allow these credentials s3:ListBucket on the bucket and s3:GetObject on its objects; for the archive also"
	" s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload."},
	{"AllAccessDisabled", SLM_STORE_DENIED, ERRCODE_INSUFFICIENT_PRIVILEGE, "access denied", NULL},
	{"AccountProblem", SLM_STORE_DENIED, ERRCODE_INSUFFICIENT_PRIVILEGE, "access denied", NULL},
	{"InvalidObjectState", SLM_STORE_FATAL, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
	"the object is in cold storage", "Restore it, or exclude it from the bucket's lifecycle rules."},
	{"InvalidRange", SLM_STORE_FATAL, ERRCODE_INVALID_PARAMETER_VALUE,
	"the object is shorter than the offset to read from", NULL},
	{"SlowDown", SLM_STORE_TRANSIENT, ERRCODE_CONNECTION_FAILURE, "the server asks to slow down", NULL},
	{"ServiceUnavailable", SLM_STORE_TRANSIENT, ERRCODE_CONNECTION_FAILURE, "the server is not available", NULL},
	{"InternalError", SLM_STORE_TRANSIENT, ERRCODE_CONNECTION_FAILURE, "the server failed", NULL},
	{"RequestTimeout", SLM_STORE_TRANSIENT, ERRCODE_CONNECTION_FAILURE, "the server waited too long for us", NULL},
	{"OperationAborted", SLM_STORE_TRANSIENT, ERRCODE_CONNECTION_FAILURE, "another operation is under way", NULL},
	{"BadDigest", SLM_STORE_TRANSIENT, ERRCODE_CONNECTION_FAILURE, "the data was damaged under way", NULL},
};

static const struct CodeMeaning *
meaning_of_code(const char *code)
{
	for (int i = 0; i < lengthof(meanings); i++)
		if (strcmp(meanings[i].code, code) == 0)
			return &meanings[i];
	return NULL;
}

/* What a status means that came without a code that we know. */
static const char *
code_of_status(const SlmS3Call *call)
{
	int			status = call->request->status;

	switch (status)
	{
		case 301:
		case 302:
		case 308:
			return "PermanentRedirect";
		case 303:
		case 307:
			return "TemporaryRedirect";
		case 401:
		case 403:
			return "AccessDenied";
		case 404:
		case 410:
			/* with a code it is S3's answer, about something else than the object; without, a router's or a proxy's */
			if (call->code[0] != '\0')
				return "";
			return call->path[0] ? NOT_OF_S3 : "NoSuchBucket";
		case 408:
			return "RequestTimeout";
		case 409:
			return "OperationAborted";
		case 412:
			return "PreconditionFailed";
		case 416:
			return "InvalidRange";
		case 425:
		case 429:
			return "SlowDown";
		case 503:
		case 509:
			return "ServiceUnavailable";
		default:
			return status >= 500 && status != 501 && status != 505 ? "InternalError" : "";
	}
}

/* The meaning of an answer's code, else of its status, or NULL. */
static const struct CodeMeaning *
meaning_of_answer(const SlmS3Call *call)
{
	const struct CodeMeaning *meaning = meaning_of_code(call->code);

	return meaning ? meaning : meaning_of_code(code_of_status(call));
}

const SlmCredentials *
slm_s3_credentials(const SlmS3Store *s3)
{
	return s3->options.has_mapping ? &s3->options.mapping : slm_credentials_current();
}

static void
take_text(char *to, size_t size, const char *from, const SlmCredentials *credentials)
{
	char	   *whole;

	to[0] = '\0';
	if (from == NULL)
		return;
	/* Scrubbed before it is cut, so that not even the beginning of a secret stays. */
	whole = pstrdup(from);
	slm_credentials_scrub(whole, credentials);
	strlcpy(to, whole, size);
	pfree(whole);
}

static void
parse_error_body(SlmS3Call *call)
{
	const SlmCredentials *credentials = slm_s3_credentials(call->s3);
	SlmHttpRequest *r = call->request;
	SlmS3Parser *parser;

	call->code[0] = call->message[0] = call->region[0] = call->endpoint[0] = '\0';
	slm_credentials_scrub(r->location, credentials);
	slm_credentials_scrub(r->bucket_region, credentials);
	slm_credentials_scrub(r->request_id, credentials);
	if (r->error_body == NULL || (parser = slm_s3_parser_create()) == NULL)
		return;
	if (slm_s3_parser_feed(parser, r->error_body, r->error_len, true) == NULL)
	{
		const SlmS3Document *document = slm_s3_parser_document(parser);

		if (strcmp(document->root, "Error") == 0)
		{
			take_text(call->code, sizeof(call->code), document->code, credentials);
			take_text(call->message, sizeof(call->message), document->message, credentials);
			take_text(call->region, sizeof(call->region), document->region, credentials);
			take_text(call->endpoint, sizeof(call->endpoint), document->endpoint, credentials);
			if (r->request_id[0] == '\0')
				take_text(r->request_id, sizeof(r->request_id), document->request_id, credentials);
		}
	}
	slm_s3_parser_free(parser);
}

static SlmStoreErrorKind
judge_curl(const SlmHttpRequest *r)
{
	if (r->forbidden && r->code == CURLE_COULDNT_CONNECT)
		return SLM_STORE_DENIED;
	switch (r->code)
	{
		case CURLE_COULDNT_RESOLVE_HOST:
		case CURLE_COULDNT_RESOLVE_PROXY:
		case CURLE_COULDNT_CONNECT:
		case CURLE_OPERATION_TIMEDOUT:
		case CURLE_SEND_ERROR:
		case CURLE_RECV_ERROR:
		case CURLE_GOT_NOTHING:
		case CURLE_PARTIAL_FILE:
		case CURLE_SSL_CONNECT_ERROR:
		case CURLE_WEIRD_SERVER_REPLY:
		case CURLE_OUT_OF_MEMORY:
		case CURLE_AGAIN:
			return SLM_STORE_TRANSIENT;
		case CURLE_WRITE_ERROR:
			return r->out_of_memory ? SLM_STORE_TRANSIENT : SLM_STORE_FATAL;
		default:
			return SLM_STORE_FATAL;
	}
}

SlmStoreErrorKind
slm_s3_judge(SlmS3Call *call)
{
	SlmHttpRequest *r = call->request;
	const struct CodeMeaning *meaning;

	if (call->was_changed)
		return SLM_STORE_CHANGED;
	if (call->was_misplaced)
		return SLM_STORE_FATAL;
	if (r->status / 100 == 2)
	{
		if (r->code != CURLE_OK)
			return judge_curl(r);
		/* curl has compared the length with the header; this is about what came before an interruption, too. */
		if (call->is_read && call->object_size >= 0 && call->offset + call->chunks.total != call->object_size)
			return SLM_STORE_TRANSIENT;
		return SLM_STORE_OK;
	}
	/* An error's status counts, even if its body did not arrive whole. */
	if (r->status < 300)
		return r->code == CURLE_OK ? SLM_STORE_FATAL : judge_curl(r);
	parse_error_body(call);
	meaning = meaning_of_answer(call);
	return meaning ? meaning->kind : SLM_STORE_FATAL;
}

bool
slm_s3_refuses_credentials(const SlmS3Call *call)
{
	static const char *const codes[] = {"ExpiredToken", "TokenRefreshRequired", "InvalidToken", "InvalidAccessKeyId",
	"SignatureDoesNotMatch"};

	for (int i = 0; i < lengthof(codes); i++)
		if (strcmp(call->code, codes[i]) == 0)
			return true;
	return false;
}

static const char *
words_of_curl(const SlmHttpRequest *r)
{
	if (r->too_long)
		return "the answer is too long";
	if (r->out_of_memory)
		return "out of memory";
	switch (r->code)
	{
		case CURLE_COULDNT_RESOLVE_HOST:
		case CURLE_COULDNT_RESOLVE_PROXY:
			return "the host name can't be resolved";
		case CURLE_COULDNT_CONNECT:
			return "the server can't be reached";
		case CURLE_OPERATION_TIMEDOUT:
			return "the server did not answer in time";
		case CURLE_PARTIAL_FILE:
			return "the answer ended too early";
		case CURLE_SEND_ERROR:
		case CURLE_RECV_ERROR:
		case CURLE_GOT_NOTHING:
			return "the connection broke";
		case CURLE_PEER_FAILED_VERIFICATION:
			return "the server's certificate can't be trusted";
		case CURLE_SSL_CACERT_BADFILE:
			return "the file of trusted certificates can't be used";
		case CURLE_SSL_CONNECT_ERROR:
			return "no TLS connection could be made";
		default:
			return "the transfer failed";
	}
}

static void
describe_curl(const SlmS3Call *call, SlmStoreError *error)
{
	const SlmHttpRequest *r = call->request;

	if (r->forbidden && r->code == CURLE_COULDNT_CONNECT)
	{
		slm_store_fail(error, call->outcome, ERRCODE_INSUFFICIENT_PRIVILEGE, "could not %s: permission denied for the endpoint's address",
					   call->doing);
		error->detail = pstrdup("It is link-local, or that of a metadata service.");
		error->hint = pstrdup("Only a server that belongs to a superuser may be there: use ALTER SERVER ... OWNER TO.");
		return;
	}
	slm_store_fail(error, call->outcome, ERRCODE_CONNECTION_FAILURE, "could not %s: %s", call->doing,
				   words_of_curl(r));
	if (r->too_long)
	{
		error->sqlstate = ERRCODE_PROGRAM_LIMIT_EXCEEDED;
		error->detail = psprintf("It has more than %zu MB.", SLM_S3_MAX_DOCUMENT / (1024 * 1024));
		return;
	}
	if (r->too_slow)
		error->detail = psprintf("After %.0f seconds " INT64_FORMAT " bytes of it had come; the server's option min_rate asks for %d a"
								 " second, over any %d seconds.", r->age_ms / 1000, r->bytes_received, r->spec.min_rate,
								 r->spec.stall_timeout_s);
	else
		error->detail = slm_store_display(r->curl_error[0] ? r->curl_error : curl_easy_strerror(r->code));
	switch (r->code)
	{
		case CURLE_COULDNT_RESOLVE_HOST:
		case CURLE_COULDNT_CONNECT:
		case CURLE_OPERATION_TIMEDOUT:
			error->hint = psprintf("Check that %s can be reached from the database server, and the server's option"
								   " endpoint.", call->s3->base_url);
			break;
		case CURLE_PEER_FAILED_VERIFICATION:
		case CURLE_SSL_CACERT_BADFILE:
			error->hint = pstrdup("If the server's certificate comes from an authority of your own, name its"
								  " certificate in the server's option ca_file.");
			break;
		case CURLE_SSL_CONNECT_ERROR:
			error->hint = pstrdup("Check whether the endpoint speaks https or http.");
			break;
		default:
			break;
	}
}

static char *
describe_answer(const SlmS3Call *call)
{
	const SlmHttpRequest *r = call->request;
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "The server answered %d", r->status);
	if (call->code[0])
		appendStringInfo(&text, " %s", slm_store_display(call->code));
	if (call->message[0])
		appendStringInfo(&text, ": %s", slm_store_display(call->message));
	if (text.data[text.len - 1] != '.')
		appendStringInfoChar(&text, '.');
	if (call->region[0] || r->bucket_region[0])
		appendStringInfo(&text, " The bucket's region is \"%s\".",
						 slm_store_display(call->region[0] ? call->region : r->bucket_region));
	if (call->endpoint[0] || r->location[0])
		appendStringInfo(&text, " The bucket's endpoint is \"%s\".",
						 slm_store_display(call->endpoint[0] ? call->endpoint : r->location));
	if (call->outcome == SLM_STORE_DENIED)
		appendStringInfo(&text, " The credentials came from %s.", call->credentials_source);
	if (r->server_time > 0 && strcmp(call->code, "RequestTimeTooSkewed") == 0)
		appendStringInfo(&text, " The clocks differ by %lld seconds.",
						 (long long) ((int64) time(NULL) - r->server_time));
	if (r->request_id[0])
		appendStringInfo(&text, " (request %s)", slm_store_display(r->request_id));
	return text.data;
}

void
slm_s3_describe(const SlmS3Call *call, SlmStoreError *error)
{
	const SlmHttpRequest *r = call->request;
	const struct CodeMeaning *meaning;

	if (r == NULL)
	{
		slm_store_error_copy(error, &call->local);
		return;
	}
	if (call->was_misplaced)
	{
		slm_store_fail(error, call->outcome, ERRCODE_PROTOCOL_VIOLATION, "could not %s: the answer is not valid",
					   call->doing);
		error->detail = pstrdup("It doesn't say how long the object is, or begins elsewhere than it was asked to.");
		error->hint = pstrdup("Check that the server's endpoint is that of an S3 service which knows Range, without a"
							  " proxy that changes its answers.");
		return;
	}
	if (!call->was_changed && (r->status / 100 == 2 || r->status < 300) && r->code != CURLE_OK)
	{
		describe_curl(call, error);
		return;
	}
	if (!call->was_changed && r->status / 100 == 2)
	{
		slm_store_fail(error, call->outcome, ERRCODE_CONNECTION_FAILURE, "could not %s: the object came short",
					   call->doing);
		error->detail = psprintf("Its size is " INT64_FORMAT " bytes, but the last one that came is number "
								 INT64_FORMAT ".", call->object_size, call->offset + call->chunks.total);
		return;
	}
	meaning = call->was_changed ? meaning_of_code("PreconditionFailed") : meaning_of_answer(call);
	slm_store_fail(error, call->outcome, meaning ? meaning->sqlstate : ERRCODE_FDW_ERROR, "could not %s: %s",
				   call->doing, meaning ? meaning->summary : "the server refused the request");
	error->retry_after_ms = r->retry_after_ms;
	error->detail = call->was_changed ? pstrdup("Its ETag or size differs.") : describe_answer(call);
	error->hint = meaning && meaning->hint ? pstrdup(meaning->hint) : NULL;
}

bool
slm_s3_fail_code(SlmS3Store *s3, const char *doing, const char *code, const char *message, SlmStoreError *error)
{
	const struct CodeMeaning *meaning = meaning_of_code(code);
	char	   *words = pstrdup(message ? message : "");

	slm_credentials_scrub(words, slm_s3_credentials(s3));
	slm_store_fail(error, meaning ? meaning->kind : SLM_STORE_FATAL,
				   meaning ? meaning->sqlstate : ERRCODE_FDW_ERROR, "could not %s: %s", doing,
				   meaning ? meaning->summary : "the server refused the request");
	error->detail = psprintf("The server answered %s: %s", slm_store_display(code),
							 slm_store_display(words));
	error->hint = meaning && meaning->hint ? pstrdup(meaning->hint) : NULL;
	return false;
}
