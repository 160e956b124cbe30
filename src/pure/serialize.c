/*
 * serialize.c: the grouped rows of some objects as bytes.
 *
 *   head | counts | views | others | groups | carts | visits || offers | tuples | strings (categories, then brands, then own keys: length, bytes, unaligned)
 *
 * Groups and views name offers by their place in it.
 */

#include "pure/assert.h"
#include "pure/numbering.h"
#include "pure/serialize.h"


typedef struct SerializedHead
{
	uint64_t	noffers;
	uint64_t	ngroups;
	uint64_t	nviews;
	uint64_t	nothers;
	uint64_t	nobjects;
	uint64_t	carts_len;
	uint32_t	ncategories;
	uint32_t	nbrands;
	uint64_t	overflow;		/* of the groups */
	uint64_t	nvisits;
	uint64_t	visits_wanted;
	uint64_t	ntuples;		/* of a key in each of nown dimensions: its number + 1, 0: none */
	uint64_t	own_stamp;		/* of these dimensions */
	uint32_t	nown;
	uint32_t	nown_keys[SLM_MAX_OWN];
} SerializedHead;

typedef struct SerializedOffer
{
	int64_t		product_id;
	SlmMoney	price;
	uint32_t	category;
	uint32_t	brand;
	uint32_t	line;
	uint32_t	tuple;			/* number + 1; 0: none */
} SerializedOffer;

typedef struct Packing
{
	const SlmBatch *batch;
	SlmOfferNumbering numbers;
	SerializedHead head;
} Packing;

static size_t
strings_size(const Packing *p, const SlmNumbering *numbering, SlmDimension dimension)
{
	size_t		size = 0;

	for (uint32_t i = 0; i < numbering->n; i++)
		size += sizeof(uint32_t) + slm_dictionary_text(p->batch->dictionary, dimension, numbering->global[i]).len;
	return size;
}

static char *
put_strings(char *to, const Packing *p, const SlmNumbering *numbering, SlmDimension dimension)
{
	for (uint32_t i = 0; i < numbering->n; i++)
	{
		SlmSlice	text = slm_dictionary_text(p->batch->dictionary, dimension, numbering->global[i]);

		memcpy(to, &text.len, sizeof(uint32_t));
		memcpy(to + sizeof(uint32_t), text.data, text.len);
		to += sizeof(uint32_t) + text.len;
	}
	return to;
}

/* Naming tuples by the numbers that they get here, plus one. */
static void
put_visits(Packing *p, SlmVisit *visits)
{
	for (uint64_t i = 0; i < p->head.nvisits; i++)
	{
		visits[i] = p->batch->visits.visits[i];
		visits[i].keys = slm_number_tuple(&p->numbers, p->batch->dictionary, (SlmTupleId) visits[i].keys);
	}
}

/* All but offers and strings, naming offers by the numbers that they get here. */
static void
put_rows(Packing *p, char *data)
{
	const SlmBatch *batch = p->batch;
	SlmRowCounts *counts = (SlmRowCounts *) (data + sizeof(SerializedHead));
	SlmView    *views = (SlmView *) (counts + p->head.nobjects);
	SlmView    *others = views + p->head.nviews;
	SlmGroup   *groups = (SlmGroup *) (others + p->head.nothers);
	SlmGroupScan scan = {.groups = &batch->groups};

	if (p->head.nobjects > 0)
		memcpy(counts, batch->counts, p->head.nobjects * sizeof(SlmRowCounts));
	slm_views_sorted(&batch->views, views);
	for (uint64_t i = 0; i < p->head.nviews; i++)
		views[i].offer = slm_number(&p->numbers.offers, views[i].offer);
	for (uint32_t i = 0; i < batch->nothers; i++)
	{
		others[i] = batch->others[i];
		others[i].offer = slm_number(&p->numbers.offers, others[i].offer);
	}
	for (; slm_groups_next(&scan, groups); groups++)
		groups->offer = slm_number(&p->numbers.offers, groups->offer);
	slm_carts_pack(&batch->carts, (char *) groups);
	put_visits(p, (SlmVisit *) ((char *) groups + p->head.carts_len));
}

static char *
put_tuples(uint32_t *keys, Packing *p)
{
	for (uint32_t i = 0; i < p->numbers.tuples.n; i++)
	{
		for (uint32_t d = 0; d < p->numbers.nown; d++)
			*keys++ = slm_numbered_tuple_key(&p->numbers, p->batch->dictionary, i, d);
	}
	return (char *) keys;
}

/* Of all offers, with what they name. */
static size_t
offers_size(const Packing *p)
{
	size_t		size = p->numbers.offers.n * sizeof(SerializedOffer) + (size_t) p->numbers.tuples.n * p->numbers.nown * sizeof(uint32_t) +
		strings_size(p, &p->numbers.categories, SLM_CATEGORY_L3) + strings_size(p, &p->numbers.brands, SLM_BRAND);

	for (uint32_t i = 0; i < p->numbers.nown; i++)
		size += strings_size(p, &p->numbers.own[i], SLM_FIRST_OWN + i);
	return size;
}

static void
put_offers(Packing *p, char *data)
{
	SerializedOffer *offers = (SerializedOffer *) data;

	for (uint32_t i = 0; i < p->numbers.offers.n; i++)
	{
		const SlmOffer *offer = slm_numbered_offer(&p->numbers, p->batch->dictionary, i);

		offers[i] = (SerializedOffer) {
			.product_id = offer->product_id,.price = offer->price,
			.category = slm_number(&p->numbers.categories, offer->keys[SLM_CATEGORY_L3]),
			.brand = slm_number(&p->numbers.brands, offer->keys[SLM_BRAND]),.line = offer->line,
			.tuple = p->numbers.nown == 0 ? 0 : slm_number_tuple(&p->numbers, p->batch->dictionary, slm_dictionary_tuple(p->batch->dictionary, p->numbers.offers.global[i]))
		};
	}
	data = put_tuples((uint32_t *) (offers + p->numbers.offers.n), p);
	data = put_strings(data, p, &p->numbers.categories, SLM_CATEGORY_L3);
	data = put_strings(data, p, &p->numbers.brands, SLM_BRAND);
	for (uint32_t i = 0; i < p->numbers.nown; i++)
		data = put_strings(data, p, &p->numbers.own[i], SLM_FIRST_OWN + i);
}

/* Up to where the offers begin. */
static size_t
rows_size(const SerializedHead *head)
{
	return sizeof(SerializedHead) + head->nobjects * sizeof(SlmRowCounts) + (head->nviews + head->nothers) * sizeof(SlmView) +
		head->ngroups * sizeof(SlmGroup) + head->carts_len + head->nvisits * sizeof(SlmVisit);
}

static bool
pack(Packing *p, SlmSerialized *serialized)
{
	const SlmBatch *batch = p->batch;

	p->head = (SerializedHead) {
		.ngroups = batch->groups.ngroups,.nviews = batch->views.nviews,.nothers = batch->nothers,.nobjects = batch->nobjects,
		.carts_len = slm_carts_packed_size(&batch->carts),.overflow = batch->groups.overflow,
		.nvisits = batch->visits.n,.visits_wanted = batch->visits.wanted
	};
	serialized->len[0] = rows_size(&p->head);
	serialized->data[0] = malloc(serialized->len[0]);
	if (serialized->data[0] == NULL)
		return false;
	put_rows(p, serialized->data[0]);
	slm_number_keys(&p->numbers, batch->dictionary);
	serialized->len[1] = offers_size(p);
	serialized->data[1] = malloc(serialized->len[1] + 1);
	if (serialized->data[1] == NULL)
		return false;
	put_offers(p, serialized->data[1]);
	p->head.noffers = p->numbers.offers.n;
	p->head.ncategories = p->numbers.categories.n;
	p->head.nbrands = p->numbers.brands.n;
	p->head.ntuples = p->numbers.tuples.n;
	p->head.own_stamp = slm_own_stamp(slm_dictionary_own(batch->dictionary));
	p->head.nown = p->numbers.nown;
	for (uint32_t i = 0; i < p->numbers.nown; i++)
		p->head.nown_keys[i] = p->numbers.own[i].n;
	memcpy(serialized->data[0], &p->head, sizeof(SerializedHead));
	return true;
}

bool
slm_batch_serialize(const SlmBatch *batch, SlmSerialized *serialized)
{
	Packing		p = {.batch = batch};
	bool		ok;

	/* views of runs would be left behind */
	SLM_ASSERT(batch->nruns == 0);

	*serialized = (SlmSerialized) {0};
	ok = slm_offer_numbering_init(&p.numbers, batch->dictionary) && pack(&p, serialized);
	if (!ok)
		slm_serialized_free(serialized);
	slm_offer_numbering_free(&p.numbers);
	return ok;
}

void
slm_serialized_free(SlmSerialized *serialized)
{
	free(serialized->data[0]);
	free(serialized->data[1]);
	*serialized = (SlmSerialized) {0};
}

/* --- unpacking --- */

static bool
get_strings(const char *p, const char *end, uint32_t n, SlmSlice *out)
{
	for (uint32_t i = 0; i < n; i++)
	{
		if ((size_t) (end - p) < sizeof(uint32_t))
			return false;
		memcpy(&out[i].len, p, sizeof(uint32_t));
		p += sizeof(uint32_t);
		if ((size_t) (end - p) < out[i].len)
			return false;
		out[i].data = p;
		p += out[i].len;
	}
	return true;
}

/* How many strings there are; more than any number of bytes if the head is none. */
static uint64_t
count_strings(const SerializedHead *head)
{
	uint64_t	n = (uint64_t) head->ncategories + head->nbrands;

	for (uint32_t i = 0; i < head->nown && i < SLM_MAX_OWN; i++)
		n += head->nown_keys[i];
	return n;
}

/* The tuples, in the dictionary of the batch. */
static bool
translate_tuples(const SerializedHead *head, const uint32_t *keys, const SlmSlice *strings, SlmDictionary *dictionary, SlmTupleId *tuples)
{
	for (uint64_t i = 0; i < head->ntuples; i++)
	{
		const SlmSlice *texts = strings + head->ncategories + head->nbrands;
		SlmKeyId	own[SLM_MAX_OWN];

		for (uint32_t d = 0; d < head->nown; texts += head->nown_keys[d++])
		{
			uint32_t	key = keys[i * head->nown + d];

			if (key > head->nown_keys[d])
				return false;
			own[d] = key == 0 ? SLM_NO_KEY : slm_dictionary_add_text(dictionary, SLM_FIRST_OWN + d, texts[key - 1]);
			if (key != 0 && own[d] == SLM_NO_KEY)
				return false;
		}
		if (!slm_dictionary_add_tuple(dictionary, own, &tuples[i]))
			return false;
	}
	return true;
}

/* Find or make the batch's own numbers of the serialized batch's categories and brands. */
static bool
translate_keys(const SerializedHead *head, const SlmSlice *strings, SlmDictionary *dictionary, SlmKeyId *own)
{
	for (uint32_t i = 0; i < head->ncategories + head->nbrands; i++)
	{
		/* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): get_strings() has set as many, or translate_keys() is not called */
		own[i] = i < head->ncategories ? slm_dictionary_category(dictionary, strings[i]) : slm_dictionary_brand(dictionary, strings[i]);
		if (own[i] == SLM_NO_KEY)
			return false;
	}
	return true;
}

/* The same of its offers. */
static bool
translate(const SerializedHead *head, const SerializedOffer *offers, const SlmKeyId *keys, const SlmTupleId *tuples, SlmDictionary *dictionary,
		  SlmOfferId *own)
{
	const SlmKeyId *brands = keys + head->ncategories;

	for (uint64_t i = 0; i < head->noffers; i++)
	{
		if (offers[i].category >= head->ncategories || offers[i].brand >= head->nbrands || offers[i].line >= SLM_MAX_LINE ||
			offers[i].tuple > head->ntuples)
			return false;
	}
	for (uint64_t i = 0; i < head->noffers; i++)
	{
		const SerializedOffer *next = &offers[i + SLM_AHEAD];

		if (i + SLM_AHEAD < head->noffers)
			slm_dictionary_prefetch(dictionary, next->product_id, next->price, keys[next->category], brands[next->brand]);
		own[i] = slm_dictionary_tuple_of(dictionary, offers[i].product_id, offers[i].price, keys[offers[i].category],
									  brands[offers[i].brand], offers[i].line, offers[i].tuple == 0 ? 0 : tuples[offers[i].tuple - 1]);
		if (own[i] == SLM_NO_OFFER)
			return false;
	}
	return true;
}

/* The views come in the order of their fingerprints, each once. */
static bool
add_views(const SerializedHead *head, SlmView *views, const SlmOfferId *own, uint32_t first_object)
{
	uint64_t	last = 0;

	for (uint64_t i = 0; i < head->nviews; i++)
	{
		SlmView    *view = &views[i];

		if (view->offer >= head->noffers || view->owner >= head->nobjects || view->fingerprint <= last)
			return false;
		view->offer = own[view->offer];
		view->owner += first_object;
		last = view->fingerprint;
	}
	return true;
}

static bool
add_others(const SerializedHead *head, const SlmView *others, const SlmOfferId *own, SlmBatch *batch)
{
	for (uint64_t i = 0; i < head->nothers; i++)
	{
		SlmView		other = others[i];

		if (other.offer >= head->noffers)
			return false;
		other.offer = own[other.offer];
		if (!slm_batch_add_other(batch, &other))
			return false;
	}
	return true;
}

static bool
add_groups(const SerializedHead *head, const SlmGroup *groups, const SlmOfferId *own, SlmBatch *batch)
{
	batch->groups.overflow |= head->overflow != 0;
	for (uint64_t i = 0; i < head->ngroups; i++)
	{
		if (groups[i].offer >= head->noffers || groups[i].type >= SLM_EVENT_TYPES ||
			!slm_batch_count(batch, groups[i].minute, own[groups[i].offer], groups[i].type, groups[i].count))
			return false;
	}
	return true;
}

static bool
add_objects(const SerializedHead *head, const SlmRowCounts *counts, SlmBatch *batch)
{
	for (uint64_t i = 0; i < head->nobjects; i++)
	{
		if (!slm_batch_begin_object(batch))
			return false;
		batch->counts[batch->nobjects - 1] = counts[i];
	}
	return true;
}

static bool
add_visits(const SerializedHead *head, SlmVisit *visits, const SlmTupleId *tuples, SlmBatch *batch)
{
	for (uint64_t i = 0; i < head->nvisits; i++)
	{
		if (visits[i].keys > head->ntuples)
			return false;
		visits[i].keys = visits[i].keys == 0 ? 0 : tuples[visits[i].keys - 1];
	}
	return slm_visits_take(&batch->visits, visits, (uint32_t) head->nvisits);
}

static bool
unpack(char *data, size_t len, SlmViewList *run, SlmBatch *batch)
{
	const SerializedHead *head = (const SerializedHead *) data;
	const SlmRowCounts *counts;
	const SerializedOffer *offers;
	SlmView    *views;
	SlmGroup   *groups;
	size_t		fixed;
	SlmSlice   *strings;
	SlmKeyId   *keys;
	SlmTupleId *tuples;
	SlmOfferId *own;
	uint64_t	nstrings;
	uint32_t	first_object = batch->nobjects;
	bool		ok;

	SLM_ASSERT((uintptr_t) data % 8 == 0);

	if (len < sizeof(SerializedHead) || head->nobjects > len || head->noffers > len || head->nviews > len ||
		head->nothers > len || head->ngroups > len || head->carts_len > len || head->nvisits > len)
		return false;
	/* both have the same dimensions: the caller has seen to that */
	if (head->nown != slm_dictionary_own(batch->dictionary)->n || head->ntuples > len || (head->ntuples > 0 && head->nown == 0))
		return false;
	fixed = rows_size(head) + head->noffers * sizeof(SerializedOffer) + head->ntuples * head->nown * sizeof(uint32_t);
	nstrings = count_strings(head);
	if (fixed > len || head->ncategories > len || head->nbrands > len || nstrings > len)
		return false;
	counts = (const SlmRowCounts *) (data + sizeof(SerializedHead));
	views = (SlmView *) (counts + head->nobjects);
	groups = (SlmGroup *) (views + head->nviews + head->nothers);
	offers = (const SerializedOffer *) (data + rows_size(head));
	strings = malloc((nstrings + 1) * sizeof(SlmSlice));
	tuples = malloc((head->ntuples + 1) * sizeof(SlmTupleId));
	keys = malloc(((size_t) head->ncategories + head->nbrands + 1) * sizeof(SlmKeyId));
	own = malloc((head->noffers + 1) * sizeof(SlmOfferId));
	ok = strings != NULL && keys != NULL && tuples != NULL && own != NULL &&
		get_strings(data + fixed, data + len, (uint32_t) nstrings, strings) &&
		translate_tuples(head, (const uint32_t *) (offers + head->noffers), strings, batch->dictionary, tuples) &&
		translate_keys(head, strings, batch->dictionary, keys) && translate(head, offers, keys, tuples, batch->dictionary, own) &&
		add_objects(head, counts, batch) &&
		add_groups(head, groups, own, batch) && add_views(head, views, own, first_object) &&
		add_others(head, views + head->nviews, own, batch) &&
		slm_carts_unpack(&batch->carts, (const char *) (groups + head->ngroups), head->carts_len) &&
		add_visits(head, (SlmVisit *) ((char *) (groups + head->ngroups) + head->carts_len), tuples, batch);
	batch->visits.wanted &= head->visits_wanted != 0;
	free(strings);
	free(keys);
	free(tuples);
	free(own);
	run->views = views;
	run->n = head->nviews;
	return ok;
}

bool
slm_serialized_fits(const char *data, size_t len, const SlmBatch *batch)
{
	/* bytes that are none are found out later */
	return len < sizeof(SerializedHead) ||
		((const SerializedHead *) data)->own_stamp == slm_own_stamp(slm_dictionary_own(batch->dictionary));
}

bool
slm_batch_deserialize(void *block, size_t block_size, char *data, size_t len, SlmBatch *batch)
{
	SlmViewList run = {.block = block,.block_size = block_size};
	bool		ok;

	SLM_ASSERT(data >= (char *) block && data + len <= (char *) block + block_size);
	ok = unpack(data, len, &run, batch);

	if (ok && run.n > 0)
		return slm_batch_add_run(batch, &run);
	slm_view_list_free(&run);
	return ok;
}
