/*
 * sniff_calls.c: what an object looks like.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pure/intake.h"
#include "pure/sniff.h"
#include "server/out_of_memory.h"
#include "sql/format_try.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(sellometer_look_at);

#define RESULT_COLUMNS	4

/* What an object begins with, unpacked. */
typedef struct Head
{
	SlmIntake	intake;
	SlmSniff	sniff;
	uint8	   *bytes;
	size_t		len;
	bool		whole;
} Head;

/* Take out what the intake can give; false if there is enough of it, or if there will be no more. */
static bool
take(Head *head)
{
	size_t		taken;

	while (head->len + SLM_CSV_BLOCK <= SLM_SNIFF_BYTES && !head->whole)
	{
		if (!slm_intake_fill(&head->intake, (char *) head->bytes + head->len, &taken, &head->whole))
			return head->intake.error == SLM_READ_ERROR_NONE;
		head->len += taken;
	}
	return false;
}

static void
read_head(Head *head, SlmTransfer *transfer)
{
	SlmStoreError error;
	const char *data;
	size_t		len;

	do
	{
		CHECK_FOR_INTERRUPTS();
		switch (slm_transfer_read(transfer, SLM_WAIT_FOR_EVER, &data, &len, &error))
		{
			case SLM_TRANSFER_DATA:
				slm_intake_feed(&head->intake, data, len, false);
				break;
			case SLM_TRANSFER_END:
				slm_intake_feed(&head->intake, NULL, 0, true);
				break;
			default:
				slm_store_error_raise(&error);
		}
	} while (take(head));
	if (head->intake.error == SLM_READ_ERROR_MEMORY)
		slm_out_of_memory();
	if (head->len == 0 && head->intake.error != SLM_READ_ERROR_NONE)
		ereport(ERROR, (errcode(ERRCODE_BAD_COPY_FILE_FORMAT), errmsg("%s", head->intake.message)));
}

static void
put_row(FunctionCallInfo fcinfo, const char *item, const char *found, const char *sure, const char *detail)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	bool		nulls[RESULT_COLUMNS] = {false};
	Datum		values[RESULT_COLUMNS] = {
		CStringGetTextDatum(item), CStringGetTextDatum(pg_any_to_server(found, (int) strlen(found), PG_UTF8)), CStringGetTextDatum(sure),
		CStringGetTextDatum(pg_any_to_server(detail, (int) strlen(detail), PG_UTF8))
	};

	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

static void
tell(FunctionCallInfo fcinfo, const Head *head, const char *name)
{
	const SlmSniff *sniff = &head->sniff;

	put_row(fcinfo, "object", name, slm_sure_name(SLM_SURE_CERTAIN), psprintf("%zu bytes of it were looked at", head->len));
	if (head->intake.unpack.packing != SLM_PLAIN)
		put_row(fcinfo, "packing", slm_packing_name(head->intake.unpack.packing), slm_sure_name(SLM_SURE_CERTAIN), "known by its first bytes, whatever its name");
	for (int i = 0; i < sniff->nfindings; i++)
		put_row(fcinfo, sniff->finding[i].item, sniff->finding[i].found, slm_sure_name(sniff->finding[i].sure), sniff->finding[i].detail);
	put_row(fcinfo, "format", pnstrdup(sniff->format.data, sniff->format.len), "", "");
}

/* look_at(url text, server text) → setof (item, found, sure, detail) */
Datum
sellometer_look_at(PG_FUNCTION_ARGS)
{
	char	   *url = PG_ARGISNULL(0) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(0));
	SlmStore   *store = slm_store_open(url, PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1)), GetUserId());
	char	   *key = url[0] != '\0' && url[strlen(url) - 1] == '/' ? slm_first_key(store, (Datum) 0, (Datum) 0) : pstrdup("");
	Head	   *head = palloc0(sizeof(Head));
	SlmTransfer *transfer;

	if (key == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FILE),
				 errmsg("there is no object in %s", slm_store_url(store)), errhint("sellometer_list() shows what is there.")));
	InitMaterializedSRF(fcinfo, 0);
	head->bytes = palloc(SLM_SNIFF_BYTES);
	transfer = slm_store_get(store, key, NULL, 0);
	PG_TRY();
	{
		if (!slm_intake_init(&head->intake, NULL, NULL))
			slm_out_of_memory();
		read_head(head, transfer);
		if (!slm_sniff(head->bytes, head->len, head->whole, &head->sniff))
			slm_out_of_memory();
		tell(fcinfo, head, slm_store_display(psprintf("%s%s", slm_store_url(store), key)));
	}
	PG_FINALLY();
	{
		slm_intake_free(&head->intake);
		slm_sniff_free(&head->sniff);
	}
	PG_END_TRY();
	slm_transfer_close(transfer);
	slm_store_close(store);
	return (Datum) 0;
}
