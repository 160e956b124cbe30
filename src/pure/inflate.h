/*
 * inflate.h: gzip data, of one member or several, piece by piece.
 */
#ifndef SLM_PURE_INFLATE_H
#define SLM_PURE_INFLATE_H

#include <zlib.h>

#include "pure/types.h"

typedef struct SlmInflate
{
	z_stream	stream;
	bool		ready;			/* stream must be freed */
	enum
	{
		SLM_INFLATE_IN_MEMBER,
		SLM_INFLATE_BETWEEN,	/* a member has ended */
		SLM_INFLATE_PADDING		/* zeros after a member */
	}			phase;
} SlmInflate;

typedef enum SlmInflateStatus
{
	SLM_INFLATE_OK,
	SLM_INFLATE_DAMAGED,
	SLM_INFLATE_MEMORY
} SlmInflateStatus;

/* Set up for data that begins with the first byte of a gzip header; false if out of memory. */
extern bool slm_inflate_init(SlmInflate *state);
extern void slm_inflate_free(SlmInflate *state);

/*
 * Inflate from *in (*in_len bytes; both are moved on) to out, at most out_len bytes; *produced says how many, also
 * when the data turns out to be damaged behind them.  SLM_INFLATE_OK with *in_len == 0 and *produced < out_len: more
 * input is needed.  Behind a member come zeros and other members; anything else is damage, and what has ended stays ended.
 */
extern SlmInflateStatus slm_inflate_run(SlmInflate *state, const uint8_t **in, size_t *in_len,
										char *out, size_t out_len, size_t *produced);

/* May the input end here? */
extern bool slm_inflate_at_end(const SlmInflate *state);

#endif							/* SLM_PURE_INFLATE_H */
