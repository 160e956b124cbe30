/*
 * fault.h: what is wrong with a value that can't be used, in a few words.
 */
#ifndef SLM_PURE_FAULT_H
#define SLM_PURE_FAULT_H

#include "pure/types.h"

/*
 * What to say behind a column's name and value, where the value was refused for this reason: a static string of less than 100
 * bytes, or NULL where there is nothing to say.  value: as it came.
 */
extern const char *slm_fault(SlmRejectReason reason, SlmSlice value);

#endif							/* SLM_PURE_FAULT_H */
