/*
 * unpack.c: gzip by inflate.c; zstd, bzip2 and xz by their libraries.
 */
#include "pure/unpack.h"

#include <bzlib.h>
#include <limits.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

typedef struct Magic
{
	SlmPacking	packing;
	const char *bytes;
	size_t		len;
} Magic;

static const Magic magics[] = {
	{SLM_GZIP, "\x1f\x8b", 2}, {SLM_ZSTD, "\x28\xb5\x2f\xfd", 4}, {SLM_XZ, "\xfd" "7zXZ\0", 6}
};

/* Behind "BZh" and a digit: a block, or, in an empty file, the end. */
static const char bzip2_block[] = "1AY&SY";
static const char bzip2_end[] = "\x17rE8P\x90";

static const char *const names[] = {"plain", "gzip", "zstd", "bzip2", "xz"};

/* Do the bytes begin as bzip2 does, as far as they go? */
static bool
begins_as_bzip2(const uint8_t *head, size_t len)
{
	size_t		behind = len > 4 ? len - 4 : 0;

	if (memcmp(head, "BZh", len < 3 ? len : 3) != 0 || (len > 3 && (head[3] < '1' || head[3] > '9')))
		return false;
	return memcmp(head + 4, bzip2_block, behind) == 0 || memcmp(head + 4, bzip2_end, behind) == 0;
}

bool
slm_packing_find(const uint8_t *head, size_t len, bool last, SlmPacking *packing)
{
	*packing = SLM_PLAIN;
	for (size_t m = 0; m < sizeof(magics) / sizeof(magics[0]); m++)
	{
		size_t		n = len < magics[m].len ? len : magics[m].len;

		if (memcmp(head, magics[m].bytes, n) != 0)
			continue;
		if (n == magics[m].len)
		{
			*packing = magics[m].packing;
			return true;
		}
		if (!last)
			return false;
	}
	if (!begins_as_bzip2(head, len < SLM_PACKING_MAGIC ? len : SLM_PACKING_MAGIC))
		return true;
	if (len >= SLM_PACKING_MAGIC)
		*packing = SLM_BZIP2;
	return len >= SLM_PACKING_MAGIC || last;
}

const char *
slm_packing_name(SlmPacking packing)
{
	return names[packing];
}

bool
slm_unpack_init(SlmUnpack *unpack, SlmPacking packing)
{
	*unpack = (SlmUnpack) {.packing = packing};
	switch (packing)
	{
		case SLM_PLAIN:
			return true;
		case SLM_GZIP:
			return slm_inflate_init(&unpack->inflate);
		case SLM_ZSTD:
			unpack->state = ZSTD_createDCtx();
			return unpack->state != NULL;
		case SLM_BZIP2:
			unpack->state = calloc(1, sizeof(bz_stream));
			return unpack->state != NULL && BZ2_bzDecompressInit(unpack->state, 0, 0) == BZ_OK;
		case SLM_XZ:
			unpack->state = calloc(1, sizeof(lzma_stream));
			return unpack->state != NULL && lzma_stream_decoder(unpack->state, SLM_UNPACK_MEMORY, 0) == LZMA_OK;
	}
	return false;
}

void
slm_unpack_free(SlmUnpack *unpack)
{
	slm_inflate_free(&unpack->inflate);
	if (unpack->state == NULL)
		return;
	if (unpack->packing == SLM_ZSTD)
		ZSTD_freeDCtx(unpack->state);
	else
	{
		if (unpack->packing == SLM_BZIP2)
			(void) BZ2_bzDecompressEnd(unpack->state);
		else
			lzma_end(unpack->state);
		free(unpack->state);
	}
	unpack->state = NULL;
}

/* One step each: moves on *in and *out; sets at_end behind a frame. */
static SlmInflateStatus
step_zstd(SlmUnpack *unpack, const uint8_t **in, size_t *in_len, char **out, size_t *out_len)
{
	ZSTD_inBuffer input = {*in, *in_len, 0};
	ZSTD_outBuffer output = {*out, *out_len, 0};
	size_t		rc = ZSTD_decompressStream(unpack->state, &output, &input);

	*in += input.pos;
	*in_len -= input.pos;
	*out += output.pos;
	*out_len -= output.pos;
	if (ZSTD_isError(rc))
		return strcmp(ZSTD_getErrorName(rc), "Frame requires too much memory for decoding") == 0 ||
			strcmp(ZSTD_getErrorName(rc), "Allocation error : not enough memory") == 0 ? SLM_INFLATE_MEMORY : SLM_INFLATE_DAMAGED;
	/* behind a frame it says 0, and so it does where nothing has come of the next one */
	if (input.pos > 0 || output.pos > 0)
		unpack->at_end = rc == 0;
	return SLM_INFLATE_OK;
}

static SlmInflateStatus
step_bzip2(SlmUnpack *unpack, const uint8_t **in, size_t *in_len, char **out, size_t *out_len)
{
	bz_stream  *stream = unpack->state;
	unsigned	in_given = *in_len > INT_MAX ? INT_MAX : (unsigned) *in_len;
	unsigned	out_given = *out_len > INT_MAX ? INT_MAX : (unsigned) *out_len;
	int			rc;

	if (unpack->at_end && in_given > 0)
	{
		(void) BZ2_bzDecompressEnd(stream);
		memset(stream, 0, sizeof(*stream));
		if (BZ2_bzDecompressInit(stream, 0, 0) != BZ_OK)
			return SLM_INFLATE_MEMORY;
		unpack->at_end = false;
	}
	if (unpack->at_end)
		return SLM_INFLATE_OK;
	stream->next_in = (char *) (uintptr_t) *in;
	stream->avail_in = in_given;
	stream->next_out = *out;
	stream->avail_out = out_given;
	rc = BZ2_bzDecompress(stream);
	*in += in_given - stream->avail_in;
	*in_len -= in_given - stream->avail_in;
	*out += out_given - stream->avail_out;
	*out_len -= out_given - stream->avail_out;
	unpack->at_end = rc == BZ_STREAM_END;
	return rc == BZ_OK || rc == BZ_STREAM_END ? SLM_INFLATE_OK : rc == BZ_MEM_ERROR ? SLM_INFLATE_MEMORY : SLM_INFLATE_DAMAGED;
}

static SlmInflateStatus
step_xz(SlmUnpack *unpack, const uint8_t **in, size_t *in_len, char **out, size_t *out_len)
{
	lzma_stream *stream = unpack->state;
	lzma_ret	rc;

	if (unpack->at_end && *in_len > 0)
	{
		if (lzma_stream_decoder(stream, SLM_UNPACK_MEMORY, 0) != LZMA_OK)
			return SLM_INFLATE_MEMORY;
		unpack->at_end = false;
	}
	if (unpack->at_end)
		return SLM_INFLATE_OK;
	stream->next_in = *in;
	stream->avail_in = *in_len;
	stream->next_out = (uint8_t *) *out;
	stream->avail_out = *out_len;
	rc = lzma_code(stream, LZMA_RUN);
	*in += *in_len - stream->avail_in;
	*in_len = stream->avail_in;
	*out += *out_len - stream->avail_out;
	*out_len = stream->avail_out;
	unpack->at_end = rc == LZMA_STREAM_END;
	switch (rc)
	{
		case LZMA_OK:
		case LZMA_STREAM_END:
		case LZMA_BUF_ERROR:	/* nothing to be done without more input */
			return SLM_INFLATE_OK;
		case LZMA_MEM_ERROR:
		case LZMA_MEMLIMIT_ERROR:
			return SLM_INFLATE_MEMORY;
		default:
			return SLM_INFLATE_DAMAGED;
	}
}

SlmInflateStatus
slm_unpack_run(SlmUnpack *unpack, const uint8_t **in, size_t *in_len, char *out, size_t out_len, size_t *produced)
{
	char	   *p = out;
	size_t		room = out_len;
	SlmInflateStatus status = SLM_INFLATE_OK;

	if (unpack->packing == SLM_GZIP)
		return slm_inflate_run(&unpack->inflate, in, in_len, out, out_len, produced);
	while (room > 0 && status == SLM_INFLATE_OK)
	{
		size_t		in_before = *in_len;
		size_t		room_before = room;

		switch (unpack->packing)
		{
			case SLM_ZSTD:
				status = step_zstd(unpack, in, in_len, &p, &room);
				break;
			case SLM_BZIP2:
				status = step_bzip2(unpack, in, in_len, &p, &room);
				break;
			default:
				status = step_xz(unpack, in, in_len, &p, &room);
				break;
		}
		if (*in_len == in_before && room == room_before)
			break;
	}
	*produced = out_len - room;
	return status;
}

bool
slm_unpack_at_end(const SlmUnpack *unpack)
{
	return unpack->packing == SLM_GZIP ? slm_inflate_at_end(&unpack->inflate) : unpack->at_end;
}
