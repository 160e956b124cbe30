/*
 * intake.h: the bytes of an object as they come, on their way into csv's window.
 *
 *   fed --[unpack]--> plain bytes --[checksum]--> [decode, if there is a format] --> window
 */
#ifndef SLM_PURE_INTAKE_H
#define SLM_PURE_INTAKE_H

#include "pure/content.h"
#include "pure/csv.h"
#include "pure/decode.h"
#include "pure/header.h"
#include "pure/unpack.h"

typedef struct SlmIntake
{
	bool		known;			/* the packing is */
	SlmUnpack	unpack;
	SlmContent *content;		/* NULL: not wanted */
	SlmDecode  *decode;			/* NULL: no format */
	char	   *piece;			/* for what is to be decoded, SLM_CSV_BLOCK bytes */
	bool		all_decoded;	/* nothing follows */
	const uint8_t *in;			/* fed, and not taken yet */
	size_t		in_len;
	bool		in_last;
	uint8_t		head[SLM_PACKING_MAGIC];	/* the first bytes, until they are handed on */
	size_t		nhead;
	size_t		head_at;
	SlmReadErrorCode error;
	char		message[SLM_MESSAGE_SIZE];
} SlmIntake;

/*
 * Set up a zero-initialised one; false if out of memory.  secret: for the checksum of all that comes, after unpacking (content.h); NULL:
 * none is wanted.  format: NULL if there is none; it must stay.  slm_intake_free() is to be called either way.
 */
extern bool slm_intake_init(SlmIntake *intake, const uint8_t *secret, const SlmFormat *format);
extern void slm_intake_free(SlmIntake *intake);

/* Hand over the next bytes, which must stay until slm_intake_fill() asks for more; is_last: nothing follows. */
extern void slm_intake_feed(SlmIntake *intake, const void *bytes, size_t len, bool is_last);

/*
 * Put up to SLM_CSV_BLOCK bytes to out; *taken says how many.  *ended: that was all.  False if nothing changed: then error says why it can't
 * go on (message: a lower-case sentence without full stop), or, where it is NONE, more must be fed.
 */
extern bool slm_intake_fill(SlmIntake *intake, char *out, size_t *taken, bool *ended);

/* How many rows the format had passed over. */
extern uint64_t slm_intake_ignored(const SlmIntake *intake);

#endif							/* SLM_PURE_INTAKE_H */
