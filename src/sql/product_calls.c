/*
 * product_calls.c: sellometer_product_id(): the number of a product that is known by a text.
 */
#include "postgres.h"

#include "compat.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "pure/sku.h"
#include "pure/trim.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(sellometer_product_id);

/* product_id(sku text) → bigint */
Datum
sellometer_product_id(PG_FUNCTION_ARGS)
{
	text	   *argument = PG_GETARG_TEXT_PP(0);
	int			len = (int) VARSIZE_ANY_EXHDR(argument);
	char	   *utf8 = pg_server_to_any(VARDATA_ANY(argument), len, PG_UTF8);
	SlmSlice	sku = {utf8, utf8 == VARDATA_ANY(argument) ? (uint32) len : (uint32) strlen(utf8)};
	int64		id;

	sku = slm_trim(sku);
	if (sku.len == 0 || sku.len > SLM_MAX_SKU_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg(sku.len == 0 ? "an empty text is no product" : "a text of %u bytes is no product", sku.len),
				 errhint("Texts that products are known by have 1 to %d bytes.", SLM_MAX_SKU_BYTES)));
	if (!slm_sku_is_number(sku, &id))
		id = slm_sku_id(sku);
	PG_RETURN_INT64(id);
}
