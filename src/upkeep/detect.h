/*
 * detect.h: what sellometer_detect() does.
 */
#ifndef SLM_UPKEEP_DETECT_H
#define SLM_UPKEEP_DETECT_H

#include "upkeep/runs.h"

/*
 * The work of a run: call each detector, in a transaction of its own.  One that fails is told by a WARNING and does not
 * stop the others; the run then ends with an error about the first.
 */
extern void slm_detect_all(SlmRun *run, void *arg);

#endif							/* SLM_UPKEEP_DETECT_H */
