/*
 * viewlog.h: the views that a batch counted or moved, packed into bytes, one block per hour of event time.
 *
 * The blocks are the truth about which views are counted; an SlmViews in memory is a cache of them.  A view that moves
 * to an earlier time is written again, so of two entries with the same fingerprint the earlier view counts, whatever
 * the order in which blocks are read.
 *
 * A block: version (1 byte), numbers of entries, categories, brands and offers; the strings of the categories and of the
 * brands (length, bytes); the offers (product_id, price, category, brand; in a block of version 3 also the line, see slm_line(), 0 of a view); the entries (fingerprint as 8 bytes little
 * endian, time, offer).  In a block of version 4 offers have lines, and tuples (number + 1, 0: none); before the categories stand the number of a
 * user's own dimensions, of each its id and how many keys it has, and the number of tuples; behind the brands these keys' strings, and the tuples, of each
 * dimension its key (number + 1, 0: none).  A time is twice the seconds after the block's hour, or, if it is no whole second, twice the microseconds
 * and one.  All numbers but the fingerprints are LEB128 varints.
 */
#ifndef SLM_PURE_VIEWLOG_H
#define SLM_PURE_VIEWLOG_H

#include "pure/views.h"

#define SLM_VIEWLOG_HEAD	8

typedef struct SlmViewLogBlock
{
	SlmTime		hour;			/* start of the hour that all its entries are in */
	uint32_t	nviews;
	char	   *data;			/* with SLM_VIEWLOG_HEAD bytes before it that are the caller's; see slm_viewlog_blocks_free() */
	size_t		len;
	size_t		size;			/* of its memory */
} SlmViewLogBlock;

typedef struct SlmViewLogBlocks
{
	SlmViewLogBlock *blocks;
	uint32_t	nblocks;
} SlmViewLogBlocks;

/*
 * Pack the views of these lists, in any order; but for free slots (without a fingerprint) and those whose owner is SLM_VIEW_REPEATED.
 * False if out of memory; *out is then empty.
 */
extern bool slm_viewlog_pack(const SlmDictionary *dictionary, const SlmViewList *lists, uint32_t nlists, SlmViewLogBlocks *out);
extern void slm_viewlog_blocks_free(SlmViewLogBlocks *blocks);

typedef enum SlmViewLogResult
{
	SLM_VIEWLOG_OK,
	SLM_VIEWLOG_MEMORY,
	SLM_VIEWLOG_CORRUPT
} SlmViewLogResult;

/*
 * Read a block into a table of views: each entry that is not older than not_before and, where only is not NULL, whose
 * fingerprint stands in only.  New offers go into the dictionary.
 */
extern SlmViewLogResult slm_viewlog_unpack(const char *data, size_t len, SlmTime hour, SlmTime not_before,
										   const SlmViews *only, SlmDictionary *dictionary, SlmViews *views);

/* What a block's entries say of one of its offers. */
typedef struct SlmViewLogOffer
{
	int64_t		product_id;
	SlmMoney	price;
	SlmSlice	category;		/* points into the block's data */
	SlmSlice	brand;
	uint64_t	views;			/* 0: none of the entries in question */
	SlmTime		first;
	SlmTime		last;
	uint64_t	late_views;		/* of them, those from `late` on */
	SlmTime		late_first;
} SlmViewLogOffer;

/*
 * Sum up a block by offer: its entries with from <= time < to, and those of them from late on, but for those whose fingerprint stands in
 * but.  Entries of events with ids are no views, and not among them.  *offers is malloc'ed, the caller frees it, and may point to NULL.  A view that has moved since stands in the log at both times.
 */
extern SlmViewLogResult slm_viewlog_offers(const char *data, size_t len, SlmTime hour, SlmTime from, SlmTime late, SlmTime to,
										   const SlmViews *but, SlmViewLogOffer **offers, uint32_t *noffers);

#endif							/* SLM_PURE_VIEWLOG_H */
