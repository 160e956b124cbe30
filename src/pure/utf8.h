/*
 * utf8.h: is it text that the database can hold?
 */
#ifndef SLM_PURE_UTF8_H
#define SLM_PURE_UTF8_H

#include "pure/types.h"

/*
 * The offset of the first byte that begins no valid UTF-8 character, or len if all is well.  As strict as PostgreSQL:
 * NUL, surrogates, overlong forms and anything above U+10FFFF are invalid.
 */
extern size_t slm_utf8_check(const char *data, size_t len);

/* Are all bytes ASCII, and none of them NUL? */
extern bool slm_is_ascii(const char *data, size_t len);

/* The length in bytes (1 to 4) of the valid character at data, or 0 if there is none.  len: bytes there are. */
extern int	slm_utf8_length(const char *data, size_t len);

/*
 * Is the valid character of len bytes one that a terminal or a page acts upon, instead of showing it: a C1 control, a mark that
 * turns the direction of writing, or a separator of lines?
 */
static inline bool
slm_utf8_misleads(const char *data, int len)
{
	const unsigned char *p = (const unsigned char *) data;

	if (len == 2)
		return (p[0] == 0xC2 && p[1] < 0xA0) || (p[0] == 0xD8 && p[1] == 0x9C);		/* U+0080 to U+009F, U+061C */
	if (len != 3 || p[0] != 0xE2)
		return false;
	if (p[1] == 0x80)			/* U+200E, U+200F, U+2028 to U+202E */
		return p[2] == 0x8E || p[2] == 0x8F || (p[2] >= 0xA8 && p[2] <= 0xAE);
	return p[1] == 0x81 && p[2] >= 0xA6 && p[2] <= 0xA9;	/* U+2066 to U+2069 */
}

#endif							/* SLM_PURE_UTF8_H */
