/*
 * by_key.h: rows of a plain table, found by their primary key; taken away, or replaced in their places.
 *
 * What UPDATE and DELETE do for each row beyond that (plans, junk columns, triggers) costs several times as much as finding the row.
 */
#ifndef SLM_BULKWRITE_BY_KEY_H
#define SLM_BULKWRITE_BY_KEY_H

#include "postgres.h"
#include "bulkwrite/plain.h"
#include "utils/relcache.h"

typedef struct SlmByKey SlmByKey;

/* Is the table plain (plain.h), and its primary key of these n columns of the shape, in this order?  Calls SPI. */
extern bool slm_by_key_possible(Relation rel, const SlmShape *shape, const int *columns, int n);

/*
 * Begin, if it is possible.  What is found is what is there now, without what this command adds.  The caller has RowExclusiveLock on rel (if
 * it only finds, AccessShareLock), and sees to it that nobody else changes the rows that it changes meanwhile: that is an error.  The shape
 * must outlive it.
 */
extern SlmByKey *slm_by_key_begin(Relation rel, const SlmShape *shape, const int *columns, int n);

/*
 * The row of a key, whose n values are given in the order of its columns: the values of the shape's columns, valid until the next call; NULL if
 * there is none.  Columns that are NULL are 0.
 */
extern const Datum *slm_by_key_find(SlmByKey *by_key, const Datum *key);

/* Take away the row that was found. */
extern void slm_by_key_delete(SlmByKey *by_key);

/* Put other values, none of them NULL, in the place of the row that was found; its key stays as it is. */
extern void slm_by_key_update(SlmByKey *by_key, const Datum *values);

/* End; what was changed is seen by the commands that follow. */
extern void slm_by_key_end(SlmByKey *by_key);

#endif							/* SLM_BULKWRITE_BY_KEY_H */
