/*
 * dimension_change.h: dimensions of a user's own are added, and go.
 */
#ifndef SLM_UPKEEP_DIMENSION_CHANGE_H
#define SLM_UPKEEP_DIMENSION_CHANGE_H

#include "postgres.h"

/* What a dimension is to be. */
typedef struct SlmDimensionPlan
{
	const char *name;
	const char *made_of;		/* column, source or key */
	const char *column;			/* of a column or key; NULL: of the name */
	const char *pattern;		/* of a key, instead of that; NULL: none */
	const char *empty;
	const char *separator;		/* NULL: none */
	int			levels;
	int			max_keys;
	bool		visits;			/* sessions are counted by it */
} SlmDimensionPlan;

/*
 * With SPI, in the caller's transaction: make its tables and views in each tier, one dimension for each level, and have what is
 * loaded from now on be counted in them.  Errors say what can't be.
 */
extern void slm_dimension_add(const SlmDimensionPlan *plan);

/* Likewise: drop them, with their rows.  An error if there is none of this name. */
extern void slm_dimension_drop(const char *name);

/* With SPI: the tables and views of one go with the extension from now on, and belong to whom the table of tiers belongs to. */
extern void slm_dimension_bind(const char *dimension);

#endif							/* SLM_UPKEEP_DIMENSION_CHANGE_H */
