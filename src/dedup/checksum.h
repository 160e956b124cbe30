/*
 * checksum.h: the checksum by which an object's content is known: sellometer.objects.checksum.
 */
#ifndef SLM_DEDUP_CHECKSUM_H
#define SLM_DEDUP_CHECKSUM_H

#include "postgres.h"
#include "pure/content.h"

/* Derived from the database's secret, from which it can't be told. */
typedef struct SlmChecksumKey
{
	uint8		secret[SLM_CONTENT_SECRET];	/* of slm_content_create() */
	uint8		last[32];		/* of slm_checksum_show() */
} SlmChecksumKey;

typedef struct SlmChecksum
{
	uint8		bytes[SLM_CONTENT_SIZE];
} SlmChecksum;

/* As a value of SQL's type uuid, its tightest for 16 bytes; refers to the checksum. */
static inline Datum
slm_checksum_datum(const SlmChecksum *checksum)
{
	return PointerGetDatum(checksum->bytes);
}

/* Make the keys of the bytes of sellometer.secret. */
extern void slm_checksum_key(SlmChecksumKey *key, const void *hash_key, size_t len);

/*
 * Make of a checksum of content.h one that may be read by whoever reads the ledger: nothing about the secret follows from it,
 * so nobody can use it to make a file that would be taken for another.
 */
extern SlmChecksum slm_checksum_show(const SlmChecksumKey *key, const uint8 *sum);

#endif							/* SLM_DEDUP_CHECKSUM_H */
