/*
 * trim.h: what a field holds once the blanks around it, and the words that programs write for nothing, are taken away.
 */
#ifndef SLM_PURE_TRIM_H
#define SLM_PURE_TRIM_H

#include "pure/types.h"

/* ASCII white space. */
static inline bool
slm_is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/*
 * A slice without what can't be seen at its ends: ASCII and Unicode white space (no-break and ideographic ones too), byte order
 * marks, zero-width characters and marks of direction.  What stands between other characters stays.  UTF-8.
 */
extern SlmSlice slm_trim(SlmSlice s);

/*
 * Is this, trimmed, a word for nothing?  `-`, `\N`, `nan`, `NaN`, `n/a`, `N/A`, `null` and `none` in capitals or not,
 * `(null)`, `<NA>`, `#N/A`, `undefined`: what databases, pandas, spreadsheets and scripts write where they have no value.
 */
extern bool slm_is_nothing(SlmSlice s);

/* Bits of slm_ends[byte]: with this byte a blank or a word for nothing may begin; a blank may end. */
#define SLM_ODD_FIRST	1
#define SLM_ODD_LAST	2

extern const uint8_t slm_ends[256];

/* Nearly all fields show by their first and last byte that they are values as they stand; false if it takes a closer look. */
static inline bool
slm_is_value(SlmSlice field)
{
	return field.len == 0 || ((slm_ends[(uint8_t) field.data[0]] & SLM_ODD_FIRST) |
							  (slm_ends[(uint8_t) field.data[field.len - 1]] & SLM_ODD_LAST)) == 0;
}

/* What an optional field holds: trimmed, and empty if it is a word for nothing. */
extern SlmSlice slm_field_value(SlmSlice field);

#endif							/* SLM_PURE_TRIM_H */
