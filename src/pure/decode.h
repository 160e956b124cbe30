/*
 * decode.h: a file in a format of its own, written anew in the reader's words.
 *
 *   bytes --add--> [UTF-8] --> [cut] --> a header of known columns, rows --take--> as csv.h reads them
 *
 * Each line that comes in is a line that goes out, so that lines have the same numbers: what is passed over leaves an empty one.  (A header
 * that is not in the file is one more.)  What the format can't make sense of goes out with a word on it, so that the reader rejects it.
 * Columns without a role go out as they are, under their names: they are kept in archives.
 *
 * Memory: the longest record, and what comes of a piece that was added.
 */
#ifndef SLM_PURE_DECODE_H
#define SLM_PURE_DECODE_H

#include "pure/reader.h"

typedef struct SlmDecode SlmDecode;

/* A new one, or NULL if out of memory.  The format must stay.  Free with slm_decode_free(). */
extern SlmDecode *slm_decode_create(const SlmFormat *format);
extern void slm_decode_free(SlmDecode *decode);

/* Take bytes in; last says that nothing follows.  False if it can't go on: see slm_decode_error(). */
extern bool slm_decode_add(SlmDecode *decode, const void *bytes, size_t len, bool last);

/* Move what has come of them to out, at most room bytes; returns how many. */
extern size_t slm_decode_take(SlmDecode *decode, char *out, size_t room);

/* Is nothing there to be taken? */
extern bool slm_decode_empty(const SlmDecode *decode);

/* How many rows were passed over, as their events are none of the format's. */
extern uint64_t slm_decode_ignored(const SlmDecode *decode);

/* Why slm_decode_add() said no: a code, and a lower-case sentence without full stop, owned by decode. */
extern SlmReadErrorCode slm_decode_error(const SlmDecode *decode, const char **message);

#endif							/* SLM_PURE_DECODE_H */
