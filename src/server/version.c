/*
 * version.c: the library and the extension in this database, of which one is newer for a while when a release is installed.
 *
 * The package brings the library, a restart of the server loads it (it is preloaded), ALTER EXTENSION UPDATE changes the
 * database.  In between, what writes would meet tables that it does not know, so it stops.  What only reads goes on.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_extension.h"
#include "server/version.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

/* The version of an extension, palloc'ed; NULL if there is none of that OID. */
static char *
installed_version(Oid extension)
{
	Relation	rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	char	   *version = NULL;

	ScanKeyInit(&key, Anum_pg_extension_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(extension));
	scan = systable_beginscan(rel, ExtensionOidIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		Datum		datum = heap_getattr(tuple, Anum_pg_extension_extversion, RelationGetDescr(rel), &isnull);

		if (!isnull)
			version = TextDatumGetCString(datum);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return version;
}

void
slm_check_version(Oid extension)
{
	char	   *version = installed_version(extension);

	if (version == NULL)
		return;
	if (strcmp(version, SLM_VERSION) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("extension \"sellometer\" and its library differ in version"),
				 errdetail("The extension is of version %s in this database, the library of version %s.", version, SLM_VERSION),
				 errhint("If the library is the newer one, run ALTER EXTENSION sellometer UPDATE; else install the newer "
						 "library and restart the server.")));
	pfree(version);
}
