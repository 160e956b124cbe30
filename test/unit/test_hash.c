/*
 * test_hash.c: the hash is the same wherever a string stands and however its end is loaded: fingerprints are stored.
 */
#include <stdlib.h>

#include "pure/hash.h"
#include "unit.h"

#define MAX_LEN	70

/* As hash.h, with the end of the string copied byte by byte. */
static uint64_t
plain_hash(const SlmHashKey *key, uint64_t seed, const char *p, size_t len)
{
	uint64_t	h = slm_hash_mix(seed ^ key->k[0], (len + 1) ^ key->k[1]);
	uint64_t	words[2];

	for (; len > 16; len -= 16, p += 16)
		h = slm_hash_mix(slm_load64(p) ^ key->k[2], slm_load64(p + 8) ^ h);
	memset(words, 0, sizeof(words));
	memcpy(words, p, len);
	if (len > 8)
		h = slm_hash_mix(words[0] ^ key->k[2], words[1] ^ h);
	else if (len > 0)
		h = slm_hash_mix(words[0] ^ key->k[3], h);
	return slm_hash_mix(h ^ key->k[3], key->k[1]);
}

int
main(void)
{
	SlmHashKey	key = slm_hash_key(1, 2);
	uint64_t	state = 3;
	bool		same = true;

	for (size_t len = 0; len <= MAX_LEN; len++)
	{
		/* of its own size, so that a read beyond either end is found */
		char	   *text = malloc(len ? len : 1);

		for (int round = 0; round < 20; round++)
		{
			for (size_t i = 0; i < len; i++)
				text[i] = (char) (state = slm_splitmix(state));
			same &= slm_hash_bytes(&key, state, text, len) == plain_hash(&key, state, text, len);
		}
		free(text);
	}
	UNIT_OK(same, "strings of up to %d bytes", MAX_LEN);
	UNIT_OK(slm_hash_bytes(&key, 0, "a", 1) != slm_hash_bytes(&key, 0, "a\0", 2), "a NUL byte counts");
	return unit_done();
}
