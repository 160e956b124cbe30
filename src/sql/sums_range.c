/*
 * sums_range.c: see sums_range.h.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "dedup/own_dimensions.h"
#include "server/spi.h"
#include "server/zone.h"
#include "sql/sums_range.h"
#include "tiers/segment_read.h"
#include "tiers/sums_sweep.h"
#include "types/event_type.h"
#include "types/money.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

/* --- what is asked for --- */

SlmDimension
slm_asked_dimension(const char *name)
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

SlmEventType
slm_asked_type(const char *name)
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

SlmSlice
slm_text_slice(Datum value)
{
	text	   *t = DatumGetTextPP(value);

	return (SlmSlice) {VARDATA_ANY(t), (uint32) VARSIZE_ANY_EXHDR(t)};
}

uint32
slm_sums_key(SlmSums *sums, Datum key)
{
	if (sums->dimension != SLM_PRODUCT_ID)
		return slm_sums_text(sums, slm_text_slice(key));
	return slm_sums_product(sums, DatumGetInt64(DirectFunctionCall1(int8in, CStringGetDatum(TextDatumGetCString(key)))));
}

/* "AND product_id = ANY (…)". */
char *
slm_only_keys(SlmDimension dimension, Datum keys)
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

void
slm_sums_add_range(SlmSums *sums, SlmEventType type, Datum from, Datum to, const char *only, bool few)
{
	int			n;
	Piece	   *pieces = read_pieces(from, to, &n);

	for (int i = 0; i < n; i++)
		(few ? slm_rows_sum : slm_segments_sum) (sums, &pieces[i].tier, type, pieces[i].from, pieces[i].to, only);
	slm_sums_sweep(sums);
}

/* --- what nodes have --- */

/* Is this a database that shows what nodes have? */
bool
slm_asks_nodes(void)
{
	static SlmStatement statement = {"SELECT sellometer.asks_nodes()"};
	bool		isnull;

	(void) slm_query(&statement, NULL);
	return DatumGetBool(slm_value(0, 1, &isnull));
}

char *
slm_quoted(Datum value, Oid type)
{
	Oid			out;
	bool		is_varlena;

	getTypeOutputInfo(type, &out, &is_varlena);
	return quote_literal_cstr(OidOutputFunctionCall(out, value));
}

/* Each node adds up its own.  function: sums_of_nodes, whose last argument is the keys, or best_of_nodes, of which it is by what, and how many. */
void
slm_sums_add_nodes(SlmSums *sums, const char *type, Datum from, Datum to, const char *function, const char *arguments)
{
	uint64		n = slm_query_once(psprintf("SELECT key, count, gmv FROM sellometer.%s(%s, %s, %s, %s, %s)", function,
											quote_literal_cstr(slm_dimension_name(sums->dimension)), quote_literal_cstr(type),
											slm_quoted(from, TIMESTAMPTZOID), slm_quoted(to, TIMESTAMPTZOID), arguments));
	SPITupleTable *rows = SPI_tuptable;

	for (uint64 i = 0; i < n; i++)
	{
		bool		isnull;
		uint32		key;
		int128		gmv;

		SPI_tuptable = rows;
		key = slm_sums_key(sums, slm_value(i, 1, &isnull));
		if (!slm_money_sum_from_numeric(slm_value(i, 3, &isnull), &gmv))
			ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("a node has a sum that can't be one")));
		sums->keys[key].count += slm_int64(i, 2, 0);
		sums->keys[key].gmv += gmv;
	}
}
