/*
 * own.c: dimensions of a user's own.
 */
#include "pure/own.h"

#include <string.h>
#include <strings.h>

#include "pure/trim.h"
#include "pure/utf8.h"

/* The first parts of a value; all of it if it has no more. */
static SlmSlice
first_parts(const SlmOwnDimension *dimension, SlmSlice value)
{
	size_t		len = strlen(dimension->separator);
	uint32_t	level = 0;

	for (uint32_t i = 0; dimension->level > 0 && i + len <= value.len; i++)
	{
		if (memcmp(value.data + i, dimension->separator, len) == 0 && ++level == dimension->level)
			return (SlmSlice) {value.data, i};
	}
	return value;
}

SlmSlice
slm_own_key(const SlmOwnDimension *dimension, SlmSlice value)
{
	SlmSlice	key = slm_field_value(value);

	if (key.len > 0)
		key = first_parts(dimension, key);
	if (key.len > SLM_MAX_KEY_BYTES)
	{
		/* not in the middle of a character */
		key.len = SLM_MAX_KEY_BYTES;
		while (key.len > 0 && ((uint8_t) key.data[key.len] & 0xc0) == 0x80)
			key.len--;
	}
	return key.len > 0 ? key : (SlmSlice) {dimension->empty, (uint32_t) strlen(dimension->empty)};
}

/* The value of a digit of a hexadecimal number, or -1. */
static int
hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* With bytes instead of what stands for them; as it is, if that is no text. */
static SlmSlice
decode(SlmSlice value, char *out)
{
	uint32_t	len = 0;

	for (uint32_t i = 0; i < value.len; i++)
	{
		int			high = value.data[i] == '%' && i + 2 < value.len ? hex_digit(value.data[i + 1]) : -1;
		int			low = high < 0 ? -1 : hex_digit(value.data[i + 2]);

		out[len++] = low < 0 ? value.data[i] : (char) (high << 4 | low);
		i += low < 0 ? 0 : 2;
	}
	return slm_utf8_check(out, len) == len ? (SlmSlice) {out, len} : value;
}

SlmSlice
slm_own_part(SlmSlice key, const char *name, char *out)
{
	static const char nothing[] = "__HIVE_DEFAULT_PARTITION__";
	size_t		len = strlen(name);
	const char *end = key.data + key.len;
	const char *slash;

	/* what is behind the last slash is no folder */
	for (const char *p = key.data; (slash = memchr(p, '/', (size_t) (end - p))) != NULL; p = slash + 1)
	{
		SlmSlice	value;

		if ((size_t) (slash - p) <= len || p[len] != '=' || strncasecmp(p, name, len) != 0)
			continue;
		value = (SlmSlice) {p + len + 1, (uint32_t) (slash - p - len - 1)};
		if (value.len == strlen(nothing) && memcmp(value.data, nothing, value.len) == 0)
			value.len = 0;
		return decode(value, out);
	}
	return (SlmSlice) {key.data, 0};
}

bool
slm_own_equal(const SlmOwn *a, const SlmOwn *b)
{
	if (a->n != b->n || a->nvalues != b->nvalues)
		return false;
	for (uint32_t i = 0; i < a->n; i++)
	{
		const SlmOwnDimension *x = &a->dimension[i];
		const SlmOwnDimension *y = &b->dimension[i];

		if (x->id != y->id || x->since != y->since || x->visits_from != y->visits_from || x->value != y->value || x->level != y->level ||
			strcmp(x->empty, y->empty) != 0 || strcmp(x->separator, y->separator) != 0)
			return false;
	}
	for (uint32_t i = 0; i < a->nvalues; i++)
	{
		if (a->value[i].from != b->value[i].from || strcmp(a->value[i].of, b->value[i].of) != 0)
			return false;
	}
	return true;
}

static uint64_t
add_to_stamp(uint64_t stamp, const void *data, size_t len)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < len; i++)
		stamp = (stamp ^ bytes[i]) * UINT64_C(1099511628211);
	return stamp;
}

uint64_t
slm_own_stamp(const SlmOwn *own)
{
	uint64_t	stamp = UINT64_C(14695981039346656037);

	/* what is never given again tells all the rest but for what changes */
	for (uint32_t i = 0; i < own->n; i++)
	{
		stamp = add_to_stamp(stamp, &own->dimension[i].id, sizeof(int64_t));
		stamp = add_to_stamp(stamp, &own->dimension[i].since, sizeof(SlmTime));
		stamp = add_to_stamp(stamp, &own->dimension[i].visits_from, sizeof(SlmTime));
	}
	return own->n == 0 ? 0 : stamp;
}
