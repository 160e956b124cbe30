/*
 * node_slice.c: PostgreSQL's hash partitioning of a bigint.
 *
 * It is part of what is on disk in hash-partitioned tables, so it never changes: compute_partition_hash_value() hashes each column with
 * hashint8extended() and HASH_PARTITION_SEED, and combines the hashes with hash_combine64().  hash_bytes_uint32_extended(), which that
 * rests on, is Bob Jenkins' lookup3 (public domain) for a key of four bytes.
 */
#include "pure/node_slice.h"

#include "pure/assert.h"

#define PARTITION_SEED	UINT64_C(0x7A5B22367996DCFD)
#define COMBINE			UINT64_C(0x49a0f4dd15e5a8e3)
#define START			(UINT32_C(0x9e3779b9) + 4 + UINT32_C(3923095))

static inline uint32_t
rotate(uint32_t x, int by)
{
	return (x << by) | (x >> (32 - by));
}

/* The state that the seed leaves, and a key's hash from there. */
static uint64_t
hash_key(uint32_t key)
{
	uint32_t	a = START + (uint32_t) (PARTITION_SEED >> 32);
	uint32_t	b = START + (uint32_t) PARTITION_SEED;
	uint32_t	c = START;

	/* mix: of constants, so a compiler does it */
	a -= c; a ^= rotate(c, 4); c += b;
	b -= a; b ^= rotate(a, 6); a += c;
	c -= b; c ^= rotate(b, 8); b += a;
	a -= c; a ^= rotate(c, 16); c += b;
	b -= a; b ^= rotate(a, 19); a += c;
	c -= b; c ^= rotate(b, 4); b += a;
	a += key;
	/* final */
	c ^= b; c -= rotate(b, 14);
	a ^= c; a -= rotate(c, 11);
	b ^= a; b -= rotate(a, 25);
	c ^= b; c -= rotate(b, 16);
	a ^= c; a -= rotate(c, 4);
	b ^= a; b -= rotate(a, 14);
	c ^= b; c -= rotate(b, 24);
	return (uint64_t) b << 32 | c;
}

uint32_t
slm_slice_of(int64_t product_id, uint32_t of)
{
	uint32_t	low = (uint32_t) product_id;
	uint32_t	high = (uint32_t) ((uint64_t) product_id >> 32);
	uint64_t	hash;

	SLM_ASSERT(of > 0);
	/* so that equal numbers of 4 and of 8 bytes have equal hashes */
	hash = hash_key(low ^ (product_id >= 0 ? high : ~high)) + COMBINE;
	/* each row is asked about, and a division takes as long as the rest */
	return (uint32_t) ((of & (of - 1)) == 0 ? hash & (of - 1) : hash % of);
}

/* Digits up to end; false if there are none, or too many. */
static bool
parse_number(const char **text, uint32_t *number)
{
	const char *p = *text;

	*number = 0;
	while (*p >= '0' && *p <= '9' && p - *text < 5)
		*number = *number * 10 + (uint32_t) (*p++ - '0');
	if (p == *text)
		return false;
	*text = p;
	return true;
}

bool
slm_slice_parse(const char *text, SlmNodeSlice *slice)
{
	*slice = (SlmNodeSlice) {0};
	if (*text == '\0')
		return true;
	return parse_number(&text, &slice->number) && *text++ == '/' && parse_number(&text, &slice->of) && *text == '\0' &&
		slice->number < slice->of && slice->of <= SLM_MAX_SLICES;
}
