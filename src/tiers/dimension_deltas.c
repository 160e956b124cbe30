/*
 * dimension_deltas.c: the deltas of each dimension, one after the other.
 *
 *   thread:  make 0         | make 1    | make 2    | ...
 *   caller:  something else | writes 0  | writes 1  | ...
 */
#include "postgres.h"

#include "server/background.h"
#include "server/out_of_memory.h"
#include "tiers/dimension_deltas.h"

/* Those of a category level are made of those of the finer one. */
typedef struct Level
{
	SlmThread	thread;
	SlmCells   *cells;
	const SlmDictionary *dictionary;
	SlmDimension dimension;
	SlmDeltas  *finer;
	SlmDeltas	deltas;
	bool		ok;
} Level;

struct SlmDimensionDeltas
{
	SlmCells   *cells;
	const SlmDictionary *dictionary;
	int			next;
	int			n;				/* levels, as many as the dictionary has dimensions */
	Level		levels[SLM_MAX_DIMENSIONS];
};

static void
make_level(void *arg)
{
	Level	   *level = arg;

	level->ok = level->dimension > SLM_CATEGORY_L3 && level->dimension < SLM_FIRST_OWN ?
		slm_deltas_coarsen(level->finer, level->cells, level->dictionary, level->dimension, &level->deltas) :
		slm_deltas_make(level->cells, level->dictionary, level->dimension, &level->deltas);
}

static void
begin_level(SlmDimensionDeltas *all, SlmDimension dimension)
{
	Level	   *level = &all->levels[dimension];

	Assert(!level->thread.running && level->deltas.rows == NULL);

	level->cells = all->cells;
	level->dictionary = all->dictionary;
	level->dimension = dimension;
	level->finer = dimension > 0 ? &all->levels[dimension - 1].deltas : NULL;
	slm_background_start(&level->thread, make_level, level, all->cells->ncells);
}

SlmDimensionDeltas *
slm_dimension_deltas_begin(SlmCells *cells, const SlmDictionary *dictionary)
{
	SlmDimensionDeltas *all = palloc0(sizeof(SlmDimensionDeltas));

	all->cells = cells;
	all->dictionary = dictionary;
	all->n = SLM_DIMENSIONS + (int) slm_dictionary_own(dictionary)->n;
	begin_level(all, 0);
	return all;
}

const SlmDeltas *
slm_dimension_deltas_next(SlmDimensionDeltas *all, SlmDimension *dimension)
{
	int			d = all->next;
	Level	   *level = &all->levels[d];

	if (d == all->n)
		return NULL;
	slm_thread_join(&level->thread);
	if (!level->ok)
		slm_out_of_memory();
	/* the one before was read by the thread that made this one */
	if (d > 0)
		slm_deltas_free(&all->levels[d - 1].deltas);
	if (d + 1 < all->n)
		begin_level(all, d + 1);
	all->next++;
	*dimension = d;
	return &level->deltas;
}

void
slm_dimension_deltas_end(SlmDimensionDeltas *all)
{
	if (all == NULL)
		return;
	/* the thread that may still run reads those of the dimension before: first all are joined, then all are freed */
	for (int d = 0; d < all->n; d++)
		slm_thread_join(&all->levels[d].thread);
	for (int d = 0; d < all->n; d++)
		slm_deltas_free(&all->levels[d].deltas);
	pfree(all);
}
