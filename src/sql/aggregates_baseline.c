/*
 * aggregates_baseline.c: sellometer_price_baseline(price): what a price usually is, and how much it strays.
 *
 * median: the middle price, or the mean of the two middle ones.  MAD: the median of the distances from it (times
 * 1.4826 it estimates the standard deviation of a normal distribution, unmoved by outliers).  Both exact: equal
 * prices are counted, so memory grows with the number of different prices, which is bounded, and not with the number
 * of rows.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "common/int.h"
#include "fmgr.h"
#include "funcapi.h"
#include "libpq/pqformat.h"
#include "storage/shmem.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "compat.h"
#include "sql/aggregates.h"
#include "types/money.h"

/* About 25 MB at most: 2^20 entries of 24 bytes. */
#define MAX_DISTINCT_PRICES 500000

typedef struct PriceCount
{
	SlmMoney	price;
	int64		count;
	char		status;			/* for simplehash */
} PriceCount;

static inline uint32
price_hash(SlmMoney price)
{
	return murmurhash32((uint32) price ^ murmurhash32((uint32) ((uint64) price >> 32)));
}

#define SH_PREFIX			prices
#define SH_ELEMENT_TYPE		PriceCount
#define SH_KEY_TYPE			SlmMoney
#define SH_KEY				price
#define SH_HASH_KEY(tb, key)	price_hash(key)
#define SH_EQUAL(tb, a, b)	((a) == (b))
#define SH_SCOPE			static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

typedef struct BaselineState
{
	SlmStateTag tag;
	int64		values;			/* the sum of all counts */
	prices_hash *prices;
} BaselineState;

/* Some distances or prices in order, in units of the caller, each with how often it occurs. */
typedef struct Weighted
{
	int128		value;
	int64		count;
} Weighted;

PG_FUNCTION_INFO_V1(sellometer_price_baseline_transition);
PG_FUNCTION_INFO_V1(sellometer_price_baseline_combine);
PG_FUNCTION_INFO_V1(sellometer_price_baseline_serialize);
PG_FUNCTION_INFO_V1(sellometer_price_baseline_deserialize);
PG_FUNCTION_INFO_V1(sellometer_price_baseline_final);

static BaselineState *
make_state(MemoryContext context)
{
	BaselineState *state = MemoryContextAllocZero(context, sizeof(BaselineState));

	state->tag = SLM_STATE_BASELINE;
	state->prices = prices_create(context, 16, NULL);
	return state;
}

/* Count a price count times more. */
static void
add_price(BaselineState *state, SlmMoney price, int64 count)
{
	PriceCount *entry;
	bool		found;

	entry = prices_insert(state->prices, price, &found);
	if (!found)
	{
		entry->count = 0;
		if (state->prices->members > MAX_DISTINCT_PRICES)
			ereport(ERROR, errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					errmsg("too many different prices for sellometer_price_baseline"),
					errdetail("It keeps count of up to %d different prices.", MAX_DISTINCT_PRICES),
					errhint("Round the prices, or group them by product or category."));
	}
	if (pg_add_s64_overflow(state->values, count, &state->values))
		ereport(ERROR, errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE), errmsg("too many prices"));
	entry->count += count;
}

/* price_baseline_transition(internal, price numeric) → internal */
Datum
sellometer_price_baseline_transition(PG_FUNCTION_ARGS)
{
	MemoryContext context = slm_aggregate_context(fcinfo);
	BaselineState *state = slm_aggregate_state(fcinfo, 0, SLM_STATE_BASELINE);
	SlmMoney	price;

	if (state == NULL)
		state = make_state(context);
	if (!PG_ARGISNULL(1))
	{
		if (!slm_money_from_numeric(PG_GETARG_DATUM(1), &price))
			ereport(ERROR, errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					errmsg("value can't be a price"),
					errdetail("A price has up to 4 decimals and is below 10^12; this one is %s.",
							  numeric_normalize(PG_GETARG_NUMERIC(1))),
					errhint("Use round(value, 4) to take the baseline of averages."));
		add_price(state, price, 1);
	}
	PG_RETURN_POINTER(state);
}

/* price_baseline_combine(internal, internal) → internal */
Datum
sellometer_price_baseline_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context = slm_aggregate_context(fcinfo);
	BaselineState *state = slm_aggregate_state(fcinfo, 0, SLM_STATE_BASELINE);
	BaselineState *other = slm_aggregate_state(fcinfo, 1, SLM_STATE_BASELINE);

	if (state == NULL)
		state = make_state(context);
	if (other != NULL)
	{
		prices_iterator iterator;
		PriceCount *entry;

		prices_start_iterate(other->prices, &iterator);
		while ((entry = prices_iterate(other->prices, &iterator)) != NULL)
			add_price(state, entry->price, entry->count);
	}
	PG_RETURN_POINTER(state);
}

/* price_baseline_serialize(internal) → bytea */
Datum
sellometer_price_baseline_serialize(PG_FUNCTION_ARGS)
{
	BaselineState *state;
	StringInfoData buf;
	prices_iterator iterator;
	PriceCount *entry;

	(void) slm_aggregate_context(fcinfo);
	state = slm_aggregate_state(fcinfo, 0, SLM_STATE_BASELINE);
	slm_aggregate_begin_send(&buf, SLM_STATE_BASELINE);
	pq_sendint32(&buf, state->prices->members);
	prices_start_iterate(state->prices, &iterator);
	while ((entry = prices_iterate(state->prices, &iterator)) != NULL)
	{
		pq_sendint64(&buf, entry->price);
		pq_sendint64(&buf, entry->count);
	}
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

/* price_baseline_deserialize(bytea, internal) → internal */
Datum
sellometer_price_baseline_deserialize(PG_FUNCTION_ARGS)
{
	BaselineState *state;
	StringInfoData buf;
	uint32		members;

	slm_aggregate_begin_recv(fcinfo, &buf, SLM_STATE_BASELINE);
	state = make_state(CurrentMemoryContext);
	members = pq_getmsgint(&buf, 4);
	for (uint32 i = 0; i < members; i++)
	{
		SlmMoney	price = pq_getmsgint64(&buf);
		int64		count = pq_getmsgint64(&buf);

		if (count <= 0)
			slm_aggregate_recv_error("A price's count is not positive.");
		if (price <= -SLM_PRICE_LIMIT || price >= SLM_PRICE_LIMIT)
			slm_aggregate_recv_error("A price is out of range.");
		add_price(state, price, count);
	}
	pq_getmsgend(&buf);
	if (state->prices->members != members)
		slm_aggregate_recv_error("A price stands twice.");
	PG_RETURN_POINTER(state);
}

static int
compare_weighted(const void *a, const void *b)
{
	int128		left = ((const Weighted *) a)->value;
	int128		right = ((const Weighted *) b)->value;

	return (left > right) - (left < right);
}

/* Twice the median of some sorted values, which occur total times together. */
static int128
twice_median(const Weighted *values, int64 total)
{
	int64		lower = (total - 1) / 2;
	int64		upper = total / 2;
	int64		seen = 0;
	int			i = 0;
	int128		result;

	while (seen + values[i].count <= lower)
		seen += values[i++].count;
	result = values[i].value;
	while (seen + values[i].count <= upper)
		seen += values[i++].count;
	return result + values[i].value;
}

/* value / 10^decimals, with as few decimals as it needs but at least two. */
static Numeric
trimmed_numeric(int128 value, int decimals)
{
	for (; decimals > 2 && value % 10 == 0; decimals--)
		value /= 10;
	return slm_decimal_to_numeric(value, decimals);
}

/* price_baseline_final(internal) → sellometer.price_baseline */
Datum
sellometer_price_baseline_final(PG_FUNCTION_ARGS)
{
	BaselineState *state;
	prices_iterator iterator;
	PriceCount *entry;
	TupleDesc	desc;
	Weighted   *values;
	int			n = 0;
	int128		twice;
	Datum		result[3];
	bool		isnull[3] = {false, false, false};

	(void) slm_aggregate_context(fcinfo);
	state = slm_aggregate_state(fcinfo, 0, SLM_STATE_BASELINE);
	if (state == NULL || state->values == 0)
		PG_RETURN_NULL();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE || desc->natts != 3)
		elog(ERROR, "sellometer_price_baseline must return a row of three columns");

	values = palloc(mul_size(state->prices->members, sizeof(Weighted)));
	prices_start_iterate(state->prices, &iterator);
	while ((entry = prices_iterate(state->prices, &iterator)) != NULL)
		values[n++] = (Weighted) {entry->price, entry->count};
	qsort(values, n, sizeof(Weighted), compare_weighted);
	twice = twice_median(values, state->values);

	/* Distances in halves of a unit, as the median may be one; the MAD then comes in quarters. */
	result[0] = NumericGetDatum(trimmed_numeric(twice * 5, SLM_MONEY_SCALE + 1));
	for (int i = 0; i < n; i++)
	{
		values[i].value = 2 * values[i].value - twice;
		if (values[i].value < 0)
			values[i].value = -values[i].value;
	}
	qsort(values, n, sizeof(Weighted), compare_weighted);
	result[1] = NumericGetDatum(trimmed_numeric(twice_median(values, state->values) * 25, SLM_MONEY_SCALE + 2));
	result[2] = Int64GetDatum(state->values);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), result, isnull)));
}
