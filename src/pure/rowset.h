/*
 * rowset.h: numbers of rows of an object, as bytes.
 *
 * Runs, ascending: (rows between this run and the one before, its length) as LEB128 varints.  A row that stands alone takes two
 * to four bytes, so they are small where few rows are in the set, and where nearly all are.
 */
#ifndef SLM_PURE_ROWSET_H
#define SLM_PURE_ROWSET_H

#include "pure/types.h"

/* Zero-initialised is empty. */
typedef struct SlmRowSet
{
	uint64_t	first;			/* of the run at hand */
	uint64_t	run;			/* its length; 0: none */
	uint64_t	end;			/* of the run before that */
	char	   *data;
	size_t		len;
	size_t		size;
} SlmRowSet;

/* Add a row, later than all before; then finish, after which data[0 .. len) is the set.  False if out of memory. */
extern bool slm_row_set_add(SlmRowSet *set, uint64_t row);
extern bool slm_row_set_finish(SlmRowSet *set);
extern void slm_row_set_free(SlmRowSet *set);

/* Reads a set, which must stay in place. */
typedef struct SlmRowSetReader
{
	const uint8_t *data;
	const uint8_t *data_end;
	uint64_t	first;			/* run at hand */
	uint64_t	end;
} SlmRowSetReader;

extern void slm_row_set_read(SlmRowSetReader *reader, const char *data, size_t len);

/* The next row of the set; false if there is none. */
extern bool slm_row_set_next(SlmRowSetReader *reader, uint64_t *row);

/* Is the row in the set?  Rows are asked for in ascending order. */
extern bool slm_row_set_has(SlmRowSetReader *reader, uint64_t row);

#endif							/* SLM_PURE_ROWSET_H */
