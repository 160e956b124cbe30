/*
 * aggregates.c: what the C aggregates have in common.
 */
#include "postgres.h"

#include "fmgr.h"
#include "libpq/pqformat.h"

#include "compat.h"
#include "sql/aggregates.h"

MemoryContext
slm_aggregate_context(FunctionCallInfo fcinfo)
{
	MemoryContext context;

	if (!AggCheckCallContext(fcinfo, &context))
		ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("support function of an aggregate called on its own"),
				errhint("Call the aggregate instead."));
	return context;
}

void *
slm_aggregate_state(FunctionCallInfo fcinfo, int arg, SlmStateTag tag)
{
	void	   *state = PG_ARGISNULL(arg) ? NULL : PG_GETARG_POINTER(arg);

	if (state != NULL && *(SlmStateTag *) state != tag)
		ereport(ERROR, errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
				errmsg("state of another aggregate"),
				errhint("The support functions of one aggregate can't be mixed with those of another."));
	return state;
}

void
slm_aggregate_begin_send(StringInfo buf, SlmStateTag tag)
{
	pq_begintypsend(buf);
	pq_sendint32(buf, tag);
}

void
slm_aggregate_begin_recv(FunctionCallInfo fcinfo, StringInfo buf, SlmStateTag tag)
{
	bytea	   *bytes;

	(void) slm_aggregate_context(fcinfo);
	bytes = PG_GETARG_BYTEA_PP(0);
	buf->data = VARDATA_ANY(bytes);
	buf->len = VARSIZE_ANY_EXHDR(bytes);
	buf->maxlen = buf->len;
	buf->cursor = 0;
	if (pq_getmsgint(buf, 4) != tag)
		slm_aggregate_recv_error("It is the state of another aggregate.");
}

void
slm_aggregate_recv_error(const char *detail)
{
	ereport(ERROR, errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
			errmsg("invalid serialized aggregate state"), errdetail_internal("%s", detail));
}
