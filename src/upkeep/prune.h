/*
 * prune.h: what is older than it is kept goes, by whole partitions.
 */
#ifndef SLM_UPKEEP_PRUNE_H
#define SLM_UPKEEP_PRUNE_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "upkeep/runs.h"

/*
 * Drop the partitions of all tiers and of the view log that are older than these keep, and are rolled up into all tiers
 * that are added up from them; as the work of a run, in transactions of their own.  A partition that is in use is tried a few times, then left for
 * the next run, with a NOTICE if loud.  heed_surge: as for slm_rollup_all().  Then carts, runs and rows of the ledger
 * (ledger_prune.h).
 */
extern void slm_prune_all(SlmRun *run, bool heed_surge, bool loud);

/*
 * Between two batches: if the finest tier holds much more than it is to keep, roll up and prune.  Cheap if not.  So a fast
 * load of past months does not pile up more than about twice the retention, however seldom prune is called.  head: the
 * head of the data.  Needs an SPI connection that is not atomic.
 */
extern void slm_keep_in_step(TimestampTz head);

#endif							/* SLM_UPKEEP_PRUNE_H */
