/*
 * pseudonym.c: see pseudonym.h.
 */
#include "pure/pseudonym.h"

#define PREFIX		"forgotten:"
#define PREFIX_LEN	(sizeof(PREFIX) - 1)
#define DIGITS		16

_Static_assert(SLM_PSEUDONYM_LEN == PREFIX_LEN + 2 * DIGITS, "the length of a pseudonym");

static void
write_hex(char *out, uint64_t value)
{
	static const char digits[] = "0123456789abcdef";

	for (int i = DIGITS - 1; i >= 0; i--, value >>= 4)
		out[i] = digits[value & 15];
}

static uint64_t
mark_of(const SlmHashKey *key, uint64_t fingerprint)
{
	char		text[DIGITS];

	write_hex(text, fingerprint);
	return slm_hash_bytes(key, slm_hash_bytes(key, fingerprint, PREFIX, PREFIX_LEN), text, DIGITS);
}

/* Only what write_hex() writes: else one fingerprint had several spellings. */
static bool
read_hex(const char *text, uint64_t *value)
{
	*value = 0;
	for (int i = 0; i < DIGITS; i++)
	{
		char		c = text[i];

		if (c >= '0' && c <= '9')
			*value = *value << 4 | (uint64_t) (c - '0');
		else if (c >= 'a' && c <= 'f')
			*value = *value << 4 | (uint64_t) (c - 'a' + 10);
		else
			return false;
	}
	return true;
}

bool
slm_pseudonym_read(const SlmHashKey *key, SlmSlice session, uint64_t *fingerprint)
{
	uint64_t	mark;

	return session.len == SLM_PSEUDONYM_LEN && memcmp(session.data, PREFIX, PREFIX_LEN) == 0 &&
		read_hex(session.data + PREFIX_LEN, fingerprint) && read_hex(session.data + PREFIX_LEN + DIGITS, &mark) &&
		*fingerprint != 0 && mark == mark_of(key, *fingerprint);
}

static void
write_fingerprint(const SlmHashKey *key, uint64_t fingerprint, char out[SLM_PSEUDONYM_LEN])
{
	memcpy(out, PREFIX, PREFIX_LEN);
	write_hex(out + PREFIX_LEN, fingerprint);
	write_hex(out + PREFIX_LEN + DIGITS, mark_of(key, fingerprint));
}

void
slm_pseudonym_write(const SlmHashKey *key, SlmSlice session, int64_t product_id, char out[SLM_PSEUDONYM_LEN])
{
	write_fingerprint(key, slm_view_fingerprint(key, session, product_id), out);
}

void
slm_pseudonym_write_id(const SlmHashKey *key, SlmSlice event_id, int64_t product_id, uint32_t type, char out[SLM_PSEUDONYM_LEN])
{
	write_fingerprint(key, slm_line_fingerprint(key, event_id, product_id, type), out);
}
