/*
 * labelled.c: see labelled.h.
 *
 * A brand may have tens of thousands of products, in some hundred categories.  So rows are taken one by one as the executor gives them, and of each
 * category it is judged but once whether it is one of those that are chosen, and what its label is.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "pure/sort.h"
#include "server/spi.h"
#include "sql/labelled.h"
#include "sql/sums_range.h"
#include "tcop/dest.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

/* A category of category_l3 that was met. */
typedef struct Category
{
	bool		wanted;
	uint32		label;			/* if labels are categories */
} Category;

typedef struct Labelled
{
	DestReceiver receiver;		/* first */
	SlmDimension dimension;
	SlmSums    *by_label;
	SlmSlice   *chosen;			/* categories, in their order */
	int			nchosen;
	SlmSums    *categories;		/* those that were met, by number */
	Category   *judged;
	uint32		njudged;
	uint32		room_judged;
	MemoryContext context;
	SlmSortItem *rows;			/* product and label */
	uint64		n;
	uint64		room;
} Labelled;

/* --- levels --- */

/* The first n levels of a category of three, as split_part() has them: one that there is not is empty. */
static SlmSlice
first_levels(SlmSlice category, int n)
{
	uint32		len = 0;

	if (n == 3)
		return category;
	for (int dots = 0; len < category.len; len++)
	{
		if (category.data[len] == '.' && ++dots == n)
			break;
	}
	if (n == 2 && memchr(category.data, '.', len) == NULL)
		return (SlmSlice) {psprintf("%.*s.", (int) len, category.data), len + 1};
	return (SlmSlice) {category.data, len};
}

/* 1, 2 or 3. */
static int
level_of(SlmSlice category)
{
	int			level = 1;

	for (uint32 i = 0; i < category.len && level < 3; i++)
		level += category.data[i] == '.';
	return level;
}

static int
compare_slices(const void *a, const void *b)
{
	return slm_slice_compare(*(const SlmSlice *) a, *(const SlmSlice *) b);
}

static bool
is_chosen(const Labelled *labelled, SlmSlice category)
{
	bool		found = labelled->nchosen == 0;

	for (int n = 1; n <= 3 && !found; n++)
	{
		SlmSlice	levels = first_levels(category, n);

		found = level_of(levels) == n && bsearch(&levels, labelled->chosen, labelled->nchosen, sizeof(SlmSlice), compare_slices) != NULL;
	}
	return found;
}

/* --- row by row --- */

static const Category *
judge(Labelled *labelled, SlmSlice category)
{
	uint32		number = slm_sums_text(labelled->categories, category);
	int			level = labelled->dimension == SLM_CATEGORY_L1 ? 1 : labelled->dimension == SLM_CATEGORY_L2 ? 2 : 3;

	/* numbers are dense: it is new if its number is that of the next */
	if (number == labelled->njudged)
	{
		if (labelled->njudged == labelled->room_judged)
		{
			labelled->room_judged *= 2;
			labelled->judged = repalloc(labelled->judged, sizeof(Category) * labelled->room_judged);
		}
		labelled->judged[labelled->njudged++] = (Category) {
			.wanted = is_chosen(labelled, category),
			.label = labelled->by_label != NULL && labelled->dimension != SLM_BRAND ? slm_sums_text(labelled->by_label, first_levels(category, level)) : 0
		};
	}
	return &labelled->judged[number];
}

/* A row: product, brand, category. */
static bool
take_row(TupleTableSlot *slot, DestReceiver *self)
{
	Labelled   *labelled = (Labelled *) self;
	MemoryContext old = MemoryContextSwitchTo(labelled->context);
	const Category *category;

	slot_getallattrs(slot);
	category = judge(labelled, slm_text_slice(slot->tts_values[2]));
	if (category->wanted)
	{
		uint32		label = category->label;

		if (labelled->by_label != NULL && labelled->dimension == SLM_BRAND)
			label = slm_sums_text(labelled->by_label, slot->tts_isnull[1] ? (SlmSlice) {0} : slm_text_slice(slot->tts_values[1]));
		if (labelled->n == labelled->room)
		{
			labelled->room *= 2;
			labelled->rows = repalloc_huge(labelled->rows, sizeof(SlmSortItem) * labelled->room);
		}
		labelled->rows[labelled->n++] = (SlmSortItem) {.key = (uint64) DatumGetInt64(slot->tts_values[0]) ^ UINT64CONST(1) << 63,.index = label};
	}
	MemoryContextSwitchTo(old);
	return true;
}

static void
start_rows(DestReceiver *self, int operation, TupleDesc desc)
{
}

static void
end_rows(DestReceiver *self)
{
}

/* --- all of them --- */

static void
set_chosen(Labelled *labelled, Datum categories)
{
	Datum	   *keys;

	deconstruct_array(DatumGetArrayTypeP(categories), TEXTOID, -1, false, TYPALIGN_INT, &keys, NULL, &labelled->nchosen);
	labelled->chosen = palloc(sizeof(SlmSlice) * Max(labelled->nchosen, 1));
	for (int i = 0; i < labelled->nchosen; i++)
		labelled->chosen[i] = slm_text_slice(keys[i]);
	qsort(labelled->chosen, labelled->nchosen, sizeof(SlmSlice), compare_slices);
}

static void
read_rows(Labelled *labelled, Datum brands)
{
	static SlmStatement statement = {"SELECT sellometer.labelled_products($1)", 1, {TEXTARRAYOID}};

	labelled->receiver = (DestReceiver) {.receiveSlot = take_row,.rStartup = start_rows,.rShutdown = end_rows,.rDestroy = end_rows,.mydest = DestTuplestore};
	(void) slm_query(&statement, &brands);
	slm_query_into(slm_text(CurrentMemoryContext, 0, 1), &labelled->receiver);
}

/* In the order of segments, which go along them; of several nodes that have one the first tells. */
static uint32 *
number_rows(const Labelled *labelled, SlmSums *sums)
{
	SlmSortItem *spare = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(SlmSortItem) * Max(labelled->n, 1));
	SlmSortItem *sorted = slm_sort_with(labelled->rows, spare, labelled->n);
	uint32	   *label_of = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(uint32) * Max(labelled->n, 1));

	for (uint64 i = 0; i < labelled->n; i++)
	{
		if (i == 0 || sorted[i].key != sorted[i - 1].key)
			label_of[slm_sums_new_product(sums, (int64) (sorted[i].key ^ UINT64CONST(1) << 63))] = (uint32) sorted[i].index;
	}
	pfree(spare);
	return label_of;
}

uint32 *
slm_number_labelled(SlmSums *sums, SlmSums *by_label, SlmDimension dimension, Datum brands, Datum categories)
{
	Labelled	labelled = {.dimension = dimension,.by_label = by_label,.room_judged = 64,.room = 1024,.context = CurrentMemoryContext};
	uint32	   *label_of;

	Assert(sums->n == 0);

	labelled.categories = slm_sums_create(SLM_CATEGORY_L3);
	labelled.judged = palloc(sizeof(Category) * labelled.room_judged);
	labelled.rows = palloc(sizeof(SlmSortItem) * labelled.room);
	set_chosen(&labelled, categories);
	read_rows(&labelled, brands);
	label_of = number_rows(&labelled, sums);
	pfree(labelled.rows);
	return by_label != NULL ? label_of : NULL;
}
