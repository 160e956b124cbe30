/*
 * event_type.c: the enum sellometer.event_type, as oids.  The system caches make this cheap enough to ask each time.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_type.h"
#include "pure/reader.h"
#include "types/event_type.h"
#include "utils/syscache.h"

Oid
slm_event_type_oid(void)
{
	Oid			schema = get_namespace_oid("sellometer", false);
	Oid			type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum("event_type"),
									   ObjectIdGetDatum(schema));

	if (!OidIsValid(type))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("type sellometer.event_type does not exist"),
				 errhint("Run CREATE EXTENSION sellometer.")));
	return type;
}

Oid
slm_event_type_value(SlmEventType type)
{
	HeapTuple	tuple = SearchSysCache2(ENUMTYPOIDNAME, ObjectIdGetDatum(slm_event_type_oid()),
										CStringGetDatum(slm_event_type_name(type)));
	Oid			value;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "sellometer.event_type has no value \"%s\"", slm_event_type_name(type));
	value = ((Form_pg_enum) GETSTRUCT(tuple))->oid;
	ReleaseSysCache(tuple);
	return value;
}

SlmEventType
slm_event_type_of(Oid value)
{
	for (int type = 0; type < SLM_EVENT_TYPES; type++)
	{
		if (slm_event_type_value(type) == value)
			return type;
	}
	elog(ERROR, "%u is no value of sellometer.event_type", value);
}
