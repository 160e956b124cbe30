/*
 * datetime.h: points in time from text.
 */
#ifndef SLM_PURE_DATETIME_H
#define SLM_PURE_DATETIME_H

#include "pure/number.h"

/* Minutes that were converted last: rows that follow each other mostly share theirs.  Zero it before first use. */
typedef struct SlmTimeCache
{
	uint64_t	text[2];		/* `YYYY-MM-DD HH:MM` as two words */
	SlmTime		minute;			/* valid unless text is all zero, which no time is */
} SlmTimeCache;

/* Days from 2000-01-01 to a date of the proleptic Gregorian calendar.  month 1 to 12. */
extern int64_t slm_days_from_date(int year, int month, int day);

/*
 * A time: `YYYY-MM-DD HH:MM:SS`, `T` allowed between date and time, then an optional fraction (`.` and any number of
 * digits, those beyond microseconds dropped, so that a row stays in the minute it names), then optionally, blanks
 * before it allowed, the zone: `UTC`, `GMT`, `Z`, `+hh`, `+hhmm`, `+hh:mm`, or the same with a minus.  No zone means
 * UTC.  Blanks around it (slm_trim()) are ignored.  Years 1970 to 9999, real days only, seconds 00 to 59, offsets below 16 hours.
 * text: followed by SLM_PAD readable bytes.  False if it is none; then *time is undefined.
 */
extern bool slm_parse_time(SlmSlice text, SlmTimeCache *cache, SlmTime *time);

#endif							/* SLM_PURE_DATETIME_H */
