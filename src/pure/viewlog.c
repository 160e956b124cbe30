/*
 * viewlog.c: pack blocks of the view log.
 */
#include "pure/viewlog_internal.h"

#include <stdlib.h>

#include "pure/assert.h"
#include "pure/interner.h"
#include "pure/memory.h"
#include "pure/numbering.h"
#include "pure/sort.h"

#define MAX_VARINT		10
#define MAX_BLOCK_VIEWS	1000000 /* so that a block stays far below the 1 GB of a bytea */

typedef struct Packer
{
	const SlmDictionary *dictionary;
	SlmOfferNumbering numbers;
	bool		lines;			/* an offer of the block has one */
	bool		tuples;			/* likewise */
} Packer;

static char *
put_long_varint(char *p, uint64_t v)
{
	while (v >= 0x80)
	{
		*p++ = (char) (v | 0x80);
		v >>= 7;
	}
	*p++ = (char) v;
	return p;
}

/* Up to three bytes, which most take, without a branch that can't be foreseen; there must be room for four. */
static inline char *
put_varint(char *p, uint64_t v)
{
	uint32_t	more = (v >= 1 << 7) + (v >= 1 << 14);
	uint64_t	bytes = (v & 0x7F) | (v & 0x7F << 7) << 1 | (v & 0x7F << 14) << 2 | (0x8080 & ((1U << 8 * more) - 1));

	if (v >= 1 << 21)
		return put_long_varint(p, v);
	for (int b = 0; b < 4; b++)
		p[b] = (char) (bytes >> 8 * b);
	return p + more + 1;
}

/* A time after the hour: nearly all are whole seconds, which take two bytes. */
static inline char *
put_time(char *p, SlmTime usecs)
{
	bool		whole = usecs % SLM_USECS_PER_SEC == 0;

	SLM_ASSERT(usecs >= 0 && usecs < SLM_USECS_PER_HOUR);

	return put_varint(p, (uint64_t) (whole ? usecs / SLM_USECS_PER_SEC : usecs) << 1 | !whole);
}

static size_t
strings_size(const Packer *packer, const SlmNumbering *numbering, SlmDimension dimension)
{
	size_t		size = 0;

	for (uint32_t i = 0; i < numbering->n; i++)
		size += MAX_VARINT + slm_dictionary_text(packer->dictionary, dimension, numbering->global[i]).len;
	return size;
}

static char *
put_strings(char *p, const Packer *packer, const SlmNumbering *numbering, SlmDimension dimension)
{
	for (uint32_t i = 0; i < numbering->n; i++)
	{
		SlmSlice	text = slm_dictionary_text(packer->dictionary, dimension, numbering->global[i]);

		p = put_varint(p, text.len);
		memcpy(p, text.data, text.len);
		p += text.len;
	}
	return p;
}

/* How many bytes the dimensions of tuples, their keys and these take at most. */
static size_t
tuples_size(const Packer *packer)
{
	const SlmOfferNumbering *numbers = &packer->numbers;
	size_t		size = (2 + 2 * (size_t) numbers->nown + (size_t) numbers->nown * numbers->tuples.n) * MAX_VARINT;

	for (uint32_t i = 0; i < numbers->nown; i++)
		size += strings_size(packer, &numbers->own[i], SLM_FIRST_OWN + i);
	return size;
}

static char *
put_dimensions(char *p, const Packer *packer)
{
	const SlmOfferNumbering *numbers = &packer->numbers;

	p = put_varint(p, numbers->nown);
	for (uint32_t i = 0; i < numbers->nown; i++)
	{
		p = put_varint(p, (uint64_t) slm_dictionary_own(packer->dictionary)->dimension[i].id);
		p = put_varint(p, numbers->own[i].n);
	}
	return put_varint(p, numbers->tuples.n);
}

static char *
put_tuples(char *p, Packer *packer)
{
	SlmOfferNumbering *numbers = &packer->numbers;

	for (uint32_t i = 0; i < numbers->nown; i++)
		p = put_strings(p, packer, &numbers->own[i], SLM_FIRST_OWN + i);
	for (uint32_t t = 0; t < numbers->tuples.n; t++)
	{
		for (uint32_t i = 0; i < numbers->nown; i++)
			p = put_varint(p, slm_numbered_tuple_key(numbers, packer->dictionary, t, i));
	}
	return p;
}

/* --- going through views --- */

/* The views to pack, one after the other: those of lists, or of some that are sorted. */
typedef struct Cursor
{
	const SlmViewList *lists;
	uint32_t	nlists;
	uint64_t	i;				/* in the first of the lists: up to where it was sifted */
	const SlmSortItem *order;	/* NULL: as they stand in the lists; else index is a view's address */
	uint32_t	next;			/* of those that were sifted */
	uint32_t	nsifted;
	const SlmView *sifted[SLM_SIFT];
} Cursor;

/* Sift on until there is something; false if there is nothing more. */
static bool
sift(Cursor *cursor)
{
	for (cursor->next = cursor->nsifted = 0; cursor->nlists > 0 && cursor->nsifted == 0;)
	{
		const SlmViewList *list = cursor->lists;
		uint64_t	n = list->n - cursor->i < SLM_SIFT ? list->n - cursor->i : SLM_SIFT;

		cursor->nsifted = slm_views_sift(list->views + cursor->i, n, cursor->sifted);
		cursor->i += n;
		if (cursor->i == list->n)
		{
			cursor->lists++;
			cursor->nlists--;
			cursor->i = 0;
		}
	}
	return cursor->nsifted > 0;
}

/* The next view; NULL if there is none. */
static inline const SlmView *
next_view(Cursor *cursor)
{
	if (cursor->order != NULL)
		return (const SlmView *) (uintptr_t) (cursor->order++)->index;
	return cursor->next < cursor->nsifted || sift(cursor) ? cursor->sifted[cursor->next++] : NULL;
}

/* How many there are, and the first and last of their hours. */
typedef struct Span
{
	uint64_t	n;
	SlmTime		first;
	SlmTime		last;
} Span;

static Span
span_of(Cursor cursor)
{
	Span		span = {.first = INT64_MAX,.last = INT64_MIN};
	const SlmView *view;

	while ((view = next_view(&cursor)) != NULL)
	{
		span.n++;
		span.first = view->time < span.first ? view->time : span.first;
		span.last = view->time > span.last ? view->time : span.last;
	}
	if (span.n > 0)
	{
		span.first = slm_hour_of(span.first);
		span.last = slm_hour_of(span.last);
	}
	return span;
}

/* --- packing --- */

static void
number_all(Packer *packer, Cursor cursor, uint32_t nviews)
{
	slm_offer_numbering_clear(&packer->numbers);
	for (uint32_t i = 0; i < nviews; i++)
		slm_number(&packer->numbers.offers, next_view(&cursor)->offer);
	slm_number_keys(&packer->numbers, packer->dictionary);
	packer->lines = packer->tuples = packer->numbers.nown > 0 && packer->numbers.tuples.n > 0;
	if (!slm_dictionary_has_lines(packer->dictionary))
		return;
	for (uint32_t i = 0; i < packer->numbers.offers.n && !packer->lines; i++)
		packer->lines = slm_dictionary_line(packer->dictionary, packer->numbers.offers.global[i]) != 0;
}

static char *
put_views(char *p, Packer *packer, Cursor *cursor, SlmTime hour, uint32_t nviews)
{
	for (uint32_t i = 0; i < nviews; i++)
	{
		const SlmView *view = next_view(cursor);

		SLM_ASSERT(view->fingerprint != 0 && slm_hour_of(view->time) == hour);
		for (int b = 0; b < 8; b++)
			p[b] = (char) (view->fingerprint >> 8 * b);
		p = put_time(p + 8, view->time - hour);
		p = put_varint(p, slm_number(&packer->numbers.offers, view->offer));
	}
	return p;
}

/* Pack the next views, which are all in one hour. */
static bool
pack_block(Packer *packer, Cursor *cursor, SlmTime hour, uint32_t nviews, SlmViewLogBlock *block)
{
	size_t		size;
	char	   *p;

	SLM_ASSERT(nviews > 0 && nviews <= MAX_BLOCK_VIEWS);
	SLM_ASSERT(hour == slm_hour_of(hour));

	number_all(packer, *cursor, nviews);
	size = 1 + 4 * MAX_VARINT + strings_size(packer, &packer->numbers.categories, SLM_CATEGORY_L3) +
		strings_size(packer, &packer->numbers.brands, SLM_BRAND) +
		(size_t) packer->numbers.offers.n * 6 * MAX_VARINT + (size_t) nviews * (8 + 2 * MAX_VARINT) + (packer->tuples ? tuples_size(packer) : 0);
	block->size = SLM_VIEWLOG_HEAD + size;
	block->data = slm_table_alloc_dirty(block->size, 1);
	if (block->data == NULL)
		return false;
	block->data += SLM_VIEWLOG_HEAD;
	block->hour = hour;
	block->nviews = nviews;

	p = block->data;
	*p++ = packer->tuples ? SLM_VIEWLOG_TUPLES : packer->lines ? SLM_VIEWLOG_LINES : SLM_VIEWLOG_PLAIN;
	p = put_varint(p, nviews);
	p = put_varint(p, packer->numbers.categories.n);
	p = put_varint(p, packer->numbers.brands.n);
	p = put_varint(p, packer->numbers.offers.n);
	if (packer->tuples)
		p = put_dimensions(p, packer);
	p = put_strings(p, packer, &packer->numbers.categories, SLM_CATEGORY_L3);
	p = put_strings(p, packer, &packer->numbers.brands, SLM_BRAND);
	if (packer->tuples)
		p = put_tuples(p, packer);
	for (uint32_t i = 0; i < packer->numbers.offers.n; i++)
	{
		const SlmOffer *offer = slm_numbered_offer(&packer->numbers, packer->dictionary, i);

		p = put_varint(p, (uint64_t) offer->product_id);
		p = put_varint(p, (uint64_t) offer->price);
		p = put_varint(p, slm_number(&packer->numbers.categories, offer->keys[SLM_CATEGORY_L3]));
		p = put_varint(p, slm_number(&packer->numbers.brands, offer->keys[SLM_BRAND]));
		if (packer->lines)
			p = put_varint(p, offer->line);
		if (packer->tuples)
			p = put_varint(p, slm_number_tuple(&packer->numbers, packer->dictionary,
											   slm_dictionary_tuple(packer->dictionary, packer->numbers.offers.global[i])));
	}
	p = put_views(p, packer, cursor, hour, nviews);
	block->len = (size_t) (p - block->data);
	SLM_ASSERT(block->len <= size);
	return true;
}

/* The views' addresses in the order of their hours, counted from the first. */
static SlmSortItem *
order_by_hour(Cursor cursor, const Span *span)
{
	SlmSortItem *order = malloc((span->n + 1) * sizeof(SlmSortItem));

	if (order == NULL)
		return NULL;
	for (uint64_t i = 0; i < span->n; i++)
	{
		const SlmView *view = next_view(&cursor);

		order[i].key = (uint64_t) (view->time - span->first) / SLM_USECS_PER_HOUR;
		order[i].index = (uintptr_t) view;
	}
	if (!slm_sort(order, span->n))
	{
		free(order);
		return NULL;
	}
	return order;
}

/* The cursor's order: NULL if all are in one hour. */
static bool
pack_hours(Packer *packer, Cursor *cursor, const Span *span, SlmViewLogBlocks *out)
{
	const SlmSortItem *order = cursor->order;
	uint32_t	allocated = 0;

	for (uint64_t begin = 0, end; begin < span->n; begin = end)
	{
		SlmTime		hour = span->first + (order == NULL ? 0 : (SlmTime) order[begin].key * SLM_USECS_PER_HOUR);

		for (end = begin; end < span->n && end - begin < MAX_BLOCK_VIEWS; end++)
		{
			if (order != NULL && order[end].key != order[begin].key)
				break;
		}
		if (!slm_grow((void **) &out->blocks, out->nblocks, &allocated, sizeof(SlmViewLogBlock)) ||
			!pack_block(packer, cursor, hour, (uint32_t) (end - begin), &out->blocks[out->nblocks]))
			return false;
		out->nblocks++;
	}
	return true;
}

bool
slm_viewlog_pack(const SlmDictionary *dictionary, const SlmViewList *lists, uint32_t nlists, SlmViewLogBlocks *out)
{
	Packer		packer = {.dictionary = dictionary};
	Cursor		cursor = {.lists = lists,.nlists = nlists};
	Span		span = span_of(cursor);
	bool		one_hour = span.first >= span.last;
	SlmSortItem *order = one_hour ? NULL : order_by_hour(cursor, &span);
	bool		ok;

	*out = (SlmViewLogBlocks) {0};
	cursor.order = order;
	ok = (one_hour || order != NULL) && slm_offer_numbering_init(&packer.numbers, dictionary) &&
		pack_hours(&packer, &cursor, &span, out);
	free(order);
	slm_offer_numbering_free(&packer.numbers);
	if (!ok)
		slm_viewlog_blocks_free(out);
	return ok;
}

void
slm_viewlog_blocks_free(SlmViewLogBlocks *blocks)
{
	for (uint32_t i = 0; i < blocks->nblocks; i++)
		slm_table_free(blocks->blocks[i].data - SLM_VIEWLOG_HEAD, blocks->blocks[i].size, 1);
	free(blocks->blocks);
	*blocks = (SlmViewLogBlocks) {0};
}
