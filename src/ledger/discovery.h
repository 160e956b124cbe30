/*
 * discovery.h: what is new in the sources.
 */
#ifndef SLM_LEDGER_DISCOVERY_H
#define SLM_LEDGER_DISCOVERY_H

#include "ledger/source.h"

/*
 * Names of those of which objects can be picked: apart or not, as asked for; only names one source, or all if NULL.  The array, in the
 * current memory context, holds pointers to the sources' own names.
 */
extern int	slm_sources_choose(SlmSources *sources, const char *only, bool apart, const char ***names);

/* What a source may take of a turn. */
#define SLM_LIST_TURN_MS	200L

/* How long lists that are long may go on after a batch that began then: as long as it took, but some time in any case, and no more than a turn. */
extern long slm_list_turn_after(TimestampTz batch_began);

/*
 * Give each source a turn to be listed, adding what is new to the ledger, in transactions of their own (SPI, not atomic); only names
 * one source, or all if NULL.  A list begins if the last one began a poll_interval ago, or with sweep, which means all of it.  It goes
 * on from turn to turn: no source takes more than SLM_LIST_TURN_MS of each, new ones and those that have taken all of it the time
 * before no more than long_turn_ms together, and one that does not answer is not waited for.  A source that can't be listed gets its last_error, and does not stop the others.  True if a list is under way after that.
 */
extern bool slm_sources_discover(SlmSources *sources, const char *only, bool sweep, long long_turn_ms);

/* The same for lists that are under way already: none begins. */
extern bool slm_sources_go_on(SlmSources *sources, const char *only, long long_turn_ms);

/*
 * Is a source being listed for the first time, and answers, and is it worth to wait for that (a second or two)?  What is oldest in all
 * sources should be loaded first.
 */
extern bool slm_sources_in_first_list(SlmSources *sources, const char *only);

#endif							/* SLM_LEDGER_DISCOVERY_H */
