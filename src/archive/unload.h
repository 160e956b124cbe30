/*
 * unload.h: an object that should never have been loaded, out of all sums.
 */
#ifndef SLM_ARCHIVE_UNLOAD_H
#define SLM_ARCHIVE_UNLOAD_H

#include "postgres.h"
#include "upkeep/runs.h"

/*
 * In the caller's transaction, all of it: as if the object had never been loaded; it is skipped from then on.  The writer's lock is taken
 * once its rows, and what others have of these, have been read; of an object that memory (a quarter of sellometer.work_memory) doesn't
 * hold, the first part of them.  An error if that can't be done exactly.  Needs SPI.  Returns the number of rows taken out.
 */
extern int64 slm_unload(const char *source, const char *key);

typedef struct SlmUnload
{
	const char *source;
	const char *key;
	int64		rows;			/* taken out */
	bool		done;
	int64		pieces;			/* objects and archives that will have been read, and their bytes */
	int64		bytes;
} SlmUnload;

/* The same as the work of a run, in parts of so many rows as are loaded at once, each a transaction: killed anywhere, the next run goes on. */
extern void slm_unload_in_steps(SlmRun *run, SlmUnload *unload);

#endif							/* SLM_ARCHIVE_UNLOAD_H */
