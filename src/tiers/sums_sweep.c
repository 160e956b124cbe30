/*
 * sums_sweep.c: see sums_sweep.h.
 *
 * Segments have their products ascending.  So all of them are read side by side, from one bound to the next: what they have of some hundred products
 * is added up in a table that stays in the nearest cache, wherever these products are among all others.
 *
 *                    bound       bound         bound         of the largest segment, so many of its products apart
 *   segment    3   7 8  |   20     |    51 52    |  ...
 *   segment  1 3   7    | 9 20 31  |       52 53 |
 *   segment          8  |          |  50         |
 */
#include "postgres.h"

#include "miscadmin.h"
#include "tiers/sums_sweep.h"
#include "utils/memutils.h"

/* Products of the largest segment from one bound to the next. */
#define BETWEEN_BOUNDS	256

/* Bytes that may be held. */
#define MOST_BYTES		((Size) 64 * 1024 * 1024)

typedef struct Slot
{
	int64		product_id;
	uint32		number;
	bool		used;
} Slot;

typedef struct Sweep
{
	SlmSums    *sums;
	Slot	   *slots;
	uint32		mask;			/* so many slots less one; a power of two */
	uint32		used;
	int64	   *bounds;			/* ascending */
	uint32		nbounds;
} Sweep;

bool
slm_sums_may_hold(const SlmSums *sums)
{
	return sums->dimension == SLM_PRODUCT_ID && !sums->closed && sums->limit == 0;
}

void
slm_sums_hold(SlmSums *sums, bytea *bytes)
{
	Size		len = VARSIZE(bytes) - VARHDRSZ;

	Assert(slm_sums_may_hold(sums));

	if (sums->nheld > 0 && sums->held_bytes + len > MOST_BYTES)
		slm_sums_sweep(sums);
	if (sums->nheld == sums->held_room)
	{
		int			room = sums->held_room == 0 ? 64 : 2 * sums->held_room;

		sums->held = sums->held_room == 0 ? palloc(sizeof(SlmHeldSegment) * room) : repalloc(sums->held, sizeof(SlmHeldSegment) * room);
		sums->held_room = room;
	}
	sums->held[sums->nheld++] = (SlmHeldSegment) {.bytes = bytes,.reader = slm_segment_read(VARDATA(bytes), len)};
	sums->held_bytes += len;
}

/* --- the products between two bounds --- */

static inline Slot *
find_slot(const Sweep *sweep, int64 product_id)
{
	uint32		at = slm_sums_hash(sweep->sums, product_id) & sweep->mask;

	while (sweep->slots[at].used && sweep->slots[at].product_id != product_id)
		at = (at + 1) & sweep->mask;
	return &sweep->slots[at];
}

static void
grow(Sweep *sweep)
{
	Slot	   *old = sweep->slots;
	uint32		n = sweep->mask + 1;

	sweep->slots = MemoryContextAllocExtended(CurrentMemoryContext, sizeof(Slot) * 2 * (Size) n, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	sweep->mask = 2 * n - 1;
	for (uint32 i = 0; i < n; i++)
	{
		if (old[i].used)
			*find_slot(sweep, old[i].product_id) = old[i];
	}
	pfree(old);
}

static inline Slot *
take_slot(Sweep *sweep, Slot *slot, int64 product_id, uint32 number)
{
	*slot = (Slot) {.product_id = product_id,.number = number,.used = true};
	if (++sweep->used > sweep->mask / 2)
	{
		grow(sweep);
		slot = find_slot(sweep, product_id);
	}
	return slot;
}

static inline void
add_sum(Sweep *sweep, const SlmSegmentSum *sum)
{
	Slot	   *slot = find_slot(sweep, sum->product_id);
	SlmKeySum  *key;

	if (!slot->used)
		slot = take_slot(sweep, slot, sum->product_id, slm_sums_new_product(sweep->sums, sum->product_id));
	key = &sweep->sums->keys[slot->number];
	key->count += sum->count;
	key->gmv += sum->gmv;
}

/* Add what a segment has from one bound on and before another (NULL: none), up to where it does not ascend. */
static void
add_between(Sweep *sweep, SlmSegmentReader *reader, const int64 *from, const int64 *to)
{
	SlmSegmentReader next = *reader;
	SlmSegmentSum sum = {0};

	while (slm_segment_quick_product(&next, &sum) == SLM_SEGMENT_SUM && (to == NULL || sum.product_id < *to) &&
		   (from == NULL || sum.product_id >= *from))
	{
		add_sum(sweep, &sum);
		*reader = next;
	}
}

/* --- all of them --- */

/* The larger the segment, the more likely its products are spread as all are. */
static void
set_bounds(Sweep *sweep)
{
	const SlmSums *sums = sweep->sums;
	SlmSegmentReader reader = sums->held[0].reader;
	SlmSegmentSum sum = {0};
	uint32		room;

	for (int i = 1; i < sums->nheld; i++)
	{
		if (sums->held[i].reader.end - sums->held[i].reader.at > reader.end - reader.at)
			reader = sums->held[i].reader;
	}
	/* a product has three bytes or more */
	room = (uint32) ((reader.end - reader.at) / 3 / BETWEEN_BOUNDS + 1);
	sweep->bounds = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(int64) * room);
	for (uint64 i = 1; slm_segment_quick_product(&reader, &sum) == SLM_SEGMENT_SUM; i++)
	{
		if (i % BETWEEN_BOUNDS == 0 && (sweep->nbounds == 0 || sweep->bounds[sweep->nbounds - 1] < sum.product_id))
			sweep->bounds[sweep->nbounds++] = sum.product_id;
	}
	Assert(sweep->nbounds <= room);
}

/* The keys that there were, which are in the index. */
static void
take_known(Sweep *sweep, uint32 known, uint32 *at, const int64 *to)
{
	const SlmSums *sums = sweep->sums;

	for (; *at < known && (to == NULL || sums->ids[*at] < *to); (*at)++)
		(void) take_slot(sweep, find_slot(sweep, sums->ids[*at]), sums->ids[*at], sums->numbers[*at]);
}

/* Those that do not ascend, from where they don't; what is damaged is found so, too. */
static void
add_others(SlmSums *sums)
{
	for (int i = 0; i < sums->nheld; i++)
	{
		if (sums->held[i].reader.at < sums->held[i].reader.end)
			slm_sums_add_rest(sums, &sums->held[i].reader);
		pfree(sums->held[i].bytes);
	}
	sums->nheld = 0;
	sums->held_bytes = 0;
}

void
slm_sums_sweep(SlmSums *sums)
{
	Sweep		sweep = {.sums = sums,.mask = 8 * BETWEEN_BOUNDS - 1};
	uint32		known;
	uint32		at = 0;

	if (sums->nheld == 0)
		return;
	slm_sums_index(sums);
	known = sums->indexed;
	sweep.slots = palloc0(sizeof(Slot) * (sweep.mask + 1));
	set_bounds(&sweep);
	for (uint32 b = 0; b <= sweep.nbounds; b++)
	{
		const int64 *from = b > 0 ? &sweep.bounds[b - 1] : NULL;
		const int64 *to = b < sweep.nbounds ? &sweep.bounds[b] : NULL;

		CHECK_FOR_INTERRUPTS();
		memset(sweep.slots, 0, sizeof(Slot) * (sweep.mask + 1));
		sweep.used = 0;
		take_known(&sweep, known, &at, to);
		for (int i = 0; i < sums->nheld; i++)
			add_between(&sweep, &sums->held[i].reader, from, to);
	}
	pfree(sweep.slots);
	pfree(sweep.bounds);
	add_others(sums);
}
