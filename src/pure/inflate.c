/*
 * inflate.c: gzip data by zlib.
 */
#include "pure/inflate.h"

#include <limits.h>
#include <string.h>

#define GZIP_ONLY	(16 + MAX_WBITS)

bool
slm_inflate_init(SlmInflate *state)
{
	memset(state, 0, sizeof(*state));
	state->ready = inflateInit2(&state->stream, GZIP_ONLY) == Z_OK;
	return state->ready;
}

void
slm_inflate_free(SlmInflate *state)
{
	if (state->ready)
		inflateEnd(&state->stream);
	state->ready = false;
}

/* What to do with the byte that follows a member.  False if it can't follow one. */
static bool
after_member(SlmInflate *state, const uint8_t **in, size_t *in_len)
{
	if (**in == 0)
	{
		state->phase = SLM_INFLATE_PADDING;
		(*in)++;
		(*in_len)--;
		return true;
	}
	if (**in != 0x1f)
		return false;
	inflateReset(&state->stream);
	state->phase = SLM_INFLATE_IN_MEMBER;
	return true;
}

SlmInflateStatus
slm_inflate_run(SlmInflate *state, const uint8_t **in, size_t *in_len, char *out, size_t out_len, size_t *produced)
{
	z_stream   *stream = &state->stream;

	*produced = 0;
	while (*produced < out_len)
	{
		uInt		in_given = *in_len > INT_MAX ? INT_MAX : (uInt) *in_len;
		uInt		out_given = out_len - *produced > INT_MAX ? INT_MAX : (uInt) (out_len - *produced);
		int			rc;

		if (state->phase != SLM_INFLATE_IN_MEMBER)
		{
			if (*in_len == 0)
				return SLM_INFLATE_OK;
			if (!after_member(state, in, in_len))
				return SLM_INFLATE_DAMAGED;
			continue;
		}
		stream->next_in = (Bytef *) (uintptr_t) *in;
		stream->avail_in = in_given;
		stream->next_out = (Bytef *) out + *produced;
		stream->avail_out = out_given;
		rc = inflate(stream, Z_NO_FLUSH);
		*in += in_given - stream->avail_in;
		*in_len -= in_given - stream->avail_in;
		*produced += out_given - stream->avail_out;

		switch (rc)
		{
			case Z_OK:
				break;
			case Z_STREAM_END:
				state->phase = SLM_INFLATE_BETWEEN;
				break;
			case Z_BUF_ERROR:
				/* no progress without more input, since there is room */
				return SLM_INFLATE_OK;
			case Z_MEM_ERROR:
				return SLM_INFLATE_MEMORY;
			default:
				return SLM_INFLATE_DAMAGED;
		}
	}
	return SLM_INFLATE_OK;
}

bool
slm_inflate_at_end(const SlmInflate *state)
{
	return state->phase != SLM_INFLATE_IN_MEMBER;
}
