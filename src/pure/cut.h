/*
 * cut.h: records of files with other delimiters, quotes and escapes than csv.h knows, cut out of a text that is at hand.
 */
#ifndef SLM_PURE_CUT_H
#define SLM_PURE_CUT_H

#include "pure/format.h"

typedef struct SlmCut
{
	const SlmFormat *format;
	uint8_t		kind[256];		/* of each byte: what ends a run of others */
	SlmSlice   *field;			/* of the record cut last, in the text, quotes and escapes undone */
	uint8_t    *escaped;		/* of each: are there escapes to be undone? */
	uint32_t	nfields;
	uint32_t	max;
	uint64_t	lines;			/* line ends inside of it */
} SlmCut;

typedef enum SlmCutStatus
{
	SLM_CUT_RECORD,				/* nfields is 0 of an empty line */
	SLM_CUT_BROKEN,				/* a line whose quoting is broken */
	SLM_CUT_TOO_LONG,			/* more than longest bytes without an end */
	SLM_CUT_MORE,				/* its end is not there yet */
	SLM_CUT_MEMORY
} SlmCutStatus;

/* Set up.  The format must stay.  slm_cut_free() is to be called. */
extern void slm_cut_init(SlmCut *cut, const SlmFormat *format);
extern void slm_cut_free(SlmCut *cut);

/*
 * Find the record that begins at text (text.len > 0).  ended: nothing follows the text.  *len: its bytes; *whole: with its line end.
 * Changes nothing in the text until slm_cut_undo(), after which the fields are what they say.
 */
extern SlmCutStatus slm_cut_next(SlmCut *cut, SlmSlice text, bool ended, size_t longest, size_t *len, size_t *whole);
extern void slm_cut_undo(SlmCut *cut);

#endif							/* SLM_PURE_CUT_H */
