/*
 * fill_form.h: rows and their keys' entries become pages of a new table and leaves of its primary key, in memory.
 *
 * For threads: of the backend only what touches its arguments alone is called, to lay out pages and rows.
 */
#ifndef SLM_BULKWRITE_FILL_FORM_H
#define SLM_BULKWRITE_FILL_FORM_H

#include "postgres.h"
#include "access/htup_details.h"
#include "access/itup.h"
#include "utils/relcache.h"

/* How many pages of the table, and of the leaves, are made at a time. */
#define SLM_PIECE_PAGES		128

/* Pages that are whole, with one behind them that is begun: pages[n].  So is the array of leaves. */
typedef struct SlmPages
{
	PGAlignedBlock *pages;
	int			n;
} SlmPages;

typedef struct SlmPiece
{
	SlmPages	rows;
	SlmPages	leaves;
} SlmPiece;

/* Where the rows come from: the values of row i (from 0), none of them NULL, which stay until the next call.  Pure. */
typedef void (*SlmRowSource) (void *arg, uint64 i, Datum *values);

typedef struct SlmFormer
{
	SlmRowSource source;
	void	   *source_arg;
	uint64		nrows;
	uint64		next;			/* row */
	bool		too_long;		/* the next row, or its entry, fits no page: no more is made */

	TupleDesc	desc;
	Size		spare;			/* bytes of each page that the fill factor leaves free */
	HeapTupleHeaderData header; /* of each row; the place of the row apart */
	BlockNumber block;			/* of the page that is begun */

	TupleDesc	entry_desc;
	Size		entry_spare;
	int			nkeys;
	int			keys[INDEX_MAX_KEYS];	/* columns, from 0 */
	BlockNumber leaf;

	SlmPiece	piece;			/* at hand */

	/* the row and the entry at hand */
	Datum		values[MaxTupleAttributeNumber];
	bool		isnull[MaxTupleAttributeNumber];	/* none is */
	union
	{
		HeapTupleHeaderData header;
		char		data[MaxHeapTupleSize];
		double		align;
	}			row;
	union
	{
		IndexTupleData header;
		char		data[BLCKSZ];
		double		align;
	}			entry;
} SlmFormer;

/* Begin, as the writer of such a table in this transaction; in memory of the current context, but for its piece.  Calls the backend. */
extern SlmFormer *slm_former_begin(Relation rel, Relation index, SlmRowSource source, void *arg, uint64 nrows);

/* Memory for its piece, before the first one is formed.  False if there is none. */
extern bool slm_former_make_room(SlmFormer *former);

/* Form pages until a piece is full, or there are no more rows. */
extern void slm_former_piece(void *former);

/* Take what is formed: it changes places with *other, where what is formed next goes. */
extern void slm_former_swap(SlmFormer *former, SlmPiece *other);

/* Memory for a piece, which an error would not free: see slm_piece_free(), also of what was never made.  False if there is none. */
extern bool slm_piece_init(SlmPiece *piece);
extern void slm_piece_free(SlmPiece *piece);

#endif							/* SLM_BULKWRITE_FILL_FORM_H */
