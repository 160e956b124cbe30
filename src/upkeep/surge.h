/*
 * surge.h: when more waits than can be loaded soon, live loading gets everything.
 */
#ifndef SLM_UPKEEP_SURGE_H
#define SLM_UPKEEP_SURGE_H

#include "postgres.h"

/* Is it a surge, given whether it was one and how many bytes wait?  Begins above surge_bytes, ends below half of it. */
extern bool slm_surge_judge(bool surge, int64 waiting_bytes);

/*
 * In a transaction with SPI: should housekeeping wait?  Not if there is no surge; nor if the finest tier holds more than
 * twice its retention, for then housekeeping is what is needed.
 */
extern bool slm_surge_hold(void);

#endif							/* SLM_UPKEEP_SURGE_H */
