/*
 * hash.h: a keyed 64-bit hash of short byte strings.
 *
 * The construction is that of wyhash (Wang Yi, public domain): eight bytes at a time are mixed into the state by a
 * 64 x 64 -> 128 bit multiplication whose halves are folded together; here with a secret key per database, so that nobody
 * who writes event files can make two sessions collide on purpose.
 *
 * Collisions: with n distinct inputs the chance that any two share a fingerprint is below n^2 / 2^65: 4.4e-5 for
 * the 40 million (session, product) pairs of a day at 40,000 events a minute.
 */
#ifndef SLM_PURE_HASH_H
#define SLM_PURE_HASH_H

#include <string.h>

#include "pure/types.h"

typedef struct SlmHashKey
{
	uint64_t	k[4];
} SlmHashKey;

/* One step of splitmix64 (Steele, Lea, Flood 2014): spreads a seed; also a good finaliser for integers. */
static inline uint64_t
slm_splitmix(uint64_t x)
{
	x += UINT64_C(0x9E3779B97F4A7C15);
	x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
	return x ^ (x >> 31);
}

/* Make a hash key of two secret words. */
static inline SlmHashKey
slm_hash_key(uint64_t a, uint64_t b)
{
	SlmHashKey	key;

	key.k[0] = slm_splitmix(a) | 1;
	key.k[1] = slm_splitmix(b) | 1;
	key.k[2] = slm_splitmix(a ^ key.k[1]) | 1;
	key.k[3] = slm_splitmix(b ^ key.k[0]) | 1;
	return key;
}

static inline uint64_t
slm_hash_mix(uint64_t a, uint64_t b)
{
	unsigned __int128 m = (unsigned __int128) a * b;

	return (uint64_t) m ^ (uint64_t) (m >> 64);
}

static inline uint64_t
slm_load64(const char *p)
{
	uint64_t	v;

	memcpy(&v, p, 8);
	return v;
}

/* The len (1 to 8) bytes at p as a number, without a loop or a call; whole: how many bytes there are that end with them. */
static inline uint64_t
slm_load_tail(const char *p, size_t len, size_t whole)
{
	uint64_t	v = 0;

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	if (whole >= 8)
		v = slm_load64(p + len - 8) >> 8 * (8 - len);
	else if (len >= 4)
	{
		uint32_t	first;
		uint32_t	last;

		memcpy(&first, p, 4);
		memcpy(&last, p + len - 4, 4);
		v = first | (uint64_t) last << 8 * (len - 4);
	}
	else
		v = (uint64_t) (uint8_t) p[0] | (uint64_t) (uint8_t) p[len / 2] << 8 * (len / 2) | (uint64_t) (uint8_t) p[len - 1] << 8 * (len - 1);
#else
	(void) whole;
	memcpy(&v, p, len);
#endif
	return v;
}

/* Hash len bytes, chained to the seed (a former hash, or any number). */
static inline uint64_t
slm_hash_bytes(const SlmHashKey *key, uint64_t seed, const char *p, size_t len)
{
	/* the seed is mixed before any byte meets it: else a change of the one could be undone by a change of the other */
	uint64_t	h = slm_hash_mix(seed ^ key->k[0], (len + 1) ^ key->k[1]);

	const size_t whole = len;

	for (; len > 16; len -= 16, p += 16)
		h = slm_hash_mix(slm_load64(p) ^ key->k[2], slm_load64(p + 8) ^ h);
	if (len > 8)
		h = slm_hash_mix(slm_load64(p) ^ key->k[2], slm_load_tail(p + 8, len - 8, whole) ^ h);
	else if (len > 0)
		h = slm_hash_mix(slm_load_tail(p, len, whole) ^ key->k[3], h);
	return slm_hash_mix(h ^ key->k[3], key->k[1]);
}

static inline uint64_t
slm_hash_int(const SlmHashKey *key, uint64_t seed, uint64_t v)
{
	return slm_hash_mix(v ^ key->k[2], seed ^ key->k[0]);
}

/* The bytes of a pseudonym, which no usual session has. */
#define SLM_PSEUDONYM_LEN	42

/* Is it a pseudonym of this key's?  Then *fingerprint is what it stands for: see pseudonym.h. */
extern bool slm_pseudonym_read(const SlmHashKey *key, SlmSlice session, uint64_t *fingerprint);

/*
 * The fingerprint of a view: one session looking at one product.  Never 0, which stands for "no session".
 */
static inline uint64_t
slm_view_fingerprint(const SlmHashKey *key, SlmSlice session, int64_t product_id)
{
	uint64_t	h;

	if (__builtin_expect(session.len == SLM_PSEUDONYM_LEN, false) && slm_pseudonym_read(key, session, &h))
		return h;
	h = slm_hash_bytes(key, (uint64_t) product_id, session.data, session.len);

	return h ? h : 1;
}

/*
 * The fingerprint of an event of a type (no view) with an id: a product's line of it.  Never 0, and as strong as that of a view.
 */
static inline uint64_t
slm_line_fingerprint(const SlmHashKey *key, SlmSlice event_id, int64_t product_id, uint32_t type)
{
	uint64_t	h;

	if (__builtin_expect(event_id.len == SLM_PSEUDONYM_LEN, false) && slm_pseudonym_read(key, event_id, &h))
		return h;
	h = slm_hash_bytes(key, slm_hash_int(key, type, (uint64_t) product_id), event_id.data, event_id.len);

	return h ? h : 1;
}

#endif							/* SLM_PURE_HASH_H */
