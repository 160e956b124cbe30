/*
 * each_dimension.c: the deltas of each dimension, one after the other.
 *
 *   thread:  make 0 | make 1      | make 2      | ...
 *   caller:  once   | callback(0) | callback(1) | ...
 */
#include "postgres.h"

#include "server/background.h"
#include "server/out_of_memory.h"
#include "tiers/each_dimension.h"

/*
 * The deltas of a dimension, which a thread makes while those of the one before are written; those of a category level are made of
 * those of the finer one.  They stand in memory that an error would not free.
 */
typedef struct Level
{
	SlmThread	thread;
	SlmCells   *cells;
	const SlmCatalog *catalog;
	SlmDimension dimension;
	SlmDeltas  *finer;
	SlmDeltas	deltas;
	bool		ok;
} Level;

static void
make_level(void *arg)
{
	Level	   *level = arg;

	level->ok = level->dimension > SLM_CATEGORY_L3 ?
		slm_deltas_coarsen(level->finer, level->cells, level->catalog, level->dimension, &level->deltas) :
		slm_deltas_make(level->cells, level->catalog, level->dimension, &level->deltas);
}

static void
begin_level(Level *levels, SlmDimension dimension, SlmCells *cells, const SlmCatalog *catalog)
{
	Level	   *level = &levels[dimension];

	level->cells = cells;
	level->catalog = catalog;
	level->dimension = dimension;
	level->finer = dimension > 0 ? &levels[dimension - 1].deltas : NULL;
	slm_background_start(&level->thread, make_level, level, cells->ncells);
}

void
slm_each_dimension(SlmCells *cells, const SlmCatalog *catalog, const SlmEachDimension *each)
{
	Level	   *levels = palloc0(sizeof(Level) * SLM_DIMENSIONS);

	PG_TRY();
	{
		begin_level(levels, 0, cells, catalog);
		slm_call_back(each->once);
		for (SlmDimension d = 0; d < SLM_DIMENSIONS; d++)
		{
			slm_thread_join(&levels[d].thread);
			if (!levels[d].ok)
				slm_out_of_memory();
			if (d > 0)
				slm_deltas_free(&levels[d - 1].deltas);
			if (d + 1 < SLM_DIMENSIONS)
				begin_level(levels, d + 1, cells, catalog);
			each->callback(d, &levels[d].deltas, each->arg);
		}
	}
	PG_FINALLY();
	{
		/* the thread that may still run reads those of the dimension before */
		for (int d = 0; d < SLM_DIMENSIONS; d++)
			slm_thread_join(&levels[d].thread);
		for (int d = 0; d < SLM_DIMENSIONS; d++)
			slm_deltas_free(&levels[d].deltas);
	}
	PG_END_TRY();
	pfree(levels);
}
