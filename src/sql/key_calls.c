/*
 * key_calls.c: keys as SQL sees them.
 */
#include "postgres.h"

#include "fmgr.h"
#include "ledger/passed.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(sellometer_key_is_wanted);

Datum
sellometer_key_is_wanted(PG_FUNCTION_ARGS)
{
	SlmPatterns include = PG_ARGISNULL(1) ? (SlmPatterns) {0} : slm_patterns(PG_GETARG_DATUM(1));
	SlmPatterns exclude = PG_ARGISNULL(2) ? (SlmPatterns) {0} : slm_patterns(PG_GETARG_DATUM(2));

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_BOOL(slm_key_is_wanted(text_to_cstring(PG_GETARG_TEXT_PP(0)), &include, &exclude));
}
