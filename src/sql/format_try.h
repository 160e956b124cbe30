/*
 * format_try.h: a look into one object, before any of it is loaded.
 */
#ifndef SLM_SQL_FORMAT_TRY_H
#define SLM_SQL_FORMAT_TRY_H

#include "postgres.h"

#include "pure/reader.h"
#include "store/store.h"

/* So many rows are looked at. */
#define SLM_TRY_ROWS	1000

/* So many bytes, when no row comes of them. */
#define SLM_TRY_BYTES	(4 * 1024 * 1024)

typedef struct SlmTried
{
	uint64		rows;
	uint64		rejected;
	uint64		ignored;
	uint64		first_line;		/* of the first row that was rejected */
	char		first_detail[128];
	SlmReadErrorCode error;		/* the object as a whole can't be read; NONE: it can */
	char	   *message;		/* why not */
} SlmTried;

/* The key of the first object of a place that the patterns take, palloc'd: "" if the place is an object; NULL if there is none. */
extern char *slm_first_key(SlmStore *store, Datum include, Datum exclude);

/* What becomes of an object's first rows.  False, with *error set, if it can't be had. */
extern bool slm_format_try(SlmStore *store, const char *key, const SlmFormat *format, SlmTried *tried, SlmStoreError *error);

#endif							/* SLM_SQL_FORMAT_TRY_H */
