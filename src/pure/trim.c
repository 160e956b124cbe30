/*
 * trim.c: blanks and words for nothing.
 */
#include "pure/trim.h"

#include <string.h>

/*
 * First: controls and the blank; the lead bytes of the blanks below; the first characters of the words for nothing.
 * Last: controls and the blank; the last bytes of the blanks below.
 */
const uint8_t slm_ends[256] = {
	[0x00 ... 0x20] = SLM_ODD_FIRST | SLM_ODD_LAST,
	['-'] = SLM_ODD_FIRST,['\\'] = SLM_ODD_FIRST,['('] = SLM_ODD_FIRST,['<'] = SLM_ODD_FIRST,['#'] = SLM_ODD_FIRST,
	['n'] = SLM_ODD_FIRST,['N'] = SLM_ODD_FIRST,['u'] = SLM_ODD_FIRST,
	[0x80 ... 0x8f] = SLM_ODD_LAST,[0x9f ... 0xaf] = SLM_ODD_LAST,[0xbf] = SLM_ODD_LAST,
	[0xc2] = SLM_ODD_FIRST,[0xe1 ... 0xe3] = SLM_ODD_FIRST,[0xef] = SLM_ODD_FIRST
};

/* Are these two bytes a blank?  U+0085, U+00A0. */
static bool
is_blank2(const uint8_t *p)
{
	return p[0] == 0xc2 && (p[1] == 0x85 || p[1] == 0xa0);
}

/* Are these three?  U+1680, U+2000 to U+200F, U+2028 to U+202F, U+205F, U+2060, U+2066 to U+2069, U+3000, U+FEFF. */
static bool
is_blank3(const uint8_t *p)
{
	switch (p[0] << 8 | p[1])
	{
		case 0xe19a:
		case 0xe380:
			return p[2] == 0x80;
		case 0xe280:
			return (p[2] >= 0x80 && p[2] <= 0x8f) || (p[2] >= 0xa8 && p[2] <= 0xaf);
		case 0xe281:
			return p[2] == 0x9f || p[2] == 0xa0 || (p[2] >= 0xa6 && p[2] <= 0xa9);
		case 0xefbb:
			return p[2] == 0xbf;
		default:
			return false;
	}
}

static uint32_t
blank_at_start(SlmSlice s)
{
	const uint8_t *p = (const uint8_t *) s.data;

	if (s.len >= 1 && slm_is_blank(s.data[0]))
		return 1;
	if (s.len >= 2 && is_blank2(p))
		return 2;
	return s.len >= 3 && is_blank3(p) ? 3 : 0;
}

static uint32_t
blank_at_end(SlmSlice s)
{
	const uint8_t *end = (const uint8_t *) s.data + s.len;

	if (s.len >= 1 && slm_is_blank(s.data[s.len - 1]))
		return 1;
	if (s.len >= 2 && is_blank2(end - 2))
		return 2;
	return s.len >= 3 && is_blank3(end - 3) ? 3 : 0;
}

SlmSlice
slm_trim(SlmSlice s)
{
	uint32_t	blank;

	while ((blank = blank_at_start(s)) > 0)
	{
		s.data += blank;
		s.len -= blank;
	}
	while ((blank = blank_at_end(s)) > 0)
		s.len -= blank;
	return s;
}

static bool
is_word(SlmSlice s, const char *word)
{
	return memcmp(s.data, word, s.len) == 0;
}

/* word: small letters, as long as s. */
static bool
is_any_case(SlmSlice s, const char *word)
{
	for (uint32_t i = 0; i < s.len; i++)
	{
		if ((s.data[i] | 0x20) != word[i])
			return false;
	}
	return true;
}

bool
slm_is_nothing(SlmSlice s)
{
	switch (s.len)
	{
		case 1:
			return s.data[0] == '-';
		case 2:
			return is_word(s, "\\N");
		case 3:
			/* NAN in capitals is a brand of baby food, and no program's word */
			return is_word(s, "nan") || is_word(s, "NaN") || is_word(s, "n/a") || is_word(s, "N/A");
		case 4:
			return is_any_case(s, "null") || is_any_case(s, "none") || is_word(s, "#N/A") || is_word(s, "<NA>");
		case 6:
			return s.data[0] == '(' && s.data[5] == ')' && is_any_case((SlmSlice) {s.data + 1, 4}, "null");
		case 9:
			return is_word(s, "undefined");
		default:
			return false;
	}
}

SlmSlice
slm_field_value(SlmSlice field)
{
	if (slm_is_value(field))
		return field;
	field = slm_trim(field);
	if (slm_is_nothing(field))
		field.len = 0;
	return field;
}
