/*
 * format_try.c: a look into one object.
 */
#include "postgres.h"

#include "guc.h"
#include "ledger/passed.h"
#include "miscadmin.h"
#include "server/out_of_memory.h"
#include "sql/format_try.h"
#include "utils/timestamp.h"

typedef struct First
{
	SlmPatterns include;
	SlmPatterns exclude;
	char	   *key;
} First;

static bool
take_first(const SlmObjectInfo *info, void *arg)
{
	First	   *first = arg;

	if (slm_store_key_text(info->key) == NULL || !slm_key_is_wanted(info->key, &first->include, &first->exclude))
		return true;
	first->key = pstrdup(info->key);
	return false;
}

static void
ignore_passed(const char *key, SlmPassReason reason, const char *why, void *arg)
{
}

char *
slm_first_key(SlmStore *store, Datum include, Datum exclude)
{
	First		first = {0};
	SlmListQuery listing = {.found = take_first,.passed = ignore_passed,.arg = &first};
	SlmStoreError error;
	const char *url = slm_store_url(store);

	if (include != (Datum) 0)
		first.include = slm_patterns(include);
	if (exclude != (Datum) 0)
		first.exclude = slm_patterns(exclude);
	if (!slm_store_list(store, &listing, &error))
		slm_store_error_raise(&error);
	return first.key != NULL || url[strlen(url) - 1] == '/' ? first.key : NULL;
}

/* The rows that the reader can give; false if that is enough. */
static bool
take_rows(SlmReader *reader, SlmTried *tried)
{
	SlmReadStatus status;
	SlmReadRow	row;
	const char *message;

	while ((status = slm_reader_next(reader, &row)) == SLM_READ_EVENT || status == SLM_READ_REJECT)
	{
		tried->rows++;
		if (status == SLM_READ_REJECT && tried->rejected++ == 0)
		{
			tried->first_line = row.line;
			strlcpy(tried->first_detail, row.reject.detail, sizeof(tried->first_detail));
		}
		if (tried->rows == SLM_TRY_ROWS)
			return false;
	}
	if (status == SLM_READ_FAILED)
	{
		tried->error = slm_reader_error(reader, &message);
		tried->message = pstrdup(message);
	}
	return status == SLM_READ_MORE;
}

static bool
pump(SlmReader *reader, SlmTransfer *transfer, SlmTried *tried, SlmStoreError *error)
{
	const char *data;
	size_t		len;
	size_t		bytes = 0;

	do
	{
		CHECK_FOR_INTERRUPTS();
		switch (slm_transfer_read(transfer, SLM_WAIT_FOR_EVER, &data, &len, error))
		{
			case SLM_TRANSFER_DATA:
				slm_reader_feed(reader, data, len, false);
				bytes += len;
				break;
			case SLM_TRANSFER_END:
				slm_reader_feed(reader, NULL, 0, true);
				break;
			default:
				return false;
		}
	} while (take_rows(reader, tried) && bytes < SLM_TRY_BYTES);
	tried->ignored = slm_reader_stats(reader)->rows_ignored;
	return true;
}

bool
slm_format_try(SlmStore *store, const char *key, const SlmFormat *format, SlmTried *tried, SlmStoreError *error)
{
	SlmReaderOptions options = {.format = format};
	SlmTransfer *transfer;
	SlmReader  *reader;
	volatile bool there = false;

	*tried = (SlmTried) {0};
	options.latest = GetCurrentTimestamp() + (SlmTime) slm_max_clock_skew * SLM_USECS_PER_SEC;
	reader = slm_reader_create(&options);
	if (reader == NULL)
		slm_out_of_memory();
	PG_TRY();
	{
		transfer = slm_store_get(store, key, NULL, 0);
		there = pump(reader, transfer, tried, error);
		slm_transfer_close(transfer);
	}
	PG_FINALLY();
	{
		slm_reader_free(reader);
	}
	PG_END_TRY();
	return there;
}
