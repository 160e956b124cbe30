/*
 * The table of views through random histories: what was added and not dropped is found, and comes in order.
 */
#include <stdlib.h>

#include "pure/hash.h"
#include "pure/views.h"
#include "unit.h"

#define FINGERPRINTS	3000

/* In one of every two histories many want the table's last slots, so that searches go on at its beginning. */
static uint64_t
fingerprint_of(uint32_t i, bool crowded)
{
	return crowded && i % 3 == 0 ? UINT64_MAX - slm_splitmix(i) % (UINT64_MAX / 64) : slm_splitmix(i) | 1;
}

/* The model: the time of each fingerprint, -1 if it is not there. */
static bool
agrees(const SlmViews *views, const int64_t *times, bool crowded)
{
	uint64_t	n = 0;
	SlmView    *sorted = malloc((views->nviews + 1) * sizeof(SlmView));
	bool		ok = true;

	for (uint32_t i = 0; i < FINGERPRINTS; i++)
	{
		const SlmView *view = slm_views_find(views, fingerprint_of(i, crowded));

		ok &= times[i] < 0 ? view == NULL : view != NULL && view->time == times[i] && view->offer == i;
		n += times[i] >= 0;
	}
	ok &= views->nviews == n;
	slm_views_sorted(views, sorted);
	for (uint64_t i = 1; i < n; i++)
		ok &= sorted[i - 1].fingerprint < sorted[i].fingerprint;
	free(sorted);
	return ok;
}

/* Add a view, or change its time.  False if it was there and should not have been, or the other way round. */
static bool
add(SlmViews *views, int64_t *times, bool crowded)
{
	uint32_t	i = (uint32_t) unit_random(FINGERPRINTS);
	bool		found;
	SlmView    *view = slm_views_add(views, fingerprint_of(i, crowded), &found);
	bool		ok = found == (times[i] >= 0);

	view->time = times[i] = (int64_t) unit_random(1000);
	view->offer = i;
	return ok;
}

static void
drop(SlmViews *views, int64_t *times)
{
	SlmTime		time = (SlmTime) unit_random(1100);

	slm_views_drop_before(views, time);
	for (uint32_t i = 0; i < FINGERPRINTS; i++)
		times[i] = times[i] < time ? -1 : times[i];
}

static void
test_history(uint64_t seed)
{
	bool		crowded = seed % 2;
	SlmViews	views = {.most = seed % 3 == 0 ? 0 : unit_random(5000)};
	int64_t		times[FINGERPRINTS];
	bool		ok = true;

	unit_seed = seed;
	for (uint32_t i = 0; i < FINGERPRINTS; i++)
		times[i] = -1;
	for (int step = 0; ok && step < 60; step++)
	{
		for (uint64_t n = unit_random(2000); n > 0; n--)
			ok &= add(&views, times, crowded);
		if (unit_random(3) == 0)
			drop(&views, times);
		ok &= agrees(&views, times, crowded);
	}
	UNIT_OK(ok, "seed %llu: what was added and not dropped", (unsigned long long) seed);
	slm_views_free(&views);
}

/* A table of many views, of which one in so many is to stay. */
static SlmViews
filled(uint32_t n, uint32_t stays)
{
	SlmViews	views = {0};

	for (uint32_t i = 0; i < n; i++)
	{
		bool		found;

		slm_views_add(&views, slm_splitmix(i) | 1, &found)->time = i % stays == 0;
	}
	return views;
}

static void
test_memory(void)
{
	SlmViews	views = filled(100000, 2);
	const SlmView *slots = views.slots;
	size_t		memory = slm_views_memory(&views);

	slm_views_drop_before(&views, 1);
	UNIT_OK(views.slots == slots && slm_views_memory(&views) == memory, "half are dropped where they stand");
	slm_views_drop_before(&views, 1);
	UNIT_OK(views.slots == slots, "nothing is done where nothing is dropped");
	slm_views_free(&views);

	views = filled(100000, 100);
	memory = slm_views_memory(&views);
	slm_views_drop_before(&views, 1);
	UNIT_OK(slm_views_memory(&views) < memory / 10, "a table that is nearly empty becomes smaller");
	slm_views_free(&views);

	slm_views_drop_before(&views, 1);
	UNIT_OK(views.nviews == 0, "nothing of nothing");
}

/* A table with a limit has all the slots that it may have before it grows beyond them, and then by little. */
static void
test_most(void)
{
	SlmViews	views = {.most = 50000};
	bool		found;
	uint32_t	i = 0;

	for (; i < 40000; i++)
		slm_views_add(&views, slm_splitmix(i) | 1, &found);
	UNIT_OK(views.nslots == 50000, "four fifths of the slots are used (%llu)", (unsigned long long) views.nslots);
	for (; i < 41000; i++)
		slm_views_add(&views, slm_splitmix(i) | 1, &found);
	UNIT_OK(views.nviews == 41000 && views.nslots == 56250, "with more it grows by an eighth (%llu)", (unsigned long long) views.nslots);
	slm_views_free(&views);
	UNIT_OK(slm_views_reserve(&views, 35000) && views.nslots == 50000, "room is made up to it (%llu)", (unsigned long long) views.nslots);
	UNIT_OK(slm_views_reserve(&views, 80000) && views.nslots == 100002, "and beyond it no more than is needed (%llu)", (unsigned long long) views.nslots);
	slm_views_free(&views);
}

int
main(void)
{
	for (uint64_t seed = 1; seed <= 20; seed++)
		test_history(seed);
	test_memory();
	test_most();
	return unit_done();
}
