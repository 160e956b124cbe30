/*
 * datetime.c: points in time from text.
 */
#include "pure/datetime.h"

#define PREFIX_LEN	16			/* YYYY-MM-DD HH:MM */
#define FIRST_YEAR	1970

int64_t
slm_days_from_date(int year, int month, int day)
{
	/*
	 * The year is taken to begin in March, so that the leap day is its last; months then have lengths that 153 days
	 * in five months reproduce (the well-known days-from-civil method, Howard Hinnant's "chrono-compatible
	 * low-level date algorithms").
	 */
	int64_t		y = month <= 2 ? year - 1 : year;
	int64_t		era = (y >= 0 ? y : y - 399) / 400;
	int64_t		year_of_era = y - era * 400;
	int64_t		day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	int64_t		day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

	/* 730425 days from 0000-03-01 to 2000-01-01 */
	return era * 146097 + day_of_era - 730425;
}

/* Two digits, or a number above 99 if they are none. */
static inline unsigned
two_digits(const char *s)
{
	unsigned	tens = (unsigned) (uint8_t) s[0] - '0';
	unsigned	ones = (unsigned) (uint8_t) s[1] - '0';

	return tens < 10 && ones < 10 ? tens * 10 + ones : 1000;
}

/* The minute that `YYYY-MM-DD HH:MM` at s names. */
static bool
parse_minute(const char *s, SlmTime *minute)
{
	static const uint8_t month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	unsigned	century = two_digits(s);
	unsigned	year_of = two_digits(s + 2);
	unsigned	month = two_digits(s + 5);
	unsigned	day = two_digits(s + 8);
	unsigned	hour = two_digits(s + 11);
	unsigned	min = two_digits(s + 14);
	unsigned	year = century * 100 + year_of;
	bool		leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	if (century > 99 || year_of > 99 || year < FIRST_YEAR || month - 1 > 11 || hour > 23 || min > 59)
		return false;
	if (s[4] != '-' || s[7] != '-' || s[13] != ':' || (s[10] != ' ' && s[10] != 'T' && s[10] != 't'))
		return false;
	if (day < 1 || day > (unsigned) month_days[month - 1] + (leap && month == 2))
		return false;
	*minute = ((slm_days_from_date((int) year, (int) month, (int) day) * 24 + hour) * 60 + min) * SLM_USECS_PER_MIN;
	return true;
}

/* Digits after the point at *s: microseconds; moves *s behind them.  False if there is none. */
static bool
parse_fraction(const char **s, const char *end, int64_t *usecs)
{
	const char *p = *s;
	int64_t		unit = SLM_USECS_PER_SEC;

	*usecs = 0;
	for (; p < end && *p >= '0' && *p <= '9'; p++)
	{
		unit /= 10;
		*usecs += unit * (*p - '0');
	}
	if (p == *s)
		return false;
	*s = p;
	return true;
}

/* A zone that fills s to end, as what must be subtracted to come to UTC. */
static bool
parse_zone(const char *s, const char *end, int64_t *offset)
{
	size_t		len = (size_t) (end - s);
	unsigned	hours,
				minutes = 0;

	*offset = 0;
	if (len == 1)
		return *s == 'Z' || *s == 'z';
	if (*s != '+' && *s != '-')
	{
		/* letters only differ by 0x20 from their capitals */
		uint64_t	word = slm_load8(s) & 0xdfdfdf;

		return len == 3 && (word == (slm_load8("UTC\0\0\0\0") & 0xffffff) ||
							word == (slm_load8("GMT\0\0\0\0") & 0xffffff));
	}
	if (len != 3 && len != 5 && !(len == 6 && s[3] == ':'))
		return false;
	hours = two_digits(s + 1);
	if (len > 3)
		minutes = two_digits(end - 2);
	if (hours > 15 || minutes > 59)
		return false;
	*offset = (int64_t) (hours * 60 + minutes) * SLM_USECS_PER_MIN;
	if (*s == '-')
		*offset = -*offset;
	return true;
}

/* What follows the seconds: fraction, zone, or nothing. */
static bool
parse_tail(const char *s, const char *end, SlmTime *time)
{
	int64_t		usecs = 0,
				offset = 0;

	if (s < end && *s == '.')
	{
		s++;
		if (!parse_fraction(&s, end, &usecs))
			return false;
	}
	if (s < end && (slm_is_blank(*s) || (uint8_t) *s > 0x7f))
		s = slm_trim((SlmSlice) {s, (uint32_t) (end - s)}).data;
	if (s < end && !parse_zone(s, end, &offset))
		return false;
	*time += usecs - offset;
	return true;
}

static inline bool
is_utc_suffix(const char *s)
{
	return memcmp(s, " UTC", 4) == 0;
}

bool
slm_parse_time(SlmSlice text, SlmTimeCache *cache, SlmTime *time)
{
	uint64_t	first,
				second;
	unsigned	seconds;

	if (!slm_is_value(text))
		text = slm_trim(text);
	if (text.len < PREFIX_LEN + 3)
		return false;

	first = slm_load8(text.data);
	second = slm_load8(text.data + 8);
	if (first != cache->text[0] || second != cache->text[1])
	{
		SlmTime		minute;

		if (!parse_minute(text.data, &minute))
			return false;
		*cache = (SlmTimeCache) {{first, second}, minute};
	}

	seconds = two_digits(text.data + PREFIX_LEN + 1);
	if (text.data[PREFIX_LEN] != ':' || seconds > 59)
		return false;
	*time = cache->minute + seconds * SLM_USECS_PER_SEC;
	if (text.len == PREFIX_LEN + 3 || (text.len == PREFIX_LEN + 7 && is_utc_suffix(text.data + PREFIX_LEN + 3)))
		return true;
	return parse_tail(text.data + PREFIX_LEN + 3, text.data + text.len, time);
}
