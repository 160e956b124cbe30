/*
 * unpack.h: packed data of any kind that is known by its first bytes, piece by piece.
 */
#ifndef SLM_PURE_UNPACK_H
#define SLM_PURE_UNPACK_H

#include "pure/inflate.h"

typedef enum SlmPacking
{
	SLM_PLAIN,
	SLM_GZIP,
	SLM_ZSTD,
	SLM_BZIP2,
	SLM_XZ
} SlmPacking;

/* The first bytes that tell. */
#define SLM_PACKING_MAGIC	10

/* What zstd and xz may take of memory for what they look back to. */
#define SLM_UNPACK_MEMORY	((uint64_t) 128 * 1024 * 1024)

/* Zero-initialised is plain. */
typedef struct SlmUnpack
{
	SlmPacking	packing;
	SlmInflate	inflate;
	void	   *state;			/* of the others */
	bool		at_end;			/* of a frame, of the others */
} SlmUnpack;

/* Tell the packing by the first bytes; false if more of them are needed (there may be more). */
extern bool slm_packing_find(const uint8_t *head, size_t len, bool last, SlmPacking *packing);

/* "gzip" …, as it is called in messages. */
extern const char *slm_packing_name(SlmPacking packing);

/* Set up; false if out of memory. */
extern bool slm_unpack_init(SlmUnpack *unpack, SlmPacking packing);
extern void slm_unpack_free(SlmUnpack *unpack);

/* As slm_inflate_run(); frames that follow each other are one.  A frame that takes more than SLM_UNPACK_MEMORY is SLM_INFLATE_MEMORY. */
extern SlmInflateStatus slm_unpack_run(SlmUnpack *unpack, const uint8_t **in, size_t *in_len, char *out, size_t out_len, size_t *produced);

/* May the input end here? */
extern bool slm_unpack_at_end(const SlmUnpack *unpack);

#endif							/* SLM_PURE_UNPACK_H */
