/*
 * overrides.c: categories that count instead of those that came.
 *
 * An override holds from an event time on, until the next one of the same product or category_id; that of the product goes
 * before that of the category_id.  So what a row counts as depends on its own time alone, not on when it comes.
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

struct SlmOverrides
{
	MemoryContext parent;
	MemoryContext context;		/* of what was read; NULL: nothing yet */
	int64		stamp;			/* hash of what was read */
	int			n;
	Override   *list;			/* by (by_product, id, since) */
	SlmTime    *since;			/* ascending */
};

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

static void
read_all(SlmOverrides *overrides)
{
	static SlmStatement statement = {
		"SELECT (product_id IS NOT NULL)::int::bigint, coalesce(product_id, category_id), since, code "
		"FROM sellometer.category_overrides ORDER BY 1, 2, 3"
	};
	MemoryContext context = AllocSetContextCreate(overrides->parent, "sellometer overrides", ALLOCSET_SMALL_SIZES);
	int			n = (int) slm_execute(&statement, NULL, NULL, SPI_OK_SELECT);
	Override   *list = MemoryContextAllocZero(context, sizeof(Override) * Max(n, 1));
	SlmTime    *since = MemoryContextAllocZero(context, sizeof(SlmTime) * Max(n, 1));

	for (int i = 0; i < n; i++)
	{
		char	   *code = slm_text(context, i, 4);

		list[i].by_product = slm_int64(i, 1, 0) != 0;
		list[i].id = slm_int64(i, 2, 0);
		list[i].since = since[i] = slm_int64(i, 3, 0);
		list[i].code = (SlmSlice) {code ? code : "", code ? (uint32_t) strlen(code) : 0};
	}
	qsort(since, n, sizeof(SlmTime), compare_times);
	for (int i = 1; i < n; i++)
		Assert(compare_overrides(&list[i - 1], &list[i]) < 0);
	if (overrides->context != NULL)
		MemoryContextDelete(overrides->context);
	overrides->context = context;
	overrides->n = n;
	overrides->list = list;
	overrides->since = since;
}

bool
slm_overrides_refresh(SlmOverrides *overrides)
{
	static SlmStatement statement = {
		"SELECT hashtextextended(string_agg(o::text, ' ' ORDER BY id), 0) FROM sellometer.category_overrides o"
	};
	int64		stamp;
	bool		first = overrides->context == NULL;

	slm_execute(&statement, NULL, NULL, SPI_OK_SELECT);
	stamp = slm_int64(0, 1, 0);
	if (stamp == overrides->stamp && !first)
		return false;
	read_all(overrides);
	overrides->stamp = stamp;
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

static SlmSlice
override(void *arg, SlmTime time, bool has_category_id, int64_t category_id, int64_t product_id)
{
	const Override *o = find(arg, true, product_id, time);

	if ((o == NULL || o->code.len == 0) && has_category_id)
		o = find(arg, false, category_id, time);
	return o == NULL ? (SlmSlice) {"", 0} : o->code;
}

void
slm_overrides_apply(SlmOverrides *overrides, SlmDictionary *dictionary)
{
	if (overrides->n > 0)
		slm_dictionary_set_override(dictionary, override, overrides, overrides->since, overrides->n);
}
