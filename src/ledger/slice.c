/*
 * slice.c: which products this database counts: settled with the first object, and the same from then on.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "ledger/slice.h"
#include "miscadmin.h"
#include "server/spi.h"
#include "utils/builtins.h"
#include "utils/guc.h"

/* What cannot be read is nobody's: sellometer.slice is checked when it is set. */
static SlmNodeSlice
parse(const char *text)
{
	SlmNodeSlice slice;

	if (text == NULL)
		return (SlmNodeSlice) {0};
	if (!slm_slice_parse(text, &slice))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is no slice", text),
				 errhint("sellometer.slice is 'i/N', of N nodes that are numbered from 0, or empty for all products.")));
	return slice;
}

static bool
is_same(SlmNodeSlice a, SlmNodeSlice b)
{
	return (!slm_is_sliced(a) && !slm_is_sliced(b)) || (a.of == b.of && a.number == b.number);
}

/* As it is told in errors. */
static const char *
in_words(SlmNodeSlice slice)
{
	return slm_is_sliced(slice) ? psprintf("slice %u/%u", slice.number, slice.of) : "all products";
}

SlmNodeSlice
slm_slice_read(void)
{
	static SlmStatement statement = {"SELECT slice FROM sellometer.state"};

	if (slm_query(&statement, NULL) != 1)
		elog(ERROR, "sellometer.state must have one row");
	return parse(slm_text(CurrentMemoryContext, 0, 1));
}

/* A process that began before ALTER DATABASE has the setting of then: the catalog has that of now. */
static const char *
read_setting(const char *of_database)
{
	const char *setting = of_database != NULL ? of_database : GetConfigOptionResetString("sellometer.slice");

	return setting == NULL ? "" : setting;
}

static void
settle_on(const char *slice)
{
	static SlmStatement statement = {"UPDATE sellometer.state SET slice = $1 WHERE head IS NULL", 1, {TEXTOID}};
	Datum		arg = CStringGetTextDatum(slice);

	slm_execute(&statement, &arg, NULL, SPI_OK_UPDATE);
	/* at once: whoever moves the head wants this row, and may hold what we wait for */
	slm_commit();
	slm_secure_transaction();
}

void
slm_slice_settle(void)
{
	static SlmStatement statement = {
		"SELECT s.slice, (s.head IS NULL)::int::bigint, (SELECT substr(c, 18) FROM pg_db_role_setting r, unnest(r.setconfig) c "
		"WHERE r.setdatabase = $1 AND r.setrole = 0 AND lower(c) LIKE 'sellometer.slice=%') FROM sellometer.state s",
		1, {OIDOID}
	};
	Datum		arg = ObjectIdGetDatum(MyDatabaseId);
	const char *setting;
	bool		is_empty;
	SlmNodeSlice settled;
	SlmNodeSlice wanted;

	if (slm_query(&statement, &arg) != 1)
		elog(ERROR, "sellometer.state must have one row");
	settled = parse(slm_text(CurrentMemoryContext, 0, 1));
	is_empty = slm_int64(0, 2, 0) != 0;
	setting = read_setting(slm_text(CurrentMemoryContext, 0, 3));
	wanted = parse(setting);
	if (is_same(settled, wanted))
		return;
	if (is_empty)
		settle_on(setting);
	else
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("sellometer.slice has changed, and this database is loaded already"),
				 errdetail("It holds %s; sellometer.slice says %s.", in_words(settled), in_words(wanted)),
				 errhint("Set it back: ALTER DATABASE %s SET sellometer.slice = '%s'.  For other slices make new databases, and load "
						 "them anew: see docs/scaling.md.", quote_identifier(get_database_name(MyDatabaseId)),
						 slm_is_sliced(settled) ? psprintf("%u/%u", settled.number, settled.of) : "")));
}
