/*
 * missing.h: counted objects whose bytes are not there any more.
 *
 * An object that was deleted or overwritten before it was archived stays counted, but can't be read again.
 */
#ifndef SLM_ARCHIVE_MISSING_H
#define SLM_ARCHIVE_MISSING_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

typedef struct SlmMissing
{
	int64		id;
	char	   *source;
	char	   *key;
	int64		rows_total;
	int64		rows_duplicate;
	TimestampTz first;			/* of its rows that counted */
	TimestampTz last;
	TimestampTz ingested_at;	/* DT_NOBEGIN: not all of it */
	bool		declared;		/* lost, by sellometer_declare_lost() */
} SlmMissing;

/* What is known of an object, in the current memory context.  Needs SPI. */
extern SlmMissing *slm_missing_of(int64 object);

/* A list of those that were declared lost and have rows that counted with from <= time < to. */
extern List *slm_missing_declared(TimestampTz from, TimestampTz to);

/* Why an object, or the archive that it is in, is gone; NULL: it is there.  An error if that can't be told.  Needs SPI. */
extern char *slm_missing_problem(int64 object);

#endif							/* SLM_ARCHIVE_MISSING_H */
