/*
 * budget.h: what may take how much of sellometer.work_memory.
 *
 *   of work_memory:          2 GB       32 MB
 *   views that are known     5/8        1/2
 *   names that are kept      1/8        1/8      from one batch to the next
 *   a batch                1/8 … 1/2  1/8 … 3/8  what known views and names leave
 *   parse workers            1/8        1/4      together; none has less than 8 MB, unless it is alone
 *   results that wait        1/16       1/16
 *   tables for the next use  1/16       1/16
 *
 * All of it at once takes somewhat more than there is: the last object of a batch can be as large as a part may be.  But a batch
 * begins with what is known, so that is as good as never; and of a parse worker's memory its result is a part.
 */
#ifndef SLM_BUDGET_H
#define SLM_BUDGET_H

#include "postgres.h"
#include "guc.h"
#include "pure/views.h"

/* A parse worker with less than this would give most objects back. */
#define SLM_PARSER_LEAST	((Size) 8 * 1024 * 1024)

/* What any row takes, from the chunk to the tiers, besides its place in the batch. */
#define SLM_ROW_BYTES		UINT64CONST(100)

static inline Size
slm_budget(void)
{
	return (Size) slm_work_memory * 1024;
}

/* Of all parse workers. */
static inline Size
slm_budget_parsers(void)
{
	return Max(slm_budget() / 8, Min(slm_budget() / 4, 4 * SLM_PARSER_LEAST));
}

/* How many of so many parse workers there is memory for. */
static inline int
slm_budget_parser_count(int wanted)
{
	return Min(wanted, Max(1, (int) (slm_budget_parsers() / SLM_PARSER_LEAST)));
}

static inline Size
slm_budget_names(void)
{
	return slm_budget() / 8;
}

/* What names and rows of an object, or of a part of it, may take. */
static inline Size
slm_budget_part(void)
{
	return slm_budget() / 8;
}

/* A batch may have this much, whatever is known. */
static inline Size
slm_budget_least_batch(void)
{
	return slm_budget() / 8;
}

/* The work_memory, in kB, of each of n parse workers.  It has names, and a batch, of an eighth of that; no views, and no results. */
static inline int
slm_budget_parser_memory(int n)
{
	return (int) (4 * (slm_budget_parsers() / n) / 1024);
}

/* Results of parse workers whose turn has not come. */
static inline Size
slm_budget_results(void)
{
	return Min(slm_budget() / 16, (Size) 96 * 1024 * 1024);
}

/* Of a rollup, which goes beside all that, in a process of its own or between two batches. */
static inline Size
slm_budget_rollup(void)
{
	return slm_budget() / 4;
}

static inline Size
slm_budget_tables(void)
{
	return slm_budget() / 16;
}

/* What views, names and a batch may take together. */
static inline Size
slm_budget_leader(void)
{
	return slm_budget() - slm_budget_parsers();
}

/* Slots of the table of known views; beside them a batch has its least, and the names theirs. */
static inline uint64
slm_budget_view_slots(void)
{
	return (slm_budget_leader() - slm_budget_least_batch() - slm_budget_names()) / sizeof(SlmView);
}

/* A batch ends when it takes this much, where so much is known; the last of its objects can be a part that is as large as may be. */
static inline Size
slm_budget_batch(Size known)
{
	Size		others = known + slm_budget_results() + slm_budget_tables() + 2 * slm_budget_part();
	Size		room = slm_budget_leader() > others ? slm_budget_leader() - others : 0;

	return Min(Max(room, slm_budget_least_batch()), slm_budget() / 2);
}

#endif							/* SLM_BUDGET_H */
