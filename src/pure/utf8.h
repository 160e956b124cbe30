/*
 * utf8.h: is it text that the database can hold?
 */
#ifndef SLM_PURE_UTF8_H
#define SLM_PURE_UTF8_H

#include "pure/types.h"

/*
 * The offset of the first byte that begins no valid UTF-8 character, or len if all is well.  As strict as PostgreSQL:
 * NUL, surrogates, overlong forms and anything above U+10FFFF are invalid.
 */
extern size_t slm_utf8_check(const char *data, size_t len);

/* Are all bytes ASCII, and none of them NUL? */
extern bool slm_is_ascii(const char *data, size_t len);

/* The length in bytes (1 to 4) of the valid character at data, or 0 if there is none.  len: bytes there are. */
extern int	slm_utf8_length(const char *data, size_t len);

#endif							/* SLM_PURE_UTF8_H */
