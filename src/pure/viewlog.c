/*
 * viewlog.c: pack and unpack blocks of the view log.
 */
#include "pure/viewlog.h"

#include <stdlib.h>

#include "pure/dict.h"
#include "pure/numbering.h"
#include "pure/sort.h"

#define VERSION			2
#define USECS_PER_HOUR	(60 * SLM_USECS_PER_MIN)
#define MAX_VARINT		10
#define MAX_BLOCK_VIEWS	1000000 /* so that a block stays far below the 1 GB of a bytea */

typedef struct Packer
{
	const SlmCatalog *catalog;
	SlmNumbering offers;
	SlmNumbering categories;
	SlmNumbering brands;
} Packer;

static SlmTime
hour_of(SlmTime time)
{
	SlmTime		rest = time % USECS_PER_HOUR;

	return time - (rest < 0 ? rest + USECS_PER_HOUR : rest);
}

static char *
put_varint(char *p, uint64_t v)
{
	while (v >= 0x80)
	{
		*p++ = (char) (v | 0x80);
		v >>= 7;
	}
	*p++ = (char) v;
	return p;
}

/* A time after the hour: nearly all are whole seconds, which take two bytes. */
static char *
put_time(char *p, SlmTime usecs)
{
	bool		whole = usecs % SLM_USECS_PER_SEC == 0;

	return put_varint(p, (uint64_t) (whole ? usecs / SLM_USECS_PER_SEC : usecs) << 1 | !whole);
}

static size_t
strings_size(const Packer *packer, const SlmNumbering *numbering, SlmDimension dimension)
{
	size_t		size = 0;

	for (uint32_t i = 0; i < numbering->n; i++)
		size += MAX_VARINT + slm_catalog_text(packer->catalog, dimension, numbering->global[i]).len;
	return size;
}

static char *
put_strings(char *p, const Packer *packer, const SlmNumbering *numbering, SlmDimension dimension)
{
	for (uint32_t i = 0; i < numbering->n; i++)
	{
		SlmSlice	text = slm_catalog_text(packer->catalog, dimension, numbering->global[i]);

		p = put_varint(p, text.len);
		memcpy(p, text.data, text.len);
		p += text.len;
	}
	return p;
}

static void
number_all(Packer *packer, const SlmView *views, const SlmSortItem *order, uint32_t nviews)
{
	slm_numbering_clear(&packer->offers);
	slm_numbering_clear(&packer->categories);
	slm_numbering_clear(&packer->brands);
	for (uint32_t i = 0; i < nviews; i++)
		slm_number(&packer->offers, views[order[i].index].offer);
	for (uint32_t i = 0; i < packer->offers.n; i++)
	{
		const SlmOffer *offer = slm_catalog_get(packer->catalog, packer->offers.global[i]);

		slm_number(&packer->categories, offer->keys[SLM_CATEGORY_L3]);
		slm_number(&packer->brands, offer->keys[SLM_BRAND]);
	}
}

/* Pack views that are all in one hour. */
static bool
pack_block(Packer *packer, const SlmView *views, const SlmSortItem *order, uint32_t nviews, SlmViewLogBlock *block)
{
	SlmTime		hour = hour_of(views[order[0].index].time);
	size_t		size;
	char	   *p;

	number_all(packer, views, order, nviews);
	size = 1 + 4 * MAX_VARINT + strings_size(packer, &packer->categories, SLM_CATEGORY_L3) +
		strings_size(packer, &packer->brands, SLM_BRAND) +
		(size_t) packer->offers.n * 4 * MAX_VARINT + (size_t) nviews * (8 + 2 * MAX_VARINT);
	block->data = malloc(size);
	if (block->data == NULL)
		return false;
	block->hour = hour;
	block->nviews = nviews;

	p = block->data;
	*p++ = VERSION;
	p = put_varint(p, nviews);
	p = put_varint(p, packer->categories.n);
	p = put_varint(p, packer->brands.n);
	p = put_varint(p, packer->offers.n);
	p = put_strings(p, packer, &packer->categories, SLM_CATEGORY_L3);
	p = put_strings(p, packer, &packer->brands, SLM_BRAND);
	for (uint32_t i = 0; i < packer->offers.n; i++)
	{
		const SlmOffer *offer = slm_catalog_get(packer->catalog, packer->offers.global[i]);

		p = put_varint(p, (uint64_t) offer->product_id);
		p = put_varint(p, (uint64_t) offer->price);
		p = put_varint(p, slm_number(&packer->categories, offer->keys[SLM_CATEGORY_L3]));
		p = put_varint(p, slm_number(&packer->brands, offer->keys[SLM_BRAND]));
	}
	for (uint32_t i = 0; i < nviews; i++)
	{
		const SlmView *view = &views[order[i].index];

		for (int b = 0; b < 64; b += 8)
			*p++ = (char) (view->fingerprint >> b);
		p = put_time(p, view->time - hour);
		p = put_varint(p, slm_number(&packer->offers, view->offer));
	}
	block->len = (size_t) (p - block->data);
	return true;
}

/* The views' numbers in the order of their hours. */
static SlmSortItem *
order_by_hour(const SlmView *views, uint64_t nviews)
{
	SlmSortItem *order = malloc((nviews + 1) * sizeof(SlmSortItem));
	SlmTime		first = INT64_MAX;

	if (order == NULL)
		return NULL;
	for (uint64_t i = 0; i < nviews; i++)
		first = views[i].time < first ? views[i].time : first;
	first = nviews ? hour_of(first) : 0;
	for (uint64_t i = 0; i < nviews; i++)
	{
		order[i].key = (uint64_t) (views[i].time - first) / USECS_PER_HOUR;
		order[i].index = i;
	}
	if (!slm_sort(order, nviews))
	{
		free(order);
		return NULL;
	}
	return order;
}

static bool
pack_hours(Packer *packer, const SlmView *views, const SlmSortItem *order, uint64_t nviews, SlmViewLogBlocks *out)
{
	uint32_t	allocated = 0;

	for (uint64_t begin = 0, end; begin < nviews; begin = end)
	{
		for (end = begin; end < nviews && order[end].key == order[begin].key && end - begin < MAX_BLOCK_VIEWS;)
			end++;
		if (!slm_grow((void **) &out->blocks, out->nblocks, &allocated, sizeof(SlmViewLogBlock)) ||
			!pack_block(packer, views, order + begin, (uint32_t) (end - begin), &out->blocks[out->nblocks]))
			return false;
		out->nblocks++;
	}
	return true;
}

bool
slm_viewlog_pack(const SlmCatalog *catalog, const SlmView *views, uint64_t nviews, SlmViewLogBlocks *out)
{
	Packer		packer = {.catalog = catalog};
	SlmSortItem *order;
	bool		ok;

	*out = (SlmViewLogBlocks) {0};
	order = order_by_hour(views, nviews);
	ok = order != NULL && slm_numbering_init(&packer.offers, slm_catalog_offers(catalog)) &&
		slm_numbering_init(&packer.categories, slm_catalog_keys(catalog, SLM_CATEGORY_L3)) &&
		slm_numbering_init(&packer.brands, slm_catalog_keys(catalog, SLM_BRAND)) &&
		pack_hours(&packer, views, order, nviews, out);
	free(order);
	slm_numbering_free(&packer.offers);
	slm_numbering_free(&packer.categories);
	slm_numbering_free(&packer.brands);
	if (!ok)
		slm_viewlog_blocks_free(out);
	return ok;
}

void
slm_viewlog_blocks_free(SlmViewLogBlocks *blocks)
{
	for (uint32_t i = 0; i < blocks->nblocks; i++)
		free(blocks->blocks[i].data);
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

/* What the entries of a block refer to; catalog numbers are found when first needed. */
typedef struct BlockOffer
{
	uint64_t	product_id;
	uint64_t	price;
	uint32_t	category;
	uint32_t	brand;
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
	SlmCatalog *catalog;
} Unpacker;

static SlmViewLogResult
read_head(Unpacker *u)
{
	Input	   *in = &u->in;

	if (in->p >= in->end || *in->p++ != VERSION)
		return SLM_VIEWLOG_CORRUPT;
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

		offer->product_id = get_varint(in);
		offer->price = get_varint(in);
		offer->category = get_varint(in);
		offer->brand = get_varint(in);
		offer->offer = SLM_NO_OFFER;
		if (offer->category >= u->ncategories || offer->brand >= u->nbrands)
			in->bad = true;
	}
	return in->bad ? SLM_VIEWLOG_CORRUPT : SLM_VIEWLOG_OK;
}

static SlmOfferId
offer_of(Unpacker *u, uint32_t i)
{
	BlockOffer *offer = &u->offers[i];

	if (offer->offer == SLM_NO_OFFER)
		offer->offer = slm_catalog_clean_offer(u->catalog, (int64_t) offer->product_id, (SlmMoney) offer->price,
											   u->strings[offer->category],
											   u->strings[u->ncategories + offer->brand]);
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
		if (!found || slm_view_is_earlier(u->catalog, time, offer, view))
		{
			view->time = time;
			view->offer = offer;
		}
	}
	return SLM_VIEWLOG_OK;
}

SlmViewLogResult
slm_viewlog_unpack(const char *data, size_t len, SlmTime hour, SlmTime not_before, const SlmViews *only,
				   SlmCatalog *catalog, SlmViews *views)
{
	Unpacker	u = {.catalog = catalog};
	SlmViewLogResult result;

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
sum_entries(Unpacker *u, SlmTime hour, SlmTime from, SlmTime to, const SlmViews *but, SlmViewLogOffer *offers)
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
		if (time < from || time >= to || slm_views_find(but, fingerprint) != NULL)
			continue;
		offer = &offers[local];
		offer->first = offer->views == 0 || time < offer->first ? time : offer->first;
		offer->last = offer->views == 0 || time > offer->last ? time : offer->last;
		offer->views++;
	}
	return SLM_VIEWLOG_OK;
}

SlmViewLogResult
slm_viewlog_offers(const char *data, size_t len, SlmTime hour, SlmTime from, SlmTime to, const SlmViews *but,
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
		result = sum_entries(&u, hour, from, to, but, *offers);
	}
	free(u.strings);
	free(u.offers);
	return result;
}
