/*
 * s3_error.c: what went wrong with a call of S3, and what to do about it.
 *
 * Words of the server are shown, but cut, made printable, and with every secret that it might repeat painted over.
 */
#include "postgres.h"

#include <time.h>

#include "lib/stringinfo.h"

#include "store/s3_internal.h"

/* Not S3's, but ours: see code_of_status(). */
#define NOT_OF_S3	"(none)"
#define IS_TLS		"(tls)"

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
	" s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload on objects and s3:ListBucketMultipartUploads on the bucket. Where a key of KMS"
	" encrypts, allow them kms:Decrypt with it, for the archive also kms:GenerateDataKey."},
	{"AllAccessDisabled", SLM_STORE_DENIED, ERRCODE_INSUFFICIENT_PRIVILEGE, "access denied", NULL},
	{"AccountProblem", SLM_STORE_DENIED, ERRCODE_INSUFFICIENT_PRIVILEGE, "access denied", NULL},
	{"KMS.NotFoundException", SLM_STORE_DENIED, ERRCODE_UNDEFINED_OBJECT, "there is no such key of KMS",
	"Correct the server's option sse_kms_key_id, or the bucket's default encryption."},
	{"KMS.DisabledException", SLM_STORE_DENIED, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "the key of KMS is disabled",
	"Enable it, or have objects encrypted with another."},
	{"KMS.KMSInvalidStateException", SLM_STORE_DENIED, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "the key of KMS can't be used",
	"Look at its state: it may wait to be deleted or imported."},
	{"InvalidStorageClass", SLM_STORE_FATAL, ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE, "the server has no such storage class",
	"Correct the server's option storage_class."},
	{"AccessControlListNotSupported", SLM_STORE_FATAL, ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE, "the bucket knows no access control lists",
	"Drop the server's option acl."},
	{IS_TLS, SLM_STORE_FATAL, ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION, "the endpoint speaks TLS",
	"Write https:// in the server's option endpoint."},
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

/* Services have many words for "not so fast", and some say them with status 400. */
static bool
is_throttling(const char *code)
{
	static const char *const parts[] = {"Throttl", "SlowDown", "TooManyRequests", "RequestLimitExceeded", "BandwidthLimitExceeded"};

	for (int i = 0; i < lengthof(parts); i++)
		if (strstr(code, parts[i]) != NULL)
			return true;
	return false;
}

static const struct CodeMeaning *
meaning_of_code(const char *code)
{
	if (is_throttling(code))
		code = "SlowDown";
	for (int i = 0; i < lengthof(meanings); i++)
		if (strcmp(meanings[i].code, code) == 0)
			return &meanings[i];
	return NULL;
}

static bool
is_plain_http(const SlmS3Call *call)
{
	return strncmp(call->s3->base_url, "http://", 7) == 0;
}

/* Some servers say with HTTP, in words of their own, that only TLS is spoken there. */
static bool
says_tls(const SlmS3Call *call)
{
	const SlmHttpRequest *r = call->request;

	if (!is_plain_http(call) || call->code[0] != '\0')
		return false;
	for (size_t i = 0; i + 5 <= r->error_len; i++)
		if (pg_strncasecmp(r->error_body + i, "https", 5) == 0)
			return true;
	return false;
}

/* What a status means that came without a code that we know. */
static const char *
code_of_status(const SlmS3Call *call)
{
	int			status = call->request->status;

	switch (status)
	{
		case 400:
		case 497:
			return says_tls(call) ? IS_TLS : "";
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

bool
slm_s3_is_not_implemented(const SlmS3Call *call)
{
	return call->request != NULL &&
		(call->request->status == 501 || call->request->status == 405 ||
		 strcmp(call->code, "NotImplemented") == 0 || strcmp(call->code, "MethodNotAllowed") == 0);
}

/* The certificate is good, but not for the host that was asked.  Each of curl's libraries for TLS has its own words for it. */
static bool
is_name_mismatch(const SlmHttpRequest *r)
{
	return r->code == CURLE_PEER_FAILED_VERIFICATION && (strstr(r->curl_error, "subject name") || strstr(r->curl_error, "target host"));
}

static const char *
words_of_curl(const SlmHttpRequest *r)
{
	if (is_name_mismatch(r))
		return "the server's certificate is for another name";
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
		case CURLE_UNSUPPORTED_PROTOCOL:
		case CURLE_WEIRD_SERVER_REPLY:
			return "the answer is no HTTP";
		default:
			return "the transfer failed";
	}
}

/* Which name a certificate would need depends on where the bucket's name stands. */
static char *
hint_of_name(const SlmS3Store *s3)
{
	const char *host = strstr(s3->base_url, "://") + 3;
	size_t		len = strlen(s3->bucket);

	if (strncmp(host, s3->bucket, len) == 0 && host[len] == '.')
		return psprintf("The certificate must be for %.*s, as with url_style 'virtual' the bucket stands in the host's name: set the server's"
						" option url_style to 'path', or get a certificate for *.%.*s.", (int) strcspn(host, ":/"), host,
						(int) strcspn(host + len + 1, ":/"), host + len + 1);
	return pstrdup("Write a name that the certificate is for into the server's option endpoint; or get a certificate for this one.");
}

static char *
hint_of_curl(const SlmS3Call *call)
{
	const SlmHttpRequest *r = call->request;

	switch (r->code)
	{
		case CURLE_COULDNT_RESOLVE_HOST:
		case CURLE_COULDNT_CONNECT:
		case CURLE_OPERATION_TIMEDOUT:
			return psprintf("Check that %s can be reached from the database server, and the server's option endpoint.", call->s3->base_url);
		case CURLE_PEER_FAILED_VERIFICATION:
			if (is_name_mismatch(r))
				return hint_of_name(call->s3);
			/* FALLTHROUGH */
		case CURLE_SSL_CACERT_BADFILE:
			return pstrdup("If the server's certificate comes from an authority of your own, name its certificate in the server's option"
						   " ca_file.");
		case CURLE_SSL_CONNECT_ERROR:
			return pstrdup("Check whether the endpoint speaks https or http.");
		case CURLE_UNSUPPORTED_PROTOCOL:
		case CURLE_WEIRD_SERVER_REPLY:
		case CURLE_GOT_NOTHING:
		case CURLE_RECV_ERROR:
		case CURLE_SEND_ERROR:
			/* what hangs up before it has answered anything may have waited for TLS */
			if (is_plain_http(call) && r->status == 0)
				return pstrdup("Check whether the endpoint's port speaks TLS: then write https:// in the server's option endpoint.");
			return NULL;
		default:
			return NULL;
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
	error->hint = hint_of_curl(call);
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
