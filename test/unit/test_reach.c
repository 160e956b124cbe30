/*
 * How far an object brings the head: never later than the medians of its parts do, and not much earlier.
 */
#include "pure/batch.h"
#include "pure/reach.h"
#include "unit.h"

#define MAX_ROWS 5000

static SlmTime rows[MAX_ROWS];
static SlmTime copy[MAX_ROWS];

static int
compare(const void *a, const void *b)
{
	SlmTime		x = *(const SlmTime *) a;
	SlmTime		y = *(const SlmTime *) b;

	return (x > y) - (x < y);
}

/* Some parts of random rows: the head that they make, as it is told, is between the 40th and the 50th percentile of some part. */
static void
random_parts(unsigned seed)
{
	SlmReach	reach = {.head = INT64_MIN};
	SlmTime		median = INT64_MIN;
	SlmTime		earlier = INT64_MIN;
	bool		ok = true;
	bool		sorted = seed % 2;

	srandom(seed);
	for (int part = 0; part < 6; part++)
	{
		int			n = 1 + (int) (random() % MAX_ROWS);

		for (int i = 0; i < n; i++)
			rows[i] = (random() % 1000 - 500) * (seed % 3 ? 1 : SLM_USECS_PER_MIN) + part * (seed % 5) * 1000;
		memcpy(copy, rows, sizeof(SlmTime) * n);
		qsort(copy, n, sizeof(SlmTime), compare);
		for (int i = 0; i < n; i++)
			ok &= slm_reach_add(&reach, sorted ? copy[i] : rows[i]);
		if (n >= 100)
		{
			median = copy[(n - 1) / 2] > median ? copy[(n - 1) / 2] : median;
			earlier = copy[n * 2 / 5] > earlier ? copy[n * 2 / 5] : earlier;
		}
		slm_reach_end_part(&reach, 100);
	}
	UNIT_OK(ok && reach.head <= median && reach.head == earlier, "seed %u: %lld of at most %lld", seed, (long long) reach.head,
			(long long) median);
	slm_reach_free(&reach);
	UNIT_OK(reach.times == NULL && reach.head == earlier, "seed %u: the answer stays", seed);
}

static void
selection(unsigned seed)
{
	int			n = 1 + (int) (seed * 37 % 200);
	bool		same = true;

	srandom(seed);
	for (int i = 0; i < n; i++)
		rows[i] = random() % (1 + seed % 50);
	memcpy(copy, rows, sizeof(SlmTime) * n);
	qsort(copy, n, sizeof(SlmTime), compare);
	for (int k = 0; k < n; k++)
		same &= slm_select_time(rows, n, k) == copy[k];
	UNIT_OK(same, "seed %u: each of %d times is found", seed, n);
}

int
main(void)
{
	SlmReach	empty = {.head = INT64_MIN};

	slm_reach_end_part(&empty, 0);
	UNIT_OK(empty.head == INT64_MIN, "nothing reaches nowhere");
	slm_reach_free(&empty);
	for (unsigned seed = 1; seed <= 40; seed++)
	{
		random_parts(seed);
		selection(seed);
	}
	return unit_done();
}
