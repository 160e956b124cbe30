/*
 * test_hash.c: the hash is the same wherever a string stands and however its end is loaded: fingerprints are stored.
 */
#include <stdlib.h>

#include "pure/pseudonym.h"
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

/* A session of so many bytes and its pseudonym: the same fingerprint, and no other. */
static void
test_pseudonym(const SlmHashKey *key)
{
	SlmHashKey	other = slm_hash_key(1, 3);
	SlmSlice	session = {"72d76fde-8bb3-4e00-8c23-a032dfed738c", 36};
	char		text[SLM_PSEUDONYM_LEN];
	char		again[SLM_PSEUDONYM_LEN];
	SlmSlice	pseudonym = {text, sizeof(text)};
	uint64_t	fingerprint = slm_view_fingerprint(key, session, 7);
	uint64_t	read = 0;
	bool		forged = false;
	bool		hex = true;

	slm_pseudonym_write(key, session, 7, text);
	for (int i = 10; i < SLM_PSEUDONYM_LEN; i++)
		hex &= strchr("0123456789abcdef", text[i]) != NULL && text[i] != '\0';
	UNIT_OK(memcmp(text, "forgotten:", 10) == 0 && hex, "a pseudonym is text");
	UNIT_OK(slm_pseudonym_read(key, pseudonym, &read) && read == fingerprint, "... that holds the fingerprint");
	UNIT_OK(slm_view_fingerprint(key, pseudonym, 7) == fingerprint, "... and counts as the session did");
	slm_pseudonym_write(key, pseudonym, 7, again);
	UNIT_OK(memcmp(text, again, sizeof(text)) == 0, "... and is its own pseudonym");
	slm_pseudonym_write_id(key, session, 7, 3, text);
	slm_pseudonym_write_id(key, pseudonym, 7, 3, again);
	UNIT_OK(memcmp(text, again, sizeof(text)) == 0 && slm_line_fingerprint(key, pseudonym, 7, 3) == slm_line_fingerprint(key, session, 7, 3) &&
			slm_line_fingerprint(key, session, 7, 3) != fingerprint && slm_line_fingerprint(key, session, 7, 1) != slm_line_fingerprint(key, session, 7, 3) &&
			slm_line_fingerprint(key, session, 8, 3) != slm_line_fingerprint(key, session, 7, 3), "... likewise of an id, per product and type");
	slm_pseudonym_write(key, session, 8, again);
	UNIT_OK(memcmp(text + 10, again + 10, 16) != 0, "with another product it is another");
	UNIT_OK(!slm_pseudonym_read(&other, pseudonym, &read), "another database does not take it for one");
	for (int i = 0; i < SLM_PSEUDONYM_LEN; i++)
	{
		memcpy(again, text, sizeof(text));
		again[i] = again[i] == '1' ? '2' : '1';
		forged |= slm_pseudonym_read(key, (SlmSlice) {again, sizeof(again)}, &read);
		again[i] = (char) (text[i] ^ 0x20);
		forged |= slm_pseudonym_read(key, (SlmSlice) {again, sizeof(again)}, &read);
	}
	UNIT_OK(!forged, "nor is any that was changed");
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
	test_pseudonym(&key);
	return unit_done();
}
