/*
 * test_content.c: an object's checksum tells of what it holds, and of nothing else: not of how its bytes came, nor of how they are packed.
 */
#include <zlib.h>

#include "pure/content.h"
#include "pure/reader.h"
#include "unit.h"

static const char csv[] = "event_time,event_type,product_id,price\n"
	"2019-10-01 00:00:00,purchase,1,2.50\n2019-10-01 00:00:01,view,2,3\n";

static uint8_t secret[SLM_CONTENT_SECRET];

/* Read it all, fed in pieces of so many bytes. */
static bool
sum_of(const void *bytes, size_t len, size_t piece, uint8_t *sum)
{
	SlmReaderOptions options = {.latest = INT64_MAX,.content_secret = secret};
	SlmReader  *reader = slm_reader_create(&options);
	SlmReadRow	row;
	SlmReadStatus status = SLM_READ_MORE;
	bool		ok;

	for (size_t at = 0; at == 0 || at < len; at += piece)
	{
		size_t		n = len - at < piece ? len - at : piece;

		slm_reader_feed(reader, (const char *) bytes + at, n, at + n == len);
		do
			status = slm_reader_next(reader, &row);
		while (status == SLM_READ_EVENT || status == SLM_READ_REJECT);
	}
	ok = status == SLM_READ_END && slm_reader_content(reader, sum);
	slm_reader_free(reader);
	return ok;
}

static size_t
gzip(const void *bytes, size_t len, int level, uint8_t *out, size_t room)
{
	z_stream	z = {0};

	if (deflateInit2(&z, level, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		abort();
	z.next_in = (Bytef *) bytes;
	z.avail_in = (uInt) len;
	z.next_out = out;
	z.avail_out = (uInt) room;
	if (deflate(&z, Z_FINISH) != Z_STREAM_END)
		abort();
	(void) deflateEnd(&z);
	return room - z.avail_out;
}

int
main(void)
{
	const size_t len = sizeof(csv) - 1;
	uint8_t		sum[SLM_CONTENT_SIZE];
	uint8_t		other[SLM_CONTENT_SIZE];
	uint8_t		packed[2048];
	size_t		packed_len;
	bool		same = true;
	char		changed[sizeof(csv)];

	for (size_t i = 0; i < sizeof(secret); i++)
		secret[i] = (uint8_t) (i * 7 + 1);
	UNIT_OK(sum_of(csv, len, len, sum), "the checksum of what was read");
	for (size_t piece = 1; piece < len; piece++)
		same &= sum_of(csv, len, piece, other) && memcmp(sum, other, sizeof(sum)) == 0;
	UNIT_OK(same, "... in pieces of any size");

	packed_len = gzip(csv, len, 9, packed, sizeof(packed));
	UNIT_OK(sum_of(packed, packed_len, packed_len, other) && memcmp(sum, other, sizeof(sum)) == 0, "... packed");
	packed_len = gzip(csv, 30, 1, packed, sizeof(packed));
	packed_len += gzip(csv + 30, len - 30, 6, packed + packed_len, sizeof(packed) - packed_len);
	UNIT_OK(sum_of(packed, packed_len, 5, other) && memcmp(sum, other, sizeof(sum)) == 0, "... packed in two members");

	same = false;
	for (size_t i = 40; i < len - 1; i++)
	{
		memcpy(changed, csv, sizeof(csv));
		changed[i] ^= 1;
		same |= sum_of(changed, len, len, other) && memcmp(sum, other, sizeof(sum)) == 0;
	}
	UNIT_OK(!same, "another one for each byte that differs");
	UNIT_OK(sum_of(csv, len - 1, len, other) && memcmp(sum, other, sizeof(sum)) != 0, "... without the last line end");
	for (size_t i = 0; i < sizeof(secret); i++)
		secret[i] ^= 0x55;
	UNIT_OK(sum_of(csv, len, len, other) && memcmp(sum, other, sizeof(sum)) != 0, "... and with another secret");
	return unit_done();
}
