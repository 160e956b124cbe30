/*
 * archive_adopt.h: archives of other nodes.
 */
#ifndef SLM_ARCHIVE_ARCHIVE_ADOPT_H
#define SLM_ARCHIVE_ARCHIVE_ADOPT_H

#include "upkeep/runs.h"

/*
 * In a transaction of a run of archive, on a node (docs/scaling.md): take over the archives of a source, or of all (NULL), that other
 * nodes have and this one does not know; what was never loaded here counts from then on.  Returns how many.
 */
extern int	slm_archive_adopt(SlmRun *run, const char *source);

#endif							/* SLM_ARCHIVE_ARCHIVE_ADOPT_H */
