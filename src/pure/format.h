/*
 * format.h: how a source's files say what this program reads: the description, and single values by it.
 *
 * A file without a format is read as it is (reader.h).  One with a format is first written anew in the reader's own words (decode.h):
 * each value that the format tells how to read becomes one that needs no format.
 */
#ifndef SLM_PURE_FORMAT_H
#define SLM_PURE_FORMAT_H

#include "pure/types.h"
#include "pure/zone.h"

/* What a file's columns can be: those of SlmColumn by their names, and some that are kept under theirs. */
#define SLM_ROLES		13
#define SLM_ROLE_QUANTITY	9
#define SLM_ROLE_EVENT_ID	10
#define SLM_ROLE_CURRENCY	11
#define SLM_ROLE_PRODUCT_NAME	12
#define SLM_ROLE_NONE	(-1)

/* Columns of a file that are put together for one role, joined by `-`. */
#define SLM_MAX_JOINED	3

/* Event names that a format can have. */
#define SLM_MAX_EVENTS	100

typedef enum SlmTimeForm
{
	SLM_TIME_ISO,				/* year, month, day: 2019-10-01 00:00, also with `/` or `.`, or as 20191001 */
	SLM_TIME_MDY,				/* 10/1/2019 1:05 PM */
	SLM_TIME_DMY,				/* 1.10.2019 13:05 */
	SLM_TIME_S,					/* since 1970, with decimals or without */
	SLM_TIME_MS,
	SLM_TIME_US
} SlmTimeForm;

typedef enum SlmEncoding
{
	SLM_UTF8,
	SLM_CP1252,
	SLM_LATIN1,
	SLM_UTF16LE,				/* these two by a byte order mark alone */
	SLM_UTF16BE
} SlmEncoding;

/* A column of a file: by its name, or, without one, by its place (1 is the first). */
typedef struct SlmFormatField
{
	const char *name;
	int			position;
} SlmFormatField;

/* What a role is made of: of columns, or of one text that all rows have, or (neither) of the column of its own name. */
typedef struct SlmFormatRole
{
	SlmFormatField field[SLM_MAX_JOINED];
	int			nfields;
	const char *constant;
} SlmFormatRole;

typedef struct SlmFormatEvent
{
	const char *name;			/* in small letters */
	int			type;			/* an SlmEventType, or -1: such rows are passed over */
} SlmFormatEvent;

/* The strings belong to whoever made it. */
typedef struct SlmFormat
{
	char		delimiter;
	char		quote;			/* '\0': none */
	bool		backslash;		/* quotes in quotes have a backslash before them, and are not doubled */
	bool		no_header;
	SlmEncoding encoding;		/* where no mark says otherwise */
	SlmTimeForm time;
	char		decimal;		/* . or , */
	char		thousands;		/* '\0': none; ' ' any blank */
	int			minor_units;	/* so many decimals, without a point; 0: prices are as they stand */
	bool		text_products;	/* products are known by texts: what is no plain number is one */
	bool		only_events;	/* other events than these and the four own names are passed over */
	int			nevents;
	const SlmFormatEvent *events;
	SlmFormatRole role[SLM_ROLES];
	int			nzone;
	const SlmZoneChange *zone;	/* ascending, the first at the beginning of time; NULL: UTC */
} SlmFormat;

/* Everything as it is without a format. */
extern void slm_format_init(SlmFormat *format);

/* The name of a role, which is that of its column; a static string. */
extern const char *slm_role_name(int role);

/* The role of this name; SLM_ROLE_NONE if there is none. */
extern int	slm_role_named(SlmSlice name);

/* A moment that a wall clock shows in the format's zone, as UTC: see slm_zone_utc(). */
extern SlmTime slm_format_local(const SlmFormat *format, SlmTime local);

/*
 * A time as the format has it; NULL if it is one, else what is wrong, a static string.  text need not be followed by readable bytes.
 */
extern const char *slm_format_time(const SlmFormat *format, SlmSlice text, SlmTime *time);

/* Write a time as the reader reads it, `2019-10-01 00:00:00.000001`; returns its length, at most 31. */
extern size_t slm_format_put_time(SlmTime time, char out[32]);

/* The longest number that is looked at. */
#define SLM_MAX_NUMBER	64

/*
 * Write a number as the reader reads it: with a decimal point and without separators.  NULL if that can be done, else what is wrong, a static
 * string.  minor: it counts the format's minor units.
 */
extern const char *slm_format_number(const SlmFormat *format, bool minor, SlmSlice text, char out[SLM_MAX_NUMBER + 8], size_t *out_len);

/* The event that a text names: true and its type, or -1 if its row is passed over.  False if that is for the reader to say. */
extern bool slm_format_event(const SlmFormat *format, SlmSlice text, int *type);

#endif							/* SLM_PURE_FORMAT_H */
