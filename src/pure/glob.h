/*
 * glob.h: patterns of keys.
 *
 *   *         any characters, '/' among them, or none
 *   ?         one character
 *   [a-z_]    one of several; [!a-z] one of all others
 *   \x        x itself, whatever it stands for else
 *
 * Characters are those of UTF-8, in the order of their numbers; capitals are others than small letters.  The same answer under every
 * locale, and in time of at most the product of both lengths, whatever pattern and key look like: fnmatch(3) promises neither.
 */
#ifndef SLM_PURE_GLOB_H
#define SLM_PURE_GLOB_H

#include <stdbool.h>

/* Does the pattern match all of the text? */
extern bool slm_glob_matches(const char *glob, const char *text);

/* What is wrong with a pattern, so that it can't mean what it says; NULL: nothing. */
extern const char *slm_glob_fault(const char *glob);

#endif							/* SLM_PURE_GLOB_H */
