/*
 * csv.h: bytes in, records out (RFC 4180, and what is to be done with lines that break it).
 *
 *      0        start            scanned      filled          capacity
 *      | used up | record at hand | not scanned | room for more |
 *
 * Bytes are put into one window; stage 1 (scan.h) notes where the commas, line ends and quotes of a block of it are;
 * stage 2, here, walks these positions.  A record without quotes and with as many fields as the header is cut straight
 * from the positions; all others are walked one position at a time, and can be taken up again when more bytes have
 * come.
 *
 * What comes out depends on the bytes alone, never on how they were cut up on their way in.
 */
#ifndef SLM_PURE_CSV_H
#define SLM_PURE_CSV_H

#include "pure/scan.h"

/* The longest record in bytes, its line end not counted.  Part of what users are told: a line over 1 MB is rejected. */
#define SLM_MAX_RECORD	1048576

/* How much of a record's raw text is kept for a reject. */
#define SLM_MAX_RAW		1024

/* Bytes that are taken in, and scanned, at a time: window and positions then stay in the first two caches. */
#define SLM_CSV_BLOCK	32768

/* Headers with more fields than this are read without the short cut. */
#define SLM_CSV_FAST_FIELDS	256

typedef struct SlmCsvWalk
{
	bool		begun;
	bool		in_quotes;
	bool		malformed;		/* text after a closing quote: only the end of the physical line is looked for */
	bool		stray;			/* what stands in its quotes are rows */
	bool		has_newline;
	/* offsets from the record's start */
	size_t		field;			/* where the field at hand begins */
	size_t		twin;			/* the second quote of a doubled one, to be passed over; 0 = none */
	size_t		newline;		/* the first line end inside quotes, if has_newline: its last byte */
	size_t		newline_cursor; /* the position behind it, in positions; 0: not there any more */
	uint64_t	newlines;		/* how many line ends there were inside quotes */
} SlmCsvWalk;

typedef struct SlmCsv
{
	SlmScanFunction scan;
	char	   *buf;
	size_t		start;
	size_t		scanned;
	size_t		filled;
	bool		ended;			/* nothing will be added */
	bool		trusted;		/* what quotes mean is beyond doubt: rows inside them are text */
	bool		begun;			/* a byte order mark has been looked for */
	bool		skipping;		/* what is left of an over-long line is being passed over */
	bool		dirty;			/* there may be NUL or non-ASCII bytes between start and scanned */
	uint32_t   *positions;		/* positions[-1] may be written to */
	size_t		cursor;
	size_t		npositions;
	size_t		cut;			/* where the record begins that was cut last, if not by the short cut */
	uint64_t	line;			/* number of the line at start */
	uint64_t	mark_bytes;		/* of byte order marks passed over at the beginning */
	SlmCsvWalk	walk;
	size_t		nfields;		/* what the header has; 0 until it is known */
	size_t		least;			/* of these, those up to the last one that has a name */
	int			ncolumns;		/* columns that are cut out: SLM_USUAL_COLUMNS, or SLM_COLUMNS if the header has others, or more with slm_csv_add_own() */
	uint8_t    *roles;			/* of each field: the column that it is, or SLM_ALL_COLUMNS */
	int			column_field[SLM_ALL_COLUMNS];	/* of each column: the field that it is, or -1; behind those of SlmColumn a user's own */
	char	   *raw;			/* room for a record as it came, where the window's copy is written to */
} SlmCsv;

typedef struct SlmRecord
{
	uint64_t	line;
	SlmSlice	raw;			/* as it came, without line end; of a broken or too long one its first SLM_MAX_RAW bytes */
	int64_t		invalid_at;		/* offset of the first byte that is no valid UTF-8 or NUL, or -1 */
	size_t		nfields;		/* empty ones beyond the header's not counted, and those without a name at its end not missed */
	const char *fault;			/* of SLM_CSV_BAD_QUOTE: what is wrong, a static string */
	SlmSlice	field[SLM_ALL_COLUMNS]; /* without outer quotes; empty where the header has no such column; only the first csv->ncolumns are set */
} SlmRecord;

typedef enum SlmCsvStatus
{
	SLM_CSV_RECORD,
	SLM_CSV_BAD_QUOTE,			/* the first line of a record whose quoting is broken; has line, raw, fault */
	SLM_CSV_TOO_LONG,			/* a record over SLM_MAX_RECORD; has line, raw */
	SLM_CSV_MORE,				/* add bytes */
	SLM_CSV_END
} SlmCsvStatus;

/* Set up; false if out of memory.  slm_csv_free() is to be called either way. */
extern bool slm_csv_init(SlmCsv *csv, SlmScanFunction scan);
extern void slm_csv_free(SlmCsv *csv);

/*
 * Where to put the next bytes, at most SLM_CSV_BLOCK of them.  To be called after SLM_CSV_MORE only; records got before
 * are no longer valid.  Then slm_csv_added() says how many were put there.
 */
extern char *slm_csv_room(SlmCsv *csv);
extern void slm_csv_added(SlmCsv *csv, size_t len, bool ended);

/*
 * The header is known: it has nfields, of which column_field[c] is column c (-1: none), and those behind the first `least` need not
 * be there.  Until then records come with raw and invalid_at only.  May be called again, for the records that follow.  False if out of
 * memory.
 */
extern bool slm_csv_set_columns(SlmCsv *csv, size_t nfields, size_t least, const int *column_field);

/* Right after that: n columns of a user's own are cut out, too; fields[i] is the field that the i-th is, -1: none, or a known column. */
extern void slm_csv_add_own(SlmCsv *csv, uint32_t n, const int *fields);

/* The next record that is no empty line; valid until the next call of this or slm_csv_room(). */
extern SlmCsvStatus slm_csv_next(SlmCsv *csv, SlmRecord *record);

/*
 * Have the last record end after len bytes of its raw text, and what stands behind these be the next one.  record is cut
 * anew.  Only of a record of several lines, or with more fields than the header.
 */
extern void slm_csv_split(SlmCsv *csv, SlmRecord *record, size_t len);

/*
 * The same if the next record can be cut out where it stands: the records before it, if all but the first were got so, stay valid.
 * False if not; then nothing has happened.
 */
extern bool slm_csv_next_in_place(SlmCsv *csv, SlmRecord *record);

/*
 * The fields of a well-formed record one by one: cuts the next one off *rest, undoes its quoting (in place), and
 * returns false when there are no more.  Begin with rest = raw and data not NULL; it becomes NULL at the end.
 */
extern bool slm_csv_field(SlmSlice *rest, SlmSlice *field);

#endif							/* SLM_PURE_CSV_H */
