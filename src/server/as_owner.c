/*
 * as_owner.c: work on the extension's tables with the rights of its owner.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_extension.h"
#include "miscadmin.h"
#include "server/as_owner.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

static bool started;			/* a procedure is at work */
static bool active;				/* and this transaction acts as the owner */
static Oid	caller;
static int	caller_security;

/* An error has made the user the caller already: a transaction ends as whom it began. */
static void
at_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PARALLEL_ABORT)
		started = active = false;
}

void
slm_as_owner_start(void)
{
	static bool registered = false;

	if (!registered)
		RegisterXactCallback(at_end, NULL);
	registered = true;
	started = true;
}

bool
slm_as_owner_missing(void)
{
	return started && !active;
}

void
slm_as_owner_stop(void)
{
	slm_as_owner_end();
	started = false;
}

Oid
slm_extension_owner(Oid extension)
{
	Relation	relation = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			owner = InvalidOid;

	ScanKeyInit(&key, Anum_pg_extension_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(extension));
	scan = systable_beginscan(relation, ExtensionOidIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		owner = ((Form_pg_extension) GETSTRUCT(tuple))->extowner;
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	if (!OidIsValid(owner))
		elog(ERROR, "could not find extension %u", extension);
	return owner;
}

void
slm_as_owner_begin(Oid extension)
{
	if (!started || active)
		return;
	GetUserIdAndSecContext(&caller, &caller_security);
	SetUserIdAndSecContext(slm_extension_owner(extension), caller_security | SECURITY_LOCAL_USERID_CHANGE);
	active = true;
}

void
slm_as_owner_end(void)
{
	if (active)
		SetUserIdAndSecContext(caller, caller_security);
	active = false;
}
