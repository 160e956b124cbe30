/*
 * deflate.c: gzip data by zlib.
 */
#include "pure/deflate.h"

#include <limits.h>
#include <string.h>

#define GZIP_ONLY	(16 + MAX_WBITS)
#define MEMORY_LEVEL	9

bool
slm_deflate_init(SlmDeflate *state)
{
	memset(state, 0, sizeof(*state));
	state->ready = deflateInit2(&state->stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_ONLY, MEMORY_LEVEL,
								Z_DEFAULT_STRATEGY) == Z_OK;
	return state->ready;
}

void
slm_deflate_free(SlmDeflate *state)
{
	if (state->ready)
		deflateEnd(&state->stream);
	state->ready = false;
}

size_t
slm_deflate_run(SlmDeflate *state, const char **in, size_t *in_len, bool last, char *out, size_t out_len)
{
	z_stream   *stream = &state->stream;
	uInt		in_given = *in_len > INT_MAX ? INT_MAX : (uInt) *in_len;
	uInt		out_given = out_len > INT_MAX ? INT_MAX : (uInt) out_len;

	stream->next_in = (Bytef *) (uintptr_t) *in;
	stream->avail_in = in_given;
	stream->next_out = (Bytef *) out;
	stream->avail_out = out_given;
	(void) deflate(stream, last && in_given == *in_len ? Z_FINISH : Z_NO_FLUSH);
	*in += in_given - stream->avail_in;
	*in_len -= in_given - stream->avail_in;
	return out_given - stream->avail_out;
}
