/*
 * ledger_prune.h: rows of the ledger that nothing needs any more.
 *
 * What exactly-once needs of an object that is gone from its source is its content's checksum: should the same bytes be put there again,
 * whatever they are called, they are known.  That stays, in sellometer.forgotten_objects.  The row in the ledger stays
 *
 *   while the object is listed            it would be read again, each time that a listing finds it
 *   while it waits, or has failed         somebody has to say what is to become of it
 *   while it is not archived, and a       a replay of its time must say that its bytes are gone
 *     tier keeps its rows
 *   if it was put aside                   it is not to be loaded, should it come back
 *   if rows of an archive are its, and    which of these rows count says the ledger: of one without a row, all
 *     it was replaced or unloaded
 */
#ifndef SLM_UPKEEP_LEDGER_PRUNE_H
#define SLM_UPKEEP_LEDGER_PRUNE_H

#include "postgres.h"
#include "upkeep/runs.h"

/*
 * As the work of a run, in transactions of their own, each of a bounded number of rows: forget what is older than
 * sellometer.ledger_retention and can be.  At most once an hour, as each source that has such rows is listed whole for that.  A source
 * that can't be listed keeps all of its rows, with a WARNING.  Returns the number of rows.
 */
extern int64 slm_ledger_prune(SlmRun *run);

#endif							/* SLM_UPKEEP_LEDGER_PRUNE_H */
