/*
 * s3_time.c: see s3_time.h.
 */
#include <string.h>
#include <strings.h>

#include "store/s3_time.h"

/* Days since 2000-01-01 of a date of the Gregorian calendar, counted in years that begin in March. */
static int64_t
days_of_date(int64_t year, int64_t month, int64_t day)
{
	int64_t		y = month <= 2 ? year - 1 : year;
	int64_t		m = month <= 2 ? month + 9 : month - 3;

	/* 730425 days lie between 0000-03-01 and 2000-01-01. */
	return y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - 730425;
}

static bool
digits(const char **text, int count, int64_t *value)
{
	*value = 0;
	for (int i = 0; i < count; i++, (*text)++)
	{
		if (**text < '0' || **text > '9')
			return false;
		*value = *value * 10 + (**text - '0');
	}
	return true;
}

static bool
character(const char **text, char c)
{
	if (**text != c)
		return false;
	(*text)++;
	return true;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "17:50:30" with a fraction, in microseconds. */
static bool
clock(const char **text, int64_t *usecs)
{
	int64_t		hour, minute, second;
	int64_t		fraction = 0;

	if (!digits(text, 2, &hour) || !character(text, ':') ||
		!digits(text, 2, &minute) || !character(text, ':') ||
		!digits(text, 2, &second) || hour > 23 || minute > 59 || second > 60)
		return false;
	if ((**text == '.' || **text == ',') && is_digit((*text)[1]))
	{
		(*text)++;
		for (int64_t unit = SLM_USECS_PER_SEC / 10; is_digit(**text); unit /= 10)
			fraction += (*(*text)++ - '0') * unit;
	}
	*usecs = (hour * 60 + minute) * SLM_USECS_PER_MIN + second * SLM_USECS_PER_SEC + fraction;
	return true;
}

/* What stands behind a time, to its end: how far its clock is ahead of UTC. */
static bool
zone(const char *text, int64_t *usecs)
{
	int64_t		hours, minutes = 0;
	bool		is_behind = *text == '-';

	*usecs = 0;
	if (*text == '\0' || strcasecmp(text, "Z") == 0 || strcasecmp(text, "GMT") == 0 || strcasecmp(text, "UTC") == 0)
		return true;
	if (!character(&text, '+') && !character(&text, '-'))
		return false;
	if (!digits(&text, 2, &hours))
		return false;
	if (*text != '\0' && ((void) character(&text, ':'), !digits(&text, 2, &minutes)))
		return false;
	if (*text != '\0' || hours > 15 || minutes > 59)
		return false;
	*usecs = (hours * 60 + minutes) * SLM_USECS_PER_MIN * (is_behind ? -1 : 1);
	return true;
}

static bool
is_date(int64_t year, int64_t month, int64_t day)
{
	return year >= 1 && month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

/* "2009-10-12T" */
static bool
iso_date(const char **text, int64_t *days)
{
	int64_t		year, month, day;

	if (!digits(text, 4, &year) || !character(text, '-') ||
		!digits(text, 2, &month) || !character(text, '-') ||
		!digits(text, 2, &day) || !is_date(year, month, day))
		return false;
	*days = days_of_date(year, month, day);
	return character(text, 'T') || character(text, 't') || character(text, ' ');
}

/* "Mon, 12 Oct 2009 " */
static bool
mail_date(const char **text, int64_t *days)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	const char *comma = strchr(*text, ',');
	int64_t		year, day;
	int64_t		month = 0;

	if (comma != NULL)
		*text = comma + 1;
	while (**text == ' ')
		(*text)++;
	if (!digits(text, is_digit((*text)[0]) && is_digit((*text)[1]) ? 2 : 1, &day) || !character(text, ' '))
		return false;
	for (int i = 0; i < 12 && month == 0; i++)
		if (strncasecmp(*text, months + (size_t) i * 3, 3) == 0)
			month = i + 1;
	if (month == 0)
		return false;
	*text += 3;
	if (!character(text, ' ') || !digits(text, 4, &year) || !character(text, ' ') || !is_date(year, month, day))
		return false;
	*days = days_of_date(year, month, day);
	return true;
}

bool
slm_s3_parse_time(const char *text, SlmTime *time)
{
	bool		is_iso = is_digit(text[0]) && is_digit(text[1]) && is_digit(text[2]);
	int64_t		days, usecs, ahead;

	if (!(is_iso ? iso_date(&text, &days) : mail_date(&text, &days)) || !clock(&text, &usecs))
		return false;
	while (*text == ' ')
		text++;
	if (!zone(text, &ahead))
		return false;
	*time = days * 24 * 60 * SLM_USECS_PER_MIN + usecs - ahead;
	return true;
}
