/*
 * assert.h: what a caller owes, checked where assertions are compiled in.
 *
 * As Assert() of PostgreSQL, for code that does without it, and in threads: a condition that does not hold ends the process with a
 * message.  Costs nothing in other builds, where the condition is not even evaluated.
 */
#ifndef SLM_PURE_ASSERT_H
#define SLM_PURE_ASSERT_H

#ifdef USE_ASSERT_CHECKING
#include <stdio.h>
#include <stdlib.h>

#define SLM_ASSERT(condition) \
	((condition) ? (void) 0 : \
	 (void) (fprintf(stderr, "failed SLM_ASSERT(\"%s\"), File: \"%s\", Line: %d\n", #condition, __FILE__, __LINE__), abort()))
#else
#define SLM_ASSERT(condition)	((void) 0)
#endif

#endif							/* SLM_PURE_ASSERT_H */
