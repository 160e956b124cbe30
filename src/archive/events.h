/*
 * events.h: from a sum to its rows: those of a dimension's key, a range and an event type, with what became of each.
 */
#ifndef SLM_ARCHIVE_EVENTS_H
#define SLM_ARCHIVE_EVENTS_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "pure/dictionary.h"

/* What is asked for.  A row of which the time, the key or the type can't be read is found only where that is not asked for. */
typedef struct SlmEventQuery
{
	TimestampTz from;			/* DT_NOBEGIN and DT_NOEND: any time, also none */
	TimestampTz to;
	int			type;			/* an SlmEventType; -1: any */
	const char *key;			/* NULL: any */
	int64		product_id;		/* the key of SLM_PRODUCT_ID */
	SlmDimension dimension;		/* of the key */
} SlmEventQuery;

/* The columns of a row that is found, as those of sellometer_events(). */
enum
{
	SLM_FOUND_TIME,
	SLM_FOUND_TYPE,
	SLM_FOUND_PRODUCT_ID,
	SLM_FOUND_CATEGORY_ID,
	SLM_FOUND_CATEGORY_CODE,
	SLM_FOUND_BRAND,
	SLM_FOUND_CATEGORY_L1,
	SLM_FOUND_CATEGORY_L2,
	SLM_FOUND_CATEGORY_L3,
	SLM_FOUND_PRICE,
	SLM_FOUND_USER_ID,
	SLM_FOUND_SESSION,
	SLM_FOUND_QUANTITY,
	SLM_FOUND_EVENT_ID,
	SLM_FOUND_CURRENCY,
	SLM_FOUND_VERDICT,
	SLM_FOUND_REASON,
	SLM_FOUND_DETAIL,
	SLM_FOUND_SOURCE,
	SLM_FOUND_OBJECT,
	SLM_FOUND_ARCHIVE,
	SLM_FOUND_LINE,
	SLM_FOUND_COUNTED_TIME,
	SLM_FOUND_COUNTED_OBJECT,
	SLM_FOUND_COUNTED_LINE,
	SLM_FOUND_COLUMNS
};

/* Called for each row that is found; what the values point to is valid during the call. */
typedef void (*SlmFoundCallback) (Datum *values, bool *nulls, void *arg);

/*
 * Find them, in the order of time; those without one come last.  Needs SPI, within slm_look_begin().  Sorts in maintenance_work_mem and
 * temporary files; which views count is told in pieces that an eighth of sellometer.work_memory holds.
 */
extern void slm_events_find(const SlmEventQuery *query, SlmFoundCallback put, void *arg);

#endif							/* SLM_ARCHIVE_EVENTS_H */
