/*
 * columns.h: the rows of objects with different headers under one header.
 *
 * Fields are bytes as they came, quotes included; a row is never parsed further than that.
 */
#ifndef SLM_PURE_COLUMNS_H
#define SLM_PURE_COLUMNS_H

#include "pure/interner.h"

/* Bytes that grow.  Zero-initialised is empty; free data. */
typedef struct SlmText
{
	char	   *data;
	size_t		len;
	size_t		size;
} SlmText;

/* Add to a text; false if out of memory. */
extern bool slm_text_add(SlmText *text, const char *data, size_t len);

/* Add a field in quotes, those in it doubled; false if out of memory. */
extern bool slm_text_add_quoted(SlmText *text, SlmSlice field);

/*
 * The names of all headers so far, in the order in which they were first seen.  Names are the same if they differ but in
 * ASCII case and blanks around them; a name that a header has twice is two columns.  Zero-initialised is empty.
 */
typedef struct SlmColumns
{
	SlmSlice   *names;			/* as first seen, quotes undone */
	uint32_t   *occurrences;	/* 0 for the first of its name in a header … */
	uint32_t	n;
	uint32_t	max;
	uint32_t	max_occurrences;
	SlmBytes	bytes;
} SlmColumns;

extern void slm_columns_free(SlmColumns *columns);

/* One header: which of all columns each of its fields is. */
typedef struct SlmSchema
{
	uint32_t	nfields;
	uint32_t   *column;			/* by field */
	uint32_t	time_field;		/* the field that is event_time; nfields if there is none */
} SlmSchema;

/* Take a header in.  False if out of memory.  Free schema->column. */
extern bool slm_columns_take(SlmColumns *columns, SlmSlice header, SlmSchema *schema);

/* The header line of all columns, with its line end, added to out.  False if out of memory. */
extern bool slm_columns_header(const SlmColumns *columns, SlmText *out);

/*
 * Cut a record whose quoting is sound into its fields.  max are written to fields (may be NULL for max = 0), empty ones for those
 * that it does not have; returns how many there are.
 */
extern size_t slm_record_fields(SlmSlice record, SlmSlice *fields, size_t max);

/*
 * A row of a schema as a line under the header of all columns, added to out.  fields: scratch for schema->nfields slices;
 * by_column: scratch for columns->n.  What the row has behind schema->nfields fields is left out.
 * False if out of memory.
 */
extern bool slm_columns_row(const SlmColumns *columns, const SlmSchema *schema, SlmSlice record, SlmSlice *fields,
							SlmSlice *by_column, SlmText *out);

/* A row that fits no header, as a line of one quoted field, added to out.  False if out of memory. */
extern bool slm_single_field(SlmSlice row, SlmText *out);

/* A record as it came, with its line end, added to out.  False if out of memory. */
extern bool slm_plain_row(SlmSlice record, SlmText *out);

#endif							/* SLM_PURE_COLUMNS_H */
