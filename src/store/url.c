/*
 * url.c: see url.h.
 */
#include <string.h>

#include "store/url.h"

/* Names of buckets are at most 63 bytes on AWS; older ones, and other servers, allow 255. */
#define MAX_BUCKET_BYTES	255

static SlmSlice
slice(const char *data, size_t len)
{
	return (SlmSlice) {data, (uint32_t) len};
}

static bool
is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static const char *
parse_s3(const char *rest, SlmUrl *parsed, const char **hint)
{
	size_t		bucket_len = strcspn(rest, "/");

	*hint = "Write s3://bucket/prefix/.";
	if (bucket_len == 0)
		return "S3 URL without a bucket";
	if (bucket_len > MAX_BUCKET_BYTES)
		return "bucket name is too long";
	for (size_t i = 0; i < bucket_len; i++)
	{
		if (is_alnum(rest[i]) || (i > 0 && strchr(".-_", rest[i]) != NULL))
			continue;
		*hint = "A bucket's name is made of letters, digits, '-', '.' and '_', and begins with a letter or digit."
			" Credentials and the endpoint belong in a foreign server and a user mapping, not in the URL.";
		return "invalid bucket name";
	}
	parsed->scheme = SLM_URL_S3;
	parsed->bucket = slice(rest, bucket_len);
	rest += bucket_len;
	if (*rest == '/')
		rest++;
	parsed->prefix = slice(rest, strlen(rest));
	return NULL;
}

/* A directory by its one name: with "//", "/./" and "/../" it would have many, and two sources could share it unnoticed. */
static bool
is_plain_directory(const char *dir, size_t len)
{
	for (size_t i = 1; i < len;)
	{
		size_t		part = strcspn(dir + i, "/");

		if (part == 0 || strncmp(dir + i, "./", 2) == 0 || strncmp(dir + i, "../", 3) == 0)
			return false;
		i += part + 1;
	}
	return true;
}

static const char *
parse_file(const char *rest, SlmUrl *parsed, const char **hint)
{
	const char *last_slash;
	size_t		dir_len;

	*hint = "Write file:///directory/ with three slashes and an absolute path.";
	if (strncmp(rest, "localhost/", 10) == 0)
		rest += 9;
	if (rest[0] != '/')
		return "file URL without an absolute path";
	last_slash = strrchr(rest, '/');
	dir_len = last_slash - rest + 1;
	if (!is_plain_directory(rest, dir_len))
	{
		*hint = "Write the path without \"//\", \"/./\" and \"/../\".";
		return "file URL with a path that is not plain";
	}
	parsed->scheme = SLM_URL_FILE;
	parsed->dir = slice(rest, dir_len);
	parsed->prefix = slice(rest + dir_len, strlen(rest + dir_len));
	return NULL;
}

const char *
slm_url_parse(const char *url, SlmUrl *parsed, const char **hint)
{
	memset(parsed, 0, sizeof(*parsed));
	if (strlen(url) > 8192)
	{
		*hint = "A URL has at most 8192 bytes.";
		return "URL is too long";
	}
	if (strncmp(url, "s3://", 5) == 0)
		return parse_s3(url + 5, parsed, hint);
	if (strncmp(url, "file://", 7) == 0)
		return parse_file(url + 7, parsed, hint);
	*hint = "Write s3://bucket/prefix/ or file:///directory/.";
	return strstr(url, "://") != NULL ? "URL of an unknown scheme" : "URL without a scheme";
}

bool
slm_url_bucket_is_dns(const char *bucket, size_t len)
{
	if (len < 3 || len > 63 || bucket[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
	{
		char		c = bucket[i];

		/* A dot would be good for DNS, but not for the wildcard certificate of the endpoint. */
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c == '-' && i > 0)))
			return false;
	}
	return true;
}

size_t
slm_url_encode(char *out, const char *in, size_t len, bool keep_slash)
{
	static const char digits[] = "0123456789ABCDEF";
	char	   *p = out;

	for (size_t i = 0; i < len; i++)
	{
		unsigned char c = (unsigned char) in[i];

		if (is_alnum((char) c) || c == '-' || c == '.' || c == '_' || c == '~' || (c == '/' && keep_slash))
			*p++ = (char) c;
		else
		{
			*p++ = '%';
			*p++ = digits[c >> 4];
			*p++ = digits[c & 15];
		}
	}
	*p = '\0';
	return (size_t) (p - out);
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool
slm_url_decode(char *text, size_t *len)
{
	char	   *to = text;
	bool		ok = true;

	for (size_t i = 0; i < *len; i++)
	{
		char		c = text[i];

		if (c == '+')
			c = ' ';
		else if (c == '%' && i + 2 < *len && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0)
		{
			c = (char) (hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
			i += 2;
			if (c == '\0')
				ok = false;
		}
		*to++ = c;
	}
	*len = (size_t) (to - text);
	*to = '\0';
	return ok;
}
