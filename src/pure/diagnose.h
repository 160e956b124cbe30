/*
 * diagnose.h: what bytes are that should be CSV with a header and are not.
 */
#ifndef SLM_PURE_DIAGNOSE_H
#define SLM_PURE_DIAGNOSE_H

#include "pure/types.h"

/*
 * What an object is whose first bytes these are: "a zip archive" …; NULL if that can't be told.  A static string.
 */
extern const char *slm_diagnose_format(SlmSlice start);

/*
 * The same of what stands amid rows, if it begins with bytes that no text does: "gzip data" …; else NULL.  A static string.
 */
extern const char *slm_diagnose_binary(SlmSlice start);

/* Is a cell this column's name, written in another way: `Event Time`, `'event_time'`, ` "event_time"`, `eventTime`? */
extern bool slm_diagnose_near(SlmSlice cell, const char *column);

/*
 * Why a line has none or not all of the columns of a header, its fields being separated by something else than commas:
 * the separator's name, or NULL.  A static string.
 */
extern const char *slm_diagnose_separator(SlmSlice line);

/*
 * If the name is this column's but for characters that can't be seen, the name of one of these ("zero-width space
 * (U+200B)"); else NULL.  A static string.
 */
extern const char *slm_diagnose_unseen(SlmSlice name, const char *column);

/* What a byte that is not UTF-8 would be in cp1252, as text to be put behind another; perhaps empty. */
extern void slm_diagnose_byte(uint8_t byte, char text[48]);

#endif							/* SLM_PURE_DIAGNOSE_H */
