/*
 * reader.h: a stream of bytes in, events and rejected rows out.
 *
 *   bytes --feed--> [unpack] --> [format] --> [scan] --> record --> [event] --next--> SlmEvent | SlmReject
 *                                                          |
 *                                                          header, also a repeated one: no row
 *
 * The caller pushes bytes (gzip, zstd, bzip2 and xz are recognised by their magic; several in a row too) and pulls rows:
 *
 *   r = slm_reader_create(&opts);
 *   while (bytes come)
 *       slm_reader_feed(r, bytes, len, is_last);
 *       while ((st = slm_reader_next(r, &row)) == SLM_READ_EVENT || st == SLM_READ_REJECT) ...
 *       st is now SLM_READ_MORE (feed again), SLM_READ_END, or SLM_READ_FAILED (see slm_reader_error)
 *
 * Memory is bounded (a few MB) whatever the input: a gzip bomb is inflated piece by piece, a line over 1 MB is skipped.
 */
#ifndef SLM_PURE_READER_H
#define SLM_PURE_READER_H

#include "pure/format.h"
#include "pure/names.h"
#include "pure/own.h"
#include "pure/rates.h"
#include "pure/sku.h"

typedef struct SlmReader SlmReader;

typedef struct SlmEvent
{
	SlmTime		time;
	int64_t		product_id;
	int64_t		category_id;	/* valid if has_category_id */
	int64_t		user_id;		/* valid if has_user_id */
	SlmMoney	price;			/* in the shop's currency, if the reader has rates; else as it stands */
	SlmEventType type;
	uint32_t	more;			/* pieces beyond the first, below SLM_MAX_QUANTITY; of a view 0 */
	uint32_t	line;			/* of an event that counts once per id, type and pieces: see slm_line(); else 0, and event_id is not set */
	bool		has_category_id;
	bool		has_user_id;
	SlmSlice	category_code;	/* as it came, outer quotes removed; slm_clean_category() trims and fills it */
	SlmSlice	brand;			/* as it came, outer quotes removed; slm_clean_brand() trims and fills it */
	SlmSlice	session;		/* slm_field_value(): trimmed, and empty = no session */
	SlmSlice	event_id;		/* valid if line is not 0; never empty */
	SlmSlice	sku;			/* valid if product_id is below 0: the text that it stands for */
	bool		sku_taken;		/* likewise: another text has this number, so the event must not count: see sku.h */
	SlmSlice	name;			/* slm_field_value() of what the product is called; empty = not told */
	SlmSlice	currency;		/* of the price, trimmed; set where the header has a column behind the usual ones, else left as it was */
	SlmSlice	own[SLM_MAX_OWN];	/* as they came, the values of options.own; set only if there are some */
} SlmEvent;

/*
 * What an event that counts once per id counts, in a number that is never 0: its type (which is not SLM_VIEW) and its pieces beyond the
 * first.
 */
static inline uint32_t
slm_line(SlmEventType type, uint32_t more)
{
	return more << 2 | (uint32_t) type;
}

static inline SlmEventType
slm_line_type(uint32_t line)
{
	return (SlmEventType) (line & 3);
}

static inline int32_t
slm_line_pieces(uint32_t line)
{
	return (int32_t) (line >> 2) + 1;
}

/* No line is as large. */
#define SLM_MAX_LINE	(SLM_MAX_QUANTITY << 2)

/* Is its product a text whose number another one has? */
static inline bool
slm_is_taken(const SlmEvent *event)
{
	return event->product_id < 0 && event->sku_taken;
}

/* How many pieces it is of. */
static inline int32_t
slm_event_pieces(const SlmEvent *event)
{
	return (int32_t) event->more + 1;
}

typedef struct SlmReject
{
	SlmRejectReason reason;
	int			column;			/* an SlmColumn, or -1 where the row as a whole is at fault */
	char		detail[128];	/* what was seen, printable UTF-8, NUL-terminated: price "-5" is negative */
} SlmReject;

typedef struct SlmReadRow
{
	uint64_t	line;			/* line number of the row's first line; the object's first is 1 */
	SlmSlice	raw;			/* the row's first bytes, at most 1 kB, as they came; valid as the slices below */
	SlmEvent	event;			/* after SLM_READ_EVENT; slices are valid until the next call of slm_reader_next() */
								/* after SLM_READ_REJECT, what the columns before reject.column say: see slm_row_tells() */
	SlmReject	reject;			/* after SLM_READ_REJECT */
} SlmReadRow;

/* Does the row, an event or a rejected one, tell in its event what this column says? */
static inline bool
slm_row_tells(const SlmReadRow *row, bool is_event, SlmColumn column)
{
	return is_event || (int) column < row->reject.column;
}

typedef enum SlmReadStatus
{
	SLM_READ_EVENT,
	SLM_READ_REJECT,
	SLM_READ_MORE,				/* all that was fed is used up */
	SLM_READ_END,				/* the input ended well */
	SLM_READ_FAILED				/* the input as a whole can't be used; slm_reader_error() says why */
} SlmReadStatus;

typedef enum SlmReadErrorCode
{
	SLM_READ_ERROR_NONE,
	SLM_READ_ERROR_MEMORY,
	SLM_READ_ERROR_GZIP,		/* damaged gzip, zstd, bzip2 or xz data */
	SLM_READ_ERROR_GZIP_SHORT,	/* such data that ends too early */
	SLM_READ_ERROR_NOT_CSV,		/* no header where it should be: binary, too long, none of the known columns, rows in it; or no row */
	SLM_READ_ERROR_COLUMN		/* a required column is missing, or a known one stands twice */
} SlmReadErrorCode;

typedef struct SlmReaderOptions
{
	SlmTime		latest;			/* an event later than this is rejected as future; INT64_MAX = no limit */
	bool		archive;		/* written by this program: one header, and what a quote means is beyond doubt */
	const uint8_t *content_secret;	/* for slm_reader_content(): see content.h; NULL: not wanted */
	const SlmFormat *format;	/* the file's own, which must stay; NULL: none */
	SlmRates   *rates;			/* by which prices in a currency are converted, which must stay; NULL: prices are as they stand */
	const SlmOwn *own;			/* copied: dimensions of a user's own, whose values events are to have; NULL: none */
	const SlmSlice *given;		/* of these values, by number, those that are of no column; must stay; NULL: they are empty */
} SlmReaderOptions;

/* What was seen so far; owned by the reader. */
typedef struct SlmReaderStats
{
	uint64_t	bytes_in;		/* as fed */
	uint64_t	bytes_csv;		/* after unpacking, and as the format has written them */
	uint64_t	rows_total;		/* events + rejects */
	uint64_t	rows_rejected;
	uint64_t	rows_ignored;	/* whose events are none of the format's: not in the total */
	int			unknown_columns;	/* columns in a header that are not known, the unnamed index column not counted */
} SlmReaderStats;

/* A new reader, or NULL if out of memory.  Free with slm_reader_free(). */
extern SlmReader *slm_reader_create(const SlmReaderOptions *options);
extern void slm_reader_free(SlmReader *reader);

/* The dimensions whose values its events have; NULL: none. */
extern const SlmOwn *slm_reader_own(const SlmReader *reader);

/*
 * Hand over the next bytes; they must stay in place until slm_reader_next() has returned SLM_READ_MORE (or END,
 * FAILED).  is_last says that nothing follows; len may be 0 then.
 */
extern void slm_reader_feed(SlmReader *reader, const void *bytes, size_t len, bool is_last);

/* The next row.  See SlmReadStatus. */
extern SlmReadStatus slm_reader_next(SlmReader *reader, SlmReadRow *row);

/*
 * The same if the next row can be had where it stands: the slices of the rows before it, if all but the first were got so, stay valid.
 * False if not; then at most a header was passed over.  *status: SLM_READ_EVENT or SLM_READ_REJECT.
 */
extern bool slm_reader_next_in_place(SlmReader *reader, SlmReadRow *row, SlmReadStatus *status);

/* From the next row on convert prices by these rates. */
extern void slm_reader_use_rates(SlmReader *reader, SlmRates *rates);

/* Likewise take these values for dimensions of a user's own that are made of no column. */
extern void slm_reader_use_given(SlmReader *reader, const SlmSlice *given);

/* After SLM_READ_END: the checksum of all that was read, after unpacking.  False if it was not wanted. */
extern bool slm_reader_content(const SlmReader *reader, uint8_t *sum);

/*
 * Keep what the rows that are read from now on call products, and which products are texts, by this key, which must stay; NULL: don't, as
 * in the beginning.  What was kept is forgotten.  Of the texts these n are refused, as another has their number.  False if out of memory.
 */
extern bool slm_reader_keep_products(SlmReader *reader, const SlmHashKey *key, const SlmSlice *refused, int n);

/* What was kept; owned by the reader.  NULL: no product has a name, or is a text. */
extern SlmNames *slm_reader_names(SlmReader *reader);
extern const SlmSkus *slm_reader_skus(const SlmReader *reader);

/* Why SLM_READ_FAILED came: a code, and a lower-case sentence without full stop, owned by the reader. */
extern SlmReadErrorCode slm_reader_error(const SlmReader *reader, const char **message);

/* For tests and benchmarks: scan by the routine of this number in slm_scan_routines(), not by the fastest. */
extern void slm_reader_use_scan(SlmReader *reader, int routine);

extern const SlmReaderStats *slm_reader_stats(const SlmReader *reader);

/* The names used in SQL: "event_time" …, "view" …, "bad_time" …  Static strings. */
extern const char *slm_column_name(SlmColumn column);
extern const char *slm_event_type_name(SlmEventType type);
extern const char *slm_reject_name(SlmRejectReason reason);

#endif							/* SLM_PURE_READER_H */
