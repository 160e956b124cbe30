/*
 * number.h: ids and prices from text, eight digits at a time.
 *
 * Everything here reads whole words: the text must be followed by SLM_PAD readable bytes, whatever they hold.
 */
#ifndef SLM_PURE_NUMBER_H
#define SLM_PURE_NUMBER_H

#include <string.h>

#include "pure/trim.h"

/* Readable bytes that must follow a text handed to the parsers of number.h and datetime.h. */
#define SLM_PAD	16

/* Eight bytes as a number whose lowest byte is the first one, on any machine. */
static inline uint64_t
slm_load8(const char *data)
{
	uint64_t	word;

	memcpy(&word, data, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	return word;
}

/*
 * The value of len (1 to 8) decimal digits, or a negative number if one is no digit.
 * Digits are added in pairs, pairs in fours, fours in eight: three multiplications (the known SWAR method).
 */
static inline int64_t
slm_digits8(const char *data, unsigned len)
{
	uint64_t	word = slm_load8(data);

	/* leading zeros go below the first digit */
	if (len < 8)
		word = word << (64 - 8 * len) | UINT64_C(0x3030303030303030) >> (8 * len);
	/* the high half of a byte is 3, and stays so when 6 is added, for 0 to 9 only */
	if (((word & UINT64_C(0xf0f0f0f0f0f0f0f0)) |
		 (((word + UINT64_C(0x0606060606060606)) & UINT64_C(0xf0f0f0f0f0f0f0f0)) >> 4)) != UINT64_C(0x3333333333333333))
		return -1;
	word = (word & UINT64_C(0x0f0f0f0f0f0f0f0f)) * 2561 >> 8;
	word = (word & UINT64_C(0x00ff00ff00ff00ff)) * 6553601 >> 16;
	return (int64_t) ((word & UINT64_C(0x0000ffff0000ffff)) * UINT64_C(42949672960001) >> 32);
}

/* What slm_parse_id() and slm_parse_price() do with what is not in their usual form. */
extern bool slm_parse_id_slow(SlmSlice text, bool allow_negative, int64_t *id);
extern bool slm_parse_price_slow(SlmSlice text, SlmMoney *price);

/*
 * An id: decimal digits that fit int64_t, blanks around them (slm_trim()) ignored; `.0` (any number of zeros) may follow, as pandas
 * writes integers of a column that has gaps; a plus may come first, with allow_negative (or before 0) a minus.  False if it is none.
 */
static inline bool
slm_parse_id(SlmSlice text, bool allow_negative, int64_t *id)
{
	unsigned	len = text.len;
	int64_t		a,
				b;

	if (len - 1 < 8)
	{
		a = slm_digits8(text.data, len);
		*id = a;
		if (a >= 0)
			return true;
	}
	else if (len - 1 < 16)
	{
		a = slm_digits8(text.data, len - 8);
		b = slm_digits8(text.data + len - 8, 8);
		*id = a * 100000000 + b;
		if ((a | b) >= 0)
			return true;
	}
	else if (len - 1 < 19)
	{
		int64_t		c;
		uint64_t	sum;

		a = slm_digits8(text.data, len - 16);
		b = slm_digits8(text.data + len - 16, 8);
		c = slm_digits8(text.data + len - 8, 8);
		/* below 10^19, so it fits uint64_t */
		sum = (uint64_t) a * UINT64_C(10000000000000000) + (uint64_t) b * 100000000 + (uint64_t) c;
		*id = (int64_t) sum;
		if ((a | b | c) >= 0)
			return sum <= INT64_MAX;
	}
	return slm_parse_id_slow(text, allow_negative, id);
}

/*
 * A price: `35`, `35.79`, `.5`, `35.`, perhaps with a plus before it, blanks around it (slm_trim()) ignored: at least 0, below 10^12,
 * with at most 4 decimals that count.  What a floating-point number leaves behind these (`35.790000000000006`, `1e-07`) is rounded off
 * if that changes the price by less than 10^-6.  An exponent must have a minus, but of 0: programs that write large numbers with one mostly
 * cut their digits.  Nothing else, and no floating point on the way.  False if it is none.
 */
static inline bool
slm_parse_price(SlmSlice text, SlmMoney *price)
{
	unsigned	len = text.len;

	/* two decimals and up to eight digits before them: nearly all prices */
	if (len - 4 < 8 && text.data[len - 3] == '.')
	{
		int64_t		whole = slm_digits8(text.data, len - 3);
		unsigned	tens = (unsigned) (uint8_t) text.data[len - 2] - '0';
		unsigned	ones = (unsigned) (uint8_t) text.data[len - 1] - '0';

		if (whole >= 0 && tens < 10 && ones < 10)
		{
			*price = whole * SLM_MONEY_ONE + tens * 1000 + ones * 100;
			return true;
		}
	}
	return slm_parse_price_slow(text, price);
}

#endif							/* SLM_PURE_NUMBER_H */
