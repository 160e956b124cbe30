/*
 * replay.h: the tiers of a range of time, made anew from what was loaded.
 */
#ifndef SLM_ARCHIVE_REPLAY_H
#define SLM_ARCHIVE_REPLAY_H

#include "postgres.h"
#include "datatype/timestamp.h"

/*
 * In the caller's transaction: replace the rows of all tiers in the buckets that lie in [from, to), and the view log of that
 * range, by what archives and remaining objects of all sources say.  Whatever fails is raised, and nothing has happened then.
 * Needs SPI.  Returns the number of events in the range.
 */
extern int64 slm_replay(TimestampTz from, TimestampTz to);

#endif							/* SLM_ARCHIVE_REPLAY_H */
