/*
 * viewlog_read.c: unpack blocks of the view log.
 */
#include "pure/viewlog_internal.h"

#include <stdlib.h>

#include "pure/assert.h"

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

	if (v >> 1 >= SLM_USECS_PER_HOUR || usecs >= SLM_USECS_PER_HOUR)
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
	uint32_t	tuple;			/* number + 1; 0: none */
	SlmOfferId	offer;
} BlockOffer;

typedef struct Unpacker
{
	Input		in;
	uint32_t	nviews;
	uint32_t	ncategories;
	uint32_t	nbrands;
	uint32_t	noffers;
	SlmSlice   *strings;		/* categories, then brands, then keys of each own dimension */
	BlockOffer *offers;
	uint32_t	nown;
	int64_t		ids[SLM_MAX_OWN];
	uint32_t	nown_keys[SLM_MAX_OWN];
	uint32_t	ntuples;
	uint32_t   *tuples;			/* of a key in each dimension, number + 1; 0: none */
	SlmDictionary *dictionary;
} Unpacker;

/* The dimensions of tuples, and how many there are; returns how many strings they have. */
static uint64_t
read_dimensions(Unpacker *u)
{
	Input	   *in = &u->in;
	uint64_t	nstrings = 0;

	u->nown = get_count(in);
	if (u->nown > SLM_MAX_OWN)
		in->bad = true;
	for (uint32_t i = 0; i < u->nown && !in->bad; i++)
	{
		u->ids[i] = (int64_t) get_varint(in);
		u->nown_keys[i] = get_count(in);
		nstrings += u->nown_keys[i];
	}
	u->ntuples = get_count(in);
	return in->bad ? 0 : nstrings;
}

static void
read_tuples(Unpacker *u)
{
	for (uint64_t i = 0; i < (uint64_t) u->ntuples * u->nown && !u->in.bad; i++)
	{
		uint64_t	key = get_varint(&u->in);

		if (key > u->nown_keys[i % u->nown])
			u->in.bad = true;
		u->tuples[i] = (uint32_t) key;
	}
}

static SlmViewLogResult
read_head(Unpacker *u)
{
	Input	   *in = &u->in;
	uint64_t	nstrings;
	bool		lines;
	bool		tuples;

	if (in->p >= in->end || *in->p < SLM_VIEWLOG_PLAIN || *in->p > SLM_VIEWLOG_TUPLES)
		return SLM_VIEWLOG_CORRUPT;
	tuples = *in->p == SLM_VIEWLOG_TUPLES;
	lines = *in->p++ >= SLM_VIEWLOG_LINES;
	u->nviews = get_count(in);
	u->ncategories = get_count(in);
	u->nbrands = get_count(in);
	u->noffers = get_count(in);
	nstrings = (uint64_t) u->ncategories + u->nbrands + (tuples ? read_dimensions(u) : 0);
	if (in->bad)
		return SLM_VIEWLOG_CORRUPT;
	u->strings = malloc((nstrings + 1) * sizeof(SlmSlice));
	u->tuples = malloc(((size_t) u->ntuples * u->nown + 1) * sizeof(uint32_t));
	u->offers = malloc(((size_t) u->noffers + 1) * sizeof(BlockOffer));
	if (u->strings == NULL || u->offers == NULL || u->tuples == NULL)
		return SLM_VIEWLOG_MEMORY;
	for (uint64_t i = 0; i < nstrings; i++)
		u->strings[i] = get_string(in);
	read_tuples(u);
	for (uint32_t i = 0; i < u->noffers && !in->bad; i++)
	{
		BlockOffer *offer = &u->offers[i];
		uint64_t	line;
		uint64_t	tuple;

		offer->product_id = get_varint(in);
		offer->price = get_varint(in);
		offer->category = get_varint(in);
		offer->brand = get_varint(in);
		offer->offer = SLM_NO_OFFER;
		line = lines ? get_varint(in) : 0;
		offer->line = (uint32_t) line;
		tuple = tuples ? get_varint(in) : 0;
		offer->tuple = (uint32_t) tuple;
		if (offer->category >= u->ncategories || offer->brand >= u->nbrands || line >= SLM_MAX_LINE || tuple > u->ntuples ||
			(line != 0 && slm_line_type((uint32_t) line) == SLM_VIEW))
			in->bad = true;
	}
	return in->bad ? SLM_VIEWLOG_CORRUPT : SLM_VIEWLOG_OK;
}

/* A tuple in the dictionary: its keys in those dimensions that there still are.  False if out of memory. */
static bool
find_tuple(const Unpacker *u, uint32_t number, SlmTupleId *tuple)
{
	const SlmOwn *own = slm_dictionary_own(u->dictionary);
	SlmKeyId	keys[SLM_MAX_OWN];

	for (uint32_t d = 0; d < own->n; d++)
	{
		const SlmSlice *texts = u->strings + u->ncategories + u->nbrands;
		uint32_t	i = 0;

		for (; i < u->nown && u->ids[i] != own->dimension[d].id; i++)
			texts += u->nown_keys[i];
		keys[d] = SLM_NO_KEY;
		if (i == u->nown || u->tuples[(size_t) number * u->nown + i] == 0)
			continue;
		keys[d] = slm_dictionary_add_text(u->dictionary, SLM_FIRST_OWN + d, texts[u->tuples[(size_t) number * u->nown + i] - 1]);
		if (keys[d] == SLM_NO_KEY)
			return false;
	}
	return slm_dictionary_add_tuple(u->dictionary, keys, tuple);
}

static SlmOfferId
offer_of(Unpacker *u, uint32_t i)
{
	BlockOffer *offer = &u->offers[i];
	SlmKeyId	category;
	SlmKeyId	brand;
	SlmTupleId	tuple = 0;

	if (offer->offer != SLM_NO_OFFER)
		return offer->offer;
	category = slm_dictionary_category(u->dictionary, u->strings[offer->category]);
	brand = slm_dictionary_brand(u->dictionary, u->strings[u->ncategories + offer->brand]);
	if (category == SLM_NO_KEY || brand == SLM_NO_KEY || (offer->tuple != 0 && !find_tuple(u, offer->tuple - 1, &tuple)))
		return SLM_NO_OFFER;
	offer->offer = slm_dictionary_tuple_of(u->dictionary, (int64_t) offer->product_id, (SlmMoney) offer->price, category, brand, offer->line, tuple);
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

	SLM_ASSERT(hour == slm_hour_of(hour));
	SLM_ASSERT(only != views);

	u.in.p = (const unsigned char *) data;
	u.in.end = u.in.p + len;
	result = read_head(&u);
	if (result == SLM_VIEWLOG_OK)
		result = read_entries(&u, hour, not_before, only, views);
	free(u.strings);
	free(u.tuples);
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
	free(u.tuples);
	free(u.offers);
	return result;
}
