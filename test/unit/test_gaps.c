/*
 * Clock jumps: the answer is that of a plain look at the sorted times, in whatever order they come.
 */
#include "pure/gaps.h"
#include "unit.h"

#define SECOND	SLM_USECS_PER_SEC
#define HOUR	(3600 * SECOND)
#define DAY		(24 * HOUR)
#define MAX_TIMES 20000

static SlmTime times[MAX_TIMES];
static int	ntimes;
static int	others;				/* rows of the object that have no time */
static SlmGaps gaps;

static uint64_t
next_random(void)
{
	static uint64_t state = 0x9E3779B97F4A7C15;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static int
compare(const void *a, const void *b)
{
	SlmTime		x = *(const SlmTime *) a;
	SlmTime		y = *(const SlmTime *) b;

	return (x > y) - (x < y);
}

static void
shuffle(void)
{
	for (int i = ntimes - 1; i > 0; i--)
	{
		int			j = (int) (next_random() % (uint64_t) (i + 1));
		SlmTime		t = times[i];

		times[i] = times[j];
		times[j] = t;
	}
}

/* As gaps.h says it, from sorted times. */
static SlmTime
plain_limit(SlmTime jump)
{
	static SlmTime sorted[MAX_TIMES];
	uint64_t	few = slm_few_rows((uint64_t) (ntimes + others));
	SlmTime		usual = 0;

	memcpy(sorted, times, sizeof(SlmTime) * (size_t) ntimes);
	qsort(sorted, (size_t) ntimes, sizeof(SlmTime), compare);
	for (int i = 0; i + 1 < ntimes; i++)
	{
		SlmTime		gap = sorted[i + 1] - sorted[i];

		if (gap > jump && gap > usual && (uint64_t) i + 1 > few && (uint64_t) (ntimes - i - 1) > few)
			usual = gap;
	}
	for (int i = 0; i + 1 < ntimes; i++)
	{
		SlmTime		gap = sorted[i + 1] - sorted[i];

		if (gap > jump && gap > 2 * usual && (uint64_t) (ntimes - i - 1) <= few && ntimes - i - 1 <= i + 1)
			return sorted[i];
	}
	return INT64_MAX;
}

static SlmTime
limit_of(SlmTime jump)
{
	bool		ok = true;

	slm_gaps_reset(&gaps, jump);
	for (int i = 0; i < ntimes; i++)
		ok &= slm_gaps_add(&gaps, times[i]);
	return ok ? slm_gaps_limit(&gaps, (uint64_t) (ntimes + others)) : INT64_MIN;
}

static int
rejected(SlmTime jump)
{
	SlmTime		limit = limit_of(jump);
	int			n = 0;

	for (int i = 0; i < ntimes; i++)
		n += times[i] > limit;
	return (uint64_t) n == slm_gaps_rows_after(&gaps, limit) ? n : -1;
}

static void
evenly(int n, SlmTime span)
{
	ntimes = n;
	for (int i = 0; i < n; i++)
		times[i] = span / n * i;
}

static void
add(SlmTime time)
{
	times[ntimes++] = time;
}

static void
cases(void)
{
	evenly(90, 7 * DAY);
	UNIT_EQ(rejected(DAY), 0, "90 rows over 7 days");
	evenly(10000, 4 * DAY);
	UNIT_EQ(rejected(DAY), 0, "rows evenly over 4 days");
	evenly(10000, 212 * DAY);
	shuffle();
	UNIT_EQ(rejected(DAY), 0, "seven months, in no order");
	add(300 * DAY);
	UNIT_EQ(rejected(DAY), 1, "... and a lone row");
	evenly(9990, 31 * DAY);
	for (int i = 0; i < 10; i++)
		add(35 * DAY + i * HOUR);
	shuffle();
	UNIT_EQ(rejected(DAY), 10, "a few rows of a wrong clock");
	evenly(200, DAY);
	for (int i = 0; i < 100; i++)
		add(5 * DAY + i * SECOND);
	UNIT_EQ(rejected(DAY), 0, "a third of the rows are not few");
	evenly(8, 16 * DAY);
	UNIT_EQ(rejected(DAY), 0, "a row each other day");
	add(16 * DAY + 12 * DAY);
	UNIT_EQ(rejected(DAY), 1, "... and one that is out of it");
	evenly(4, SECOND);
	add(2 * DAY);
	UNIT_EQ(rejected(DAY), 1, "one row of five");
	evenly(3, SECOND);
	add(2 * DAY);
	UNIT_EQ(rejected(DAY), 0, "of four rows one is not few");
	others = 20;
	UNIT_EQ(rejected(DAY), 1, "... but it is among many that can't be used");
	ntimes = 0;
	add(0);
	add(2 * DAY);
	UNIT_EQ(rejected(DAY), 1, "... and one of two");
	add(2 * DAY);
	UNIT_EQ(rejected(DAY), 0, "... but not where most lie behind the gap");
	others = 0;
	evenly(10, 10 * SECOND);
	add(9 * SECOND + DAY);
	UNIT_EQ(rejected(DAY), 0, "just a day is no gap");
	times[ntimes - 1]++;
	UNIT_EQ(rejected(DAY), 1, "... a microsecond more is one");
	evenly(10, 10 * SECOND);
	add(-4000 * DAY);
	add(2 * DAY);
	UNIT_EQ(rejected(DAY), 1, "an old row does not make jumps usual");
	evenly(10000, 10000 * DAY);
	for (int i = 0; i < 10000; i++)
		times[i] *= 2;
	add(INT64_C(90000) * DAY);
	UNIT_EQ(rejected(DAY), 0, "no jumps among thousands of gaps");
	UNIT_OK(gaps.n <= SLM_MAX_SPANS, "... for which memory is bounded");
	ntimes = 0;
	UNIT_EQ(rejected(DAY), 0, "no rows");
	add(5);
	UNIT_EQ(rejected(DAY), 0, "one row");
}

static void
random_cases(void)
{
	bool		ok = true;
	int			jumps = 0;

	for (int round = 0; ok && round < 3000; round++)
	{
		int			clusters = 1 + (int) (next_random() % 6);
		SlmTime		jump = (SlmTime) (1 + next_random() % 50);
		SlmTime		limit;

		ntimes = 0;
		others = next_random() % 2 ? 0 : (int) (next_random() % 100);
		for (int c = 0; c < clusters; c++)
		{
			SlmTime		start = (SlmTime) (next_random() % 2000) - 1000;
			int			n = next_random() % 3 ? 1 + (int) (next_random() % 3) : (int) (next_random() % 200);

			for (int i = 0; i < n; i++)
				add(start + (SlmTime) (next_random() % 100));
		}
		shuffle();
		limit = plain_limit(jump);
		jumps += limit != INT64_MAX;
		ok = limit_of(jump) == limit;
		shuffle();
		ok = ok && limit_of(jump) == limit;
	}
	UNIT_OK(ok, "random times, as a plain look at them says, in any order");
	UNIT_OK(jumps > 100 && jumps < 2900, "... with and without jumps (%d)", jumps);
}

int
main(void)
{
	UNIT_EQ(slm_few_rows(4), 0, "few of 4");
	UNIT_EQ(slm_few_rows(5), 1, "few of 5");
	UNIT_EQ(slm_few_rows(999), 99, "few of 999");
	UNIT_EQ(slm_few_rows(9999), 100, "few of 9,999");
	UNIT_EQ(slm_few_rows(1000000), 10000, "few of 1,000,000");
	cases();
	random_cases();
	slm_gaps_free(&gaps);
	return unit_done();
}
