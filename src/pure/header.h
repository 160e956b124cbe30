/*
 * header.h: which lines of an object are no rows: its header, the header repeated where files were put together, and what
 * may stand before one.
 *
 *   records of csv.h --> first: what stands before a header | the header
 *                        later: row | a header again, for the rows that follow | "sep=,"
 *
 * Reader (reader.h) and archive (records.h) both ask here, so that they have the same rows.
 */
#ifndef SLM_PURE_HEADER_H
#define SLM_PURE_HEADER_H

#include "pure/csv.h"
#include "pure/own.h"
#include "pure/reader.h"

#define SLM_MESSAGE_SIZE	256

/* How many different header lines an object may have. */
#define SLM_MAX_HEADERS		64

/* The longest name of a column in bytes. */
#define SLM_MAX_NAME		255

/* What a header line says. */
typedef struct SlmHeader
{
	size_t		nfields;
	size_t		least;			/* of these, those up to the last one that has a name */
	int			column_field[SLM_COLUMNS];	/* of each column: the field that it is, or -1 */
	int			unknown_columns;	/* fields that are no column, not counting an unnamed first one */
} SlmHeader;

/*
 * Read a header line.  Names are trimmed and compared without regard to case (ASCII).  On failure *code and message
 * (lower case, no full stop) say why.
 */
extern bool slm_header_parse(SlmSlice line, SlmHeader *header, SlmReadErrorCode *code, char message[SLM_MESSAGE_SIZE]);

/*
 * Which field of a header line each value of a user's own dimensions is, and which known column: -1 where it is none, as where its column is
 * not there.  The first of a name, if there are several.  Returns how many are fields that are no known column.
 */
extern int slm_header_own(SlmSlice line, const SlmOwn *own, int fields[SLM_MAX_OWN], int known_columns[SLM_MAX_OWN]);

/* Which headers an object has had.  Zero-initialised is none. */
typedef struct SlmHeaders
{
	bool		known;			/* there is one */
	bool		begun;			/* something stood before it */
	int			unknown_columns;	/* the most that one of them has */
	uint64_t	seen[SLM_MAX_HEADERS];	/* hashes of the different ones */
	int			nseen;
	char		first_name[64]; /* of the first one: its first column, if so short */
	const SlmOwn *own;			/* set by the caller: whose columns are looked for, too; NULL: none */
	int			own_known[SLM_MAX_OWN];	/* of each of its values: the known column that it is; -1: it is none */
} SlmHeaders;

typedef enum SlmLine
{
	SLM_LINE_ROW,
	SLM_LINE_HEADER,			/* csv reads the following records by it */
	SLM_LINE_NOTHING,			/* passed over */
	SLM_LINE_SPLIT,				/* a row with a header behind it: record is the row now, the header the next record */
	SLM_LINE_FAILED				/* *code and message say why */
} SlmLine;

/*
 * What csv gave (a record, a broken or too long one) while no header was known: HEADER, NOTHING or FAILED.  Of a HEADER
 * record->raw loses byte order marks.
 */
extern SlmLine slm_headers_first(SlmHeaders *headers, SlmCsv *csv, SlmCsvStatus status, SlmRecord *record,
								 SlmReadErrorCode *code, char message[SLM_MESSAGE_SIZE]);

/*
 * A record that is no event, as its time is none, as it has not as many fields as the header, as it is not UTF-8, or as its
 * quoting is broken (status: SLM_CSV_BAD_QUOTE).  Of a HEADER record->raw loses byte order marks.
 */
extern SlmLine slm_headers_again(SlmHeaders *headers, SlmCsv *csv, SlmCsvStatus status, SlmRecord *record,
								 SlmReadErrorCode *code, char message[SLM_MESSAGE_SIZE]);

/* The object is at its end: was what it has not nothing, and yet no header?  Then *code and message say so. */
extern bool slm_headers_missing(const SlmHeaders *headers, SlmReadErrorCode *code, char message[SLM_MESSAGE_SIZE]);

#endif							/* SLM_PURE_HEADER_H */
