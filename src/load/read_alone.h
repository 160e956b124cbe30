/*
 * read_alone.h: objects read by this process, one after the other.
 */
#ifndef SLM_LOAD_READ_ALONE_H
#define SLM_LOAD_READ_ALONE_H

#include "load/loader.h"

/*
 * Read objects into the loader's batch until all are read, memory is short, or a large one comes up.  Sets their outcomes; returns how
 * many were gone through; those that have not come stay WAITING.  Transfers of others may be under way: slm_read_close().
 * *large, which the caller has set to -1: if nothing is to be recorded of any, the number of a large one that comes next.
 */
extern int	slm_read_alone(SlmIngest *ingest, const SlmClock *clock, SlmObject *objects, int n, int *large);

/* Read a single object whole, or leave it WAITING.  A large one comes back as SLM_OBJECT_PART, and nothing of it is in the batch. */
extern void slm_read_one(SlmIngest *ingest, const SlmClock *clock, SlmObject *object);

/* Close the transfers that are still under way. */
extern void slm_read_close(SlmObject *objects, int n);

/*
 * Does the batch take as much as it may?  It is applied then, whatever else was to come into it.  New names count twice: to write
 * them to the tables takes about as much again.
 */
extern bool slm_read_enough(const SlmIngest *ingest);

/* How many of the first n objects there is something to be recorded of. */
extern int	slm_read_dealt_with(const SlmObject *objects, int n);

#endif							/* SLM_LOAD_READ_ALONE_H */
