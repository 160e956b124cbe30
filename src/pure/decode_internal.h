/*
 * decode_internal.h: what reading (decode.c), the header (decode_header.c) and the rows (decode_row.c) of a format share.
 */
#ifndef SLM_PURE_DECODE_INTERNAL_H
#define SLM_PURE_DECODE_INTERNAL_H

#include "pure/cut.h"
#include "pure/decode.h"
#include "pure/encoding.h"
#include "pure/header.h"

struct SlmDecode
{
	const SlmFormat *format;
	SlmTranscoder transcoder;
	SlmText		in;				/* UTF-8 */
	size_t		in_at;			/* what stands before it is dealt with */
	bool		ended;
	bool		skipping;		/* what is left of an over-long line is passed over */
	SlmText		out;
	size_t		out_at;			/* what stands before it was taken */
	SlmCut		cut;

	bool		known;			/* the header is */
	SlmText		header;			/* as it stands in the file */
	uint32_t	nfields;		/* what it has */
	int			part[SLM_ROLES][SLM_MAX_JOINED];	/* of each role: its fields, the first -1 if it has none */
	uint32_t   *others;			/* fields without a role */
	uint32_t	nothers;
	uint32_t	nout;			/* columns that go out */

	uint64_t	ignored;
	SlmReadErrorCode error;
	char		message[SLM_MESSAGE_SIZE];
};

/* In decode_row.c: add a cell, quoted if it must be.  first: of its line.  False if out of memory. */
extern bool slm_decode_put_cell(SlmDecode *decode, SlmSlice cell, bool first);

/* So many line ends. */
extern bool slm_decode_put_lines(SlmDecode *decode, uint64_t n);

/* The record that was cut, as a row; text: as it stands in the file.  False if out of memory. */
extern bool slm_decode_put_row(SlmDecode *decode);

/* A line that is no record, so that the reader says so too. */
extern bool slm_decode_put_broken(SlmDecode *decode, SlmSlice text);
extern bool slm_decode_put_too_long(SlmDecode *decode, SlmSlice text);

/* In decode_header.c: is the record that was cut a header?  Only after the first one. */
extern bool slm_decode_is_header(const SlmDecode *decode);

/* Take the record for the header; or, with no_header, what the format says for one.  False if it can't be: error and message say why. */
extern bool slm_decode_take_header(SlmDecode *decode, SlmSlice text);

#endif							/* SLM_PURE_DECODE_INTERNAL_H */
