/*
 * sniff_internal.h: what looking at the shape (sniff.c), at names (sniff_names.c), at values (sniff_values.c) and writing it down
 * (sniff_write.c) share.
 */
#ifndef SLM_PURE_SNIFF_INTERNAL_H
#define SLM_PURE_SNIFF_INTERNAL_H

#include "pure/cut.h"
#include "pure/line.h"
#include "pure/sniff.h"

/* Different events that are told apart. */
#define SNIFF_EVENTS	40

typedef struct SniffEvent
{
	SlmSlice	name;
	int			count;
	int			type;			/* SlmEventType, or -1 */
	bool		broad;			/* it counts only where no narrower word for its type stands */
	int			bare;			/* of count, those without a product */
} SniffEvent;

/* What a column holds. */
typedef struct SniffColumn
{
	int			filled;			/* values that are not empty */
	int			integers;		/* of them */
	int			longest;		/* digits of an integer */
	int			decimals;		/* numbers with a point or comma */
	int			times;			/* texts that are a date at least */
	int			events;			/* words for an event, or for what is known to be none of the four */
	int			narrow;			/* of them, those that are not broad, and for one of the four */
} SniffColumn;

typedef struct SniffSample
{
	SlmFormat	format;			/* as far as it is known */
	SlmText		text;			/* UTF-8 */
	SlmSlice   *header;			/* its cells, or NULL */
	SlmSlice   *cell;			/* of the rows, ncolumns each */
	int			nrows;
	int			ncolumns;
	int			uneven;			/* rows with another number of cells, which are not among these */
	SniffColumn *column;
	int			role[SLM_ROLES];	/* the column of each, or -1 */
	SlmSure		sure[SLM_ROLES];
	int			session_part;	/* a second column of the session, or -1 */
	int			order;			/* a column that numbers orders, or -1 */
	SniffEvent	event[SNIFF_EVENTS];
	int			nevents;
	bool		more_events;	/* than are told apart */
	int			nameless;		/* rows whose event has no name */
	bool		has_zone;		/* times do */
	bool		odd_time;		/* times are such that files without a format can't have them */
	SlmSure		sure_time;
	bool		time_by_values;	/* the column of times is known by what it holds, and not by its name */
	int			odd_prices;		/* that are none for the reader, even by the format */
	int			long_prices;	/* of them, those that have too many decimals */
	bool		unfit[SLM_ROLES];	/* a column has the role's own name, and can't be it */
	const char *fixed_event;	/* of files without such a column */
	int			no_event;		/* a column that is called as events are, and holds no word that is known; -1 if there is none */
	int			counted;		/* rows of events that count */
	int			lacking[SLM_ROLES]; /* of them, those with nothing there */
	int			odd_quantities; /* of them, those that are of no piece, or of less than none */
	SlmSlice	only_currency;	/* that all rows have which have one, where some of those that count have none */
	bool		line_totals;	/* prices are of all pieces of a row, and no quantity is to be taken */
} SniffSample;

static inline SlmSlice
sniff_cell(const SniffSample *sample, int row, int column)
{
	return sample->cell[row * sample->ncolumns + column];
}

/* Does the column's own name say what it is? */
static inline bool
sniff_is_own_name(const SniffSample *sample, int role)
{
	return !sample->format.no_header && slm_role_named(sample->header[sample->role[role]]) == role;
}

/* Of a role that has a column: whether it holds nothing but whole numbers, and whether it holds mostly others. */
static inline bool
sniff_holds_integers(const SniffSample *sample, int role)
{
	const SniffColumn *column = &sample->column[sample->role[role]];

	return column->integers == column->filled;
}

static inline bool
sniff_holds_few_integers(const SniffSample *sample, int role)
{
	const SniffColumn *column = &sample->column[sample->role[role]];

	return column->integers * 10 < column->filled * 9;
}

/* In sniff_names.c: which columns have names that are known; count how many. */
extern int	slm_sniff_names(SniffSample *sample);

/* Of the columns whose names are a visitor's, the one that most rows have; -1 if there is none.  Of a file with a header. */
extern int	slm_sniff_visitor(const SniffSample *sample);

/* Is a price of this name rather one of all pieces of a row? */
extern bool slm_sniff_is_total(SlmSlice name);

/* Does a cell name a column that is known? */
extern bool slm_sniff_is_name(SlmSlice cell);

/* What type of event a word is for: -1 if none.  *broad as in SniffEvent; *known: that, too, is known. */
extern int	slm_sniff_event(SlmSlice word, bool *broad, bool *known);

/* Is it a file of Snowplow's, which has no header?  Then the header has names, though the format says that there is none. */
extern bool slm_sniff_snowplow(SniffSample *sample);

/* In sniff_values.c: look at what the columns hold. */
extern void slm_sniff_values(SniffSample *sample);

/* Columns by what they hold, where there is no header. */
extern void slm_sniff_places(SniffSample *sample);

/* The columns of times and of events by what they hold, where a header has no name that is known for them. */
extern void slm_sniff_unnamed(SniffSample *sample);

/* How the times, numbers and events are written, which are in known columns. */
extern void slm_sniff_forms(SniffSample *sample);

/* The type of a row's event; -1 if it is none. */
extern int	slm_sniff_row_type(SniffSample *sample, int row);

/* In sniff_rows.c: what rows that count say about their columns. */
extern void slm_sniff_rows(SniffSample *sample);

/* In sniff_write.c: findings and description.  False if out of memory. */
extern bool slm_sniff_write(SniffSample *sample, SlmSniff *sniff);

#endif							/* SLM_PURE_SNIFF_INTERNAL_H */
