/*
 * fuzz_s3_list.c: answers of S3, fed in two pieces, and what is made of them.
 *
 * The first byte says where to split.  Every string of the document must end, keys must hold no NUL, and the bounds
 * that the parser promises must hold.
 */
#include <stdlib.h>
#include <string.h>

#include "store/s3_xml.h"
#include "store/url.h"

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool ok)
{
	if (!ok)
		abort();
}

static size_t
length(const char *text)
{
	return text ? strlen(text) : 0;
}

/* A decoded key, encoded again and decoded again, is the same. */
static void
check_key(const char *key)
{
	size_t		len = strlen(key);
	char	   *encoded = malloc(3 * len + 1);
	size_t		n = slm_url_encode(encoded, key, len, false);
	char	   *escaped = malloc(6 * len + 1);

	check(n <= 3 * len && encoded[n] == '\0');
	check(slm_url_decode(encoded, &n) && n == len && memcmp(encoded, key, len) == 0);
	n = slm_s3_xml_escape(escaped, key, len);
	check(n == SIZE_MAX || n <= 6 * len);
	free(encoded);
	free(escaped);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SlmS3Parser *parser = slm_s3_parser_create();
	size_t		split;
	const char *problem;

	if (parser == NULL || size == 0)
	{
		slm_s3_parser_free(parser);
		return 0;
	}
	split = data[0] * (size - 1) / 255;
	data++;
	size--;
	problem = slm_s3_parser_feed(parser, (const char *) data, split, false);
	if (problem == NULL)
		problem = slm_s3_parser_feed(parser, (const char *) data + split, size - split, true);
	if (problem == NULL)
	{
		const SlmS3Document *d = slm_s3_parser_document(parser);

		check(d->root != NULL && d->nitems <= size);
		check(length(d->next_continuation_token) + length(d->next_key_marker) + length(d->next_upload_id_marker) +
			  length(d->upload_id) + length(d->etag) + length(d->code) + length(d->message) + length(d->region) +
			  length(d->endpoint) + length(d->request_id) <= 10 * size);
		for (size_t i = 0; i < d->nitems; i++)
		{
			check(length(d->items[i].etag) + length(d->items[i].upload_id) + length(d->items[i].code) +
				  length(d->items[i].message) <= 4 * size);
			check(d->items[i].size >= -1);
			if (d->items[i].key)
				check_key(d->items[i].key);
		}
	}
	else
		check(strlen(problem) > 0);
	slm_s3_parser_free(parser);
	return 0;
}
