/*
 * Segments give what was put into them, and damaged bytes an end or an error, never more than there is.
 */
#include <limits.h>

#include "pure/segment.h"
#include "unit.h"

#define MAX_SUMS 500

static SlmSegmentSum sums[MAX_SUMS];
static char texts[MAX_SUMS][40];

static int64_t
random_number(void)
{
	uint64_t	bits = (uint64_t) random() << 42 ^ (uint64_t) random() << 21 ^ (uint64_t) random();

	return (int64_t) (bits >> random() % 64);
}

static SlmMoneySum
random_money(void)
{
	SlmMoneySum money = random_number();

	if (random() % 8 == 0)
		money *= random_number() >> 4;
	if (random() % 2)
		money = money / 100 * 100;
	return random() % 4 ? money : -money;
}

static bool
is_same(const SlmSegmentSum *a, const SlmSegmentSum *b, bool products)
{
	if (a->count != b->count || a->gmv != b->gmv)
		return false;
	return products ? a->product_id == b->product_id : a->text.len == b->text.len && memcmp(a->text.data, b->text.data, a->text.len) == 0;
}

static SlmSegmentStatus
next(SlmSegmentReader *reader, SlmSegmentSum *sum, bool products)
{
	return products ? slm_segment_next_product(reader, sum) : slm_segment_next_text(reader, sum);
}

/* Are products read as quickly what they are read as one by one, to the end or the damage? */
static bool
quick_is_same(const void *bytes, size_t len)
{
	SlmSegmentReader slow = slm_segment_read(bytes, len);
	SlmSegmentReader quick = slow;
	SlmSegmentSum a = {0};
	SlmSegmentSum b = {0};
	SlmSegmentStatus status;

	do
	{
		status = slm_segment_next_product(&slow, &a);
		if (slm_segment_quick_product(&quick, &b) != status || (status == SLM_SEGMENT_SUM && (!is_same(&a, &b, true) || quick.at != slow.at)))
			return false;
	} while (status == SLM_SEGMENT_SUM);
	return true;
}

/* What is passed over ascends, is before the limit, and nothing else is missing. */
static bool
passes_over(const void *bytes, size_t len)
{
	SlmSegmentReader all = slm_segment_read(bytes, len);
	SlmSegmentReader some = all;
	SlmSegmentSum a = {0};
	SlmSegmentSum b = {0};
	SlmSegmentStatus status;

	for (;;)
	{
		int64_t		last = some.product;
		int64_t		before = random() % 4 ? some.product + random() % 300 : random_number();
		const unsigned char *stop;

		slm_segment_pass_over(&some, before);
		for (stop = some.at; all.at < stop; last = a.product_id)
		{
			if (slm_segment_next_product(&all, &a) != SLM_SEGMENT_SUM || a.product_id <= last || a.product_id >= before)
				return false;
		}
		status = slm_segment_next_product(&all, &a);
		if (all.at < stop || slm_segment_quick_product(&some, &b) != status || (status == SLM_SEGMENT_SUM && !is_same(&a, &b, true)))
			return false;
		if (status != SLM_SEGMENT_SUM)
			return true;
	}
}

static void
round_trip(unsigned seed)
{
	bool		products = seed % 2;
	int			n = seed < 4 ? (int) seed / 2 : (int) (random() % MAX_SUMS);
	SlmSegment	segment = {0};
	SlmSegmentReader reader;
	SlmSegmentSum sum;
	bool		ok = true;

	srandom(seed);
	for (int i = 0; i < n; i++)
	{
		sums[i] = (SlmSegmentSum) {.product_id = seed % 3 ? i * 7 + 1000000 : random_number(),.count = random_number(),.gmv = random_money()};
		sums[i].text = (SlmSlice) {texts[i], (uint32_t) snprintf(texts[i], sizeof(texts[i]), "%.*s", (int) (random() % 30), "a.category.of.three.levels.and")};
		ok &= products ? slm_segment_put_product(&segment, sums[i].product_id, sums[i].count, sums[i].gmv) :
			slm_segment_put_text(&segment, sums[i].text, sums[i].count, sums[i].gmv);
	}
	reader = slm_segment_read(segment.data, segment.len);
	for (int i = 0; i < n && ok; i++)
		ok = next(&reader, &sum, products) == SLM_SEGMENT_SUM && is_same(&sum, &sums[i], products);
	UNIT_OK(ok && next(&reader, &sum, products) == SLM_SEGMENT_END, "seed %u: %d %s come back", seed, n, products ? "products" : "texts");
	UNIT_OK(!products || (quick_is_same(segment.data, segment.len) && passes_over(segment.data, segment.len)), "seed %u: quickly, too, and some of them", seed);

	/* in a block of its own, so that a step beyond its end is noticed */
	for (int i = 0; i < 50 && segment.len > 0; i++)
	{
		size_t		len = (size_t) random() % segment.len;
		unsigned char *part = malloc(len + 1);

		memcpy(part, segment.data, len);
		if (len > 0 && random() % 2)
			part[random() % len] ^= (unsigned char) (1 << random() % 8);
		reader = slm_segment_read(part, len);
		while (next(&reader, &sum, products) == SLM_SEGMENT_SUM)
			ok &= products || (size_t) (sum.text.data + sum.text.len - (char *) part) <= len;
		ok &= !products || (quick_is_same(part, len) && passes_over(part, len));
		free(part);
	}
	UNIT_OK(ok, "seed %u: damaged bytes end", seed);
	slm_segment_free(&segment);
}

static void
extremes(void)
{
	static const int64_t ids[] = {INT64_MIN, INT64_MAX, -1, 0, INT64_MAX, INT64_MIN};
	static const int64_t counts[] = {INT64_MIN, INT64_MAX, 0, -1, 1, 63};
	const SlmMoneySum large = ((SlmMoneySum) 1 << 123) + 1;
	SlmSegment	segment = {0};
	SlmSegmentReader reader;
	SlmSegmentSum sum;
	bool		ok = true;

	for (int i = 0; i < 6; i++)
		ok &= slm_segment_put_product(&segment, ids[i], counts[i], i % 2 ? large - i : i - large);
	reader = slm_segment_read(segment.data, segment.len);
	for (int i = 0; i < 6; i++)
		ok &= slm_segment_next_product(&reader, &sum) == SLM_SEGMENT_SUM && sum.product_id == ids[i] && sum.count == counts[i] &&
			sum.gmv == (i % 2 ? large - i : i - large);
	UNIT_OK(ok, "the greatest and the least come back");
	slm_segment_free(&segment);
}

static void
room(void)
{
	SlmSegment	segment = {0};
	bool		ok = true;

	for (int i = 0; i < 10000; i++)
		ok &= slm_segment_put_product(&segment, 1000000 + i * 23, 1 + i % 7, (SlmMoneySum) (i % 50000) * 100);
	UNIT_OK(ok && segment.len < 50000, "10,000 products of a catalogue take %zu bytes", segment.len);
	slm_segment_free(&segment);
}

int
main(void)
{
	extremes();
	room();
	for (unsigned seed = 0; seed < 200; seed++)
		round_trip(seed);
	return unit_done();
}
