/*
 * own_slice.h: sources of which each node reads a prefix of its own.
 */
#ifndef SLM_SQL_OWN_SLICE_H
#define SLM_SQL_OWN_SLICE_H

#include "postgres.h"

#include "pure/node_slice.h"

/* What this database counts, or will count once it loads.  Whoever asks need not be able to read what it holds.  Needs SPI, and a snapshot. */
extern SlmNodeSlice slm_own_slice_read(void);

/*
 * A URL of a source with the number of this database's slice for {slice}, and how many there are for {slices}; new, in the current memory
 * context.  An error if it counts all products.  Needs SPI.
 */
extern char *slm_own_slice_place(const char *source, const char *url);

/* Likewise that of its archives; NULL: none.  An error if it would be the same for all nodes, which would overwrite each other's. */
extern char *slm_own_slice_archive(const char *source, const char *url);

#endif							/* SLM_SQL_OWN_SLICE_H */
