/*
 * s3_hash.c: SHA-256 and MD5 of request bodies.
 */
#include "postgres.h"

#include "common/base64.h"
#include "common/cryptohash.h"
#include "common/md5.h"
#include "common/sha2.h"
#include "utils/resowner.h"

#include "store/s3_internal.h"

/* False only where the kind is not allowed. */
static bool
digest(pg_cryptohash_type type, const char *data, size_t len, uint8 *result, size_t result_len)
{
	ResourceOwner before = CurrentResourceOwner;
	ResourceOwner own = NULL;
	pg_cryptohash_ctx *ctx;
	bool		ok;

	/* A digest of OpenSSL is registered with the resource owner, and outside of a transaction there is none. */
	if (before == NULL)
		CurrentResourceOwner = own = ResourceOwnerCreate(NULL, "sellometer digest");
	ctx = pg_cryptohash_create(type);
	ok = ctx != NULL &&
		pg_cryptohash_init(ctx) >= 0 &&
		pg_cryptohash_update(ctx, (const uint8 *) data, len) >= 0 &&
		pg_cryptohash_final(ctx, result, result_len) >= 0;
	pg_cryptohash_free(ctx);
	if (own != NULL)
	{
		CurrentResourceOwner = before;
		ResourceOwnerRelease(own, RESOURCE_RELEASE_BEFORE_LOCKS, false, true);
		ResourceOwnerRelease(own, RESOURCE_RELEASE_LOCKS, false, true);
		ResourceOwnerRelease(own, RESOURCE_RELEASE_AFTER_LOCKS, false, true);
		ResourceOwnerDelete(own);
	}
	return ok;
}

static void
sha256(const char *data, size_t len, uint8 *result)
{
	if (!digest(PG_SHA256, data, len, result, PG_SHA256_DIGEST_LENGTH))
		elog(ERROR, "could not compute SHA-256");
}

void
slm_sha256_hex(const char *data, size_t len, char *hex)
{
	static const char digits[] = "0123456789abcdef";
	uint8		result[PG_SHA256_DIGEST_LENGTH];

	sha256(data, len, result);
	for (int i = 0; i < PG_SHA256_DIGEST_LENGTH; i++)
	{
		hex[2 * i] = digits[result[i] >> 4];
		hex[2 * i + 1] = digits[result[i] & 15];
	}
	hex[2 * PG_SHA256_DIGEST_LENGTH] = '\0';
}

static char *
base64(const uint8 *bytes, int len)
{
	int			size = pg_b64_enc_len(len);
	char	   *text = palloc(size + 1);

	text[pg_b64_encode((const void *) bytes, len, text, size)] = '\0';
	return text;
}

char *
slm_sha256_base64(const char *data, size_t len)
{
	uint8		result[PG_SHA256_DIGEST_LENGTH];

	sha256(data, len, result);
	return base64(result, sizeof(result));
}

char *
slm_md5_base64(const char *data, size_t len)
{
	uint8		result[MD5_DIGEST_LENGTH];

	return digest(PG_MD5, data, len, result, sizeof(result)) ? base64(result, sizeof(result)) : NULL;
}
