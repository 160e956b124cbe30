/*
 * pins.c: the settings on which what we do depends.
 *
 * ALTER DATABASE, ALTER ROLE and SET reach the worker and every CALL.  What changes results, makes an error of what is none, or has a
 * table read from end to end for each row is pinned here, for each transaction.  What only says how fast, how safe or where (work_mem,
 * synchronous_commit, default_tablespace and the like) is left to whoever has set it.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "server/pins.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"

typedef struct Pin
{
	const char *name;
	const char *value;			/* as SHOW tells it */
} Pin;

static const Pin pins[] = {
	/* names, literals, and values that become text and are read again */
	{"search_path", "pg_catalog, pg_temp"},
	{"standard_conforming_strings", "on"},
	{"backslash_quote", "safe_encoding"},
	{"transform_null_equals", "off"},
	{"quote_all_identifiers", "off"},
	{"array_nulls", "on"},
	{"DateStyle", "ISO, YMD"},
	{"IntervalStyle", "postgres"},
	{"TimeZone", "UTC"},
	{"timezone_abbreviations", "Default"},
	{"extra_float_digits", "1"},
	{"bytea_output", "hex"},
	{"lc_numeric", "C"},
	{"plpgsql.variable_conflict", "error"},
	{"plpgsql.extra_errors", "none"},
	/* what would turn waiting into an error, rows into fewer rows, or triggers off */
	{"lock_timeout", "0"},
	{"row_security", "off"},
	{"session_replication_role", "origin"},
	/* plans */
	{"jit", "off"},				/* what avoids other paths at any cost looks as if compiling it paid: that takes longer than all that it does */
	{"plan_cache_mode", "auto"},
	{"constraint_exclusion", "partition"},
	{"force_parallel_mode", "off"},
	{"debug_parallel_query", "off"},
	{"from_collapse_limit", "8"},
	{"join_collapse_limit", "8"},
	{"geqo", "on"},
	{"geqo_threshold", "12"},
	{"enable_bitmapscan", "on"},
	{"enable_hashagg", "on"},
	{"enable_hashjoin", "on"},
	{"enable_indexonlyscan", "on"},
	{"enable_indexscan", "on"},
	{"enable_material", "on"},
	{"enable_memoize", "on"},
	{"enable_mergejoin", "on"},
	{"enable_nestloop", "on"},
	{"enable_partition_pruning", "on"},
	{"enable_partitionwise_aggregate", "off"},
	{"enable_partitionwise_join", "off"},
	{"enable_seqscan", "on"},
	{"enable_sort", "on"},
	{"enable_tidscan", "on"},
};

static void
pin(const Pin *setting, GucAction action)
{
	/* not every version has each; and to set what is so already is not free */
	const char *now = GetConfigOption(setting->name, true, false);

	if (now != NULL && strcmp(now, setting->value) != 0)
		(void) set_config_option(setting->name, setting->value, PGC_SUSET, PGC_S_SESSION, action, true, 0, false);
}

static void
pin_all(GucAction action)
{
	for (int i = 0; i < lengthof(pins); i++)
		pin(&pins[i], action);
}

void
slm_pin_transaction(void)
{
	static const Pin of_workers[] = {{"statement_timeout", "0"}, {"transaction_timeout", "0"}};

	if (!FirstSnapshotSet)
	{
		XactIsoLevel = XACT_READ_COMMITTED;
		XactReadOnly = RecoveryInProgress();
	}
	pin_all(GUC_ACTION_LOCAL);
	for (int i = 0; MyBgworkerEntry != NULL && i < lengthof(of_workers); i++)
		pin(&of_workers[i], GUC_ACTION_LOCAL);
}

int
slm_pin_function(void)
{
	int			level = NewGUCNestLevel();

	pin_all(GUC_ACTION_SAVE);
	return level;
}
