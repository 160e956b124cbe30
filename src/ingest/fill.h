/*
 * fill.h: rows for a table that is new and empty and for its primary key, in the key's order.
 *
 * For a table that this transaction has made, pages are put together here and logged whole, with those of the index beside them.
 * That takes about two thirds of what inserting the rows and building the index from them takes.
 */
#ifndef SLM_INGEST_FILL_H
#define SLM_INGEST_FILL_H

#include "postgres.h"
#include "utils/relcache.h"

typedef struct SlmFill SlmFill;

/*
 * May a new table be filled so?  Not if its rows are to be decoded from the WAL (wal_level = logical), where whole pages tell
 * nothing, nor by another access method than heap.
 */
extern bool slm_fill_possible(Relation rel);

/*
 * Begin, in the current memory context.  The table and its primary key, a B-tree of plain columns, are empty and new in this
 * transaction.
 */
extern SlmFill *slm_fill_begin(Relation rel);

/* The next row: the values of all columns, none of which is NULL.  It comes after all before it in the key's order. */
extern void slm_fill_row(SlmFill *fill, const Datum *values);

/* Write what is left, and end.  Returns the number of rows. */
extern uint64 slm_fill_end(SlmFill *fill);

#endif							/* SLM_INGEST_FILL_H */
