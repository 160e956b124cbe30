/*
 * packed_build.h: rows, in the order of the primary key, to blocks.
 */
#ifndef SLM_PACKED_PACKED_BUILD_H
#define SLM_PACKED_PACKED_BUILD_H

#include "packed/packed_table.h"

/* Rows that are cut into blocks.  Each that is full goes to emit, with the key and place of its last row. */
typedef struct SlmPackedCut
{
	bool		texts;
	void		(*emit) (void *arg, const SlmPackedLast *last, const void *data, Size len);
	void	   *arg;
	SlmPackedWriter writer;
	unsigned char data[SLM_PACKED_ROOM + SLM_PACKED_ROW_MAX + SLM_MAX_KEY_BYTES];
} SlmPackedCut;

extern void slm_packed_cut_begin(SlmPackedCut *cut);
extern void slm_packed_cut_row(SlmPackedCut *cut, const SlmPackedRow *row);
extern void slm_packed_cut_end(SlmPackedCut *cut);

/* The companion's values of a block, as emit is given it; in the current memory context. */
extern void slm_packed_block_values(bool texts, const SlmPackedLast *last, const void *data, Size len, Datum *values);

typedef struct SlmPackedBuild SlmPackedBuild;

/*
 * Blocks for a companion that this transaction has made, without an index yet.  Frozen, as COPY FREEZE has it, everybody sees them who
 * sees the table, so only rows may be put that everybody sees.  At the end, how many keys there are.
 */
extern SlmPackedBuild *slm_packed_build_begin(SlmPackedTable *table, bool frozen);
extern void slm_packed_build_put(SlmPackedBuild *build, const SlmPackedRow *row);
extern double slm_packed_build_end(SlmPackedBuild *build);

#endif							/* SLM_PACKED_PACKED_BUILD_H */
