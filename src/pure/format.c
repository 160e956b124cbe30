/*
 * format.c: what a format says of names, zones and numbers.
 */
#include "pure/format.h"

#include <string.h>

#include "pure/line.h"
#include "pure/trim.h"

static const char *const role_names[SLM_ROLES] = {
	"event_time", "event_type", "product_id", "category_id", "category_code", "brand", "price", "user_id", "user_session",
	"quantity", "event_id", "currency", "product_name"
};

void
slm_format_init(SlmFormat *format)
{
	*format = (SlmFormat) {.delimiter = ',',.quote = '"',.decimal = '.'};
}

const char *
slm_role_name(int role)
{
	return role_names[role];
}

int
slm_role_named(SlmSlice name)
{
	name = slm_trim(name);
	for (int r = 0; r < SLM_ROLES; r++)
	{
		if (slm_is_name(name, role_names[r]))
			return r;
	}
	return SLM_ROLE_NONE;
}

/* --- zones --- */

SlmTime
slm_format_local(const SlmFormat *format, SlmTime local)
{
	return format->zone == NULL ? local : slm_zone_utc(format->zone, format->nzone, local);
}

/* --- numbers --- */

/* How many bytes a blank has that stands between digits; 0 if there is none. */
static size_t
blank_length(const char *p, size_t len)
{
	if (*p == ' ')
		return 1;
	if (len >= 2 && memcmp(p, "\xc2\xa0", 2) == 0)
		return 2;
	/* thin, and narrow no-break */
	return len >= 3 && (memcmp(p, "\xe2\x80\xaf", 3) == 0 || memcmp(p, "\xe2\x80\x89", 3) == 0) ? 3 : 0;
}

static size_t
separator_length(const SlmFormat *format, const char *p, size_t len)
{
	if (format->thousands == ' ')
		return blank_length(p, len);
	return format->thousands != '\0' && *p == format->thousands ? 1 : 0;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Put the point where minor units have it: 5 is 0.05. */
static const char *
put_minor(const SlmFormat *format, char *out, size_t *out_len)
{
	size_t		places = (size_t) format->minor_units;
	size_t		sign = *out_len > 0 && !is_digit(out[0]);
	size_t		digits = *out_len - sign;
	size_t		zeros = digits > places ? 0 : places + 1 - digits;

	/* pandas writes whole numbers so where a column has gaps */
	if (digits > 2 && memcmp(out + *out_len - 2, ".0", 2) == 0)
	{
		*out_len -= 2;
		digits -= 2;
		zeros = digits > places ? 0 : places + 1 - digits;
	}
	for (size_t i = sign; i < *out_len; i++)
	{
		if (!is_digit(out[i]))
			return "is no whole number of minor units";
	}
	memmove(out + sign + zeros, out + sign, digits);
	memset(out + sign, '0', zeros);
	*out_len += zeros;
	memmove(out + *out_len - places + 1, out + *out_len - places, places);
	out[*out_len - places] = '.';
	(*out_len)++;
	return NULL;
}

/* The whole part and what follows it, without separators; NULL, or what is wrong. */
static const char *
copy_digits(const SlmFormat *format, SlmSlice text, char *out, size_t *out_len)
{
	size_t		n = 0;
	int			group = -1;		/* digits behind the last separator; -1: there was none */
	bool		decimals = false;

	for (uint32_t i = 0; i < text.len; i++)
	{
		char		c = text.data[i];
		size_t		separator = decimals ? 0 : separator_length(format, text.data + i, text.len - i);

		if (separator > 0)
		{
			if (n == 0 || !is_digit(out[n - 1]) || (group >= 0 && group != 3))
				return "has its separators of thousands elsewhere";
			group = 0;
			i += (uint32_t) separator - 1;
			continue;
		}
		if (c == format->decimal && !decimals)
		{
			decimals = true;
			c = '.';
		}
		else if (c == '.' || c == ',')
			return format->decimal == ',' ? "has no decimal comma" : "has a comma";
		if (!decimals && group >= 0)
		{
			if (!is_digit(c) || ++group > 3)
				return "has its separators of thousands elsewhere";
		}
		else if (decimals && group >= 0 && group != 3)
			return "has its separators of thousands elsewhere";
		out[n++] = c;
	}
	*out_len = n;
	return group >= 0 && group != 3 ? "has its separators of thousands elsewhere" : NULL;
}

const char *
slm_format_number(const SlmFormat *format, bool minor, SlmSlice text, char out[SLM_MAX_NUMBER + 8], size_t *out_len)
{
	const char *fault;

	text = slm_trim(text);
	*out_len = 0;
	if (text.len == 0)
		return NULL;
	if (text.len > SLM_MAX_NUMBER)
		return "is too long for a number";
	fault = copy_digits(format, text, out, out_len);
	if (fault == NULL && minor && format->minor_units > 0)
		fault = put_minor(format, out, out_len);
	return fault;
}

/* --- events --- */

bool
slm_format_event(const SlmFormat *format, SlmSlice text, int *type)
{
	static const char *const own[] = {"view", "cart", "remove_from_cart", "purchase"};

	text = slm_trim(text);
	for (int e = 0; e < format->nevents; e++)
	{
		if (slm_is_name(text, format->events[e].name))
		{
			*type = format->events[e].type;
			return true;
		}
	}
	if (text.len == 0 || !format->only_events)
		return false;
	for (int e = 0; e < SLM_EVENT_TYPES; e++)
	{
		if (slm_is_name(text, own[e]))
			return false;
	}
	*type = -1;
	return true;
}
