/*
 * key_calls.c: keys as SQL sees them.
 */
#include "postgres.h"

#include "fmgr.h"
#include "ledger/passed.h"
#include "pure/node_slice.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(sellometer_key_is_wanted);
PG_FUNCTION_INFO_V1(sellometer_slice_of);

Datum
sellometer_key_is_wanted(PG_FUNCTION_ARGS)
{
	SlmPatterns include = PG_ARGISNULL(1) ? (SlmPatterns) {0} : slm_patterns(PG_GETARG_DATUM(1));
	SlmPatterns exclude = PG_ARGISNULL(2) ? (SlmPatterns) {0} : slm_patterns(PG_GETARG_DATUM(2));

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_BOOL(slm_key_is_wanted(text_to_cstring(PG_GETARG_TEXT_PP(0)), &include, &exclude));
}

/* (product_id, slices) --> the slice, from 0 */
Datum
sellometer_slice_of(PG_FUNCTION_ARGS)
{
	int32		slices = PG_GETARG_INT32(1);

	if (slices < 1 || slices > SLM_MAX_SLICES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("products can't be divided into so many slices"),
				 errdetail("They are %d.", slices), errhint("There can be 1 to %d.", SLM_MAX_SLICES)));
	PG_RETURN_INT32((int32) slm_slice_of(PG_GETARG_INT64(0), (uint32) slices));
}
