/*
 * aggregates_top.c: sellometer_top_n(key, weight, n): the n keys of the greatest total weight, in one pass.
 */
#include "postgres.h"

#include "fmgr.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "compat.h"
#include "sql/aggregates.h"
#include "types/money.h"
#include "sql/top_summary.h"

PG_FUNCTION_INFO_V1(sellometer_top_n_transition);
PG_FUNCTION_INFO_V1(sellometer_top_n_combine);
PG_FUNCTION_INFO_V1(sellometer_top_n_serialize);
PG_FUNCTION_INFO_V1(sellometer_top_n_deserialize);
PG_FUNCTION_INFO_V1(sellometer_top_n_final);

/* The summary's bounds hold for weights that add up only. */
static void
check_weight(Datum weight)
{
	SlmMoney	money;
	Numeric		number;

	if (slm_money_from_numeric(weight, &money) && money >= 0)
		return;

	number = DatumGetNumeric(weight);
	if (numeric_is_nan(number) || numeric_is_inf(number) ||
		DatumGetInt32(DirectFunctionCall2(numeric_cmp, NumericGetDatum(number),
										  NumericGetDatum(int64_to_numeric(0)))) < 0)
		ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("weight must be a finite number and not negative"),
				errdetail("It is %s.", numeric_normalize(number)));
}

static void
check_key(SlmTopKey key)
{
	if (key.len > SLM_MAX_KEY_BYTES)
		ereport(ERROR, errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				errmsg("key is too long for sellometer_top_n"),
				errdetail("It has %d bytes; up to %d are possible.", key.len, SLM_MAX_KEY_BYTES));
}

static void
check_same_n(const SlmTop *top, int n)
{
	if (top->n != n)
		ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("n must be the same for all rows"),
				errdetail("There are %d and %d.", Min(top->n, n), Max(top->n, n)));
}

/* top_n_transition(internal, key text, weight numeric, n integer) → internal */
Datum
sellometer_top_n_transition(PG_FUNCTION_ARGS)
{
	MemoryContext context = slm_aggregate_context(fcinfo);
	SlmTop	   *top = slm_aggregate_state(fcinfo, 0, SLM_STATE_TOP);
	int			n = PG_ARGISNULL(3) ? 0 : PG_GETARG_INT32(3);

	if (n < 1 || n > SLM_TOP_MAX_N)
		ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("n must be between 1 and %d", SLM_TOP_MAX_N),
				PG_ARGISNULL(3) ? errdetail("It is null.") : errdetail("It is %d.", n));
	if (top == NULL)
		top = slm_top_create(context, n);
	check_same_n(top, n);

	if (!PG_ARGISNULL(1) && !PG_ARGISNULL(2))
	{
		text	   *bytes = PG_GETARG_TEXT_PP(1);
		SlmTopKey	key = {VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes)};

		check_key(key);
		check_weight(PG_GETARG_DATUM(2));
		slm_top_add(top, key, PG_GETARG_DATUM(2));
	}
	PG_RETURN_POINTER(top);
}

/* top_n_combine(internal, internal) → internal */
Datum
sellometer_top_n_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context = slm_aggregate_context(fcinfo);
	SlmTop	   *top = slm_aggregate_state(fcinfo, 0, SLM_STATE_TOP);
	SlmTop	   *other = slm_aggregate_state(fcinfo, 1, SLM_STATE_TOP);

	if (top == NULL && other == NULL)
		PG_RETURN_NULL();		/* n isn't known yet */
	if (top == NULL)
		top = slm_top_create(context, other->n);
	if (other != NULL)
	{
		check_same_n(top, other->n);
		slm_top_merge(top, other);
	}
	PG_RETURN_POINTER(top);
}

/* top_n_serialize(internal) → bytea */
Datum
sellometer_top_n_serialize(PG_FUNCTION_ARGS)
{
	SlmTop	   *top;
	StringInfoData buf;

	(void) slm_aggregate_context(fcinfo);
	top = slm_aggregate_state(fcinfo, 0, SLM_STATE_TOP);
	slm_aggregate_begin_send(&buf, SLM_STATE_TOP);
	pq_sendint32(&buf, top->n);
	pq_sendint32(&buf, top->used);
	pq_sendint8(&buf, top->exact);
	for (int i = 0; i < top->used; i++)
	{
		const SlmTopCounter *counter = &top->counters[i];

		pq_sendint32(&buf, counter->key.len);
		pq_sendbytes(&buf, counter->key.data, counter->key.len);
		slm_sum_send(&buf, &counter->weight);
		if (!top->exact)
			slm_sum_send(&buf, &counter->error);
	}
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

/* Read one counter of a serialized state. */
static void
recv_counter(StringInfo buf, SlmTop *top)
{
	static const SlmSum zero = {0};
	SlmTopCounter *counter;
	SlmTopKey	key;

	key.len = pq_getmsgint(buf, 4);
	if (key.len < 0 || key.len > SLM_MAX_KEY_BYTES)
		slm_aggregate_recv_error("A key is too long.");
	key.data = pq_getmsgbytes(buf, key.len);
	if (!pg_verifymbstr(key.data, key.len, true))
		slm_aggregate_recv_error("A key is no text in the encoding of the database.");
	if (slm_top_find(top, key) >= 0)
		slm_aggregate_recv_error("A key stands twice.");

	counter = slm_top_append(top, key);
	slm_sum_recv(buf, &counter->weight);
	if (!top->exact)
		slm_sum_recv(buf, &counter->error);
	if (slm_sum_compare(&counter->error, &zero) < 0 || slm_sum_compare(&counter->error, &counter->weight) > 0)
		slm_aggregate_recv_error("An error is negative or larger than its weight.");
}

/* top_n_deserialize(bytea, internal) → internal */
Datum
sellometer_top_n_deserialize(PG_FUNCTION_ARGS)
{
	SlmTop	   *top;
	StringInfoData buf;
	int			n;
	int			used;

	slm_aggregate_begin_recv(fcinfo, &buf, SLM_STATE_TOP);
	n = pq_getmsgint(&buf, 4);
	used = pq_getmsgint(&buf, 4);
	if (n < 1 || n > SLM_TOP_MAX_N)
		slm_aggregate_recv_error("Its n is out of range.");
	top = slm_top_create(CurrentMemoryContext, n);
	top->exact = pq_getmsgbyte(&buf) != 0;
	if (used < 0 || used > top->capacity || (!top->exact && used < top->capacity))
		slm_aggregate_recv_error("Its number of keys doesn't agree with its capacity.");
	for (int i = 0; i < used; i++)
		recv_counter(&buf, top);
	pq_getmsgend(&buf);
	PG_RETURN_POINTER(top);
}

static void
push_string(JsonbParseState **parse, JsonbIteratorToken token, const char *data, int len)
{
	JsonbValue	value = {.type = jbvString};

	value.val.string.val = unconstify(char *, data);
	value.val.string.len = len;
	pushJsonbValue(parse, token, &value);
}

/* A member whose value is a number, without trailing zeroes: weights may be counts as well as money. */
static void
push_number(JsonbParseState **parse, const char *name, const SlmSum *sum)
{
	JsonbValue	value = {.type = jbvNumeric};

	value.val.numeric = DatumGetNumeric(DirectFunctionCall1(numeric_trim_scale,
															NumericGetDatum(slm_sum_to_numeric(sum))));
	push_string(parse, WJB_KEY, name, strlen(name));
	pushJsonbValue(parse, WJB_VALUE, &value);
}

/* top_n_final(internal) → jsonb */
Datum
sellometer_top_n_final(PG_FUNCTION_ARGS)
{
	SlmTop	   *top;
	SlmTopCounter **sorted;
	JsonbParseState *parse = NULL;

	(void) slm_aggregate_context(fcinfo);
	top = slm_aggregate_state(fcinfo, 0, SLM_STATE_TOP);
	if (top == NULL || top->used == 0)
		PG_RETURN_NULL();

	sorted = slm_top_sort(top);
	pushJsonbValue(&parse, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < Min(top->n, top->used); i++)
	{
		pushJsonbValue(&parse, WJB_BEGIN_OBJECT, NULL);
		push_string(&parse, WJB_KEY, "key", strlen("key"));
		push_string(&parse, WJB_VALUE, sorted[i]->key.data, sorted[i]->key.len);
		push_number(&parse, "weight", &sorted[i]->weight);
		if (!top->exact)
			push_number(&parse, "error", &sorted[i]->error);
		pushJsonbValue(&parse, WJB_END_OBJECT, NULL);
	}
	PG_RETURN_POINTER(JsonbValueToJsonb(pushJsonbValue(&parse, WJB_END_ARRAY, NULL)));
}
