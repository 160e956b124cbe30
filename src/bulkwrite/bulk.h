/*
 * bulk.h: many new rows for one table, as COPY inserts them.
 */
#ifndef SLM_BULKWRITE_BULK_H
#define SLM_BULKWRITE_BULK_H

#include "postgres.h"
#include "bulkwrite/plain.h"
#include "compat.h"
#include "utils/relcache.h"

typedef struct SlmBulk SlmBulk;

/*
 * A progress callback: something small that is done now and then during long writes.  Whoever has it passes it down to those who
 * write; it is kept nowhere, so nobody comes upon it after an error.
 */
typedef struct SlmCallback
{
	void		(*function) (void *arg);
	void	   *arg;
} SlmCallback;

/* Do it, if it is not NULL. */
static inline void
slm_call_back(const SlmCallback *callback)
{
	if (callback != NULL)
		callback->function(callback->arg);
}

/*
 * Begin.  A table that is plain (plain.h) is written to as COPY does, any other by INSERT, so that all that somebody has added to it is
 * heeded, and its rows go wherever they go.  A duplicate key is an error.  The shape, and callback, which is called after each piece of
 * rows, or NULL, must outlive the insert.  With SPI.
 */
extern SlmBulk *slm_bulk_begin(Relation rel, const SlmShape *shape, const SlmCallback *callback);

/*
 * The next row: the caller sets the values of the shape's columns, and *nulls, all of which are false.  What values point to must live in
 * the current memory context, which this makes that of the row; slm_bulk_end() goes back to the one of slm_bulk_begin().
 */
extern Datum *slm_bulk_row(SlmBulk *bulk, bool **nulls);

/* Write what is left, and end.  Returns the number of rows. */
extern uint64 slm_bulk_end(SlmBulk *bulk);

/* Of n rows that were to be written to a table of ours not all were: an error. */
pg_noreturn extern void slm_bulk_incomplete(uint64 n, const char *table);

/* Will rows be written below the executor? */
extern bool slm_bulk_is_direct(Relation rel, const SlmShape *shape);

/*
 * Instead of slm_bulk_begin() and slm_bulk_end(), if slm_bulk_is_direct(): a row whose key is there already is no error, but taken out
 * again.  Cheaper than to look first if such are few; but who decodes the WAL sees a row come and go whose key is another's.  Whoever
 * else changes the table must not insert keys meanwhile.  slm_bulk_end_new() returns how many were taken out; *there, palloc'ed, are
 * their numbers in the order of slm_bulk_row(), from 0.
 */
extern SlmBulk *slm_bulk_begin_new(Relation rel, const SlmShape *shape, const SlmCallback *callback);
extern uint32 slm_bulk_end_new(SlmBulk *bulk, uint32 **there);

#endif							/* SLM_BULKWRITE_BULK_H */
