/*
 * sums_calls.c: sellometer.sums(), the sums of a dimension's keys over a range, or the best of them, and top_by_labels(), of products by their labels.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "server/spi.h"
#include "sql/best_keys.h"
#include "sql/labelled.h"
#include "sql/sums_range.h"
#include "types/money.h"
#include "utils/array.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(sellometer_sums);
PG_FUNCTION_INFO_V1(sellometer_top_by_labels);

/* Of so few keys rows are found by the index ... */
#define FEW_KEYS		10

/* ... and of so few where segments are missing. */
#define SOME_KEYS		1000

/* What the arguments of sums() ask for: the best of all keys, all keys, or some. */
static void
add_asked(SlmSums *sums, FunctionCallInfo fcinfo)
{
	const char *type = slm_event_type_name(slm_asked_type(text_to_cstring(PG_GETARG_TEXT_PP(1))));

	if (PG_ARGISNULL(4) && !PG_ARGISNULL(5) && !PG_ARGISNULL(6))
		slm_sums_add_nodes(sums, type, PG_GETARG_DATUM(2), PG_GETARG_DATUM(3), "best_of_nodes",
						   psprintf("%s, %d", slm_quoted(PG_GETARG_DATUM(5), TEXTOID), Max(PG_GETARG_INT32(6), 0)));
	else
		slm_sums_add_nodes(sums, type, PG_GETARG_DATUM(2), PG_GETARG_DATUM(3), "sums_of_nodes",
						   PG_ARGISNULL(4) ? "NULL" : slm_quoted(PG_GETARG_DATUM(4), TEXTARRAYOID));
}

/* --- the answer --- */

/* In which order keys come. */
typedef struct Order
{
	const SlmSums *sums;
	bool		by_gmv;
} Order;

/* Less than 0: a comes before b. */
static int
compare_keys(uint32 a, uint32 b, const void *arg)
{
	const Order *order = arg;
	const SlmKeySum *x = &order->sums->keys[a];
	const SlmKeySum *y = &order->sums->keys[b];
	int			by_count = (x->count < y->count) - (x->count > y->count);
	int			by_gmv = (x->gmv < y->gmv) - (x->gmv > y->gmv);
	int			first = order->by_gmv ? by_gmv : by_count;

	if (first != 0)
		return first;
	first = order->by_gmv ? by_count : by_gmv;
	if (first != 0)
		return first;
	if (order->sums->dimension == SLM_PRODUCT_ID)
		return (x->product_id > y->product_id) - (x->product_id < y->product_id);
	return slm_slice_compare(slm_sums_text_of(order->sums, a), slm_sums_text_of(order->sums, b));
}

static bool
has_any(uint32 key, const void *arg)
{
	return ((const Order *) arg)->sums->keys[key].count != 0;
}

static void
put_key(ReturnSetInfo *rsinfo, const SlmSums *sums, uint32 key)
{
	char		number[24];
	SlmSlice	text;
	Datum		values[3];
	bool		nulls[3] = {0};

	if (sums->dimension != SLM_PRODUCT_ID)
		text = slm_sums_text_of(sums, key);
	else
		text = (SlmSlice) {number, (uint32) snprintf(number, sizeof(number), INT64_FORMAT, sums->keys[key].product_id)};
	values[0] = PointerGetDatum(cstring_to_text_with_len(text.data, (int) text.len));
	values[1] = NumericGetDatum(slm_price_to_numeric(sums->keys[key].gmv));
	values[2] = Int64GetDatum(sums->keys[key].count);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	pfree(DatumGetPointer(values[0]));
	pfree(DatumGetPointer(values[1]));
}

static void
put_all(ReturnSetInfo *rsinfo, const SlmSums *sums, uint32 among)
{
	for (uint32 i = 0; i < Min(sums->n, among); i++)
	{
		if (sums->keys[i].count != 0)
			put_key(rsinfo, sums, i);
	}
}

/* The best of the first keys, in their order. */
static void
put_best(ReturnSetInfo *rsinfo, const SlmSums *sums, uint32 among, bool by_gmv, uint32 most)
{
	Order		order = {.sums = sums,.by_gmv = by_gmv};
	uint32		found;
	uint32	   *best = slm_best_keys(Min(sums->n, among), most, has_any, compare_keys, &order, &found);

	for (uint32 i = 0; i < found; i++)
		put_key(rsinfo, sums, best[i]);
}

/* (dimension, event_type, from, to, keys, by, n, own) --> (key, gmv, count) */
Datum
sellometer_sums(PG_FUNCTION_ARGS)
{
	SlmSums    *sums;
	Datum	   *keys = NULL;
	int			nkeys = 0;
	const char *only = "";
	uint32		among = PG_UINT32_MAX;

	for (int i = 0; i < 4; i++)
	{
		if (PG_ARGISNULL(i))
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("dimension, event type and range must not be null")));
	}
	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	sums = slm_sums_create(slm_asked_dimension(text_to_cstring(PG_GETARG_TEXT_PP(0))));
	if (!PG_ARGISNULL(4))
	{
		deconstruct_array(PG_GETARG_ARRAYTYPE_P(4), TEXTOID, -1, false, TYPALIGN_INT, &keys, NULL, &nkeys);
		for (int i = 0; i < nkeys; i++)
			(void) slm_sums_key(sums, keys[i]);
		among = sums->n;
		if (sums->dimension == SLM_PRODUCT_ID)
			slm_sums_close(sums);
		if (nkeys <= SOME_KEYS)
			only = slm_only_keys(sums->dimension, PG_GETARG_DATUM(4));
	}
	if (!PG_GETARG_BOOL(7) && slm_asks_nodes())
		add_asked(sums, fcinfo);
	else
		slm_sums_add_range(sums, slm_asked_type(text_to_cstring(PG_GETARG_TEXT_PP(1))), PG_GETARG_DATUM(2), PG_GETARG_DATUM(3), only,
						   !PG_ARGISNULL(4) && nkeys <= FEW_KEYS);
	if (PG_ARGISNULL(5) || PG_ARGISNULL(6))
		put_all((ReturnSetInfo *) fcinfo->resultinfo, sums, among);
	else
		put_best((ReturnSetInfo *) fcinfo->resultinfo, sums, among, strcmp(text_to_cstring(PG_GETARG_TEXT_PP(5)), "gmv") == 0,
				 (uint32) Max(PG_GETARG_INT32(6), 0));
	SPI_finish();
	return (Datum) 0;
}

/* --- by labels --- */

/* The products that are numbered as a literal, '{1,2}'. */
static char *
list_products(const SlmSums *sums)
{
	StringInfoData list;

	initStringInfo(&list);
	for (uint32 i = 0; i < sums->n; i++)
		appendStringInfo(&list, "%s" INT64_FORMAT, i == 0 ? "'{" : ",", sums->keys[i].product_id);
	appendStringInfoString(&list, "}'");
	return list.data;
}

/* Of the products that are numbered, of which there are some. */
static void
add_products(SlmSums *sums, SlmEventType type, Datum from, Datum to)
{
	if (slm_asks_nodes())
		slm_sums_add_nodes(sums, slm_event_type_name(type), from, to, "sums_of_nodes", list_products(sums));
	else
		slm_sums_add_range(sums, type, from, to, sums->n > SOME_KEYS ? "" : psprintf("AND product_id = ANY (%s)", list_products(sums)), sums->n <= FEW_KEYS);
}

/* (dimension, event_type, brands, categories, from, to, n, by) --> (key, gmv, count) */
Datum
sellometer_top_by_labels(PG_FUNCTION_ARGS)
{
	SlmEventType type = slm_asked_type(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	SlmSums    *sums;
	SlmSums    *by_label = NULL;
	uint32	   *label_of;
	SlmDimension dimension;

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	sums = slm_sums_create(SLM_PRODUCT_ID);
	dimension = slm_asked_dimension(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	if (dimension != SLM_PRODUCT_ID)
		by_label = slm_sums_create(SLM_BRAND);
	label_of = slm_number_labelled(sums, by_label, dimension, PG_GETARG_DATUM(2), PG_GETARG_DATUM(3));
	slm_sums_close(sums);
	if (sums->n > 0)
		add_products(sums, type, PG_GETARG_DATUM(4), PG_GETARG_DATUM(5));
	for (uint32 i = 0; by_label != NULL && i < sums->n; i++)
	{
		by_label->keys[label_of[i]].count += sums->keys[i].count;
		by_label->keys[label_of[i]].gmv += sums->keys[i].gmv;
	}
	put_best((ReturnSetInfo *) fcinfo->resultinfo, by_label != NULL ? by_label : sums, PG_UINT32_MAX,
			 strcmp(text_to_cstring(PG_GETARG_TEXT_PP(7)), "gmv") == 0, (uint32) Max(PG_GETARG_INT32(6), 0));
	SPI_finish();
	return (Datum) 0;
}
