/*
 * plain.h: whether a table may be read and written below the executor.
 *
 * A table of ours is plain while it is as we have made it: then its rows are formed, put in and read directly.  What somebody else
 * has done to it (a column, a trigger, a constraint, another type, rows that are kept on other servers) only the executor knows to
 * heed.  Whoever works below it asks here first, and else goes by SQL.
 */
#ifndef SLM_BULKWRITE_PLAIN_H
#define SLM_BULKWRITE_PLAIN_H

#include "postgres.h"
#include "utils/relcache.h"

#define SLM_MAX_COLUMNS	16

/* A column that we write and read. */
typedef struct SlmTableColumn
{
	const char *name;
	Oid			type;			/* without a modifier; texts are of collation "C" */
	bool		nullable;		/* NULL is written at times */
} SlmTableColumn;

/* A table of schema sellometer, as rows are written to it. */
typedef struct SlmShape
{
	const char *table;			/* what INSERT names; rows may be put into partitions of it */
	int			ncolumns;
	SlmTableColumn	columns[SLM_MAX_COLUMNS];
} SlmShape;

/*
 * May rows be written to a table, or a partition, of this shape below the executor?  Then places are the columns' numbers in the table,
 * from 0; all others of it were dropped.  Calls SPI.  Of its indexes nothing is said.
 */
extern bool slm_may_write(Relation rel, const SlmShape *shape, int *places);

/* Likewise of partitions that are yet to be made: is the partitioned table such that they would be plain? */
extern bool slm_may_write_new(const SlmShape *shape);

/*
 * May the rows of a table be read below the executor?  Then places are the columns' numbers, from 0, of which others may stand beside.
 * Calls SPI.
 */
extern bool slm_may_read(Relation rel, const SlmShape *shape, int *places);

/* Do all indexes of a table judge each row at once, and by equality? */
extern bool slm_indexes_are_plain(Relation rel);

/*
 * An error if no row can ever be inserted into a table, for a column of somebody's own that must have a value and gets none: said
 * once, before anything is written.
 */
extern void slm_check_insertable(Relation rel, const SlmShape *shape);

#endif							/* SLM_BULKWRITE_PLAIN_H */
