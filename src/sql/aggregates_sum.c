/*
 * aggregates_sum.c: sellometer_gmv(price) and sellometer_avg_price(gmv, count).
 *
 * Both add up exactly, share one state, and can take a value back, so that a moving window frame costs one addition
 * and one subtraction a row.
 */
#include "postgres.h"

#include "fmgr.h"
#include "libpq/pqformat.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "compat.h"
#include "sql/aggregates.h"
#include "types/money.h"

typedef struct SumState
{
	SlmStateTag tag;
	int64		values;			/* rows that were summed: those without NULL */
	SlmSum		sum;			/* of price, or gmv */
	int128		count;			/* avg_price: sum of count, which 2^63 rows can't overflow */
} SumState;

PG_FUNCTION_INFO_V1(sellometer_gmv_transition);
PG_FUNCTION_INFO_V1(sellometer_gmv_inverse);
PG_FUNCTION_INFO_V1(sellometer_gmv_final);
PG_FUNCTION_INFO_V1(sellometer_avg_price_transition);
PG_FUNCTION_INFO_V1(sellometer_avg_price_inverse);
PG_FUNCTION_INFO_V1(sellometer_avg_price_final);
PG_FUNCTION_INFO_V1(sellometer_sum_combine);
PG_FUNCTION_INFO_V1(sellometer_sum_serialize);
PG_FUNCTION_INFO_V1(sellometer_sum_deserialize);

/* The state in argument 0, made if there is none. */
static SumState *
get_state(FunctionCallInfo fcinfo, MemoryContext context)
{
	SumState   *state = slm_aggregate_state(fcinfo, 0, SLM_STATE_SUM);

	if (state == NULL)
	{
		state = MemoryContextAllocZero(context, sizeof(SumState));
		state->tag = SLM_STATE_SUM;
	}
	return state;
}

/* gmv_transition(internal, price numeric) → internal */
Datum
sellometer_gmv_transition(PG_FUNCTION_ARGS)
{
	MemoryContext context = slm_aggregate_context(fcinfo);
	SumState   *state = get_state(fcinfo, context);

	if (!PG_ARGISNULL(1))
	{
		slm_sum_add(&state->sum, PG_GETARG_DATUM(1), context);
		state->values++;
	}
	PG_RETURN_POINTER(state);
}

/* gmv_inverse(internal, price numeric) → internal, or NULL where the frame has to be summed anew */
Datum
sellometer_gmv_inverse(PG_FUNCTION_ARGS)
{
	MemoryContext context = slm_aggregate_context(fcinfo);
	SumState   *state = get_state(fcinfo, context);

	if (!PG_ARGISNULL(1))
	{
		if (!slm_sum_subtract(&state->sum, PG_GETARG_DATUM(1), context))
			PG_RETURN_NULL();
		state->values--;
	}
	PG_RETURN_POINTER(state);
}

/* gmv_final(internal) → numeric */
Datum
sellometer_gmv_final(PG_FUNCTION_ARGS)
{
	SumState   *state;

	(void) slm_aggregate_context(fcinfo);
	state = slm_aggregate_state(fcinfo, 0, SLM_STATE_SUM);
	if (state == NULL || state->values == 0)
		PG_RETURN_NULL();
	PG_RETURN_NUMERIC(slm_sum_to_numeric(&state->sum));
}

/* avg_price_transition(internal, gmv numeric, count bigint) → internal; a row with a NULL counts for nothing */
Datum
sellometer_avg_price_transition(PG_FUNCTION_ARGS)
{
	MemoryContext context = slm_aggregate_context(fcinfo);
	SumState   *state = get_state(fcinfo, context);

	if (!PG_ARGISNULL(1) && !PG_ARGISNULL(2))
	{
		slm_sum_add(&state->sum, PG_GETARG_DATUM(1), context);
		state->count += PG_GETARG_INT64(2);
		state->values++;
	}
	PG_RETURN_POINTER(state);
}

/* avg_price_inverse(internal, gmv numeric, count bigint) → internal, or NULL as gmv_inverse */
Datum
sellometer_avg_price_inverse(PG_FUNCTION_ARGS)
{
	MemoryContext context = slm_aggregate_context(fcinfo);
	SumState   *state = get_state(fcinfo, context);

	if (!PG_ARGISNULL(1) && !PG_ARGISNULL(2))
	{
		if (!slm_sum_subtract(&state->sum, PG_GETARG_DATUM(1), context))
			PG_RETURN_NULL();
		state->count -= PG_GETARG_INT64(2);
		state->values--;
	}
	PG_RETURN_POINTER(state);
}

/* avg_price_final(internal) → numeric, NULL if the counts add up to 0 */
Datum
sellometer_avg_price_final(PG_FUNCTION_ARGS)
{
	SumState   *state;

	(void) slm_aggregate_context(fcinfo);
	state = slm_aggregate_state(fcinfo, 0, SLM_STATE_SUM);
	if (state == NULL || state->count == 0)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(DirectFunctionCall2(numeric_div, NumericGetDatum(slm_sum_to_numeric(&state->sum)),
										NumericGetDatum(slm_decimal_to_numeric(state->count, 0))));
}

/* sum_combine(internal, internal) → internal */
Datum
sellometer_sum_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context = slm_aggregate_context(fcinfo);
	SumState   *state = get_state(fcinfo, context);
	SumState   *other = slm_aggregate_state(fcinfo, 1, SLM_STATE_SUM);

	if (other != NULL)
	{
		slm_sum_add_sum(&state->sum, &other->sum, context);
		state->count += other->count;
		state->values += other->values;
	}
	PG_RETURN_POINTER(state);
}

/* sum_serialize(internal) → bytea */
Datum
sellometer_sum_serialize(PG_FUNCTION_ARGS)
{
	SumState   *state;
	StringInfoData buf;

	(void) slm_aggregate_context(fcinfo);
	state = slm_aggregate_state(fcinfo, 0, SLM_STATE_SUM);
	slm_aggregate_begin_send(&buf, SLM_STATE_SUM);
	pq_sendint64(&buf, state->values);
	slm_send_int128(&buf, state->count);
	slm_sum_send(&buf, &state->sum);
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

/* sum_deserialize(bytea, internal) → internal */
Datum
sellometer_sum_deserialize(PG_FUNCTION_ARGS)
{
	SumState   *state = palloc0(sizeof(SumState));
	StringInfoData buf;

	slm_aggregate_begin_recv(fcinfo, &buf, SLM_STATE_SUM);
	state->tag = SLM_STATE_SUM;
	state->values = pq_getmsgint64(&buf);
	state->count = slm_recv_int128(&buf);
	slm_sum_recv(&buf, &state->sum);
	pq_getmsgend(&buf);
	if (state->values < state->sum.rest_values)
		slm_aggregate_recv_error("It sums more values than it counts.");
	PG_RETURN_POINTER(state);
}
