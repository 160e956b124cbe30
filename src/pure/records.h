/*
 * records.h: a stream of bytes in, whole CSV records out, byte for byte as they came (or as their format has written them).
 *
 *   bytes --feed--> [unpack] --> [format] --> [csv] --next--> SlmRawRecord
 *
 * Where records begin and end is what reader.h makes of the same bytes, so that each row that it counts is one record
 * here that is no header.  The first record is a header, and so is each that reader.h takes for one; what it passes over
 * does not come out.  A row that is no record, as its quoting is broken or as it is over 1 MB long, comes out as broken, whole.
 *
 * Memory is bounded by a few MB, and by the longest broken row, which may have SLM_RECORDS_LONGEST bytes.
 */
#ifndef SLM_PURE_RECORDS_H
#define SLM_PURE_RECORDS_H

#include "pure/format.h"

#define SLM_RECORDS_LONGEST	((size_t) 64 * 1024 * 1024)

typedef struct SlmRecords SlmRecords;

typedef struct SlmRawRecord
{
	SlmSlice	text;			/* without line end; followed by SLM_PAD readable bytes if not broken */
	bool		broken;
	bool		header;			/* of the records that follow */
	bool		fits;			/* it has the fields of the header before it, and perhaps empty ones behind them */
} SlmRawRecord;

typedef enum SlmRecordsStatus
{
	SLM_RECORDS_ROW,
	SLM_RECORDS_MORE,			/* all that was fed is used up */
	SLM_RECORDS_END,
	SLM_RECORDS_DAMAGED,		/* packed data that is damaged or ends too early, or what does not fit the format */
	SLM_RECORDS_TOO_LONG,		/* a row of more than SLM_RECORDS_LONGEST bytes */
	SLM_RECORDS_MEMORY
} SlmRecordsStatus;

/*
 * A new one, or NULL if out of memory.  archive: the bytes are an archive that this program has written, in which no
 * header is repeated and what a quote means is beyond doubt.  format: the file's own, which must stay; NULL: none.  Free with
 * slm_records_free().
 */
extern SlmRecords *slm_records_create(bool archive, const SlmFormat *format);
extern void slm_records_free(SlmRecords *records);

/* Hand over the next bytes: they must stay in place until slm_records_next() has returned anything but ROW. */
extern void slm_records_feed(SlmRecords *records, const void *bytes, size_t len, bool is_last);

/* The next row or header; valid until the next call.  Empty lines are passed over. */
extern SlmRecordsStatus slm_records_next(SlmRecords *records, SlmRawRecord *record);

#endif							/* SLM_PURE_RECORDS_H */
