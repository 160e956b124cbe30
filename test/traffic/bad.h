/*
 * bad.h: rows that a reader must reject.
 */
#ifndef TRAFFIC_BAD_H
#define TRAFFIC_BAD_H

#include "format.h"

#define FIELD_ROOM	1400

/* A row as text, field by field, in the usual order; fields may hold any byte. */
typedef struct RowText
{
	char		field[COLUMNS + EXTRA_COLUMNS][FIELD_ROOM];
	size_t		len[COLUMNS + EXTRA_COLUMNS];
	int			more_columns;	/* how many fields too many (or, negative, too few) */
	size_t		brand_padding;	/* bytes to put before the brand */
} RowText;

/* Make a good row bad in one way, and only in that one. */
extern void row_spoil(RowText *row, const Event *event, BadKind kind, Rng *rng);

/* Can a row of such a file be bad in this way?  Not if it lacks the column. */
extern bool bad_kind_applies(BadKind kind, const Style *style);

/* Append the row; bit i of quoted asks for quotes around field i even where it needs none. */
extern void row_write(const RowText *row, const Style *style, uint64_t index, uint64_t quoted, Buffer *buffer);

/*
 * Turn the row at buffer->data + at, the last of its file, into one whose last quote is never closed.  Returns false
 * where the row is not simple enough for that.
 */
extern bool row_unclose_quote(Buffer *buffer, size_t at);

#endif							/* TRAFFIC_BAD_H */
