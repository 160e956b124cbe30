/*
 * events_views.c: which of the views that were found count, and which of the events with ids: what is said of views goes for them.
 *
 *   sort --a slice: as many views as memory holds--> fingerprints --view log--> entries: when each of them counted
 *     ^ once more                                                                  |
 *     +-------------------- each row of the slice --------------------------- verdict --> put()
 *
 * The log has an entry for each time at which a session's view of a product counted; of those within sellometer.view_window the earliest
 * counts, the others did until it came.  So a view counts if there is an entry of its time and offer, and none before it within the
 * window.  Of rows that are equal in all of that the first is said to count: they add the same to the sums, whichever did.  Slices end
 * between two times, so that these are never apart.
 *
 * Where the log does not reach back a window before a view, nobody can say any more whether that one counts; that it doesn't can be
 * said as far as the log reaches.
 */
#include "postgres.h"

#include "archive/events_internal.h"
#include "budget.h"
#include "dedup/view_rewrite.h"
#include "miscadmin.h"
#include "pure/clean.h"
#include "server/out_of_memory.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* What a view of a slice takes: its fingerprint, its entries, its offers. */
#define VIEW_BYTES	256

/* A view that counts, and is among what was found. */
typedef struct Counted
{
	uint64		fingerprint;
	TimestampTz time;
	int64		object;
	int64		line;
} Counted;

typedef struct Slice
{
	SlmEventSearch *search;
	TimestampTz log_from;		/* the log has all from then on */
	int64		window;
	uint64		most;			/* views */
	HTAB	   *counted;		/* of Counted: those of a window */

	uint64		rows;
	TimestampTz first;			/* of its views */
	TimestampTz last;
	SlmViews	fingerprints;	/* owner: where the entries of it begin, from 1; 0: there are none */
	SlmView    *entries;		/* by fingerprint and time */
	uint64		n;
	uint64		max;
} Slice;

/* A view, as the sort has it. */
typedef struct Viewed
{
	uint64		fingerprint;
	TimestampTz time;
	SlmOfferId	offer;
	Datum	   *values;
} Viewed;

static void
free_slice(void *arg)
{
	slm_views_free(&((Slice *) arg)->fingerprints);
}

static bool
next_row(SlmEventSearch *search)
{
	if (!tuplesort_gettupleslot(search->sort, true, false, search->sorted, NULL))
		return false;
	slot_getallattrs(search->sorted);
	return true;
}

/* Where rows of an object stand of which some were found. */
static const SlmPlace *
place_of(const SlmEventSearch *search, int64 object)
{
	const SlmPlace *place = hash_search(search->places, &object, HASH_FIND, NULL);

	Assert(place != NULL);
	return place;
}

/* Hand over a row of the sort, with its place, and with this verdict if it has none yet. */
static void
put_row(SlmEventSearch *search, Datum *values, bool *nulls, SlmVerdict verdict)
{
	const SlmPlace *place = place_of(search, DatumGetInt64(values[FOUND_OBJECT_ID]));

	if (nulls[SLM_FOUND_VERDICT])
		slm_found_set(values, nulls, SLM_FOUND_VERDICT, search->verdicts[verdict]);
	slm_found_set(values, nulls, SLM_FOUND_SOURCE, place->source);
	if (place->key != (Datum) 0)
		slm_found_set(values, nulls, SLM_FOUND_OBJECT, place->key);
	if (place->archive != (Datum) 0)
		slm_found_set(values, nulls, SLM_FOUND_ARCHIVE, place->archive);
	search->put(values, nulls, search->arg);
}

/* --- a slice --- */

static void
add_view(Slice *slice, uint64 fingerprint, TimestampTz time)
{
	bool		found;
	SlmView    *view = slm_views_add(&slice->fingerprints, fingerprint, &found);

	if (view == NULL)
		slm_out_of_memory();
	view->time = time;
	view->owner = 0;
	slice->first = Min(slice->first, time);
	slice->last = Max(slice->last, time);
}

/* The rows of the next slice are counted, and the fingerprints of their views noted.  False if there are none. */
static bool
collect(Slice *slice)
{
	SlmEventSearch *search = slice->search;
	const bool *nulls = search->sorted->tts_isnull;
	const Datum *values = search->sorted->tts_values;
	TimestampTz last = DT_NOBEGIN;

	slm_views_free(&slice->fingerprints);
	slm_view_state_trim(search->state, DT_NOBEGIN);
	slice->rows = slice->n = 0;
	slice->first = DT_NOEND;
	slice->last = DT_NOBEGIN;
	while (next_row(search))
	{
		TimestampTz time = nulls[SLM_FOUND_TIME] ? DT_NOEND : DatumGetTimestampTz(values[SLM_FOUND_TIME]);

		if (slice->fingerprints.nviews >= slice->most && time != last)
			break;
		last = time;
		slice->rows++;
		if (!nulls[FOUND_FINGERPRINT])
			add_view(slice, (uint64) DatumGetInt64(values[FOUND_FINGERPRINT]), time);
		CHECK_FOR_INTERRUPTS();
	}
	return slice->rows > 0;
}

/* --- what the log has of it --- */

static void
take_entry(const SlmView *view, void *arg)
{
	Slice	   *slice = arg;

	if (slice->n == slice->max)
	{
		slice->max = Max(2 * slice->max, 1024);
		slice->entries = slice->entries ? repalloc_huge(slice->entries, sizeof(SlmView) * slice->max)
			: MemoryContextAllocHuge(slice->search->context, sizeof(SlmView) * slice->max);
	}
	slice->entries[slice->n++] = *view;
}

static int
compare_entries(const void *a, const void *b)
{
	const SlmView *x = a;
	const SlmView *y = b;

	if (x->fingerprint != y->fingerprint)
		return x->fingerprint < y->fingerprint ? -1 : 1;
	return (x->time > y->time) - (x->time < y->time);
}

static void
read_log(Slice *slice)
{
	if (slice->fingerprints.nviews == 0)
		return;
	slm_view_log_each(slice->search->state->dictionary, slice->first - slice->window, slice->last + 1, &slice->fingerprints, take_entry, slice);
	qsort(slice->entries, slice->n, sizeof(SlmView), compare_entries);
	Assert(slice->n < PG_UINT32_MAX);
	for (uint64 i = 0; i < slice->n; i++)
	{
		if (i == 0 || slice->entries[i].fingerprint != slice->entries[i - 1].fingerprint)
			slm_views_find(&slice->fingerprints, slice->entries[i].fingerprint)->owner = (uint32) i + 1;
	}
}

/* --- verdicts --- */

static SlmSlice
slice_of(Datum value)
{
	text	   *t = DatumGetTextPP(value);

	return (SlmSlice) {VARDATA_ANY(t), (uint32) VARSIZE_ANY_EXHDR(t)};
}

/* The tuple of keys in a user's own dimensions; false if out of memory. */
static bool
tuple_of(SlmDictionary *dictionary, Datum own, SlmTupleId *tuple)
{
	SlmSlice	rest = own == (Datum) 0 ? (SlmSlice) {"", 0} : slice_of(own);
	SlmKeyId	keys[SLM_MAX_OWN];

	for (uint32 i = 0; i < slm_dictionary_own(dictionary)->n; i++)
	{
		uint32		len = (uint32) strnlen(rest.data, rest.len);

		keys[i] = len == 0 ? SLM_NO_KEY : slm_dictionary_add_text(dictionary, SLM_FIRST_OWN + i, (SlmSlice) {rest.data, len});
		if (len > 0 && keys[i] == SLM_NO_KEY)
			return false;
		len += rest.len > len;
		rest.data += len;
		rest.len -= len;
	}
	return slm_dictionary_add_tuple(dictionary, keys, tuple);
}

/* Of a view of the sort. */
static SlmOfferId
offer_of(Slice *slice, const Datum *values, const bool *nulls)
{
	SlmDictionary *dictionary = slice->search->state->dictionary;
	SlmKeyId	category = slm_dictionary_category(dictionary, slice_of(values[SLM_FOUND_CATEGORY_L3]));
	SlmKeyId	brand = slm_dictionary_brand(dictionary, slice_of(values[SLM_FOUND_BRAND]));
	SlmTupleId	tuple;
	SlmOfferId	offer = SLM_NO_OFFER;

	if (category != SLM_NO_KEY && brand != SLM_NO_KEY && tuple_of(dictionary, nulls[FOUND_OWN] ? (Datum) 0 : values[FOUND_OWN], &tuple))
		offer = slm_dictionary_tuple_of(dictionary, DatumGetInt64(values[SLM_FOUND_PRODUCT_ID]), DatumGetInt64(values[FOUND_MONEY]), category, brand,
										(uint32) DatumGetInt64(values[FOUND_PIECES]), tuple);
	if (offer == SLM_NO_OFFER)
		slm_out_of_memory();
	return offer;
}

/* The key of level 3 without any override. */
static SlmSlice
own_category(const Datum *values, char *buf)
{
	SlmCategory category;

	/* it was cleaned before, and made of the category_id if there was no code */
	if (!slm_clean_category(slice_of(values[SLM_FOUND_CATEGORY_CODE]), false, 0, buf, &category))
		return (SlmSlice) {"", 0};
	return (SlmSlice) {category.key, category.l3_len};
}

/*
 * Is an entry of the view's time its own?  It is, if it has the same offer.  An override that was set, or taken back, since then may have
 * given the view another category than the one that it counts under until a replay.
 */
static bool
is_own(const Slice *slice, const SlmView *entry, const Viewed *view)
{
	const SlmDictionary *dictionary = slice->search->state->dictionary;
	const SlmOffer *counted = slm_dictionary_get(dictionary, entry->offer);
	const SlmOffer *now = slm_dictionary_get(dictionary, view->offer);
	char		buf[2 * SLM_CATEGORY_BUFFER];
	SlmSlice	own;

	if (slm_is_same_offer(dictionary, entry->offer, view->offer))
		return slm_dictionary_compare(dictionary, entry->offer, view->offer) == 0;
	if (counted->price != now->price || counted->line != now->line ||
		slm_slice_compare(slm_dictionary_text(dictionary, SLM_BRAND, counted->keys[SLM_BRAND]),
						  slm_dictionary_text(dictionary, SLM_BRAND, now->keys[SLM_BRAND])) != 0)
		return false;
	own = own_category(view->values, buf);
	return slm_slice_compare(own, slm_dictionary_text(dictionary, SLM_CATEGORY_L3, now->keys[SLM_CATEGORY_L3])) != 0 ||
		slm_slice_compare(own, slm_dictionary_text(dictionary, SLM_CATEGORY_L3, counted->keys[SLM_CATEGORY_L3])) == 0;
}

/* Look through the entries of a view's fingerprint: that before it that counts instead, and whether it has one of its own. */
static const SlmView *
look_up(const Slice *slice, const Viewed *view, bool *own)
{
	uint32		at = slm_views_find(&slice->fingerprints, view->fingerprint)->owner;
	const SlmView *before = NULL;

	*own = false;
	for (uint64 i = (uint64) at - 1; at > 0 && i < slice->n && slice->entries[i].fingerprint == view->fingerprint; i++)
	{
		const SlmView *entry = &slice->entries[i];

		if (entry->time > view->time)
			break;
		if (entry->time < view->time - slice->window)
			continue;
		if (entry->time == view->time && is_own(slice, entry, view))
			*own = true;
		else if (before == NULL &&
				 (entry->time < view->time || slm_dictionary_compare(slice->search->state->dictionary, entry->offer, view->offer) < 0))
			before = entry;
	}
	return before;
}

/* It is a duplicate of what counts at a time, which may be among what was found. */
static void
tell_counted(const Slice *slice, const Viewed *view, TimestampTz time, Datum *values, bool *nulls)
{
	const Counted *counted = hash_search(slice->counted, &view->fingerprint, HASH_FIND, NULL);
	const SlmPlace *place;

	slm_found_set(values, nulls, SLM_FOUND_COUNTED_TIME, TimestampTzGetDatum(time));
	if (counted == NULL || counted->time != time)
		return;
	place = place_of(slice->search, counted->object);
	if (place->key != (Datum) 0)
		slm_found_set(values, nulls, SLM_FOUND_COUNTED_OBJECT, place->key);
	slm_found_set(values, nulls, SLM_FOUND_COUNTED_LINE, Int64GetDatum(counted->line));
}

/* The first of those that are equal counts. */
static bool
is_first(Slice *slice, const Viewed *view)
{
	bool		found;
	Counted    *counted = hash_search(slice->counted, &view->fingerprint, HASH_ENTER, &found);

	if (found && counted->time == view->time)
		return false;
	counted->time = view->time;
	counted->object = DatumGetInt64(view->values[FOUND_OBJECT_ID]);
	counted->line = DatumGetInt64(view->values[SLM_FOUND_LINE]);
	return true;
}

static SlmVerdict
judge(Slice *slice, Datum *values, bool *nulls)
{
	Viewed		view = {.fingerprint = (uint64) DatumGetInt64(values[FOUND_FINGERPRINT]),.time = DatumGetTimestampTz(values[SLM_FOUND_TIME]),
	.offer = offer_of(slice, values, nulls),.values = values};
	bool		own;
	const SlmView *before = look_up(slice, &view, &own);

	if (before != NULL)
	{
		tell_counted(slice, &view, before->time, values, nulls);
		return SLM_VERDICT_DUPLICATE;
	}
	if (own && view.time - slice->window < slice->log_from)
		return SLM_VERDICT_UNKNOWN;
	if (own && is_first(slice, &view))
		return SLM_VERDICT_COUNTED;
	if (own)
		tell_counted(slice, &view, view.time, values, nulls);
	return own || view.time >= slice->log_from ? SLM_VERDICT_DUPLICATE : SLM_VERDICT_UNKNOWN;
}

/* --- all slices --- */

static void
put_slice(Slice *slice)
{
	SlmEventSearch *search = slice->search;
	Datum		values[FOUND_COLS];
	bool		nulls[FOUND_COLS];

	for (uint64 i = 0; i < slice->rows; i++)
	{
		MemoryContext outer;
		SlmVerdict	verdict = SLM_VERDICT_UNKNOWN;

		if (!next_row(search))
			elog(ERROR, "a sort has fewer rows than before");
		/* the slot's own must stay as they are */
		memcpy(values, search->sorted->tts_values, sizeof(values));
		memcpy(nulls, search->sorted->tts_isnull, sizeof(nulls));
		outer = MemoryContextSwitchTo(search->row_context);
		if (!nulls[FOUND_FINGERPRINT])
			verdict = judge(slice, values, nulls);
		put_row(search, values, nulls, verdict);
		MemoryContextSwitchTo(outer);
		MemoryContextReset(search->row_context);
		CHECK_FOR_INTERRUPTS();
	}
}

static HTAB *
make_counted(void)
{
	HASHCTL		ctl = {.keysize = sizeof(uint64),.entrysize = sizeof(Counted),.hcxt = CurrentMemoryContext};

	return hash_create("sellometer counted views", 1024, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* Between two slices: what a window has passed is named by no duplicate any more.  Should they be too many still, none is named by a line. */
static void
forget_counted(Slice *slice)
{
	HASH_SEQ_STATUS status;
	Counted    *counted;

	if ((uint64) hash_get_num_entries(slice->counted) <= slice->most)
		return;
	hash_seq_init(&status, slice->counted);
	while ((counted = hash_seq_search(&status)) != NULL)
	{
		if (counted->time < slice->last - slice->window)
			(void) hash_search(slice->counted, &counted->fingerprint, HASH_REMOVE, NULL);
	}
	if ((uint64) hash_get_num_entries(slice->counted) <= 2 * slice->most)
		return;
	hash_destroy(slice->counted);
	slice->counted = make_counted();
}

void
slm_events_judge(SlmEventSearch *search)
{
	Slice	   *slice = palloc0(sizeof(Slice));
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

	slice->search = search;
	slice->log_from = slm_view_log_from();
	slice->window = slm_view_window_usecs();
	slice->most = slm_budget() / 8 / VIEW_BYTES;
	slice->counted = make_counted();
	callback->func = free_slice;
	callback->arg = slice;
	MemoryContextRegisterResetCallback(search->context, callback);
	for (;;)
	{
		tuplesort_markpos(search->sort);
		if (!collect(slice))
			return;
		read_log(slice);
		tuplesort_restorepos(search->sort);
		put_slice(slice);
		forget_counted(slice);
	}
}
