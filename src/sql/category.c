/*
 * category.c: sellometer_category_levels(): the keys of a category.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "pure/clean.h"

PG_FUNCTION_INFO_V1(sellometer_category_levels);

/* category_levels(code text) → (category_l1 text, category_l2 text, category_l3 text) */
Datum
sellometer_category_levels(PG_FUNCTION_ARGS)
{
	SlmSlice	code = {"", 0};
	SlmCategory category;
	char	   *buf = palloc(SLM_CATEGORY_BUFFER * 2);
	TupleDesc	desc;
	Datum		values[3];
	bool		nulls[3] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "sellometer_category_levels must return a row");
	if (!PG_ARGISNULL(0))
	{
		text	   *arg = PG_GETARG_TEXT_PP(0);

		code = (SlmSlice) {VARDATA_ANY(arg), VARSIZE_ANY_EXHDR(arg)};
	}
	if (!slm_clean_category(code, false, 0, buf, &category))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("category is too long"),
				 errdetail("Filled to three levels it would be longer than %d bytes.", SLM_MAX_KEY_BYTES)));
	values[0] = PointerGetDatum(cstring_to_text_with_len(category.key, category.l1_len));
	values[1] = PointerGetDatum(cstring_to_text_with_len(category.key, category.l2_len));
	values[2] = PointerGetDatum(cstring_to_text_with_len(category.key, category.l3_len));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
