/*
 * fuzz_reader.c: whatever the bytes, the reader says the same however they are cut and scanned, what it says adds up, and
 * an archive would have the same rows.
 *
 * The input: two bytes that seed the cuts, then CSV, in which 0x0e c n stands for (n + 1)^2 * 16 times the character c,
 * so that small inputs reach the limits of 1 MB.  That is slow: without FUZZ_LONG in the environment they are cut much
 * shorter.
 */
#include "fuzz.h"

#include "feed.h"
#include "pure/clean.h"
#include "pure/records.h"
#include "pure/scan.h"
#include "pure/utf8.h"

#define MAX_EXPANDED	(3 << 20)
#define MAX_SMALL		1500

static const char header[] = "event_time,event_type,product_id,price,brand,category_code,user_session\n";

static char *
expand(const uint8_t *data, size_t size, size_t max, size_t *len)
{
	char	   *out = malloc(max + sizeof(header));
	size_t		n = 0;

	/* most inputs are about rows: those that begin with a newline get a good header */
	if (size > 0 && data[0] == '\n')
		n = (size_t) sprintf(out, "%s", header);
	for (size_t i = 0; i < size && n < max; i++)
	{
		if (data[i] == 0x0e && i + 2 < size)
		{
			size_t		times = (size_t) (data[i + 2] + 1) * (data[i + 2] + 1) * 16;

			if (times > max - n)
				times = max - n;
			memset(out + n, data[i + 1], times);
			n += times;
			i += 2;
		}
		else
			out[n++] = (char) data[i];
	}
	*len = n;
	return out;
}

/* How many records are no header, the bytes being cut by the seed. */
static uint64_t
count_rows(const char *csv, size_t len, uint64_t seed)
{
	SlmRecords *records = slm_records_create(false, NULL);
	SlmRecordsStatus status = SLM_RECORDS_MORE;
	SlmRawRecord record;
	uint64_t	rows = 0;
	size_t		at = 0;

	while (status == SLM_RECORDS_MORE)
	{
		size_t		n;
		char	   *copy;

		seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		n = (seed >> 40) % ((seed >> 33) % 4 == 0 ? 70000 : 50);
		if (n > len - at)
			n = len - at;
		copy = malloc(n + 1);
		memcpy(copy, csv + at, n);
		at += n;
		slm_records_feed(records, copy, n, at == len);
		while ((status = slm_records_next(records, &record)) == SLM_RECORDS_ROW)
		{
			MUST(record.text.len > 0, "an empty record");
			rows += !record.header;
		}
		free(copy);
	}
	MUST(status == SLM_RECORDS_END, "status %d", status);
	slm_records_free(records);
	return rows;
}

/* What a row says about itself must be so. */
static void
check_rows(const char *csv, size_t len, uint64_t seed)
{
	SlmRates	rates = {.find = rate_by_length};
	SlmReaderOptions options = {.latest = INT64_C(900000000000000),.rates = &rates};
	const SlmHashKey key = slm_hash_key(1, 2);
	SlmReader  *reader = slm_reader_create(&options);
	char	   *buf = malloc(SLM_CLEAN_BUFFER);
	const SlmReaderStats *stats = slm_reader_stats(reader);
	SlmReadStatus status;
	SlmReadRow	row;
	uint64_t	line = 0,
				events = 0,
				rejects = 0;
	SlmRates	again = {0};
	char	   *written;
	size_t		rates_len;

	if (seed % 2 == 1)
		MUST(slm_reader_keep_products(reader, &key, NULL, 0), "memory");
	slm_reader_feed(reader, csv, len, true);
	while ((status = slm_reader_next(reader, &row)) == SLM_READ_EVENT || status == SLM_READ_REJECT)
	{
		const SlmEvent *e = &row.event;

		MUST(row.line > line, "line %llu", (unsigned long long) row.line);
		MUST(row.raw.len > 0 && row.raw.len <= 1024, "raw of %u bytes", row.raw.len);
		line = row.line;
		if (status == SLM_READ_EVENT)
		{
			SlmCleanEvent clean;

			events++;
			MUST(e->time <= options.latest, "time %lld", (long long) e->time);
			MUST(e->price >= 0 && e->price < SLM_PRICE_LIMIT, "price %lld", (long long) e->price);
			MUST(e->product_id >= 0 || (e->sku.len > 0 && e->sku.len <= SLM_MAX_SKU_BYTES && slm_sku_id(e->sku) == e->product_id), "product %lld", (long long) e->product_id);
			MUST(e->more < SLM_MAX_QUANTITY && (e->type != SLM_VIEW || e->more == 0), "%u more pieces", e->more);
			MUST(e->line == 0 || (e->event_id.len > 0 && e->type != SLM_VIEW && e->line == slm_line(e->type, e->more)), "line %u", e->line);
			MUST(slm_utf8_check(e->brand.data, e->brand.len) == e->brand.len, "brand");
			MUST(slm_utf8_check(e->session.data, e->session.len) == e->session.len, "session");
			if (slm_clean_event(e, buf, &clean, &row.reject))
				MUST(slm_utf8_check(clean.category.key, clean.category.l3_len) == clean.category.l3_len, "category");
		}
		else
		{
			size_t		detail = strnlen(row.reject.detail, 128);

			rejects++;
			MUST(detail > 0 && detail < 128, "detail of %zu bytes", detail);
			MUST(slm_utf8_check(row.reject.detail, detail) == detail, "detail");
			MUST(row.reject.reason < SLM_REJECT_REASONS, "reason %d", row.reject.reason);
		}
	}
	MUST(stats->rows_total == events + rejects && stats->rows_rejected == rejects, "rows");
	MUST(stats->bytes_in == len, "bytes");
	if (status == SLM_READ_END)
	{
		uint64_t	rows = count_rows(csv, len, seed);

		MUST(rows == stats->rows_total, "%llu rows for an archive, %llu for the reader", (unsigned long long) rows,
			 (unsigned long long) stats->rows_total);
	}
	written = slm_rates_write(&rates, &rates_len);
	MUST(written == NULL || slm_rates_read(&again, written, rates_len), "rates %s", written);
	free(written);
	slm_rates_free(&again);
	slm_rates_free(&rates);
	slm_reader_free(reader);
	free(buf);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	long		seed = size > 1 ? data[0] * 256 + data[1] + 1 : 1;
	size_t		len;
	char	   *csv;
	int			routines;
	Transcript	whole;

	if (size < 2)
		return 0;
	csv = expand(data + 2, size - 2, getenv("FUZZ_LONG") != NULL ? MAX_EXPANDED : MAX_SMALL, &len);
	slm_scan_routines(&routines);
	whole = transcribe(csv, len, 0, 0, INT64_MAX);
	for (int routine = 0; routine < routines; routine++)
	{
		Transcript	cut = transcribe(csv, len, len < 2000 && routine == 0 ? 1 : -seed, routine, INT64_MAX);
		uint64_t	bytes_in = cut.stats.bytes_in;

		MUST(strcmp(whole.text, cut.text) == 0, "routine %d, seed %ld:\n%s\n---\n%s", routine, seed, whole.text,
			 cut.text);
		MUST(bytes_in == len || cut.error != SLM_READ_ERROR_NONE, "%llu bytes", (unsigned long long) bytes_in);
		free(cut.text);
	}
	free(whole.text);
	check_rows(csv, len, (uint64_t) seed);
	free(csv);
	return 0;
}
