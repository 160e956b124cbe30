/*
 * tier_alter.h: how long a tier keeps its rows.
 */
#ifndef SLM_UPKEEP_TIER_ALTER_H
#define SLM_UPKEEP_TIER_ALTER_H

#include "postgres.h"
#include "datatype/timestamp.h"

/* As slm_tier_add(): how long a tier's rows are kept from now on.  A notice says what will go, or does not come back. */
extern void slm_tier_alter(const char *name, Interval *retention);

#endif							/* SLM_UPKEEP_TIER_ALTER_H */
