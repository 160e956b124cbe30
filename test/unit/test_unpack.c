/*
 * test_unpack.c: zstd, bzip2 and xz read as the thing itself, in one frame or several, however they are cut; and what is damaged is said to be.
 */
#include <bzlib.h>
#include <lzma.h>
#include <zstd.h>

#include "feed.h"
#include "pure/unpack.h"
#include "unit.h"

#define ROOM	(1 << 20)

static const SlmPacking packings[] = {SLM_ZSTD, SLM_BZIP2, SLM_XZ};

/* Pack into out; returns how many bytes that takes. */
static size_t
pack(SlmPacking packing, const char *data, size_t len, char *out)
{
	unsigned	bz_len = ROOM;
	size_t		at = 0;

	switch (packing)
	{
		case SLM_ZSTD:
			at = ZSTD_compress(out, ROOM, data, len, 3);
			if (ZSTD_isError(at))
				abort();
			return at;
		case SLM_BZIP2:
			if (BZ2_bzBuffToBuffCompress(out, &bz_len, (char *) (uintptr_t) data, (unsigned) len, 9, 0, 0) != BZ_OK)
				abort();
			return bz_len;
		default:
			if (lzma_easy_buffer_encode(1, LZMA_CHECK_CRC64, NULL, (const uint8_t *) data, len, (uint8_t *) out, &at, ROOM) != LZMA_OK)
				abort();
			return at;
	}
}

/* The same as the plain bytes, in any pieces? */
static bool
is_same(const char *packed, size_t packed_len, const char *plain, size_t plain_len)
{
	static const long pieces[] = {0, 1, 7, 1000, -1};
	Transcript	expected = transcribe(plain, plain_len, 0, 0, INT64_MAX);
	bool		same = true;

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
	{
		Transcript	t = transcribe(packed, packed_len, pieces[i], 0, INT64_MAX);

		same = same && strcmp(t.text, expected.text) == 0;
		free(t.text);
	}
	free(expected.text);
	return same;
}

static SlmReadErrorCode
error_of(const char *data, size_t len)
{
	Transcript	t = transcribe(data, len, 0, 0, INT64_MAX);

	free(t.text);
	return t.error;
}

/* Rows enough for several windows. */
static size_t
make_rows(char *out)
{
	size_t		len = (size_t) sprintf(out, "event_time,event_type,product_id,price\n");

	for (int i = 0; i < 5000; i++)
		len += (size_t) sprintf(out + len, "2019-10-01 00:%02d:%02d,view,%d,%d.50\n", i / 60 % 60, i % 60, (int) unit_random(100000), (int) unit_random(1000));
	return len;
}

static void
test_packing(SlmPacking packing, const char *plain, size_t len)
{
	const char *name = slm_packing_name(packing);
	char	   *packed = malloc(2 * ROOM);
	size_t		whole = pack(packing, plain, len, packed);
	size_t		half;

	UNIT_OK(is_same(packed, whole, plain, len), "%s", name);
	UNIT_EQ(error_of(packed, whole - 1), SLM_READ_ERROR_GZIP_SHORT, "%s that lacks its last byte", name);
	UNIT_EQ(error_of(packed, whole / 2), SLM_READ_ERROR_GZIP_SHORT, "half of %s", name);
	packed[whole] = 'x';
	UNIT_EQ(error_of(packed, whole + 1), packing == SLM_XZ ? SLM_READ_ERROR_GZIP_SHORT : SLM_READ_ERROR_GZIP,
			"%s with something behind it", name);
	memset(packed + whole, 'x', 100);
	UNIT_EQ(error_of(packed, whole + 100), SLM_READ_ERROR_GZIP, "%s with more behind it", name);
	packed[whole / 2] ^= 0x55;
	packed[whole / 2 + 1] ^= 0x55;
	/* bzip2 gives a block before it knows whether that is sound: then the header is none first */
	UNIT_EQ(error_of(packed, whole), packing == SLM_BZIP2 ? SLM_READ_ERROR_NOT_CSV : SLM_READ_ERROR_GZIP, "%s that is damaged", name);

	half = pack(packing, plain, 40000, packed);
	whole = half + pack(packing, plain + 40000, len - 40000, packed + half);
	UNIT_OK(is_same(packed, whole, plain, len), "%s in two pieces", name);
	whole = pack(packing, "", 0, packed);
	whole += pack(packing, plain, len, packed + whole);
	UNIT_OK(is_same(packed, whole, plain, len), "%s behind an empty one", name);
	UNIT_OK(is_same(packed, pack(packing, "", 0, packed), "", 0), "%s of nothing", name);
	free(packed);
}

int
main(void)
{
	char	   *plain = malloc(ROOM);
	size_t		len = make_rows(plain);

	for (size_t i = 0; i < sizeof(packings) / sizeof(packings[0]); i++)
		test_packing(packings[i], plain, len);
	UNIT_OK(is_same("B", 1, "B", 1), "what only begins as a packed file may is plain");
	UNIT_EQ(error_of("BZh\nevent_time", 14), SLM_READ_ERROR_NOT_CSV, "a first line that begins as bzip2 does");
	free(plain);
	return unit_done();
}
