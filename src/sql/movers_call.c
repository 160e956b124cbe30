/*
 * movers_call.c: sellometer.own_movers(), the keys whose sums differ most between two ranges.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "server/spi.h"
#include "sql/best_keys.h"
#include "sql/sums_range.h"
#include "types/money.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

PG_FUNCTION_INFO_V1(sellometer_own_movers);

typedef struct Sum
{
	int64		count;
	int128		gmv;
} Sum;

/* What keys have now is in the sums, what they had earlier beside. */
typedef struct Movers
{
	const SlmSums *sums;
	const Sum  *earlier;
	bool		by_gmv;
} Movers;

static int128
difference(const Movers *movers, uint32 key)
{
	const SlmKeySum *now = &movers->sums->keys[key];
	const Sum  *earlier = &movers->earlier[key];

	return movers->by_gmv ? now->gmv - earlier->gmv : (int128) now->count - earlier->count;
}

static bool
moves(uint32 key, const void *arg)
{
	return difference(arg, key) != 0;
}

/* As text: of products, too, as the order is that of what is shown. */
static SlmSlice
text_of(const SlmSums *sums, uint32 key, char number[24])
{
	if (sums->dimension != SLM_PRODUCT_ID)
		return slm_sums_text_of(sums, key);
	return (SlmSlice) {number, (uint32) pg_lltoa(sums->keys[key].product_id, number)};
}

static int
compare_moves(uint32 a, uint32 b, const void *arg)
{
	const Movers *movers = arg;
	int128		x = difference(movers, a);
	int128		y = difference(movers, b);
	char		numbers[2][24];

	x = x < 0 ? -x : x;
	y = y < 0 ? -y : y;
	if (x != y)
		return (x < y) - (x > y);
	return slm_slice_compare(text_of(movers->sums, a, numbers[0]), text_of(movers->sums, b, numbers[1]));
}

/* 0 where there is nothing, else money as it is shown. */
static Datum
gmv_of(int64 count, int128 gmv)
{
	return NumericGetDatum(count == 0 ? int64_to_numeric(0) : slm_price_to_numeric(gmv));
}

static void
put_mover(ReturnSetInfo *rsinfo, const Movers *movers, uint32 key)
{
	const SlmKeySum *now = &movers->sums->keys[key];
	const Sum  *earlier = &movers->earlier[key];
	char		number[24];
	SlmSlice	text = text_of(movers->sums, key, number);
	Datum		values[6];
	bool		nulls[6] = {0};

	values[0] = PointerGetDatum(cstring_to_text_with_len(text.data, (int) text.len));
	values[1] = Int64GetDatum(now->count);
	values[2] = gmv_of(now->count, now->gmv);
	values[3] = Int64GetDatum(earlier->count);
	values[4] = gmv_of(earlier->count, earlier->gmv);
	values[5] = movers->by_gmv ? DirectFunctionCall2(numeric_sub, values[2], values[4]) : NumericGetDatum(int64_to_numeric(now->count - earlier->count));
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* (dimension, event_type, from, to, earlier_from, earlier_to, n, by) --> (key, count, gmv, earlier_count, earlier_gmv, difference) */
Datum
sellometer_own_movers(PG_FUNCTION_ARGS)
{
	SlmEventType type = slm_asked_type(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	SlmSums    *sums;
	Movers		movers;
	Sum		   *earlier;
	uint32		before;
	uint32		found;
	uint32	   *best;

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	sums = slm_sums_create(slm_asked_dimension(text_to_cstring(PG_GETARG_TEXT_PP(0))));
	slm_sums_add_range(sums, type, PG_GETARG_DATUM(4), PG_GETARG_DATUM(5), "", false);
	before = sums->n;
	earlier = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Sum) * Max(before, 1));
	for (uint32 i = 0; i < before; i++)
	{
		earlier[i] = (Sum) {.count = sums->keys[i].count,.gmv = sums->keys[i].gmv};
		sums->keys[i].count = 0;
		sums->keys[i].gmv = 0;
	}
	slm_sums_add_range(sums, type, PG_GETARG_DATUM(2), PG_GETARG_DATUM(3), "", false);
	earlier = repalloc_huge(earlier, sizeof(Sum) * Max(sums->n, 1));
	memset(earlier + before, 0, sizeof(Sum) * (sums->n - before));
	movers = (Movers) {.sums = sums,.earlier = earlier,.by_gmv = strcmp(text_to_cstring(PG_GETARG_TEXT_PP(7)), "gmv") == 0};
	best = slm_best_keys(sums->n, (uint32) Max(PG_GETARG_INT32(6), 0), moves, compare_moves, &movers, &found);
	for (uint32 i = 0; i < found; i++)
		put_mover((ReturnSetInfo *) fcinfo->resultinfo, &movers, best[i]);
	SPI_finish();
	return (Datum) 0;
}
