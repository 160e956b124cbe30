/*
 * own_dimensions.c: dimensions of a user's own, as one backend knows them.
 */
#include "postgres.h"

#include "catalog/pg_collation_d.h"
#include "catalog/pg_type.h"
#include "dedup/own_dimensions.h"
#include "server/locks.h"
#include "server/spi.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

static SlmOwn current;
static char names[SLM_MAX_OWN][NAMEDATALEN];

const SlmOwn *
slm_own(void)
{
	return &current;
}

int
slm_dimension_count(void)
{
	return SLM_DIMENSIONS + (int) current.n;
}

const char *
slm_own_name(int own)
{
	Assert(own >= 0 && own < (int) current.n);
	return names[own];
}

/* The number of a value among those that there are, added if it is new. */
static uint32
number_value(SlmOwnFrom from, const char *of)
{
	int			(*compare) (const char *, const char *) = from == SLM_OWN_PATTERN ? strcmp : pg_strcasecmp;

	for (uint32 i = 0; i < current.nvalues; i++)
	{
		if (current.value[i].from == from && compare(current.value[i].of, of) == 0)
			return i;
	}
	current.value[current.nvalues].from = from;
	strlcpy(current.value[current.nvalues].of, of, sizeof(current.value->of));
	return current.nvalues++;
}

/* As substring(key FROM pattern) has it, under any locale. */
static SlmSlice
find_pattern(const char *key, const char *pattern)
{
	LOCAL_FCINFO(fcinfo, 2);
	Datum		found;

	InitFunctionCallInfoData(*fcinfo, NULL, 2, C_COLLATION_OID, NULL, NULL);
	fcinfo->args[0] = (NullableDatum) {CStringGetTextDatum(key), false};
	fcinfo->args[1] = (NullableDatum) {CStringGetTextDatum(pattern), false};
	found = textregexsubstr(fcinfo);
	if (fcinfo->isnull)
		return (SlmSlice) {"", 0};
	return (SlmSlice) {VARDATA_ANY(DatumGetPointer(found)), (uint32) VARSIZE_ANY_EXHDR(DatumGetPointer(found))};
}

static SlmSlice
given_value(const SlmOwnValue *value, const char *source, const char *key)
{
	SlmSlice	slice = {key, (uint32) strlen(key)};

	switch (value->from)
	{
		case SLM_OWN_SOURCE:
			return (SlmSlice) {source, (uint32) strlen(source)};
		case SLM_OWN_PART:
			return slm_own_part(slice, value->of, palloc(slice.len + 1));
		case SLM_OWN_PATTERN:
			return find_pattern(key, value->of);
		default:
			return (SlmSlice) {"", 0};
	}
}

const SlmSlice *
slm_own_given(const char *source, const char *key)
{
	SlmSlice   *given;
	bool		any = false;

	for (uint32 i = 0; i < current.nvalues; i++)
		any |= current.value[i].from != SLM_OWN_COLUMN;
	if (!any)
		return NULL;
	given = palloc(sizeof(SlmSlice) * current.nvalues);
	for (uint32 i = 0; i < current.nvalues; i++)
		given[i] = given_value(&current.value[i], source, key);
	return given;
}

void
slm_own_read(void)
{
	static SlmStatement statement = {
		"SELECT id, dimension, since, CASE WHEN pattern IS NOT NULL THEN 3 ELSE array_position('{column,source,key}', made_of) - 1 END::bigint, coalesce(column_name, pattern, ''), level::bigint, coalesce(separator, ''), empty, visits_from "
		"FROM sellometer.dimensions ORDER BY id"
	};
	uint64		n = slm_execute(&statement, NULL, NULL, SPI_OK_SELECT);

	if (n > SLM_MAX_OWN)
		elog(ERROR, "sellometer.dimensions has more than %d rows", SLM_MAX_OWN);
	memset(&current, 0, sizeof(current));
	current.all_since = PG_INT64_MIN;
	for (uint32 i = 0; i < n; i++)
	{
		SlmOwnDimension *own = &current.dimension[i];

		own->id = slm_int64(i, 1, 0);
		strlcpy(names[i], slm_text(CurrentMemoryContext, i, 2), NAMEDATALEN);
		own->since = slm_int64(i, 3, 0);
		own->value = number_value((SlmOwnFrom) slm_int64(i, 4, 0), slm_text(CurrentMemoryContext, i, 5));
		own->level = (uint32) slm_int64(i, 6, 0);
		strlcpy(own->separator, slm_text(CurrentMemoryContext, i, 7), sizeof(own->separator));
		strlcpy(own->empty, slm_text(CurrentMemoryContext, i, 8), sizeof(own->empty));
		own->visits_from = slm_int64(i, 9, PG_INT64_MAX);
		current.visits |= own->visits_from != PG_INT64_MAX;
		current.all_since = Max(current.all_since, own->since);
	}
	current.n = (uint32) n;
}

void
slm_own_changed(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("a dimension has been added or dropped meanwhile"),
			 errhint("Try again.")));
}

void
slm_own_confirm(const SlmOwn *own)
{
	Assert(slm_lock_held(SLM_LOCK_WRITER));
	slm_own_read();
	if (!slm_own_equal(&current, own))
		slm_own_changed();
}

void
slm_own_filled(int64 id, TimestampTz since)
{
	static SlmStatement statement = {
		"UPDATE sellometer.dimensions SET since = $2 WHERE id = $1 AND since > $2", 2, {INT8OID, TIMESTAMPTZOID}
	};
	Datum		args[2] = {Int64GetDatum(id), TimestampTzGetDatum(since)};

	Assert(slm_lock_held(SLM_LOCK_WRITER));
	slm_execute(&statement, args, NULL, SPI_OK_UPDATE);
}
