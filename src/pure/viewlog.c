/*
 * viewlog.c: pack and unpack blocks of the view log.
 */
#include "pure/viewlog.h"

#include <stdlib.h>

#include "pure/assert.h"
#include "pure/interner.h"
#include "pure/memory.h"
#include "pure/numbering.h"
#include "pure/sort.h"

#define VERSION			2
#define VERSION_LINES	3		/* of a block in which offers have lines */
#define USECS_PER_HOUR	(60 * SLM_USECS_PER_MIN)
#define MAX_VARINT		10
#define MAX_BLOCK_VIEWS	1000000 /* so that a block stays far below the 1 GB of a bytea */

typedef struct Packer
{
	const SlmDictionary *dictionary;
	SlmOfferNumbering numbers;
	bool		lines;			/* an offer of the block has one */
} Packer;

static SlmTime
hour_of(SlmTime time)
{
	SlmTime		rest = time % USECS_PER_HOUR;

	return time - (rest < 0 ? rest + USECS_PER_HOUR : rest);
}

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

	SLM_ASSERT(usecs >= 0 && usecs < USECS_PER_HOUR);

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
		span.first = hour_of(span.first);
		span.last = hour_of(span.last);
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
	packer->lines = false;
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

		SLM_ASSERT(view->fingerprint != 0 && hour_of(view->time) == hour);
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
	SLM_ASSERT(hour == hour_of(hour));

	number_all(packer, *cursor, nviews);
	size = 1 + 4 * MAX_VARINT + strings_size(packer, &packer->numbers.categories, SLM_CATEGORY_L3) +
		strings_size(packer, &packer->numbers.brands, SLM_BRAND) +
		(size_t) packer->numbers.offers.n * 5 * MAX_VARINT + (size_t) nviews * (8 + 2 * MAX_VARINT);
	block->size = SLM_VIEWLOG_HEAD + size;
	block->data = slm_table_alloc_dirty(block->size, 1);
	if (block->data == NULL)
		return false;
	block->data += SLM_VIEWLOG_HEAD;
	block->hour = hour;
	block->nviews = nviews;

	p = block->data;
	*p++ = packer->lines ? VERSION_LINES : VERSION;
	p = put_varint(p, nviews);
	p = put_varint(p, packer->numbers.categories.n);
	p = put_varint(p, packer->numbers.brands.n);
	p = put_varint(p, packer->numbers.offers.n);
	p = put_strings(p, packer, &packer->numbers.categories, SLM_CATEGORY_L3);
	p = put_strings(p, packer, &packer->numbers.brands, SLM_BRAND);
	for (uint32_t i = 0; i < packer->numbers.offers.n; i++)
	{
		const SlmOffer *offer = slm_numbered_offer(&packer->numbers, packer->dictionary, i);

		p = put_varint(p, (uint64_t) offer->product_id);
		p = put_varint(p, (uint64_t) offer->price);
		p = put_varint(p, slm_number(&packer->numbers.categories, offer->keys[SLM_CATEGORY_L3]));
		p = put_varint(p, slm_number(&packer->numbers.brands, offer->keys[SLM_BRAND]));
		if (packer->lines)
			p = put_varint(p, offer->line);
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

		order[i].key = (uint64_t) (view->time - span->first) / USECS_PER_HOUR;
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
		SlmTime		hour = span->first + (order == NULL ? 0 : (SlmTime) order[begin].key * USECS_PER_HOUR);

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

/* A cursor over a block that can't run past its end. */
typedef struct Input
{
	const unsigned char *p;
	const unsigned char *end;
	bool		bad;
} Input;

static uint64_t
get_varint(Input *in)
{
	uint64_t	v = 0;

	for (int shift = 0; shift < 64 && in->p < in->end; shift += 7)
	{
		unsigned char c = *in->p++;

		v |= (uint64_t) (c & 0x7F) << shift;
		if (c < 0x80)
			return v;
	}
	in->bad = true;
	return 0;
}

/* What would be beyond any hour is bad, too. */
static SlmTime
get_time(Input *in)
{
	uint64_t	v = get_varint(in);
	uint64_t	usecs = v & 1 ? v >> 1 : (v >> 1) * SLM_USECS_PER_SEC;

	if (v >> 1 >= USECS_PER_HOUR || usecs >= USECS_PER_HOUR)
		in->bad = true;
	return (SlmTime) usecs;
}

/* The caller has seen that there are 8 bytes. */
static uint64_t
get_fingerprint(Input *in)
{
	uint64_t	fingerprint = 0;

	for (int b = 0; b < 64; b += 8)
		fingerprint |= (uint64_t) *in->p++ << b;
	return fingerprint;
}

/* A varint that says how many things follow, each at least one byte long: so it can't be more than the bytes left. */
static uint32_t
get_count(Input *in)
{
	uint64_t	v = get_varint(in);

	if (v > (uint64_t) (in->end - in->p) || v > UINT32_MAX)
	{
		in->bad = true;
		return 0;
	}
	return (uint32_t) v;
}

static SlmSlice
get_string(Input *in)
{
	SlmSlice	text;

	text.len = get_count(in);
	text.data = (const char *) in->p;
	in->p += text.len;
	return text;
}

/* What the entries of a block refer to; dictionary numbers are found when first needed. */
typedef struct BlockOffer
{
	uint64_t	product_id;
	uint64_t	price;
	uint32_t	category;
	uint32_t	brand;
	uint32_t	line;
	SlmOfferId	offer;
} BlockOffer;

typedef struct Unpacker
{
	Input		in;
	uint32_t	nviews;
	uint32_t	ncategories;
	uint32_t	nbrands;
	uint32_t	noffers;
	SlmSlice   *strings;		/* categories, then brands */
	BlockOffer *offers;
	SlmDictionary *dictionary;
} Unpacker;

static SlmViewLogResult
read_head(Unpacker *u)
{
	Input	   *in = &u->in;

	bool		lines;

	if (in->p >= in->end || (*in->p != VERSION && *in->p != VERSION_LINES))
		return SLM_VIEWLOG_CORRUPT;
	lines = *in->p++ == VERSION_LINES;
	u->nviews = get_count(in);
	u->ncategories = get_count(in);
	u->nbrands = get_count(in);
	u->noffers = get_count(in);
	u->strings = malloc(((size_t) u->ncategories + u->nbrands + 1) * sizeof(SlmSlice));
	u->offers = malloc(((size_t) u->noffers + 1) * sizeof(BlockOffer));
	if (u->strings == NULL || u->offers == NULL)
		return SLM_VIEWLOG_MEMORY;
	for (uint64_t i = 0; i < (uint64_t) u->ncategories + u->nbrands; i++)
		u->strings[i] = get_string(in);
	for (uint32_t i = 0; i < u->noffers && !in->bad; i++)
	{
		BlockOffer *offer = &u->offers[i];
		uint64_t	line;

		offer->product_id = get_varint(in);
		offer->price = get_varint(in);
		offer->category = get_varint(in);
		offer->brand = get_varint(in);
		offer->offer = SLM_NO_OFFER;
		line = lines ? get_varint(in) : 0;
		offer->line = (uint32_t) line;
		if (offer->category >= u->ncategories || offer->brand >= u->nbrands || line >= SLM_MAX_LINE ||
			(line != 0 && slm_line_type((uint32_t) line) == SLM_VIEW))
			in->bad = true;
	}
	return in->bad ? SLM_VIEWLOG_CORRUPT : SLM_VIEWLOG_OK;
}

static SlmOfferId
offer_of(Unpacker *u, uint32_t i)
{
	BlockOffer *offer = &u->offers[i];

	if (offer->offer == SLM_NO_OFFER)
		offer->offer = slm_dictionary_clean_line(u->dictionary, (int64_t) offer->product_id, (SlmMoney) offer->price,
											  u->strings[offer->category], u->strings[u->ncategories + offer->brand], offer->line);
	return offer->offer;
}

static SlmViewLogResult
read_entries(Unpacker *u, SlmTime hour, SlmTime not_before, const SlmViews *only, SlmViews *views)
{
	Input	   *in = &u->in;

	for (uint32_t i = 0; i < u->nviews; i++)
	{
		uint64_t	fingerprint;
		SlmTime		time;
		uint64_t	local;
		SlmOfferId	offer;
		SlmView    *view;
		bool		found;

		if (in->end - in->p < 8)
			return SLM_VIEWLOG_CORRUPT;
		fingerprint = get_fingerprint(in);
		time = hour + get_time(in);
		local = get_varint(in);
		if (in->bad || local >= u->noffers || fingerprint == 0)
			return SLM_VIEWLOG_CORRUPT;
		if (time < not_before || (only != NULL && slm_views_find(only, fingerprint) == NULL))
			continue;
		offer = offer_of(u, (uint32_t) local);
		view = offer == SLM_NO_OFFER ? NULL : slm_views_add(views, fingerprint, &found);
		if (view == NULL)
			return SLM_VIEWLOG_MEMORY;
		if (!found || slm_view_is_earlier(u->dictionary, time, offer, view))
		{
			view->time = time;
			view->offer = offer;
		}
	}
	return SLM_VIEWLOG_OK;
}

SlmViewLogResult
slm_viewlog_unpack(const char *data, size_t len, SlmTime hour, SlmTime not_before, const SlmViews *only,
				   SlmDictionary *dictionary, SlmViews *views)
{
	Unpacker	u = {.dictionary = dictionary};
	SlmViewLogResult result;

	SLM_ASSERT(hour == hour_of(hour));
	SLM_ASSERT(only != views);

	u.in.p = (const unsigned char *) data;
	u.in.end = u.in.p + len;
	result = read_head(&u);
	if (result == SLM_VIEWLOG_OK)
		result = read_entries(&u, hour, not_before, only, views);
	free(u.strings);
	free(u.offers);
	return result;
}

/* --- sums by offer --- */

static SlmViewLogResult
sum_entries(Unpacker *u, SlmTime hour, SlmTime from, SlmTime late, SlmTime to, const SlmViews *but, SlmViewLogOffer *offers)
{
	Input	   *in = &u->in;

	for (uint32_t i = 0; i < u->nviews; i++)
	{
		uint64_t	fingerprint;
		SlmTime		time;
		uint64_t	local;
		SlmViewLogOffer *offer;

		if (in->end - in->p < 8)
			return SLM_VIEWLOG_CORRUPT;
		fingerprint = get_fingerprint(in);
		time = hour + get_time(in);
		local = get_varint(in);
		if (in->bad || local >= u->noffers)
			return SLM_VIEWLOG_CORRUPT;
		if (u->offers[local].line != 0 || time < from || time >= to || slm_views_find(but, fingerprint) != NULL)
			continue;
		offer = &offers[local];
		offer->first = offer->views == 0 || time < offer->first ? time : offer->first;
		offer->last = offer->views == 0 || time > offer->last ? time : offer->last;
		offer->views++;
		if (time >= late)
		{
			offer->late_first = offer->late_views == 0 || time < offer->late_first ? time : offer->late_first;
			offer->late_views++;
		}
	}
	return SLM_VIEWLOG_OK;
}

SlmViewLogResult
slm_viewlog_offers(const char *data, size_t len, SlmTime hour, SlmTime from, SlmTime late, SlmTime to, const SlmViews *but,
				   SlmViewLogOffer **offers, uint32_t *noffers)
{
	Unpacker	u = {0};
	SlmViewLogResult result;

	*offers = NULL;
	*noffers = 0;
	u.in.p = (const unsigned char *) data;
	u.in.end = u.in.p + len;
	result = read_head(&u);
	if (result == SLM_VIEWLOG_OK)
		*offers = calloc((size_t) u.noffers + 1, sizeof(SlmViewLogOffer));
	if (result == SLM_VIEWLOG_OK && *offers == NULL)
		result = SLM_VIEWLOG_MEMORY;
	if (result == SLM_VIEWLOG_OK)
	{
		*noffers = u.noffers;
		for (uint32_t i = 0; i < u.noffers; i++)
		{
			const BlockOffer *offer = &u.offers[i];

			(*offers)[i].product_id = (int64_t) offer->product_id;
			(*offers)[i].price = (SlmMoney) offer->price;
			(*offers)[i].category = u.strings[offer->category];
			(*offers)[i].brand = u.strings[u.ncategories + offer->brand];
		}
		result = sum_entries(&u, hour, from, late, to, but, *offers);
	}
	free(u.strings);
	free(u.offers);
	return result;
}
