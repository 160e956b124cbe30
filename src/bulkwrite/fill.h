/*
 * fill.h: rows for a table that is new and empty and for its primary key, in the key's order.
 *
 * For a table that this transaction has made, pages are put together in a thread and logged whole, with those of the index beside
 * them.
 */
#ifndef SLM_BULKWRITE_FILL_H
#define SLM_BULKWRITE_FILL_H

#include "postgres.h"
#include "bulkwrite/bulk.h"
#include "bulkwrite/fill_form.h"
#include "utils/relcache.h"

/*
 * May a new table be filled so?  Not if its rows are to be decoded from the WAL (wal_level = logical), where whole pages tell
 * nothing, nor by another access method than heap.
 */
extern bool slm_fill_possible(Relation rel);

/*
 * Fill a table, which with its primary key, a B-tree of plain columns that has no page yet, is empty and new in this transaction, with one or more rows.  Each row comes after
 * all before it in the key's order.  source is called in a thread; callback, if not NULL, now and then in this one.
 */
extern void slm_fill(Relation rel, SlmRowSource source, void *arg, uint64 nrows, const SlmCallback *callback);

#endif							/* SLM_BULKWRITE_FILL_H */
