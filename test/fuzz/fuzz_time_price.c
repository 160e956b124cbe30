/*
 * fuzz_time_price.c: times, prices, ids and event types against regular expressions and the C library's calendar.
 */
#include "fuzz.h"

#include <ctype.h>
#include <regex.h>
#include <time.h>

#include "pure/event.h"


#define TYPES	"^([vV][iI][eE][wW]|[cC][aA][rR][tT]|[pP][uU][rR][cC][hH][aA][sS][eE]|" \
				"[rR][eE][mM][oO][vV][eE]_[fF][rR][oO][mM]_[cC][aA][rR][tT])$"

/* A regular expression compiled once. */
static bool
matches(regex_t *compiled, const char *pattern, const char *text, regmatch_t *groups, size_t ngroups)
{
	static regex_t none;

	if (memcmp(compiled, &none, sizeof(none)) == 0)
		MUST(regcomp(compiled, pattern, REG_EXTENDED) == 0, "%s", pattern);
	return regexec(compiled, text, ngroups, groups, 0) == 0;
}

/* Text followed by just the bytes that must be readable, and these are no help. */
static SlmSlice
padded(const char *text, size_t len, char fill)
{
	char	   *copy = malloc(len + SLM_PAD);

	memcpy(copy, text, len);
	memset(copy + len, fill, SLM_PAD);
	return (SlmSlice) {copy, (uint32_t) len};
}

/* The value of the digits that a group matched. */
static int
group_value(const char *text, const regmatch_t *group)
{
	int			value = 0;

	for (regoff_t i = group->rm_so; i < group->rm_eo; i++)
		value = value * 10 + (text[i] - '0');
	return value;
}

static bool
expect_time(const char *text, int64_t *usecs)
{
	static regex_t compiled,
				zones;
	regmatch_t	g[9];
	regmatch_t	zone[6] = {{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}};
	const char *rest;
	size_t		n;
	struct tm	tm = {0},
				back;
	time_t		seconds;
	int			offset = 0;

	if (!matches(&compiled, "^([0-9]{4})-([0-9]{2})-([0-9]{2})[ Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})"
				 "(\\.([0-9]+))?", text, g, 9))
		return false;
	rest = text + g[0].rm_eo;
	while ((n = fuzz_blank(rest, strlen(rest), false)) > 0)
		rest += n;
	if (*rest != '\0' && !matches(&zones, "^([Zz]|[Uu][Tt][Cc]|[Gg][Mm][Tt]|([+-])([0-9]{2})(:?([0-9]{2}))?)$", rest, zone, 6))
		return false;
	tm.tm_year = group_value(text, &g[1]) - 1900;
	tm.tm_mon = group_value(text, &g[2]) - 1;
	tm.tm_mday = group_value(text, &g[3]);
	tm.tm_hour = group_value(text, &g[4]);
	tm.tm_min = group_value(text, &g[5]);
	tm.tm_sec = group_value(text, &g[6]);
	back = tm;
	seconds = timegm(&back);
	/* a date that is none comes back as another one */
	if (tm.tm_year < 70 || back.tm_mday != tm.tm_mday || back.tm_mon != tm.tm_mon || back.tm_hour != tm.tm_hour ||
		back.tm_min != tm.tm_min || back.tm_sec != tm.tm_sec)
		return false;
	if (zone[2].rm_so >= 0)
	{
		int			hours = group_value(rest, &zone[3]);
		int			minutes = zone[5].rm_so >= 0 ? group_value(rest, &zone[5]) : 0;

		if (hours > 15 || minutes > 59)
			return false;
		offset = (hours * 60 + minutes) * (rest[zone[2].rm_so] == '-' ? -60 : 60);
	}
	*usecs = (seconds - offset - INT64_C(946684800)) * 1000000;
	if (g[8].rm_so >= 0)
	{
		char		fraction[7] = "000000";
		size_t		digits = (size_t) (g[8].rm_eo - g[8].rm_so);

		memcpy(fraction, text + g[8].rm_so, digits < 6 ? digits : 6);
		*usecs += atoi(fraction);
	}
	return true;
}

/* A decimal number by its digits, one for each power of ten, and a price if it is near enough to one. */
static bool
expect_price(const char *text, int64_t *price)
{
	enum
	{
		ONES = 1500, POWERS = 2600
	};
	static regex_t compiled;
	regmatch_t	g[7];
	char		digits[POWERS + 1];
	long		exponent = 0;
	long		at;
	size_t		below;

	if (!matches(&compiled, "^([+-]?)([0-9]*)(\\.([0-9]*))?([eE]([+-][0-9]+))?$", text, g, 7))
		return false;
	/* a zero may have any exponent */
	if (g[6].rm_so >= 0 && text[g[6].rm_so] == '+' && strspn(text, "+-.0") < (size_t) g[5].rm_so)
		return false;
	if (g[2].rm_eo == g[2].rm_so && (g[4].rm_so < 0 || g[4].rm_eo == g[4].rm_so))
		return false;
	if (g[6].rm_so >= 0)
		exponent = strtol(text + g[6].rm_so, NULL, 10);
	exponent = exponent > 600 ? 600 : exponent < -600 ? -600 : exponent;
	memset(digits, '0', POWERS);
	digits[POWERS] = '\0';
	at = ONES - exponent - (g[2].rm_eo - g[2].rm_so);
	for (regoff_t i = g[2].rm_so; i < (g[4].rm_so < 0 ? g[2].rm_eo : g[4].rm_eo); i++)
	{
		if (text[i] != '.')
			digits[at++] = text[i];
	}
	/* twelve digits before the point and four behind it count; no others before them */
	if (strspn(digits, "0") < ONES - 12)
		return false;
	below = strspn(digits + ONES + 4, "0");
	*price = 0;
	for (int i = ONES - 12; i < ONES + 4; i++)
		*price = *price * 10 + (digits[i] - '0');
	/* what is behind them is less than 1/100, or lacks less than that to a whole */
	if (strncmp(digits + ONES + 4, "99", 2) == 0 && strspn(digits + ONES + 6, "0") < POWERS - ONES - 6)
		(*price)++;
	else if (below < 2)
		return false;
	return *price < SLM_PRICE_LIMIT && (text[g[1].rm_so] != '-' || *price == 0);
}

static bool
expect_id(const char *text, bool negative, int64_t *id)
{
	static regex_t compiled;
	regmatch_t	g[4];
	char	   *digits;
	bool		ok;

	/* as floating point writes it, too; a zero may have any sign */
	if (!matches(&compiled, "^([+-]?)0*([0-9]{1,20})(\\.0*)?$", text, g, 4))
		return false;
	digits = strndup(text + g[2].rm_so, (size_t) (g[2].rm_eo - g[2].rm_so));
	{
		__int128	value = 0;

		for (char *p = digits; *p; p++)
			value = value * 10 + (*p - '0');
		if (text[g[1].rm_so] == '-')
			value = -value;
		ok = value >= (negative ? INT64_MIN : 0) && value <= INT64_MAX;
		*id = (int64_t) value;
	}
	free(digits);
	return ok;
}

/* A copy without blanks at its ends, terminated. */
static char *
stripped(const char *text, size_t len)
{
	size_t		n;

	while ((n = fuzz_blank(text, len, false)) > 0)
	{
		text += n;
		len -= n;
	}
	while ((n = fuzz_blank(text, len, true)) > 0)
		len -= n;
	return strndup(text, len);
}

static void
check_text(const char *text, size_t len, SlmTimeCache *cache)
{
	static regex_t types;
	/* a text with a NUL inside is nothing at all; the expressions would see but its beginning */
	bool		whole = memchr(text, 0, len) == NULL;
	char	   *terminated = stripped(text, len);

	for (int fill = 0; fill < 3; fill++)
	{
		SlmSlice	s = padded(text, len, "0 \xff"[fill]);
		int64_t		expected = 0,
					got = 0;
		SlmEventType type = SLM_VIEW;
		bool		ok,
					expect;

		expect = whole && expect_time(terminated, &expected);
		ok = slm_parse_time(s, cache, &got);
		MUST(ok == expect && (!ok || got == expected), "time [%s] %d %lld %lld", terminated, ok, (long long) got,
			 (long long) expected);
		expect = whole && expect_price(terminated, &expected);
		ok = slm_parse_price(s, &got);
		MUST(ok == expect && (!ok || got == expected), "price [%s] %d %lld %lld", terminated, ok, (long long) got,
			 (long long) expected);
		for (int negative = 0; negative < 2; negative++)
		{
			expect = whole && expect_id(terminated, negative, &expected);
			ok = slm_parse_id(s, negative, &got);
			MUST(ok == expect && (!ok || got == expected), "id [%s] %d %lld %lld", terminated, ok, (long long) got,
				 (long long) expected);
		}
		expect = whole && matches(&types, TYPES, terminated, NULL, 0);
		ok = slm_parse_event_type(s, &type);
		MUST(ok == expect, "event type [%s]", terminated);
		if (ok)
			MUST(tolower(terminated[0]) == slm_event_type_name(type)[0],
				 "event type %d", type);
		free((void *) (uintptr_t) s.data);
	}
	free(terminated);
}

/* Several texts, one a line, so that the cache of times is hit too. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SlmTimeCache cache = {0};
	const char *at = (const char *) data;
	const char *end = at + size;

	if (size > 400)
		return 0;
	while (at < end)
	{
		const char *newline = memchr(at, ';', (size_t) (end - at));
		size_t		len = (size_t) ((newline != NULL ? newline : end) - at);

		check_text(at, len, &cache);
		at += len + 1;
	}
	return 0;
}
