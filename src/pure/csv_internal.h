/*
 * csv_internal.h: what csv.c (the window, what is done with records, the short cut for plain ones) and csv_walk.c (where any
 * other record ends) share.
 */
#ifndef SLM_PURE_CSV_INTERNAL_H
#define SLM_PURE_CSV_INTERNAL_H

#include "pure/csv.h"

typedef enum SlmCsvWalkResult
{
	SLM_WALK_ON,				/* go on with the next position */
	SLM_WALK_RECORD,			/* complete; ends at *end */
	SLM_WALK_BAD_QUOTE,
	SLM_WALK_TOO_LONG,
	SLM_WALK_WAIT,				/* scan or add more */
	SLM_WALK_END
} SlmCsvWalkResult;

/* Find where the record at csv->start ends, going on where the last call stopped; *end: the offset of its line end, of a RECORD. */
extern SlmCsvWalkResult slm_csv_walk(SlmCsv *csv, size_t *end);

typedef enum SlmCsvLineEnd
{
	SLM_CSV_LINE_ENDS,
	SLM_CSV_LINE_GOES_ON,			/* a CR before a newline, which is what ends the line */
	SLM_CSV_LINE_UNKNOWN			/* a CR, and what follows it is not there yet */
} SlmCsvLineEnd;

/* What the CR or newline at p means. */
static inline SlmCsvLineEnd
slm_csv_line_end(const SlmCsv *csv, size_t p)
{
	if (csv->buf[p] == '\n')
		return SLM_CSV_LINE_ENDS;
	if (p + 1 == csv->filled)
		return csv->ended ? SLM_CSV_LINE_ENDS : SLM_CSV_LINE_UNKNOWN;
	return csv->buf[p + 1] == '\n' ? SLM_CSV_LINE_GOES_ON : SLM_CSV_LINE_ENDS;
}

#endif							/* SLM_PURE_CSV_INTERNAL_H */
