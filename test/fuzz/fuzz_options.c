/*
 * fuzz_options.c: values of options of servers and user mappings, and URLs of sources.  The first byte says which.
 *
 * What is accepted must be what it is for, said in other words than in the code: an endpoint that can't smuggle credentials,
 * a path or a header; a secret that can't end a header's line; and URLs whose parts make up the URL.
 */
#include "fuzz.h"
#include "store/option_values.h"
#include "store/url.h"

#define NAME_CHARACTERS	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static void
check_endpoint(const char *value, bool fine)
{
	const char *host = strstr(value, "://");
	size_t		scheme = host ? (size_t) (host - value) : 0;
	size_t		len = host ? strspn(host + 3, NAME_CHARACTERS "-._:[]") : 0;
	bool		expected = host != NULL && len > 0 && (scheme == 4 || scheme == 5) && strncmp(value, "https", scheme) == 0 &&
		(host[3 + len] == '\0' || strcmp(host + 3 + len, "/") == 0);

	MUST(fine == expected, "\"%s\"", value);
}

static void
check_number(const char *value, int read, long most, bool fine)
{
	const char *digits = value + strspn(value, " \t\n\v\f\r");
	size_t		len;
	long		number = 0;

	if (*digits == '+')
		digits++;
	len = strspn(digits, "0123456789");
	for (size_t i = 0; i < len && number <= most; i++)
		number = number * 10 + digits[i] - '0';
	MUST(fine == (len > 0 && digits[len] == '\0' && number >= 1 && number <= most), "\"%s\"", value);
	MUST(read == (fine ? number : 0), "\"%s\"", value);
}

static void
check_option(SlmOptionKind kind, const char *value)
{
	bool		fine = slm_option_check(kind, value) == SLM_OPTION_FINE;
	size_t		len = strlen(value);

	switch (kind)
	{
		case SLM_OPTION_ENDPOINT:
			check_endpoint(value, fine);
			break;
		case SLM_OPTION_REGION:
			MUST(fine == (len >= 1 && len <= 60 && strspn(value, NAME_CHARACTERS "-_") == len), "\"%s\"", value);
			break;
		case SLM_OPTION_URL_STYLE:
			MUST(!fine || len == 4 || len == 7, "\"%s\"", value);
			break;
		case SLM_OPTION_CA_FILE:
			MUST(!fine || strchr(value, '/') == value, "\"%s\"", value);
			break;
		case SLM_OPTION_SECONDS:
			check_number(value, slm_option_seconds(value), 3600, fine);
			break;
		case SLM_OPTION_RATE:
			check_number(value, slm_option_rate(value), 1024 * 1024 * 1024, fine);
			break;
		case SLM_OPTION_STORAGE_CLASS:
			MUST(!fine || (len >= 1 && len <= 60 && strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == len), "\"%s\"", value);
			break;
		case SLM_OPTION_KMS_KEY:
			MUST(fine == (len >= 1 && len <= 2048 && strspn(value, NAME_CHARACTERS "-_:/") == len), "\"%s\"", value);
			break;
		case SLM_OPTION_SSE:
		case SLM_OPTION_ACL:
		case SLM_OPTION_PAYER:
			MUST(!fine || strspn(value, NAME_CHARACTERS "-:") == len, "\"%s\"", value);
			break;
		case SLM_OPTION_SECRET:
			for (size_t i = 0; i < len; i++)
				MUST(!fine || ((unsigned char) value[i] > 32 && (unsigned char) value[i] < 127), "byte %d", value[i]);
			MUST(!fine || len > 0, "empty");
			break;
	}
}

/* A URL that is one is its scheme, its bucket or directory, and its prefix, each within it. */
static void
check_url(const char *url)
{
	SlmUrl		parsed;
	const char *hint = NULL;
	const char *why = slm_url_parse(url, &parsed, &hint);
	const char *end = url + strlen(url);

	if (why != NULL)
	{
		MUST(hint != NULL && why[0] != '\0', "\"%s\"", url);
		return;
	}
	MUST(parsed.prefix.data + parsed.prefix.len == end, "the prefix ends within \"%s\"", url);
	if (parsed.scheme == SLM_URL_S3)
	{
		MUST(parsed.bucket.data == url + 5 && parsed.bucket.len > 0, "\"%s\"", url);
		MUST(memchr(parsed.bucket.data, '/', parsed.bucket.len) == NULL && memchr(parsed.bucket.data, '@', parsed.bucket.len) == NULL,
			 "\"%s\"", url);
		(void) slm_url_bucket_is_dns(parsed.bucket.data, parsed.bucket.len);
	}
	else
	{
		MUST(parsed.dir.data[0] == '/' && parsed.dir.data[parsed.dir.len - 1] == '/', "\"%s\"", url);
		MUST(parsed.dir.data + parsed.dir.len == parsed.prefix.data, "\"%s\"", url);
		MUST(memchr(parsed.prefix.data, '/', parsed.prefix.len) == NULL, "\"%s\"", url);
		for (uint32_t i = 0; i + 4 <= parsed.dir.len; i++)
			MUST(memcmp(parsed.dir.data + i, "/../", 4) != 0, "\"%s\"", url);
	}
}

/* What is encoded is decoded to what it was. */
static void
check_encoding(const char *text, size_t len)
{
	for (int keep_slash = 0; keep_slash < 2; keep_slash++)
	{
		char	   *encoded = malloc(3 * len + 1);
		size_t		encoded_len = slm_url_encode(encoded, text, len, keep_slash != 0);
		size_t		decoded_len = encoded_len;

		MUST(strspn(encoded, NAME_CHARACTERS "-._~%/") == encoded_len, "\"%s\"", encoded);
		(void) slm_url_decode(encoded, &decoded_len);
		MUST(decoded_len == len && memcmp(encoded, text, len) == 0, "%zu bytes from %zu", decoded_len, len);
		free(encoded);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *text;
	int			which;

	if (size == 0)
		return 0;
	which = data[0] % (SLM_OPTIONS + 8);
	text = malloc(size);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	if (which < SLM_OPTIONS)
		check_option(slm_options[which].kind, text);
	else if (which < SLM_OPTIONS + 5)
		check_url(text);
	else if (which == SLM_OPTIONS + 5)
		check_encoding(text, size - 1);
	else
		MUST(slm_option_find(which == SLM_OPTIONS + 6 ? SLM_OPTION_OF_SERVER : SLM_OPTION_OF_MAPPING, text) == NULL || strlen(text) >= 3, "\"%s\"", text);
	free(text);
	return 0;
}
