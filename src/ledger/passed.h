/*
 * passed.h: what of a source is no object to it, by its patterns or for another reason, and how many of that there are.
 */
#ifndef SLM_LEDGER_PASSED_H
#define SLM_LEDGER_PASSED_H

#include "postgres.h"
#include "store/store.h"

/* See glob.h. */
typedef struct SlmPatterns
{
	char	  **globs;
	int			n;
} SlmPatterns;

/* The elements of a text[] that are not null, in the current context. */
extern SlmPatterns slm_patterns(Datum array);

/* Is a key one that a source takes: one that any of include matches, if there are some, and none of exclude? */
extern bool slm_key_is_wanted(const char *key, const SlmPatterns *include, const SlmPatterns *exclude);

/* What a listing has passed over. */
typedef struct SlmPassed
{
	int64		counts[SLM_PASS_REASONS];
	int64		patterns;		/* keys that the source's patterns leave out */
	int64		encoding;		/* keys that are no text in this database */
	char	  **unreadable;		/* the first few that can't be looked at, each with the reason, fit for a message */
	int			nunreadable;
} SlmPassed;

#define SLM_PASSED_NAMED	10	/* so many are named */

/* Count one more; key and why as of SlmPassCallback.  What is kept is in the given context. */
extern void slm_passed_count(SlmPassed *passed, MemoryContext context, const char *key, SlmPassReason reason, const char *why);

/* All of them together. */
extern int64 slm_passed_total(const SlmPassed *passed);

/* The counts that are not 0, as a JSON object {"reason": count}; palloc'd. */
extern char *slm_passed_json(const SlmPassed *passed);

#endif							/* SLM_LEDGER_PASSED_H */
