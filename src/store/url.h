/*
 * url.h: the two kinds of URL that a store can have, and percent-encoding.  Pure C.
 *
 * URLs are taken literally, byte for byte: no percent-decoding, no '?' or '#'.  So url || key is always the URL of
 * the object with that key, and a key may hold any byte but NUL.
 */
#ifndef SLM_STORE_URL_H
#define SLM_STORE_URL_H

#include "pure/types.h"

typedef enum SlmUrlScheme
{
	SLM_URL_FILE,
	SLM_URL_S3
} SlmUrlScheme;

typedef struct SlmUrl
{
	SlmUrlScheme scheme;
	SlmSlice	bucket;			/* of s3:// */
	SlmSlice	dir;			/* of file://: an absolute directory, with its last '/' */
	SlmSlice	prefix;			/* what keys begin with, in the bucket or below the directory; may be empty */
} SlmUrl;

/*
 * Take a URL apart; the slices point into it.  Returns NULL, or why it is none (lower-case, no full stop) with what to
 * do in *hint; both are static strings.
 */
extern const char *slm_url_parse(const char *url, SlmUrl *parsed, const char **hint);

/* Whether a bucket's name can stand before the endpoint's host name: a DNS label that is no IP address' part. */
extern bool slm_url_bucket_is_dns(const char *bucket, size_t len);

/*
 * Percent-encode all but A-Z a-z 0-9 - . _ ~ (and '/', where keep_slash), as signatures version 4 demand.  out must
 * have room for 3 * len + 1 bytes.  Returns the length, without the closing NUL.
 */
extern size_t slm_url_encode(char *out, const char *in, size_t len, bool keep_slash);

/*
 * Percent-decode in place; '+' means a space, as S3 encodes keys in lists.  A '%' without two digits stays as it is.
 * *len is changed to the new length; the text is NUL-terminated.  Returns false if a NUL byte was encoded.
 */
extern bool slm_url_decode(char *text, size_t *len);

#endif							/* SLM_STORE_URL_H */
