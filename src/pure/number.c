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
	bool		negative = false;

	if (allow_negative && s.len > 0 && s.data[0] == '-')
	{
		negative = true;
		limit++;
		i++;
	}
	if (i == s.len || !is_digit(s.data[i]))
		return false;
	for (; i < s.len && is_digit(s.data[i]); i++)
	{
		unsigned	digit = (unsigned) (s.data[i] - '0');

		if (value > (limit - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	if (i < s.len)
	{
		if (s.data[i++] != '.' || i == s.len)
			return false;
		for (; i < s.len; i++)
			if (s.data[i] != '0')
				return false;
	}
	/* in two's complement this is right for 2^63 too, which only a minus lets through */
	*id = negative ? (int64_t) (0 - value) : (int64_t) value;
	return true;
}

bool
slm_parse_price_slow(SlmSlice text, SlmMoney *price)
{
	SlmSlice	s = slm_trim(text);
	int64_t		value = 0;
	int64_t		unit = SLM_MONEY_ONE;
	uint32_t	i = 0;
	uint32_t	digits = 0;

	for (; i < s.len && is_digit(s.data[i]); i++, digits++)
	{
		value = value * 10 + (s.data[i] - '0');
		if (value >= SLM_PRICE_LIMIT / SLM_MONEY_ONE)
			return false;
	}
	value *= SLM_MONEY_ONE;
	if (i < s.len && s.data[i] == '.')
	{
		for (i++; i < s.len && is_digit(s.data[i]); i++, digits++)
		{
			unit /= 10;			/* 0 from the fifth decimal on */
			if (unit == 0 && s.data[i] != '0')
				return false;
			value += unit * (s.data[i] - '0');
		}
	}
	if (i < s.len || digits == 0)
		return false;
	*price = value;
	return true;
}
