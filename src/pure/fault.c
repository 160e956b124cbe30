/*
 * fault.c: what is wrong with a value that can't be used.
 *
 * Only for values that the parsers have refused: nothing here decides about a row.
 */
#include "pure/fault.h"

#include <string.h>

#include "pure/sku.h"
#include "pure/trim.h"

#define NOTHING		"stands for no value"
#define NOT_ASCII	"has characters that are not ASCII"

static bool
has(SlmSlice s, char c)
{
	return s.len > 0 && memchr(s.data, c, s.len) != NULL;
}

static bool
has_not_ascii(SlmSlice s)
{
	for (uint32_t i = 0; i < s.len; i++)
	{
		if ((uint8_t) s.data[i] > 0x7f)
			return true;
	}
	return false;
}

/* Are the characters of s all among these? */
static bool
is_made_of(SlmSlice s, const char *characters)
{
	for (uint32_t i = 0; i < s.len; i++)
	{
		if (s.data[i] == '\0' || strchr(characters, s.data[i]) == NULL)
			return false;
	}
	return true;
}

/* Digits with a point, a sign, an exponent: what a program writes for a number. */
static bool
is_number(SlmSlice s)
{
	return is_made_of(s, "0123456789.+-eE") && !is_made_of(s, ".+-eE");
}

/* Does s begin like 2019-10-01 00:00:00, so far, whatever its digits are? */
static bool
begins_like_time(SlmSlice s, size_t len)
{
	static const char shape[] = "0000-00-00 00:00:00";

	if (s.len < len)
		return false;
	for (size_t i = 0; i < len; i++)
	{
		if (shape[i] == '0' ? s.data[i] < '0' || s.data[i] > '9'
			: shape[i] == ' ' ? strchr(" Tt", s.data[i]) == NULL || s.data[i] == '\0'
			: s.data[i] != shape[i])
			return false;
	}
	return true;
}

static const char *
fault_of_time(SlmSlice s)
{
	if (is_made_of(s, "0123456789.eE+"))
		return "is a number, not a time like 2019-10-01 00:00:00";
	if (s.len == 10 && is_made_of(s, "0123456789-"))
		return "has no time of day";
	if (begins_like_time(s, 19) && memcmp(s.data, "1970", 4) < 0)
		return "is before 1970";
	if (begins_like_time(s, 19))
		return "names no such time, or ends in no zone (UTC, Z, +02:00)";
	if (begins_like_time(s, 16) && (s.len == 16 || s.data[16] != ':'))
		return "has no seconds";
	return has_not_ascii(s) ? NOT_ASCII : "is not written like 2019-10-01 00:00:00";
}

/* Of a price that is no number as a program writes one. */
static const char *
fault_of_words(SlmSlice s)
{
	bool		digits = false;

	for (uint32_t i = 0; i < s.len; i++)
		digits = digits || (s.data[i] >= '0' && s.data[i] <= '9');
	if (digits && is_made_of(s, "0123456789.,+-"))
		return "has a comma: decimals stand behind a point, and nothing between thousands";
	if (digits)
		return "has something beside the number (a currency?)";
	return has_not_ascii(s) ? NOT_ASCII : "is no number";
}

static const char *
fault_of_price(SlmSlice s)
{
	SlmSlice	whole = {s.data, 0};
	uint32_t	points = 0;

	if (!is_number(s))
		return fault_of_words(s);
	if (s.data[0] == '-' && is_number((SlmSlice) {s.data + 1, 1}))
		return "is negative";
	for (uint32_t i = 0; i < s.len; i++)
		points += s.data[i] == '.';
	while (whole.len < s.len && strchr(".eE", s.data[whole.len]) == NULL)
		whole.len++;
	for (; whole.len > 0 && (whole.data[0] == '0' || whole.data[0] == '+'); whole.data++)
		whole.len--;
	if (points > 1 || !is_made_of(whole, "0123456789"))
		return "is no number";
	if (has(s, 'e') || has(s, 'E'))
		return has(s, '-') ? "has an exponent that leaves more than 4 decimals" : "has an exponent: some of its digits may be cut";
	return whole.len > 12 ? "is not below 1000000000000" : "has more than 4 decimals";
}

static const char *
fault_of_id(SlmSlice s, bool may_be_negative)
{
	if (!is_number(s))
		return has_not_ascii(s) ? NOT_ASCII : "is no whole number";
	if (has(s, 'e') || has(s, 'E'))
		return "has an exponent, which loses digits of an id";
	if (s.data[0] == '-' && !may_be_negative)
		return "is negative";
	if (has(s, '.') || !is_made_of(s, "0123456789+-"))
		return "is no whole number";
	return "is out of the range of a bigint";
}

static const char *
fault_of_product(SlmSlice s)
{
	const size_t mark = sizeof(SLM_SKU_MARK) - 1;

	if (s.len < mark || memcmp(s.data, SLM_SKU_MARK, mark) != 0)
		return fault_of_id(s, false);
	return s.len - mark > SLM_MAX_SKU_BYTES ? "is longer than 200 bytes" : "has no text behind the mark";
}

/* Negative, also if it is no whole number. */
static bool
is_negative(SlmSlice s)
{
	return s.len > 1 && s.data[0] == '-' && is_number((SlmSlice) {s.data + 1, s.len - 1});
}

static const char *
fault_of_quantity(SlmSlice s)
{
	SlmSlice	whole = {s.data, 0};

	if (is_negative(s))
		return "is negative: what is given back is not counted";
	while (whole.len < s.len && s.data[whole.len] != '.')
		whole.len++;
	if (!is_number(s) || !is_made_of(s, "0123456789.+") || !is_made_of((SlmSlice) {s.data + whole.len, s.len - whole.len}, ".0"))
		return has_not_ascii(s) ? NOT_ASCII : "is no whole number";
	return is_made_of(whole, "+0") ? "is none: a row is of one piece at least" : "is over 100000";
}

const char *
slm_fault(SlmRejectReason reason, SlmSlice value)
{
	SlmSlice	s = slm_trim(value);

	if (s.len == 0)
		return "is blank";
	if (slm_is_nothing(s))
		return NOTHING;
	switch (reason)
	{
		case SLM_REJECT_BAD_TIME:
			return fault_of_time(s);
		case SLM_REJECT_BAD_EVENT_TYPE:
			return "is none of view, cart, remove_from_cart, purchase";
		case SLM_REJECT_BAD_PRODUCT_ID:
			return fault_of_product(s);
		case SLM_REJECT_SKU_TAKEN:
			return "has the same number as another text";
		case SLM_REJECT_BAD_CATEGORY_ID:
		case SLM_REJECT_BAD_USER_ID:
			return fault_of_id(s, true);
		case SLM_REJECT_BAD_PRICE:
			return fault_of_price(s);
		case SLM_REJECT_BAD_QUANTITY:
			return fault_of_quantity(s);
		case SLM_REJECT_FUTURE:
			return "is later than now by more than sellometer.max_clock_skew";
		default:
			return NULL;
	}
}
