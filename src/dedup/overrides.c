/*
 * overrides.c: categories and brands that count instead of those that came.
 *
 * An override holds from an event time on, until the next one of the same product, category_id or brand; that of the product goes
 * before the other.  So what a row counts as depends on its own time alone, not on when it comes.
 */
#include "postgres.h"

#include "dedup/overrides.h"
#include "server/spi.h"
#include "utils/memutils.h"

typedef struct Override
{
	bool		by_product;		/* else by category_id */
	int64		id;
	SlmTime		since;
	SlmSlice	code;			/* empty: what comes counts again */
} Override;

/* Of a brand, likewise. */
typedef struct BrandOverride
{
	int64		product_id;		/* of this product; else of the brand */
	SlmSlice	of;				/* empty: by product */
	SlmTime		since;
	SlmSlice	brand;			/* empty: what comes counts again */
} BrandOverride;

struct SlmOverrides
{
	MemoryContext parent;
	MemoryContext context;		/* of what was read; NULL: nothing yet */
	int64		stamp;			/* hash of what was read */
	int			n;
	Override   *list;			/* by (by_product, id, since) */
	int			nbrands;
	BrandOverride *brands;		/* by (of, product_id, since): those by product first */
	int			nsince;
	SlmTime    *since;			/* of both, ascending */
};

int64		slm_overrides_stamp;

SlmOverrides *
slm_overrides_create(void)
{
	SlmOverrides *overrides = palloc0(sizeof(SlmOverrides));

	overrides->parent = CurrentMemoryContext;
	return overrides;
}

static int
compare_times(const void *a, const void *b)
{
	SlmTime		x = *(const SlmTime *) a;
	SlmTime		y = *(const SlmTime *) b;

	return (x > y) - (x < y);
}

#ifdef USE_ASSERT_CHECKING
static int
compare_overrides(const Override *a, const Override *b)
{
	if (a->by_product != b->by_product)
		return a->by_product - b->by_product;
	if (a->id != b->id)
		return a->id < b->id ? -1 : 1;
	return compare_times(&a->since, &b->since);
}
#endif

static SlmSlice
slice(const char *text)
{
	return (SlmSlice) {text ? text : "", text ? (uint32_t) strlen(text) : 0};
}

static void
read_categories(SlmOverrides *overrides)
{
	static SlmStatement statement = {
		"SELECT (product_id IS NOT NULL)::int::bigint, coalesce(product_id, category_id), since, code "
		"FROM sellometer.category_overrides ORDER BY 1, 2, 3"
	};
	int			n = (int) slm_execute(&statement, NULL, NULL, SPI_OK_SELECT);
	Override   *list = MemoryContextAllocZero(overrides->context, sizeof(Override) * Max(n, 1));

	for (int i = 0; i < n; i++)
	{
		list[i].by_product = slm_int64(i, 1, 0) != 0;
		list[i].id = slm_int64(i, 2, 0);
		list[i].since = slm_int64(i, 3, 0);
		list[i].code = slice(slm_text(overrides->context, i, 4));
	}
	for (int i = 1; i < n; i++)
		Assert(compare_overrides(&list[i - 1], &list[i]) < 0);
	overrides->n = n;
	overrides->list = list;
}

static void
read_brands(SlmOverrides *overrides)
{
	static SlmStatement statement = {
		"SELECT coalesce(product_id, 0), coalesce(brand, ''), since, counts_as FROM sellometer.overridden_brands "
		"ORDER BY coalesce(brand, '') COLLATE \"C\", 1, 3"
	};
	int			n = (int) slm_execute(&statement, NULL, NULL, SPI_OK_SELECT);
	BrandOverride *list = MemoryContextAllocZero(overrides->context, sizeof(BrandOverride) * Max(n, 1));

	for (int i = 0; i < n; i++)
	{
		list[i].product_id = slm_int64(i, 1, 0);
		list[i].of = slice(slm_text(overrides->context, i, 2));
		list[i].since = slm_int64(i, 3, 0);
		list[i].brand = slice(slm_text(overrides->context, i, 4));
	}
	overrides->nbrands = n;
	overrides->brands = list;
}

static void
read_all(SlmOverrides *overrides)
{
	MemoryContext old = overrides->context;

	overrides->context = AllocSetContextCreate(overrides->parent, "sellometer overrides", ALLOCSET_SMALL_SIZES);
	read_categories(overrides);
	read_brands(overrides);
	overrides->nsince = 0;
	overrides->since = MemoryContextAllocZero(overrides->context, sizeof(SlmTime) * (overrides->n + overrides->nbrands + 1));
	for (int i = 0; i < overrides->n; i++)
		overrides->since[overrides->nsince++] = overrides->list[i].since;
	for (int i = 0; i < overrides->nbrands; i++)
		overrides->since[overrides->nsince++] = overrides->brands[i].since;
	qsort(overrides->since, overrides->nsince, sizeof(SlmTime), compare_times);
	if (old != NULL)
		MemoryContextDelete(old);
}

bool
slm_overrides_refresh(SlmOverrides *overrides)
{
	static SlmStatement statement = {
		"SELECT hashtextextended(concat((SELECT string_agg(o::text, ' ' ORDER BY id) FROM sellometer.category_overrides o), '|', "
		"(SELECT string_agg(b::text, ' ' ORDER BY id) FROM sellometer.overridden_brands b)), 0)"
	};
	int64		stamp;
	bool		first = overrides->context == NULL;

	slm_execute(&statement, NULL, NULL, SPI_OK_SELECT);
	stamp = slm_int64(0, 1, 0);
	if (stamp == overrides->stamp && !first)
		return false;
	read_all(overrides);
	overrides->stamp = slm_overrides_stamp = stamp;
	return !first;
}

/* The last one of an id that holds at a time, or NULL. */
static const Override *
find(const SlmOverrides *overrides, bool by_product, int64 id, SlmTime time)
{
	int			low = 0;
	int			high = overrides->n;

	while (low < high)
	{
		int			middle = (low + high) / 2;
		const Override *o = &overrides->list[middle];

		if (o->by_product < by_product || (o->by_product == by_product &&
										   (o->id < id || (o->id == id && o->since <= time))))
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || overrides->list[low - 1].by_product != by_product || overrides->list[low - 1].id != id)
		return NULL;
	return &overrides->list[low - 1];
}

/* Likewise of a product's brand (of: empty), or of a brand's. */
static const BrandOverride *
find_brand(const SlmOverrides *overrides, SlmSlice of, int64 product_id, SlmTime time)
{
	int			low = 0;
	int			high = overrides->nbrands;

	while (low < high)
	{
		int			middle = (low + high) / 2;
		const BrandOverride *o = &overrides->brands[middle];
		int			order = slm_slice_compare(o->of, of);

		if (order < 0 || (order == 0 && (o->product_id < product_id || (o->product_id == product_id && o->since <= time))))
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || slm_slice_compare(overrides->brands[low - 1].of, of) != 0 || overrides->brands[low - 1].product_id != product_id)
		return NULL;
	return &overrides->brands[low - 1];
}

static void
override(void *arg, const SlmOverridden *row, SlmSlice *code, SlmSlice *brand)
{
	const Override *o = find(arg, true, row->product_id, row->time);
	const BrandOverride *b = find_brand(arg, (SlmSlice) {"", 0}, row->product_id, row->time);

	if ((o == NULL || o->code.len == 0) && row->has_category_id)
		o = find(arg, false, row->category_id, row->time);
	if (o != NULL && o->code.len > 0)
		*code = o->code;
	if ((b == NULL || b->brand.len == 0) && row->brand.len > 0)
		b = find_brand(arg, row->brand, 0, row->time);
	if (b != NULL && b->brand.len > 0)
		*brand = b->brand;
}

void
slm_overrides_apply(SlmOverrides *overrides, SlmDictionary *dictionary)
{
	if (overrides->nsince > 0)
		slm_dictionary_set_override(dictionary, override, overrides, overrides->since, (uint32_t) overrides->nsince);
}
