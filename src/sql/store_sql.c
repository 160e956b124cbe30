/*
 * store_sql.c: the storage layer's functions in SQL.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "store/store.h"

PG_FUNCTION_INFO_V1(sellometer_list);
PG_FUNCTION_INFO_V1(sellometer_shown);

typedef struct ListTarget
{
	ReturnSetInfo *rsinfo;
	MemoryContext row_context;
	int64		invalid_keys;
	char	   *first_invalid;	/* fit for a message */
	int64		unreadable;
	char	   *first_unreadable;
} ListTarget;

static bool
add_object(const SlmObjectInfo *info, void *arg)
{
	ListTarget *target = arg;
	const char *key = slm_store_key_text(info->key);
	MemoryContext outer;
	Datum		values[4];
	bool		nulls[4] = {false};

	if (key == NULL)
	{
		if (target->invalid_keys++ == 0)
			target->first_invalid = slm_store_display(info->key);
		return true;
	}
	outer = MemoryContextSwitchTo(target->row_context);
	values[0] = CStringGetTextDatum(key);
	values[1] = Int64GetDatum(info->size);
	values[2] = CStringGetTextDatum(info->etag);
	values[3] = TimestampTzGetDatum(info->last_modified);
	tuplestore_putvalues(target->rsinfo->setResult, target->rsinfo->setDesc, values, nulls);
	MemoryContextSwitchTo(outer);
	MemoryContextReset(target->row_context);
	return true;
}

/* What can't be looked at hides nothing but itself; names that are left out are no news. */
static void
note_passed(const char *key, SlmPassReason reason, const char *why, void *arg)
{
	ListTarget *target = arg;

	if (why != NULL && target->unreadable++ == 0)
		target->first_unreadable = key[0] == '\0' ? pstrdup(why) : psprintf("\"%s\": %s", slm_store_display(key), why);
}

static void
warn_of_unreadable(const ListTarget *target)
{
	if (target->unreadable > 0)
		ereport(WARNING,
				(errcode(ERRCODE_IO_ERROR),
				 errmsg_plural("%lld directory or object was left out because it can't be read",
							   "%lld directories or objects were left out because they can't be read",
							   target->unreadable, (long long) target->unreadable),
				 errdetail("The first one is %s.", target->first_unreadable)));
}

Datum
sellometer_list(PG_FUNCTION_ARGS)
{
	char	   *url;
	char	   *server = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	ListTarget	target = {0};
	SlmListQuery	listing = {.found = add_object,.passed = note_passed,.arg = &target};
	SlmStore   *store;
	SlmStoreError error;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("url must not be null")));
	url = text_to_cstring(PG_GETARG_TEXT_PP(0));
	InitMaterializedSRF(fcinfo, 0);
	target.rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	target.row_context = AllocSetContextCreate(CurrentMemoryContext, "sellometer_list row", ALLOCSET_SMALL_SIZES);
	store = slm_store_open(url, server, GetUserId());
	if (!slm_store_list(store, &listing, &error))
		slm_store_error_raise(&error);
	slm_store_close(store);
	warn_of_unreadable(&target);
	if (target.invalid_keys > 0)
		ereport(WARNING,
				(errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
				 errmsg_plural("%lld object was left out because its key is not valid text",
							   "%lld objects were left out because their keys are not valid text",
							   target.invalid_keys, (long long) target.invalid_keys),
				 errdetail("The first one is \"%s\".", target.first_invalid),
				 errhint("Keys must be UTF-8, and the database too unless they are ASCII.")));
	return (Datum) 0;
}

Datum
sellometer_shown(PG_FUNCTION_ARGS)
{
	text	   *value = PG_GETARG_TEXT_PP(0);

	PG_RETURN_TEXT_P(cstring_to_text(slm_store_display_text(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value))));
}
