/*
 * pack.h: partitions that rarely change any more, packed.
 */
#ifndef SLM_UPKEEP_PACK_H
#define SLM_UPKEEP_PACK_H

#include "postgres.h"
#include "upkeep/runs.h"

/*
 * Pack what ended sellometer.pack_after before the head, and is rolled up into all tiers that are added up from it; each table's partition is a
 * transaction.  What is in use is left for the next run.  Returns how many were packed.
 */
extern int	slm_pack_all(SlmRun *run, bool heed_surge);

/* Make a packed partition, of this name, a table as any other.  False if it is none. */
extern bool slm_unpack(const char *name);

#endif							/* SLM_UPKEEP_PACK_H */
