/*
 * encoding.h: text of other encodings as UTF-8, piece by piece.
 */
#ifndef SLM_PURE_ENCODING_H
#define SLM_PURE_ENCODING_H

#include "pure/columns.h"
#include "pure/format.h"

/* Zero-initialised but for encoding, which a byte order mark overrules. */
typedef struct SlmTranscoder
{
	SlmEncoding encoding;
	bool		begun;			/* a byte order mark has been looked for */
	uint8_t		held[4];		/* the first bytes until that is so; then what is left of a character */
	size_t		nheld;
	uint16_t	high;			/* the first half of a pair of UTF-16, or 0 */
} SlmTranscoder;

/*
 * Add the bytes to out as UTF-8; last says that nothing follows.  A byte order mark at the beginning is left out.  UTF-8 is handed on as it is, be it valid or not; what
 * is not valid in another encoding becomes U+FFFD.  False if out of memory.
 */
extern bool slm_transcode(SlmTranscoder *transcoder, const uint8_t *bytes, size_t len, bool last, SlmText *out);

#endif							/* SLM_PURE_ENCODING_H */
