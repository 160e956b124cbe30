/*
 * checksum.c: see checksum.h.
 *
 *   sellometer.secret --SHA-256--> secret of XXH3, key of the last step
 *   content --XXH3-128, secret--> sum --SHA-256, key--> checksum
 *
 * The last step costs the same for each object, however large it is.
 */
#include "postgres.h"

#include "common/cryptohash.h"
#include "common/sha2.h"
#include "dedup/checksum.h"

static void
sha256(const void *key, size_t key_len, const void *data, size_t len, uint8 *digest)
{
	pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA256);

	if (hash == NULL || pg_cryptohash_init(hash) < 0 || pg_cryptohash_update(hash, key, key_len) < 0 ||
		pg_cryptohash_update(hash, data, len) < 0 || pg_cryptohash_final(hash, digest, PG_SHA256_DIGEST_LENGTH) < 0)
		elog(ERROR, "could not compute a checksum: %s", pg_cryptohash_error(hash));
	pg_cryptohash_free(hash);
}

void
slm_checksum_key(SlmChecksumKey *key, const void *hash_key, size_t len)
{
	char		label[] = "sellometer content 0";

	StaticAssertStmt(sizeof(key->secret) % PG_SHA256_DIGEST_LENGTH == 0, "a secret is made of whole digests");
	for (size_t i = 0; i < sizeof(key->secret); i += PG_SHA256_DIGEST_LENGTH)
	{
		label[sizeof(label) - 2]++;
		sha256(hash_key, len, label, sizeof(label), key->secret + i);
	}
	sha256(hash_key, len, "sellometer checksum", sizeof("sellometer checksum"), key->last);
}

SlmChecksum
slm_checksum_show(const SlmChecksumKey *key, const uint8 *sum)
{
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	SlmChecksum checksum;

	sha256(key->last, sizeof(key->last), sum, SLM_CONTENT_SIZE, digest);
	memcpy(checksum.bytes, digest, sizeof(checksum.bytes));
	return checksum;
}
