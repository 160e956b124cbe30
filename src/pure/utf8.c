/*
 * utf8.c: validation of UTF-8, with a short cut for ASCII.
 */
#include "pure/utf8.h"

#include <string.h>

static inline bool
continues(uint8_t byte)
{
	return (byte & 0xc0) == 0x80;
}

int
slm_utf8_length(const char *data, size_t len)
{
	const uint8_t *s = (const uint8_t *) data;

	if (len == 0 || s[0] == 0)
		return 0;
	if (s[0] < 0x80)
		return 1;
	/* 80 .. c1 begin nothing: continuation bytes, and two-byte forms of what needs one */
	if (s[0] < 0xc2)
		return 0;
	if (s[0] < 0xe0)
		return len >= 2 && continues(s[1]) ? 2 : 0;
	if (s[0] < 0xf0)
	{
		if (len < 3 || !continues(s[1]) || !continues(s[2]))
			return 0;
		if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f))
			return 0;			/* overlong; surrogate */
		return 3;
	}
	if (s[0] > 0xf4 || len < 4 || !continues(s[1]) || !continues(s[2]) || !continues(s[3]))
		return 0;
	if ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;				/* overlong; above U+10FFFF */
	return 4;
}

/*
 * Does a word hold a byte that is no ASCII, or NUL?  A borrow from a NUL may make the byte above it look like one too:
 * what is found is to be looked at byte by byte; what is not found is not there.
 */
static inline bool
word_is_odd(const char *data)
{
	uint64_t	word;

	memcpy(&word, data, 8);
	return ((word | (word - UINT64_C(0x0101010101010101))) & UINT64_C(0x8080808080808080)) != 0;
}

bool
slm_is_ascii(const char *data, size_t len)
{
	size_t		i = 0;

	while (len - i >= 8 && !word_is_odd(data + i))
		i += 8;
	for (; i < len; i++)
		if ((uint8_t) (data[i] - 1) >= 0x7f)
			return false;
	return true;
}

size_t
slm_utf8_check(const char *data, size_t len)
{
	size_t		i = 0;

	while (i < len)
	{
		size_t		stop;

		while (len - i >= 8 && !word_is_odd(data + i))
			i += 8;
		/* one word byte by byte, and on with words */
		stop = len - i < 8 ? len : i + 8;
		while (i < stop)
		{
			int			n = slm_utf8_length(data + i, len - i);

			if (n == 0)
				return i;
			i += (size_t) n;
		}
	}
	return len;
}
