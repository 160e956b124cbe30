/*
 * deflate.h: gzip data, piece by piece.
 */
#ifndef SLM_PURE_DEFLATE_H
#define SLM_PURE_DEFLATE_H

#include <zlib.h>

#include "pure/types.h"

typedef struct SlmDeflate
{
	z_stream	stream;
	bool		ready;			/* stream must be freed */
} SlmDeflate;

/* Begin a gzip member without a name or time, so that the same content gives the same bytes.  False if out of memory. */
extern bool slm_deflate_init(SlmDeflate *state);
extern void slm_deflate_free(SlmDeflate *state);

/*
 * Deflate from *in (*in_len bytes; both are moved on) to out, at most out_len bytes; returns how many.  last: nothing
 * follows.  All is taken once it returns less than out_len.
 */
extern size_t slm_deflate_run(SlmDeflate *state, const char **in, size_t *in_len, bool last, char *out, size_t out_len);

#endif							/* SLM_PURE_DEFLATE_H */
