/*
 * encoding.c: other encodings as UTF-8.
 */
#include "pure/encoding.h"

#include <string.h>

#define REPLACEMENT	0xfffd

/* What the bytes from 0x80 to 0x9f are in cp1252; those that are nothing there are the control characters of latin-1. */
static const uint16_t cp1252[32] = {
	0x20ac, 0x81, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8d, 0x017d, 0x8f,
	0x90, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x9d, 0x017e, 0x0178
};

/* Write a character; returns how many bytes it has. */
static size_t
put(uint32_t c, char *out)
{
	if (c < 0x80)
	{
		out[0] = (char) c;
		return 1;
	}
	if (c < 0x800)
	{
		out[0] = (char) (0xc0 | c >> 6);
		out[1] = (char) (0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000)
	{
		out[0] = (char) (0xe0 | c >> 12);
		out[1] = (char) (0x80 | (c >> 6 & 0x3f));
		out[2] = (char) (0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char) (0xf0 | c >> 18);
	out[1] = (char) (0x80 | (c >> 12 & 0x3f));
	out[2] = (char) (0x80 | (c >> 6 & 0x3f));
	out[3] = (char) (0x80 | (c & 0x3f));
	return 4;
}

/* One unit of UTF-16; returns how many bytes were written. */
static size_t
put_unit(SlmTranscoder *transcoder, uint16_t unit, char *out)
{
	uint16_t	high = transcoder->high;
	size_t		n = 0;

	transcoder->high = 0;
	if (high != 0 && unit >= 0xdc00 && unit < 0xe000)
		return put(0x10000 + ((uint32_t) (high - 0xd800) << 10) + (unit - 0xdc00), out);
	if (high != 0)
		n = put(REPLACEMENT, out);
	if (unit >= 0xd800 && unit < 0xdc00)
		transcoder->high = unit;
	else if (unit >= 0xdc00 && unit < 0xe000)
		n += put(REPLACEMENT, out + n);
	else
		n += put(unit, out + n);
	return n;
}

/* One byte of an encoding that is not UTF-8. */
static size_t
put_byte(SlmTranscoder *transcoder, uint8_t byte, char *out)
{
	uint8_t		first = transcoder->held[0];

	switch (transcoder->encoding)
	{
		case SLM_CP1252:
			return put(byte >= 0x80 && byte < 0xa0 ? cp1252[byte - 0x80] : byte, out);
		case SLM_UTF16LE:
		case SLM_UTF16BE:
			if (transcoder->nheld == 0)
			{
				transcoder->held[transcoder->nheld++] = byte;
				return 0;
			}
			transcoder->nheld = 0;
			return put_unit(transcoder, (uint16_t) (transcoder->encoding == SLM_UTF16LE ? byte << 8 | first : first << 8 | byte), out);
		default:
			return put(byte, out);
	}
}

/* Bytes that follow each other. */
static bool
add(SlmTranscoder *transcoder, const uint8_t *bytes, size_t len, SlmText *out)
{
	char		piece[4096];
	size_t		n = 0;

	if (transcoder->encoding == SLM_UTF8)
		return len == 0 || slm_text_add(out, (const char *) bytes, len);
	for (size_t i = 0; i < len; i++)
	{
		n += put_byte(transcoder, bytes[i], piece + n);
		if (n > sizeof(piece) - 16)
		{
			if (!slm_text_add(out, piece, n))
				return false;
			n = 0;
		}
	}
	return n == 0 || slm_text_add(out, piece, n);
}

/* What a byte order mark at the beginning says; returns its length. */
static size_t
judge_mark(SlmTranscoder *transcoder, const uint8_t *bytes, size_t len)
{
	if (len >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
	{
		transcoder->encoding = SLM_UTF8;
		return 3;
	}
	if (len < 2 || (memcmp(bytes, "\xff\xfe", 2) != 0 && memcmp(bytes, "\xfe\xff", 2) != 0))
		return 0;
	transcoder->encoding = bytes[0] == 0xff ? SLM_UTF16LE : SLM_UTF16BE;
	return 2;
}

bool
slm_transcode(SlmTranscoder *transcoder, const uint8_t *bytes, size_t len, bool last, SlmText *out)
{
	char		rest[16];
	size_t		n = 0;

	if (!transcoder->begun)
	{
		uint8_t		head[4];
		size_t		nhead;
		size_t		mark;

		while (transcoder->nheld < 3 && len > 0)
		{
			transcoder->held[transcoder->nheld++] = *bytes++;
			len--;
		}
		if (transcoder->nheld < 3 && !last)
			return true;
		nhead = transcoder->nheld;
		memcpy(head, transcoder->held, nhead);
		transcoder->nheld = 0;
		transcoder->begun = true;
		mark = judge_mark(transcoder, head, nhead);
		if (!add(transcoder, head + mark, nhead - mark, out))
			return false;
	}
	if (!add(transcoder, bytes, len, out))
		return false;
	if (!last)
		return true;
	/* half a character */
	if (transcoder->high != 0 || (transcoder->nheld > 0 && transcoder->encoding != SLM_UTF8))
		n = put(REPLACEMENT, rest);
	transcoder->high = 0;
	transcoder->nheld = 0;
	return n == 0 || slm_text_add(out, rest, n);
}
