/*
 * sums_calls.c: sellometer.sums(), the sums of a dimension's keys over a range, or the best of them.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "dedup/own_dimensions.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/binaryheap.h"
#include "miscadmin.h"
#include "server/spi.h"
#include "server/zone.h"
#include "tiers/segment_read.h"
#include "types/event_type.h"
#include "types/money.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(sellometer_sums);

/* Of so few keys rows are found by the index ... */
#define FEW_KEYS		10

/* ... and of so few where segments are missing. */
#define SOME_KEYS		1000

/* --- what is asked for --- */

static SlmDimension
dimension_of(const char *name)
{
	slm_own_read();
	for (int d = 0; d < slm_dimension_count(); d++)
	{
		if (strcmp(slm_dimension_name(d), name) == 0)
			return d;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("there is no dimension \"%s\"", name)));
	return SLM_DIMENSIONS;
}

static SlmEventType
type_of(const char *name)
{
	for (SlmEventType type = 0; type < SLM_EVENT_TYPES; type++)
	{
		if (strcmp(slm_event_type_name(type), name) == 0)
			return type;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("there is no event type \"%s\"", name)));
	return SLM_EVENT_TYPES;
}

static SlmSlice
slice_of(Datum value)
{
	text	   *t = DatumGetTextPP(value);

	return (SlmSlice) {VARDATA_ANY(t), (uint32) VARSIZE_ANY_EXHDR(t)};
}

static uint32
number_key(SlmSums *sums, Datum key)
{
	if (sums->dimension != SLM_PRODUCT_ID)
		return slm_sums_text(sums, slice_of(key));
	return slm_sums_product(sums, DatumGetInt64(DirectFunctionCall1(int8in, CStringGetDatum(TextDatumGetCString(key)))));
}

/* "AND product_id = ANY (…)". */
static char *
only_keys(SlmDimension dimension, Datum keys)
{
	Oid			out;
	bool		is_varlena;
	char	   *list;

	getTypeOutputInfo(TEXTARRAYOID, &out, &is_varlena);
	list = OidOutputFunctionCall(out, keys);
	return psprintf("AND %s = ANY (%s)", slm_dimension_name(dimension), quote_literal_cstr(list));
}

/* A piece of the range, read from one tier, of which no more is known than what that takes. */
typedef struct Piece
{
	SlmTier		tier;
	TimestampTz from;
	TimestampTz to;
} Piece;

static Piece *
read_pieces(Datum from, Datum to, int *n)
{
	static SlmStatement statement = {
		"SELECT p.tier, t.partition_width, p.piece_from, p.piece_to, t.zone FROM sellometer.pieces($1, $2, NULL, own => true) p "
		"JOIN sellometer.tiers t ON t.name = p.tier",
		2, {TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	Datum		args[2] = {from, to};
	Piece	   *pieces;

	*n = (int) slm_query(&statement, args);
	pieces = palloc0(sizeof(Piece) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
	{
		bool		isnull;
		const char *zone = slm_text(CurrentMemoryContext, i, 5);

		pieces[i].tier.name = slm_text(CurrentMemoryContext, i, 1);
		pieces[i].tier.partition = slm_granularity_in(slm_interval_granularity(DatumGetIntervalP(slm_value(i, 2, &isnull))),
													  zone == NULL ? NULL : slm_zone(zone));
		pieces[i].from = slm_int64(i, 3, DT_NOBEGIN);
		pieces[i].to = slm_int64(i, 4, DT_NOEND);
	}
	return pieces;
}

static void
add_pieces(SlmSums *sums, SlmEventType type, Datum from, Datum to, const char *only, bool few)
{
	int			n;
	Piece	   *pieces = read_pieces(from, to, &n);

	for (int i = 0; i < n; i++)
		(few ? slm_rows_sum : slm_segments_sum) (sums, &pieces[i].tier, type, pieces[i].from, pieces[i].to, only);
}

/* --- what nodes have --- */

/* Is this a database that shows what nodes have? */
static bool
asks_nodes(void)
{
	static SlmStatement statement = {"SELECT sellometer.asks_nodes()"};
	bool		isnull;

	(void) slm_query(&statement, NULL);
	return DatumGetBool(slm_value(0, 1, &isnull));
}

static char *
quoted(Datum value, Oid type)
{
	Oid			out;
	bool		is_varlena;

	getTypeOutputInfo(type, &out, &is_varlena);
	return quote_literal_cstr(OidOutputFunctionCall(out, value));
}

/* Each node adds up its own.  function: sums_of_nodes, whose last argument is the keys, or best_of_nodes, of which it is by what, and how many. */
static void
add_nodes(SlmSums *sums, const char *type, Datum from, Datum to, const char *function, const char *arguments)
{
	uint64		n = slm_query_once(psprintf("SELECT key, count, gmv FROM sellometer.%s(%s, %s, %s, %s, %s)", function,
											quote_literal_cstr(slm_dimension_name(sums->dimension)), quote_literal_cstr(type),
											quoted(from, TIMESTAMPTZOID), quoted(to, TIMESTAMPTZOID), arguments));
	SPITupleTable *rows = SPI_tuptable;

	for (uint64 i = 0; i < n; i++)
	{
		bool		isnull;
		uint32		key;
		int128		gmv;

		SPI_tuptable = rows;
		key = number_key(sums, slm_value(i, 1, &isnull));
		if (!slm_money_sum_from_numeric(slm_value(i, 3, &isnull), &gmv))
			ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("a node has a sum that can't be one")));
		sums->keys[key].count += slm_int64(i, 2, 0);
		sums->keys[key].gmv += gmv;
	}
}

/* What the arguments of sums() ask for: the best of all keys, all keys, or some. */
static void
add_asked(SlmSums *sums, FunctionCallInfo fcinfo)
{
	const char *type = slm_event_type_name(type_of(text_to_cstring(PG_GETARG_TEXT_PP(1))));

	if (PG_ARGISNULL(4) && !PG_ARGISNULL(6) && !PG_ARGISNULL(7))
		add_nodes(sums, type, PG_GETARG_DATUM(2), PG_GETARG_DATUM(3), "best_of_nodes",
				  psprintf("%s, %d", quoted(PG_GETARG_DATUM(6), TEXTOID), Max(PG_GETARG_INT32(7), 0)));
	else
		add_nodes(sums, type, PG_GETARG_DATUM(2), PG_GETARG_DATUM(3), "sums_of_nodes",
				  PG_ARGISNULL(4) ? "NULL" : quoted(PG_GETARG_DATUM(4), TEXTARRAYOID));
}

/* --- the answer --- */

/* The sums by label of the first n keys. */
static SlmSums *
sum_labels(const SlmSums *sums, const Datum *labels, int n)
{
	SlmSums    *by_label = slm_sums_create(SLM_BRAND);

	for (int i = 0; i < n; i++)
	{
		uint32		label;

		if (sums->keys[i].count == 0)
			continue;
		label = slm_sums_text(by_label, slice_of(labels[i]));
		by_label->keys[label].count += sums->keys[i].count;
		by_label->keys[label].gmv += sums->keys[i].gmv;
	}
	return by_label;
}

/* In which order keys come; the n best of them are found in a heap that has the least of these on top. */
typedef struct Order
{
	const SlmSums *sums;
	bool		by_gmv;
} Order;

/* Less than 0: a comes before b. */
static int
compare_keys(const Order *order, uint32 a, uint32 b)
{
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

/* For binaryheap, whose top is the greatest. */
static int
compare_later(Datum a, Datum b, void *arg)
{
	return compare_keys(arg, DatumGetUInt32(a), DatumGetUInt32(b));
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
	binaryheap *heap;
	uint32	   *best;
	int			n;

	among = Min(sums->n, among);
	most = Min(most, among);
	if (most == 0)
		return;
	heap = binaryheap_allocate((int) most, compare_later, &order);
	for (uint32 i = 0; i < among; i++)
	{
		if (sums->keys[i].count == 0)
			continue;
		if (heap->bh_size < (int) most)
			binaryheap_add(heap, UInt32GetDatum(i));
		else if (compare_keys(&order, i, DatumGetUInt32(binaryheap_first(heap))) < 0)
			binaryheap_replace_first(heap, UInt32GetDatum(i));
	}
	n = heap->bh_size;
	best = palloc(sizeof(uint32) * Max(n, 1));
	for (int i = n - 1; i >= 0; i--)
		best[i] = DatumGetUInt32(binaryheap_remove_first(heap));
	for (int i = 0; i < n; i++)
		put_key(rsinfo, sums, best[i]);
}

/* (dimension, event_type, from, to, keys, labels, by, n, own) --> (key, gmv, count) */
Datum
sellometer_sums(PG_FUNCTION_ARGS)
{
	SlmSums    *sums;
	Datum	   *keys = NULL;
	Datum	   *labels = NULL;
	int			nkeys = 0;
	int			nlabels = 0;
	const char *only = "";
	uint32		among = PG_UINT32_MAX;

	for (int i = 0; i < 4; i++)
	{
		if (PG_ARGISNULL(i))
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("dimension, event type and range must not be null")));
	}
	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	sums = slm_sums_create(dimension_of(text_to_cstring(PG_GETARG_TEXT_PP(0))));
	if (!PG_ARGISNULL(4))
	{
		deconstruct_array(PG_GETARG_ARRAYTYPE_P(4), TEXTOID, -1, false, TYPALIGN_INT, &keys, NULL, &nkeys);
		for (int i = 0; i < nkeys; i++)
			(void) number_key(sums, keys[i]);
		among = sums->n;
		if (nkeys <= SOME_KEYS)
			only = only_keys(sums->dimension, PG_GETARG_DATUM(4));
	}
	if (!PG_ARGISNULL(5))
		deconstruct_array(PG_GETARG_ARRAYTYPE_P(5), TEXTOID, -1, false, TYPALIGN_INT, &labels, NULL, &nlabels);
	if (nlabels > 0 && (nlabels != nkeys || among != nkeys))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("there are %d labels for %u different keys of %d", nlabels, among, nkeys)));
	if (!PG_GETARG_BOOL(8) && asks_nodes())
		add_asked(sums, fcinfo);
	else
		add_pieces(sums, type_of(text_to_cstring(PG_GETARG_TEXT_PP(1))), PG_GETARG_DATUM(2), PG_GETARG_DATUM(3), only,
				   !PG_ARGISNULL(4) && nkeys <= FEW_KEYS);
	if (nlabels > 0)
	{
		sums = sum_labels(sums, labels, nlabels);
		among = sums->n;
	}
	if (PG_ARGISNULL(6) || PG_ARGISNULL(7))
		put_all((ReturnSetInfo *) fcinfo->resultinfo, sums, among);
	else
		put_best((ReturnSetInfo *) fcinfo->resultinfo, sums, among, strcmp(text_to_cstring(PG_GETARG_TEXT_PP(6)), "gmv") == 0,
				 (uint32) Max(PG_GETARG_INT32(7), 0));
	SPI_finish();
	return (Datum) 0;
}
