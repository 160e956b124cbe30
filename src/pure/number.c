/*
 * number.c: ids and prices in any form but the usual one.
 */
#include "pure/number.h"

static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool
slm_parse_id_slow(SlmSlice text, bool allow_negative, int64_t *id)
{
	SlmSlice	s = slm_trim(text);
	uint64_t	limit = INT64_MAX;
	uint64_t	value = 0;
	uint32_t	i = 0;
	bool		negative = s.len > 0 && s.data[0] == '-';

	if (negative || (s.len > 0 && s.data[0] == '+'))
		i++;
	/* floating point has a zero with a minus, which is none below zero */
	limit = !negative ? limit : allow_negative ? limit + 1 : 0;
	if (i == s.len || !is_digit(s.data[i]))
		return false;
	for (; i < s.len && is_digit(s.data[i]); i++)
	{
		unsigned	digit = (unsigned) (s.data[i] - '0');

		if (digit > limit || value > (limit - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	if (i < s.len)
	{
		if (s.data[i] != '.')
			return false;
		for (i++; i < s.len; i++)
			if (s.data[i] != '0')
				return false;
	}
	/* in two's complement this is right for 2^63 too, which only a minus lets through */
	*id = negative ? (int64_t) (0 - value) : (int64_t) value;
	return true;
}

/* --- prices --- */

#define MAX_EXPONENT	10000000	/* more than any field has digits: a greater one comes to the same */

/* The decimal number that a text is: digits, perhaps with a point among them, times a power of ten. */
typedef struct Decimal
{
	const char *digits;			/* and at most one point */
	uint32_t	len;
	int64_t		power;			/* of ten, of the first digit */
	bool		negative;
} Decimal;

/* `e-7`, `E-05` that fills s; zero: of the number 0, so that a plus does as well.  False if it is none. */
static bool
parse_exponent(SlmSlice s, bool zero, int64_t *exponent)
{
	uint32_t	i = 2;

	*exponent = 0;
	if (s.len < 3 || (s.data[0] != 'e' && s.data[0] != 'E') || (s.data[1] != '-' && !(zero && s.data[1] == '+')))
		return false;
	for (; i < s.len && is_digit(s.data[i]); i++)
	{
		if (*exponent > -MAX_EXPONENT)
			*exponent = *exponent * 10 - (s.data[i] - '0');
	}
	return i == s.len;
}

static bool
parse_decimal(SlmSlice s, Decimal *decimal)
{
	uint32_t	i = 0;
	uint32_t	ndigits = 0;
	uint32_t	nwhole = 0;
	bool		point = false;
	bool		zero = true;
	int64_t		exponent = 0;

	decimal->negative = s.len > 0 && s.data[0] == '-';
	if (s.len > 0 && (s.data[0] == '-' || s.data[0] == '+'))
		i++;
	decimal->digits = s.data + i;
	for (; i < s.len && (is_digit(s.data[i]) || (s.data[i] == '.' && !point)); i++)
	{
		point = point || s.data[i] == '.';
		ndigits += s.data[i] != '.';
		zero = zero && (s.data[i] == '.' || s.data[i] == '0');
		nwhole += !point;
	}
	decimal->len = (uint32_t) (s.data + i - decimal->digits);
	if (ndigits == 0)
		return false;
	if (i < s.len && !parse_exponent((SlmSlice) {s.data + i, s.len - i}, zero, &exponent))
		return false;
	decimal->power = (int64_t) nwhole - 1 + exponent;
	return true;
}

/*
 * Its value in 1/10000, rounded where the hundredths and what is below them are at less than 1/100 from a whole one.  False if it can't
 * be told so, or is 10^12 or more.
 *
 * Of the power -4 are the last digits that count; those of -5 and -6 say how near the number is to one without them.
 */
static bool
round_decimal(const Decimal *decimal, SlmMoney *price)
{
	int64_t		power = decimal->power;
	int64_t		value = 0;
	int			hundredths = 0;
	bool		rest = false;

	for (uint32_t i = 0; i < decimal->len; i++)
	{
		int			digit = decimal->digits[i] - '0';

		if (decimal->digits[i] == '.')
			continue;
		if (power >= 12 && digit != 0)
			return false;
		if (power >= -4 && power < 12)
			value = value * 10 + digit;
		else if (power == -5)
			hundredths = digit * 10;
		else if (power == -6)
			hundredths += digit;
		else if (power < -6)
			rest = rest || digit != 0;
		power--;
	}
	/* zeros that were not written: what is not 0 has no digit above 10^11 */
	for (; power >= -4 && value > 0; power--)
		value *= 10;
	if (hundredths == 99 && rest)
		value++;
	else if (hundredths != 0)
		return false;
	*price = value;
	return value < SLM_PRICE_LIMIT;
}

bool
slm_parse_price_slow(SlmSlice text, SlmMoney *price)
{
	Decimal		decimal;

	/* no price is below 0, but floating point has a zero with a minus */
	return parse_decimal(slm_trim(text), &decimal) && round_decimal(&decimal, price) && (!decimal.negative || *price == 0);
}
