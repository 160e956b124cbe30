/*
 * option_values.c: see option_values.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/option_values.h"

#define MAX_REGION_BYTES	60
#define MAX_WORD_BYTES		60
#define MAX_KMS_KEY_BYTES	2048
#define MAX_SECONDS			3600
#define MAX_RATE			(1024 * 1024 * 1024)

const SlmOption slm_options[SLM_OPTIONS] = {
	{"endpoint", SLM_OPTION_OF_SERVER, SLM_OPTION_ENDPOINT},
	{"region", SLM_OPTION_OF_SERVER, SLM_OPTION_REGION},
	{"url_style", SLM_OPTION_OF_SERVER, SLM_OPTION_URL_STYLE},
	{"ca_file", SLM_OPTION_OF_SERVER, SLM_OPTION_CA_FILE},
	{"connect_timeout", SLM_OPTION_OF_SERVER, SLM_OPTION_SECONDS},
	{"stall_timeout", SLM_OPTION_OF_SERVER, SLM_OPTION_SECONDS},
	{"retry_timeout", SLM_OPTION_OF_SERVER, SLM_OPTION_SECONDS},
	{"min_rate", SLM_OPTION_OF_SERVER, SLM_OPTION_RATE},
	{"access_key_id", SLM_OPTION_OF_MAPPING, SLM_OPTION_SECRET},
	{"secret_access_key", SLM_OPTION_OF_MAPPING, SLM_OPTION_SECRET},
	{"session_token", SLM_OPTION_OF_MAPPING, SLM_OPTION_SECRET},
	{"storage_class", SLM_OPTION_OF_SERVER, SLM_OPTION_STORAGE_CLASS},
	{"sse", SLM_OPTION_OF_SERVER, SLM_OPTION_SSE},
	{"sse_kms_key_id", SLM_OPTION_OF_SERVER, SLM_OPTION_KMS_KEY},
	{"acl", SLM_OPTION_OF_SERVER, SLM_OPTION_ACL},
	{"request_payer", SLM_OPTION_OF_SERVER, SLM_OPTION_PAYER},
};

const SlmOption *
slm_option_find(SlmOptionPlace place, const char *name)
{
	for (int i = 0; i < SLM_OPTIONS; i++)
		if (slm_options[i].place == place && strcmp(slm_options[i].name, name) == 0)
			return &slm_options[i];
	return NULL;
}

/* ASCII letters, digits and what is in more, and not empty. */
static bool
is_token(const char *text, size_t len, const char *more)
{
	for (size_t i = 0; i < len; i++)
	{
		char		c = text[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr(more, c) != NULL))
			return false;
	}
	return len > 0;
}

static SlmOptionFault
check_endpoint(const char *value)
{
	const char *host;
	size_t		len;

	if (strncmp(value, "https://", 8) == 0)
		host = value + 8;
	else if (strncmp(value, "http://", 7) == 0)
		host = value + 7;
	else
		return SLM_OPTION_NO_URL;
	len = strlen(host);
	if (len > 0 && host[len - 1] == '/')
		len--;
	return is_token(host, len, "-._:[]") ? SLM_OPTION_FINE : SLM_OPTION_MORE_THAN_HOST;
}

static bool
is_one_of(const char *value, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(value, words[i]) == 0)
			return true;
	return false;
}

/* Other services have classes of their own.  An archive is read back before its originals go, so it must not be put where that takes hours. */
static SlmOptionFault
check_class(const char *value)
{
	static const char *const cold[] = {"GLACIER", "DEEP_ARCHIVE"};

	if (is_one_of(value, cold, 2))
		return SLM_OPTION_COLD;
	for (const char *p = value; *p; p++)
		if (!((*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || *p == '_' || *p == '-'))
			return SLM_OPTION_NO_CLASS;
	return value[0] != '\0' && strlen(value) <= MAX_WORD_BYTES ? SLM_OPTION_FINE : SLM_OPTION_NO_CLASS;
}

static SlmOptionFault
check_sse(const char *value)
{
	static const char *const kinds[] = {"AES256", "aws:kms", "aws:kms:dsse"};

	return is_one_of(value, kinds, 3) ? SLM_OPTION_FINE : SLM_OPTION_NO_SSE;
}

/* Archives hold what users did: nobody makes them public by a slip here. */
static SlmOptionFault
check_acl(const char *value)
{
	static const char *const kinds[] = {"private", "bucket-owner-read", "bucket-owner-full-control"};

	return is_one_of(value, kinds, 3) ? SLM_OPTION_FINE : SLM_OPTION_NO_ACL;
}

/* A line break would end the header that it is sent in. */
static SlmOptionFault
check_secret(const char *value)
{
	for (const char *p = value; *p; p++)
		if (*p <= ' ' || *p >= 0x7f)
			return SLM_OPTION_UNPRINTABLE;
	return value[0] == '\0' ? SLM_OPTION_EMPTY : SLM_OPTION_FINE;
}

/* A whole number from 1 to max, else 0. */
static int
number_to(const char *value, long max)
{
	char	   *end;
	long		number;

	errno = 0;
	number = strtol(value, &end, 10);
	if (errno != 0 || end == value || *end != '\0' || number < 1 || number > max)
		return 0;
	return (int) number;
}

int
slm_option_seconds(const char *value)
{
	return number_to(value, MAX_SECONDS);
}

int
slm_option_rate(const char *value)
{
	return number_to(value, MAX_RATE);
}

SlmOptionFault
slm_option_check(SlmOptionKind kind, const char *value)
{
	switch (kind)
	{
		case SLM_OPTION_ENDPOINT:
			return check_endpoint(value);
		case SLM_OPTION_REGION:
			return is_token(value, strlen(value), "-_") && strlen(value) <= MAX_REGION_BYTES ? SLM_OPTION_FINE : SLM_OPTION_NO_REGION;
		case SLM_OPTION_URL_STYLE:
			return strcmp(value, "path") == 0 || strcmp(value, "virtual") == 0 ? SLM_OPTION_FINE : SLM_OPTION_NO_URL_STYLE;
		case SLM_OPTION_CA_FILE:
			return value[0] == '/' ? SLM_OPTION_FINE : SLM_OPTION_RELATIVE;
		case SLM_OPTION_SECONDS:
			return slm_option_seconds(value) > 0 ? SLM_OPTION_FINE : SLM_OPTION_NO_SECONDS;
		case SLM_OPTION_RATE:
			return slm_option_rate(value) > 0 ? SLM_OPTION_FINE : SLM_OPTION_NO_RATE;
		case SLM_OPTION_STORAGE_CLASS:
			return check_class(value);
		case SLM_OPTION_SSE:
			return check_sse(value);
		case SLM_OPTION_KMS_KEY:
			return is_token(value, strlen(value), "-_:/") && strlen(value) <= MAX_KMS_KEY_BYTES ? SLM_OPTION_FINE : SLM_OPTION_NO_KMS_KEY;
		case SLM_OPTION_ACL:
			return check_acl(value);
		case SLM_OPTION_PAYER:
			return strcmp(value, "requester") == 0 ? SLM_OPTION_FINE : SLM_OPTION_NO_PAYER;
		case SLM_OPTION_SECRET:
			return check_secret(value);
	}
	return SLM_OPTION_EMPTY;
}
