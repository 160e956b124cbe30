/*
 * Which slice a product is in: as PostgreSQL has it, and told by the text of a setting.  sql/slice.sql compares many more with
 * satisfies_hash_partition().
 */
#include "pure/node_slice.h"
#include "unit.h"

static void
texts(void)
{
	static const char *const wrong[] = {"0", "/", "0/", "/2", "2/2", "-1/2", "0/0", "1/2 ", " 1/2", "a/b", "0/2/3", "0/1025", "000000/1", "4294967296/4294967297"};
	SlmNodeSlice slice = {.of = 7,.number = 7};

	UNIT_OK(slm_slice_parse("", &slice) && slice.of == 0 && !slm_is_sliced(slice), "nothing: all products");
	UNIT_OK(slm_slice_parse("0/1", &slice) && slice.of == 1 && !slm_is_sliced(slice), "one of one: all products");
	UNIT_OK(slm_slice_parse("3/16", &slice) && slice.of == 16 && slice.number == 3 && slm_is_sliced(slice), "one of 16");
	UNIT_OK(slm_slice_parse("1023/1024", &slice) && slice.of == 1024 && slice.number == 1023, "the most");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		UNIT_OK(!slm_slice_parse(wrong[i], &slice), "\"%s\" is none", wrong[i]);
}

/* As SELECT satisfies_hash_partition(…) of PostgreSQL 15 says, of 16 partitions. */
static void
known(void)
{
	static const struct
	{
		int64_t		product;
		uint32_t	slice;
	}			expected[] = {
		{INT64_MIN, 15}, {INT64_C(-4294967297), 10}, {INT64_C(-1), 5}, {INT64_C(0), 0}, {INT64_C(1), 8}, {INT64_C(2), 10}, {INT64_C(1003461), 3},
		{INT64_C(44600062), 13}, {INT64_C(4294967295), 5}, {INT64_C(4294967296), 8}, {INT64_C(9223372036854775807), 6}
	};

	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		UNIT_EQ(slm_slice_of(expected[i].product, 16), expected[i].slice, "product %lld", (long long) expected[i].product);
}

/* Each product is in one slice, and none of them is much larger than another. */
static void
divided(void)
{
	for (uint32_t of = 1; of <= 16; of++)
	{
		uint32_t	n[16] = {0};
		bool		even = true;
		bool		once = true;

		for (int64_t product = -20000; product < 20000; product++)
		{
			uint32_t	here = 0;

			n[slm_slice_of(product, of)]++;
			for (uint32_t i = 0; i < of; i++)
				here += !slm_is_elsewhere((SlmNodeSlice) {.of = of,.number = i}, product);
			once &= here == 1 || of == 1;
		}
		for (uint32_t i = 0; i < of; i++)
			even &= n[i] > 40000 / of * 0.9 && n[i] < 40000 / of * 1.1;
		UNIT_OK(even && once, "%u slices: each product in one, and about as many in each", of);
	}
}

static void
rejects(void)
{
	UNIT_OK(slm_keeps_rejects((SlmNodeSlice) {0}), "who counts all products keeps rejected rows");
	UNIT_OK(slm_keeps_rejects((SlmNodeSlice) {.of = 4}), "... and slice 0");
	UNIT_OK(!slm_keeps_rejects((SlmNodeSlice) {.of = 4,.number = 3}), "... and no other");
	UNIT_OK(slm_keeps_rejects((SlmNodeSlice) {.of = 4,.number = 3,.alone = true}), "... unless it alone reads them");
}

int
main(void)
{
	texts();
	known();
	divided();
	rejects();
	return unit_done();
}
