/*
 * varint.h: whole numbers as bytes, as in Protocol Buffers: seven bits a byte, the lowest first, the top bit says that more follow.
 */
#ifndef SLM_PURE_VARINT_H
#define SLM_PURE_VARINT_H

#include "pure/types.h"

/* What a number takes at most. */
#define SLM_VARINT_MAX		10
#define SLM_LONG_VARINT_MAX	19

#define SLM_CENT			100

/* Twice a sum of money, in 1/10000, is below this. */
#define SLM_MAX_MONEY_VARINT	((SlmMoneySum) 1 << 125)

static inline uint64_t
slm_zigzag(int64_t value)
{
	return (uint64_t) value << 1 ^ (uint64_t) (value >> 63);
}

static inline int64_t
slm_unzigzag(uint64_t value)
{
	return (int64_t) (value >> 1 ^ -(value & 1));
}

/* There is room.  Returns where the next goes. */
static inline unsigned char *
slm_put_varint(unsigned char *to, unsigned __int128 value)
{
	while (value >= 0x80)
	{
		*to++ = (unsigned char) (value | 0x80);
		value >>= 7;
	}
	*to++ = (unsigned char) value;
	return to;
}

/* Move *at, which is before end, behind a number.  False if it is none. */
static inline bool
slm_get_varint(const unsigned char **at, const unsigned char *end, uint64_t *value)
{
	*value = 0;
	for (int shift = 0; shift < 64 && *at < end; shift += 7)
	{
		unsigned char byte = *(*at)++;

		*value |= (uint64_t) (byte & 0x7f) << shift;
		if (byte < 0x80)
			return true;
	}
	return false;
}

static inline bool
slm_get_long_varint(const unsigned char **at, const unsigned char *end, unsigned __int128 *value)
{
	*value = 0;
	for (int shift = 0; shift < 128 && *at < end; shift += 7)
	{
		unsigned char byte = *(*at)++;

		*value |= (unsigned __int128) (byte & 0x7f) << shift;
		if (byte < 0x80)
			return true;
	}
	return false;
}

/* A sum of money: cents, or if it is not whole ones 1/10000; times two, plus one if these are 1/10000; zigzag. */
static inline unsigned char *
slm_put_money_varint(unsigned char *to, SlmMoneySum gmv)
{
	SlmMoneySum value = gmv % SLM_CENT == 0 ? gmv / SLM_CENT * 2 : gmv * 2 + 1;

	return slm_put_varint(to, (unsigned __int128) value << 1 ^ (unsigned __int128) (value >> 127));
}

/* Money by the number of its varint, of fewer than 64 bits. */
static inline SlmMoneySum
slm_narrow_money(uint64_t value)
{
	int64_t		narrow = slm_unzigzag(value);

	return (narrow & 1) != 0 ? (narrow - 1) / 2 : (SlmMoneySum) (narrow / 2) * SLM_CENT;
}

/* Sums of money are mostly below 2^56, and eight bytes are read with one shift each. */
static inline bool
slm_get_money_varint(const unsigned char **at, const unsigned char *end, SlmMoneySum *gmv)
{
	const unsigned char *start = *at;
	uint64_t	value;

	unsigned __int128 wide;

	if (slm_get_varint(at, end, &value) && *at - start < SLM_VARINT_MAX)
	{
		*gmv = slm_narrow_money(value);
		return true;
	}
	*at = start;
	if (!slm_get_long_varint(at, end, &wide))
		return false;
	*gmv = (SlmMoneySum) (wide >> 1 ^ -(wide & 1));
	/* no sum is so large, as each is below 2^63 prices of 10^16 */
	if (*gmv >= SLM_MAX_MONEY_VARINT || *gmv <= -SLM_MAX_MONEY_VARINT || ((*gmv & 1) == 0 && (*gmv / 2 >= SLM_MAX_MONEY_VARINT / SLM_CENT || *gmv / 2 <= -SLM_MAX_MONEY_VARINT / SLM_CENT)))
		return false;
	/* the lowest bit of a negative number tells as well */
	*gmv = (*gmv & 1) != 0 ? (*gmv - 1) / 2 : *gmv / 2 * SLM_CENT;
	return true;
}

/* The number of a varint's bytes, all of which are in these eight. */
static inline uint64_t
slm_join_sevens(uint64_t bytes)
{
	bytes &= UINT64_C(0x7f7f7f7f7f7f7f7f);
	bytes = (bytes & UINT64_C(0x007f007f007f007f)) | (bytes & UINT64_C(0x7f007f007f007f00)) >> 1;
	bytes = (bytes & UINT64_C(0x00003fff00003fff)) | (bytes & UINT64_C(0x3fff00003fff0000)) >> 2;
	return (bytes & UINT64_C(0x0fffffff)) | (bytes & UINT64_C(0x0fffffff00000000)) >> 4;
}

#endif							/* SLM_PURE_VARINT_H */
