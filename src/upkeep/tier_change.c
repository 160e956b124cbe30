/*
 * tier_change.c: what all changes of tiers have in common: the locks, and trying again.
 *
 * A tier between two others changes what the coarser one's views read, and that locks these views against everybody.  A
 * query that reads them for long would make all others wait behind the change: so it is tried with a short lock_timeout,
 * rolled back with all locks, and tried again after a pause.
 *
 * Order of locks: sellometer.tiers (against other changes of tiers), the writer's lock, then tables and views.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "miscadmin.h"
#include "server/spi.h"
#include "storage/latch.h"
#include "upkeep/tier_change.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/wait_event.h"

#define LOCK_TIMEOUT		"100ms"
#define PAUSE_MS			200
#define TRIES				30

static void
pause_between_tries(void)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, PAUSE_MS,
					 slm_wait_event("SellometerChangeTier"));
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

/* Do it in a subtransaction; false if a lock could not be had in time. */
static bool
try_change(void (*change) (SlmTierPlan *), SlmTierPlan *arg)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool done = false;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		change(arg);
		ReleaseCurrentSubTransaction();
		done = true;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		if (error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE)
			ReThrowError(error);
		FreeErrorData(error);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return done;
}

void
slm_change_tiers(void (*change) (SlmTierPlan *), SlmTierPlan *arg)
{
	for (int i = 1; !try_change(change, arg); i++)
	{
		if (i >= TRIES)
			ereport(ERROR,
					(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
					 errmsg("the tiers can't be changed now: their tables or views are in use"),
					 errhint("A query, a backup or a VACUUM that takes long reads them; see pg_stat_activity.")));
		pause_between_tries();
	}
}

int
slm_limit_lock_waits(void)
{
	int			nest_level = NewGUCNestLevel();

	(void) set_config_option("lock_timeout", LOCK_TIMEOUT, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	return nest_level;
}

void
slm_lock_tiers(void)
{
	slm_execute_once("LOCK TABLE sellometer.tiers IN SHARE UPDATE EXCLUSIVE MODE", SPI_OK_UTILITY);
}

void
slm_tier_move_position(const char *name, int by)
{
	static SlmStatement statement = {
		"UPDATE sellometer.tiers SET position = position + $2 WHERE name = $1", 2, {TEXTOID, INT4OID}
	};
	Datum		args[2] = {CStringGetTextDatum(name), Int32GetDatum(by)};

	slm_execute(&statement, args, NULL, SPI_OK_UPDATE);
}

int
slm_require_tier(const SlmTiers *tiers, const char *name)
{
	int			t = slm_find_tier(tiers, name);

	if (t < 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("tier \"%s\" does not exist", name),
				 errhint("The tiers are listed in sellometer.tiers.")));
	return t;
}

static void
view_existing_over(const char *tier, const char *finer)
{
	Oid			types[2] = {TEXTOID, TEXTOID};
	Datum		args[2] = {CStringGetTextDatum(tier), CStringGetTextDatum(finer)};

	slm_execute_args("SELECT sellometer.create_realtime_views(name, granularity, zone, $2) FROM sellometer.tiers WHERE name = $1",
					 2, types, args, SPI_OK_SELECT);
}

void
slm_tier_feed_from(const SlmTier *tier, const char *finer)
{
	static SlmStatement statement = {"UPDATE sellometer.tiers SET finer = $2 WHERE name = $1", 2, {TEXTOID, TEXTOID}};
	Datum		args[2] = {CStringGetTextDatum(tier->name), CStringGetTextDatum(finer)};
	int			nest_level = slm_limit_lock_waits();

	slm_execute(&statement, args, NULL, SPI_OK_UPDATE);
	view_existing_over(tier->name, finer);
	AtEOXact_GUC(true, nest_level);
}
