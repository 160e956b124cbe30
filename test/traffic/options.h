/*
 * options.h: what the command line asks for.
 */
#ifndef TRAFFIC_OPTIONS_H
#define TRAFFIC_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Why a reader must reject a row; also the names used on the command line and in the ground truth.  Keep in the order
 * of bad_kind_names.
 */
typedef enum BadKind
{
	BAD_TIME,
	BAD_EVENT_TYPE,
	BAD_PRODUCT_ID,
	BAD_PRICE,
	BAD_CATEGORY_ID,
	BAD_USER_ID,
	BAD_ENCODING,
	BAD_QUOTE,
	BAD_COLUMN_COUNT,
	BAD_KEY_TOO_LONG,
	BAD_FUTURE,
	BAD_CLOCK_JUMP,
	BAD_TOO_LONG
} BadKind;

#define BAD_KINDS	13

extern const char *const bad_kind_names[BAD_KINDS];

typedef struct Options
{
	/* where it goes */
	const char *out;			/* directory of the minute files */
	const char *one_file;		/* all in one CSV file instead */
	const char *truth;			/* ground truth, JSON lines */
	const char *catalogue;		/* the products, CSV */
	bool		quiet;

	/* what happens */
	uint64_t	seed;
	int64_t		start;			/* Unix time */
	bool		start_given;
	bool		now;
	int64_t		ago;			/* minutes before now to start */
	int64_t		ago_slow;		/* so many of them appear one a second */
	int64_t		minutes;		/* 0 = no limit */
	int64_t		events;			/* 0 = no limit */
	double		rate;			/* events a minute */
	double		day_curve;		/* 0 = flat, 0.8 = strong day and night */
	double		week_curve;		/* 0 = all days alike, 0.7: Saturdays have 0.3, Sundays 0.65 of the other days' events */
	double		wobble;			/* slow random change of the rate */
	double		lively;			/* share of products with variants, promotions, or prices that change each hour */
	int			products;
	int			brands;
	double		zipf;
	double		session_gap;	/* mean seconds between two events of a session */
	const char *faults;
	double		fault_after;	/* minutes; < 0: a quarter of the run */
	const char *inventory;		/* stocks of products, CSV */

	/* how it is written */
	int			servers;
	double		sticky;			/* chance that an event reaches its session's own server */
	double		speed;			/* 0 = as fast as possible */
	double		gzip;
	double		gzip_hidden;
	double		pandas;
	double		iso;
	double		odd;
	double		quoted;
	double		fractional;
	double		bad;
	uint32_t	bad_kinds;		/* bit set of BadKind */
	double		late;
	int			late_min;		/* minutes */
	int			late_max;
	const char *late_dir;

	/* split only */
	const char *input;			/* NULL or "-": standard input */
	double		factor;
} Options;

typedef enum Command
{
	COMMAND_GENERATE,
	COMMAND_SPLIT
} Command;

/* Parse; prints help or an error and exits where that is what is left to do.  options gets defaults first. */
extern Command options_parse(int argc, char **argv, Options *options);

/* Print "traffic: ..." to standard error and exit with status 1. */
extern void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Memory that is there, or the end. */
extern void *must_alloc(size_t size);
extern void *must_realloc(void *p, size_t size);

#endif							/* TRAFFIC_OPTIONS_H */
