/*
 * currency.c: rates of currencies, as the user has given them.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "guc.h"
#include "ledger/currency.h"
#include "server/out_of_memory.h"
#include "server/spi.h"
#include "utils/builtins.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* --- the table --- */

/* From the last rate that has begun to the next one; false if none has. */
static bool
query(const char *currency, SlmTime time, SlmRate *found)
{
	static SlmStatement statement = {
		"SELECT r.from_time, r.rate::text, (SELECT min(n.from_time) FROM sellometer.currency_rates n WHERE n.currency = $1 AND n.from_time > $2) "
		"FROM (SELECT 1) one LEFT JOIN LATERAL (SELECT c.from_time, trim_scale(c.rate) AS rate FROM sellometer.currency_rates c "
		"WHERE c.currency = $1 AND c.from_time <= $2 ORDER BY c.from_time DESC LIMIT 1) r ON true",
		2, {TEXTOID, TIMESTAMPTZOID}
	};
	/* whoever reads may have a result at hand */
	SPITupleTable *table = SPI_tuptable;
	uint64		processed = SPI_processed;
	Datum		args[2] = {CStringGetTextDatum(currency), TimestampTzGetDatum(time)};
	char	   *rate;

	slm_execute_by_index(&statement, args, NULL, SPI_OK_SELECT);
	found->from = slm_int64(0, 1, DT_NOBEGIN);
	found->until = slm_int64(0, 3, DT_NOEND);
	rate = slm_text(CurrentMemoryContext, 0, 2);
	if (rate != NULL && !slm_rate_parse((SlmSlice) {rate, (uint32) strlen(rate)}, &found->rate))
		elog(ERROR, "the rate %s of %s can't be used", rate, currency);
	SPI_freetuptable(SPI_tuptable);
	SPI_tuptable = table;
	SPI_processed = processed;
	return rate != NULL;
}

/* A parse worker reads outside of transactions. */
static bool
query_alone(const char *currency, SlmTime time, SlmRate *found)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	bool		has_rate;

	StartTransactionCommand();
	if (!slm_extension_lock())
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("the extension is gone")));
	SPI_connect();
	slm_secure_transaction();
	has_rate = query(currency, time, found);
	PopActiveSnapshot();
	SPI_finish();
	CommitTransactionCommand();
	CurrentResourceOwner = owner;
	MemoryContextSwitchTo(context);
	return has_rate;
}

static char
capital(char c)
{
	return c >= 'a' && c <= 'z' ? (char) (c - ('a' - 'A')) : c;
}

static bool
is_own(const char *currency)
{
	const char *own = slm_currency;

	for (; *currency != '\0' && *currency == capital(*own); currency++)
		own++;
	return *currency == '\0' && *own == '\0';
}

static bool
find(void *arg, const char *currency, SlmTime time, SlmRate *found)
{
	if (!is_own(currency))
		return IsTransactionState() ? query(currency, time, found) : query_alone(currency, time, found);
	found->from = DT_NOBEGIN;
	found->until = DT_NOEND;
	found->rate = SLM_RATE_ONE;
	return true;
}

/* --- of an object --- */

void
slm_currency_known(SlmRates *rates, const char *data, size_t len)
{
	Assert(rates->nrates == 0);
	if (data != NULL && !slm_rates_read(rates, data, len))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the rates by which an object was counted can't be read, or there is no memory for them")));
}

void
slm_currency_begin(SlmRates *rates, const char *data, size_t len)
{
	slm_currency_known(rates, data, len);
	rates->find = find;
	/* without a currency of the shop's there are no others */
	rates->as_is |= *slm_currency == '\0';
}

char *
slm_currency_write(const SlmRates *rates, size_t *len)
{
	char	   *data = slm_rates_write(rates, len);
	char	   *copy = NULL;

	if (*len == SIZE_MAX)
		slm_out_of_memory();
	if (data != NULL)
	{
		copy = MemoryContextAllocExtended(CurrentMemoryContext, *len, MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
		if (copy != NULL)
			memcpy(copy, data, *len);
		free(data);
		if (copy == NULL)
			slm_out_of_memory();
	}
	return copy;
}

Datum
slm_currency_datum(const char *data, size_t len)
{
	bytea	   *value = palloc(len + VARHDRSZ);

	SET_VARSIZE(value, len + VARHDRSZ);
	if (len > 0)
		memcpy(VARDATA(value), data, len);
	return PointerGetDatum(value);
}
