/*
 * fuzz_gzip.c: gzip of anything reads as the thing itself, and anything that calls itself gzip reads the same however
 * it is cut.
 *
 * The input: a byte that says what to do, one that seeds the cuts, then the data.
 */
#include "fuzz.h"

#include <zlib.h>

#include "feed.h"
#include "pure/unpack.h"

#define MAX_PACKED	(1 << 20)

static size_t
pack(const uint8_t *data, size_t size, int level, uint8_t *out, size_t room)
{
	z_stream	stream = {0};

	MUST(deflateInit2(&stream, level, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK, "deflate");
	stream.next_in = (Bytef *) (uintptr_t) data;
	stream.avail_in = (uInt) size;
	stream.next_out = out;
	stream.avail_out = (uInt) room;
	MUST(deflate(&stream, Z_FINISH) == Z_STREAM_END, "deflate");
	deflateEnd(&stream);
	return room - stream.avail_out;
}

static void
compare(const Transcript *a, const Transcript *b)
{
	MUST(strcmp(a->text, b->text) == 0, "\n%s\n---\n%s", a->text, b->text);
}

/* In one, two or three members, padded or not, cut anywhere. */
static void
check_packed(const uint8_t *data, size_t size, uint8_t how, long seed)
{
	uint8_t    *packed = calloc(1, MAX_PACKED);
	int			members = 1 + how % 3;
	size_t		len = 0;
	size_t		at = 0;
	Transcript	plain = transcribe(data, size, 0, 0, INT64_MAX);
	Transcript	unpacked,
				cut;

	for (int i = 1; i <= members; i++)
	{
		size_t		end = size * (size_t) i / (size_t) members;

		len += pack(data + at, end - at, how / 3 % 10, packed + len, MAX_PACKED - len - 1000);
		at = end;
	}
	unpacked = transcribe(packed, len + how, -seed, 0, INT64_MAX);
	compare(&plain, &unpacked);
	/* cut short it is an error, unless the header was one already, or a member ended just there */
	cut = transcribe(packed, len - 1 - how % 8, -seed, 0, INT64_MAX);
	MUST(cut.error != SLM_READ_ERROR_NONE, "cut by %d", 1 + how % 8);
	free(plain.text);
	free(unpacked.text);
	free(cut.text);
	free(packed);
}

/* Bytes that only begin as gzip does. */
static void
check_raw(const uint8_t *data, size_t size, long seed)
{
	char	   *bytes = malloc(size + 2);
	Transcript	whole,
				cut,
				single;

	memcpy(bytes, "\x1f\x8b", 2);
	memcpy(bytes + 2, data, size);
	whole = transcribe(bytes, size + 2, 0, 0, INT64_MAX);
	cut = transcribe(bytes, size + 2, -seed, 0, INT64_MAX);
	single = transcribe(bytes, size + 2, 1, 0, INT64_MAX);
	compare(&whole, &cut);
	compare(&whole, &single);
	free(whole.text);
	free(cut.text);
	free(single.text);
	free(bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SlmPacking	packing;

	if (size < 2)
		return 0;
	/* what is packed itself would be read as such, once plain and once packed */
	if (data[0] % 2 == 0 && slm_packing_find(data + 2, size - 2, true, &packing) && packing == SLM_PLAIN)
		check_packed(data + 2, size - 2, data[0] / 2, data[1] + 1);
	else
		check_raw(data + 2, size - 2, data[1] + 1);
	return 0;
}
