/*
 * archive_verify.c: does an archive read back as it was written?
 *
 *   transfer --> inflate --> SHA-256
 *                        --> records: how many
 */
#include "postgres.h"

#include "archive/archive_verify.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "miscadmin.h"
#include "pure/inflate.h"
#include "pure/records.h"
#include "server/out_of_memory.h"
#include "server/progress.h"

#define BUFFER_BYTES	(64 * 1024)

typedef struct Check
{
	SlmInflate	inflate;
	SlmRecords *records;
	pg_cryptohash_ctx *hash;
	char	   *buffer;
	uint64		records_seen;	/* the header included */
	uint64		csv_bytes;
	const char *problem;		/* or NULL */
} Check;

/* Count the records of some inflated bytes. */
static void
count_records(Check *check, size_t len, bool last)
{
	SlmRawRecord record;
	SlmRecordsStatus status;

	slm_records_feed(check->records, check->buffer, len, last);
	while ((status = slm_records_next(check->records, &record)) == SLM_RECORDS_ROW)
		check->records_seen++;
	if (status == SLM_RECORDS_MEMORY)
		slm_out_of_memory();
	if (status != SLM_RECORDS_MORE && status != SLM_RECORDS_END)
		check->problem = "a row is too long";
}

static void
take_bytes(Check *check, const char *data, size_t len)
{
	const uint8_t *in = (const uint8_t *) data;

	while (check->problem == NULL)
	{
		size_t		n;
		SlmInflateStatus status = slm_inflate_run(&check->inflate, &in, &len, check->buffer, BUFFER_BYTES, &n);

		if (status == SLM_INFLATE_MEMORY || (n > 0 && pg_cryptohash_update(check->hash, (uint8 *) check->buffer, n) < 0))
			slm_out_of_memory();
		check->csv_bytes += n;
		if (n > 0)
			count_records(check, n, false);
		if (status == SLM_INFLATE_DAMAGED)
			check->problem = "its gzip data is damaged";
		if (n < BUFFER_BYTES && len == 0)
			return;
	}
}

static void
read_back(Check *check, SlmTransfer *transfer)
{
	SlmStoreError error;
	const char *data;
	size_t		len;

	while (check->problem == NULL)
	{
		switch (slm_transfer_read(transfer, SLM_WAIT_FOR_EVER, &data, &len, &error))
		{
			case SLM_TRANSFER_DATA:
				take_bytes(check, data, len);
				break;
			case SLM_TRANSFER_END:
				if (!slm_inflate_at_end(&check->inflate))
					check->problem = "its gzip data ends too early";
				count_records(check, 0, true);
				return;
			default:
				slm_store_error_raise(&error);
		}
		CHECK_FOR_INTERRUPTS();
	}
}

static void
compare(Check *check, const SlmArchive *archive, const SlmPacked *packed)
{
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	char		checksum[SLM_CHECKSUM_SIZE];
	uint64		rows = check->records_seen > 0 ? check->records_seen - 1 : 0;

	if (pg_cryptohash_final(check->hash, digest, sizeof(digest)) < 0)
		slm_out_of_memory();
	for (int i = 0; i < sizeof(digest); i++)
		snprintf(checksum + 2 * i, 3, "%02x", digest[i]);
	if (check->problem == NULL && rows == packed->rows && check->csv_bytes == packed->csv_bytes &&
		strcmp(checksum, packed->checksum) == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("archive \"%s\" of source \"%s\" does not read back as it was written", archive->key, archive->source),
			 check->problem != NULL ? errdetail_internal("%s", check->problem)
			 : errdetail("Written: " UINT64_FORMAT " rows, SHA-256 %s.  Read: " UINT64_FORMAT " rows, SHA-256 %s.",
						 packed->rows, packed->checksum, rows, checksum),
			 errhint("The originals are kept, and the next sellometer_archive() writes it anew.")));
}

void
slm_archive_verify(SlmStore *store, const SlmArchive *archive, const SlmPacked *packed)
{
	Check		check = {.buffer = palloc(BUFFER_BYTES)};
	SlmTransfer *transfer;

	slm_progress_phase("verify");
	transfer = slm_store_get(store, archive->key, NULL, 0);
	PG_TRY();
	{
		check.records = slm_records_create(true, NULL);
		check.hash = pg_cryptohash_create(PG_SHA256);
		if (check.records == NULL || check.hash == NULL || pg_cryptohash_init(check.hash) < 0 ||
			!slm_inflate_init(&check.inflate))
			slm_out_of_memory();
		read_back(&check, transfer);
		compare(&check, archive, packed);
	}
	PG_FINALLY();
	{
		slm_records_free(check.records);
		slm_inflate_free(&check.inflate);
		if (check.hash != NULL)
			pg_cryptohash_free(check.hash);
		slm_transfer_close(transfer);
	}
	PG_END_TRY();
	pfree(check.buffer);
}
