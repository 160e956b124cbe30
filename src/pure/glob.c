/*
 * glob.c: patterns of keys.
 */
#include "pure/glob.h"

#include <stdint.h>
#include <string.h>

#include "pure/utf8.h"

/* No character: bytes that are none stand behind all that are. */
#define NO_CHARACTER	UINT32_C(0x110000)

/* The character at *p, which moves on; at the end 0, and it stays. */
static uint32_t
next_character(const char **p)
{
	const unsigned char *s = (const unsigned char *) *p;
	int			len;

	if (s[0] < 0x80)
	{
		*p += s[0] != 0;
		return s[0];
	}
	/* what is behind the end is never looked at: a 0 continues no character */
	len = slm_utf8_length(*p, strnlen(*p, 4));
	*p += len == 0 ? 1 : len;
	switch (len)
	{
		case 2:
			return (uint32_t) (s[0] & 0x1F) << 6 | (s[1] & 0x3F);
		case 3:
			return (uint32_t) (s[0] & 0x0F) << 12 | (uint32_t) (s[1] & 0x3F) << 6 | (s[2] & 0x3F);
		case 4:
			return (uint32_t) (s[0] & 0x07) << 18 | (uint32_t) (s[1] & 0x3F) << 12 | (uint32_t) (s[2] & 0x3F) << 6 | (s[3] & 0x3F);
		default:
			return NO_CHARACTER + s[0];
	}
}

/* Of what stands in brackets: a character that may be quoted. */
static uint32_t
next_of_set(const char **p)
{
	if (**p == '\\' && (*p)[1] != '\0')
		(*p)++;
	return next_character(p);
}

/*
 * The set whose bracket stands before *p: is c in it?  *p moves behind it; if it has no end, to the end of the pattern, and nothing is in
 * it.  *fault is set if something is wrong with it.
 */
static bool
in_set(const char **p, uint32_t c, const char **fault)
{
	bool		others = **p == '!' || **p == '^';
	bool		found = false;

	*p += others;
	for (bool first = true; **p != '\0' && (first || **p != ']'); first = false)
	{
		uint32_t	low = next_of_set(p);
		uint32_t	high = low;

		if ((*p)[0] == '-' && (*p)[1] != ']' && (*p)[1] != '\0')
		{
			(*p)++;
			high = next_of_set(p);
		}
		if (high < low)
			*fault = "has a range whose end comes before its begin";
		found |= c >= low && c <= high;
	}
	if (**p == '\0')
	{
		*fault = "has a bracket without its counterpart";
		return false;
	}
	(*p)++;
	return found != others;
}

/* Does what stands at *glob, no '*', match the character?  *glob moves on if it does. */
static bool
matches_one(const char **glob, uint32_t c)
{
	const char *p = *glob + 1;
	const char *fault;
	bool		matches;

	switch (**glob)
	{
		case '\0':
			return false;
		case '?':
			matches = true;
			break;
		case '[':
			matches = in_set(&p, c, &fault);
			break;
		default:
			p = *glob;
			matches = next_of_set(&p) == c;
			break;
	}
	if (matches)
		*glob = p;
	return matches;
}

bool
slm_glob_matches(const char *glob, const char *text)
{
	const char *star = NULL;	/* behind the last '*' */
	const char *taken = NULL;	/* up to here that one matches */

	/* a later '*' makes up for whatever an earlier one took: only the last is ever tried anew */
	while (*text != '\0')
	{
		const char *next = text;
		uint32_t	c = next_character(&next);

		if (*glob == '*')
		{
			star = ++glob;
			taken = text;
		}
		else if (matches_one(&glob, c))
			text = next;
		else if (star != NULL)
		{
			(void) next_character(&taken);
			text = taken;
			glob = star;
		}
		else
			return false;
	}
	while (*glob == '*')
		glob++;
	return *glob == '\0';
}

const char *
slm_glob_fault(const char *glob)
{
	const char *fault = *glob == '\0' ? "is empty" : NULL;

	for (const char *p = glob; *p != '\0' && fault == NULL;)
	{
		if (*p == '\\' && p[1] == '\0')
			fault = "ends in a backslash that quotes nothing";
		if (*p == '[')
		{
			p++;
			(void) in_set(&p, 0, &fault);
		}
		else
			(void) next_of_set(&p);
	}
	return fault;
}
