/*
 * format_time.c: times as other programs write them.
 *
 *   10/1/2019 1:05 PM --> 2019-10-01 13:05:00 --> slm_parse_time() --> the format's zone, if the text has none
 */
#include <stdio.h>
#include <string.h>

#include "pure/datetime.h"
#include "pure/format.h"
#include "pure/line.h"

/* The longest text that can be a time. */
#define MAX_TIME	48

/* From 1970 to 2000. */
#define EPOCH_USECS		(INT64_C(10957) * 24 * 60 * SLM_USECS_PER_MIN)

/* What is read of a text. */
typedef struct Scan
{
	const char *p;
	const char *end;
} Scan;

static bool
at_digit(const Scan *scan)
{
	return scan->p < scan->end && *scan->p >= '0' && *scan->p <= '9';
}

/* Up to so many digits; returns how many there were. */
static int
take_number(Scan *scan, int most, int *number)
{
	int			n = 0;

	*number = 0;
	for (; n < most && at_digit(scan); n++)
		*number = *number * 10 + (*scan->p++ - '0');
	return n;
}

static bool
take_char(Scan *scan, const char *chars)
{
	if (scan->p >= scan->end || *scan->p == '\0' || strchr(chars, *scan->p) == NULL)
		return false;
	scan->p++;
	return true;
}

static void
skip_blanks(Scan *scan)
{
	SlmSlice	rest = slm_trim((SlmSlice) {scan->p, (uint32_t) (scan->end - scan->p)});

	scan->p = rest.data;
}

/* --- numbers of seconds --- */

/* Digits before and behind a point, as microseconds. */
static const char *
since_1970(SlmSlice text, int64_t unit, SlmTime *time)
{
	static const char fault[] = "is no number of a time since 1970";
	Scan		scan = {text.data, text.data + text.len};
	int64_t		whole = 0;
	int64_t		part = 0;
	int			digits = 0;

	for (; at_digit(&scan); digits++)
	{
		if (digits == 18)
			return fault;
		whole = whole * 10 + (*scan.p++ - '0');
	}
	if (digits == 0 || (scan.p < scan.end && !take_char(&scan, ".")))
		return fault;
	for (int64_t u = unit; at_digit(&scan); scan.p++)
	{
		u /= 10;
		part += u * (*scan.p - '0');
	}
	/* up to the year 9999 */
	if (scan.p < scan.end || whole > INT64_C(253402300799) * (SLM_USECS_PER_SEC / unit))
		return fault;
	*time = whole * unit + part - EPOCH_USECS;
	return NULL;
}

/* --- dates --- */

/* Year, month and day in the format's order. */
static bool
take_date(Scan *scan, SlmTimeForm form, int *year, int *month, int *day)
{
	int			first;
	int			digits = take_number(scan, form == SLM_TIME_ISO ? 4 : 2, &first);
	int			second;
	int			third;
	const char *separator = scan->p;

	if (form == SLM_TIME_ISO && digits == 4 && at_digit(scan))
	{
		*year = first;
		return take_number(scan, 2, month) == 2 && take_number(scan, 2, day) == 2 && !at_digit(scan);
	}
	if (digits == 0 || !take_char(scan, "-/.") || take_number(scan, 2, &second) == 0 || !take_char(scan, "-/.") ||
		scan->p[-1] != *separator)
		return false;
	if (form == SLM_TIME_ISO)
	{
		*year = first;
		*month = second;
		return digits == 4 && take_number(scan, 2, day) > 0;
	}
	digits = take_number(scan, 4, &third);
	/* of two digits: spreadsheets write so */
	*year = digits == 2 ? 2000 + third : third;
	*month = form == SLM_TIME_MDY ? first : second;
	*day = form == SLM_TIME_MDY ? second : first;
	return digits == 2 || digits == 4;
}

/* Hours, minutes, and perhaps seconds, of which there may be none at all. */
static bool
take_clock(Scan *scan, int *hour, int *minute, int *second)
{
	*hour = *minute = *second = 0;
	if (scan->p == scan->end)
		return true;
	if (!take_char(scan, "Tt"))
		skip_blanks(scan);
	if (scan->p == scan->end)
		return true;
	if (take_number(scan, 2, hour) == 0 || !take_char(scan, ":") || take_number(scan, 2, minute) != 2)
		return false;
	return !take_char(scan, ":") || take_number(scan, 2, second) == 2;
}

/* AM or PM, blanks before it; false if the hour does not go with it. */
static bool
take_half(Scan *scan, int *hour)
{
	Scan		ahead = *scan;
	bool		afternoon;

	if (scan->p == scan->end)
		return true;
	skip_blanks(&ahead);
	if (ahead.end - ahead.p < 2 || (ahead.p[1] != 'M' && ahead.p[1] != 'm') || strchr("AaPp", *ahead.p) == NULL)
		return true;
	afternoon = *ahead.p == 'P' || *ahead.p == 'p';
	ahead.p += 2;
	*scan = ahead;
	if (*hour < 1 || *hour > 12)
		return false;
	*hour = *hour % 12 + (afternoon ? 12 : 0);
	return true;
}

/* The fraction of a second, with a point whatever it was written with. */
static size_t
take_fraction(Scan *scan, char *out, size_t room)
{
	size_t		n = 0;

	if (scan->end - scan->p < 2 || (*scan->p != '.' && *scan->p != ',') || scan->p[1] < '0' || scan->p[1] > '9')
		return 0;
	out[n++] = '.';
	scan->p++;
	while (at_digit(scan) && n < room)
		out[n++] = *scan->p++;
	return n;
}

/* What a text says, in the reader's order: front is `2019-10-01 13:05:00`, tail a fraction, and what is left is the zone. */
static const char *
take_time(const SlmFormat *format, Scan *scan, char front[48], char *tail, size_t *tail_len)
{
	int			year,
				month,
				day,
				hour,
				minute,
				second;

	if (!take_date(scan, format->time, &year, &month, &day))
		return format->time == SLM_TIME_ISO ? "is no date of year, month and day" :
			format->time == SLM_TIME_MDY ? "is no date of month, day and year" : "is no date of day, month and year";
	if (!take_clock(scan, &hour, &minute, &second))
		return "has no time of day behind its date";
	*tail_len = take_fraction(scan, tail, MAX_TIME);
	if (!take_half(scan, &hour))
		return "has no time of day behind its date";
	skip_blanks(scan);
	(void) snprintf(front, 48, "%04d-%02d-%02d %02d:%02d:%02d", year, month, day, hour, minute, second);
	return NULL;
}

const char *
slm_format_time(const SlmFormat *format, SlmSlice text, SlmTime *time)
{
	Scan		scan;
	char		front[48];
	char		tail[MAX_TIME + 1];
	char		whole[3 * MAX_TIME + SLM_PAD] = "";
	size_t		tail_len;
	int			len;
	SlmTimeCache cache = {0};
	const char *fault;

	text = slm_trim(text);
	if (text.len > MAX_TIME)
		return "is too long for a time";
	scan = (Scan) {text.data, text.data + text.len};
	if (format->time >= SLM_TIME_S)
		return since_1970(text, format->time == SLM_TIME_S ? SLM_USECS_PER_SEC : format->time == SLM_TIME_MS ? 1000 : 1, time);
	fault = take_time(format, &scan, front, tail, &tail_len);
	if (fault != NULL)
		return fault;
	len = snprintf(whole, sizeof(whole) - SLM_PAD, "%s%.*s%.*s", front, (int) tail_len, tail, (int) (scan.end - scan.p), scan.p);
	if (!slm_parse_time((SlmSlice) {whole, (uint32_t) len}, &cache, time))
		return scan.p < scan.end ? "is no time, or has no zone that is known" : "is no time";
	if (scan.p == scan.end)
		*time = slm_format_local(format, *time);
	return NULL;
}

size_t
slm_format_put_time(SlmTime time, char out[32])
{
	int64_t		usecs = time % (24 * 60 * SLM_USECS_PER_MIN);
	int64_t		days = time / (24 * 60 * SLM_USECS_PER_MIN);
	int64_t		era,
				year,
				of_year,
				month;
	int			n;

	if (usecs < 0)
	{
		usecs += 24 * 60 * SLM_USECS_PER_MIN;
		days--;
	}
	/* the inverse of slm_days_from_date() */
	days += 730425;
	era = (days >= 0 ? days : days - 146096) / 146097;
	days -= era * 146097;
	year = (days - days / 1460 + days / 36524 - days / 146096) / 365;
	of_year = days - (365 * year + year / 4 - year / 100);
	month = (5 * of_year + 2) / 153;
	n = snprintf(out, 32, "%04d-%02d-%02d %02d:%02d:%02d", (int) (year + era * 400 + (month >= 10)) % 10000,
				 (int) (month < 10 ? month + 3 : month - 9), (int) (of_year - (153 * month + 2) / 5 + 1),
				 (int) (usecs / (60 * SLM_USECS_PER_MIN)), (int) (usecs / SLM_USECS_PER_MIN % 60), (int) (usecs / SLM_USECS_PER_SEC % 60));
	if (usecs % SLM_USECS_PER_SEC != 0)
		n += snprintf(out + n, 32 - (size_t) n, ".%06d", (int) (usecs % SLM_USECS_PER_SEC));
	return (size_t) n;
}
