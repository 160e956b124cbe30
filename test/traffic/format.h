/*
 * format.h: how an event is spelt as CSV.
 */
#ifndef TRAFFIC_FORMAT_H
#define TRAFFIC_FORMAT_H

#include "sessions.h"

#define COLUMNS			9
#define EXTRA_COLUMNS	2

/* The shape of one file.  All zero (with columns in their usual order) is the shape of the public data set. */
typedef struct Style
{
	bool		plain;			/* at most pandas: rows may be written the short way */
	bool		pandas;			/* unnamed index column first, times without " UTC" */
	bool		iso;			/* ISO 8601 times, in several spellings */
	bool		gzip;
	bool		gzip_hidden;	/* gzip without .gz in the name */
	bool		gzip_members;	/* two gzip members */
	bool		odd;			/* some of the following, and event types and categories in mixed case */
	bool		bom;
	bool		crlf;
	bool		empty_lines;
	bool		no_last_newline;
	uint8_t		n_columns;
	uint8_t		columns[COLUMNS + EXTRA_COLUMNS];	/* order; COLUMNS + i is an unknown column */
} Style;

/* Bytes that grow. */
typedef struct Buffer
{
	char	   *data;
	size_t		len;
	size_t		size;
} Buffer;

/* Times as text, made once a second. */
typedef struct Clock
{
	int64_t		second;
	char		text[32];		/* "2019-10-01 00:00:00 UTC," */
} Clock;

#define CLOCK_DATE_TIME 19		/* length without " UTC," */
#define CLOCK_UTC		24		/* length with it */

/* Room for any row but those of kind too_long. */
#define ROW_ROOM		4096

extern void buffer_reserve(Buffer *buffer, size_t more);
extern void buffer_add(Buffer *buffer, const char *data, size_t len);

extern void clock_set(Clock *clock, int64_t second);

extern void style_choose(Style *style, const Options *options, Rng *rng);
/* The header line; rest: what is to follow event_time, or NULL for the style's own columns. */
extern void style_header(const Style *style, const char *rest, Buffer *buffer);

/* Append an event in a plain style; index is that of pandas. */
extern void row_plain(const Event *event, const Style *style, uint64_t index, const Clock *clock, Buffer *buffer);

/* What is special about one row. */
typedef struct RowWish
{
	bool		quoted;
	bool		fraction;		/* of a second */
	int			bad;			/* a BadKind, or -1 for a good row */
	uint64_t	index;			/* of pandas */
} RowWish;

/* Append it in any style. */
extern void row_styled(const Event *event, const Style *style, const RowWish *wish, Rng *rng, Buffer *buffer);

/* Write "YYYY-MM-DD HH:MM:SS" (19 bytes and a NUL). */
extern void time_text(char *to, int64_t second);

#endif							/* TRAFFIC_FORMAT_H */
