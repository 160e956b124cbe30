/*
 * Parts of keys that dimensions of a user's own are made of: which folder tells, and what of it is the value.
 */
#include "pure/own.h"
#include "unit.h"

static void
expect(const char *key, const char *name, const char *expected)
{
	size_t		len = strlen(key);
	char	   *exact = malloc(len + 1); /* nothing behind it: the sanitizer sees each byte too many */
	char	   *out = malloc(len + 1);
	SlmSlice	part;

	memcpy(exact, key, len);
	part = slm_own_part((SlmSlice) {exact, (uint32_t) len}, name, out);
	UNIT_STR(part.data, part.len, expected, "%s of %s", name, key);
	free(exact);
	free(out);
}

static void
test_folders(void)
{
	expect("dt=2019-10-01/store=12/x.csv", "store", "12");
	expect("dt=2019-10-01/store=12/x.csv", "dt", "2019-10-01");
	expect("dt=2019-10-01/Store=12/x.csv", "sTORE", "12");
	expect("store=1/store=2/x.csv", "store", "1");
	expect("store=a=b/x.csv", "store", "a=b");
	expect("store=/x.csv", "store", "");
	expect("store=12", "store", "");
	expect("store=12/", "store", "12");
	expect("", "store", "");
	expect("/", "store", "");
	expect("//store=3//x", "store", "3");
	expect("mystore=1/store2=2/store/stor=3/x.csv", "store", "");
	expect("store_x/x.csv", "store", "");
}

static void
test_decoding(void)
{
	expect("store=a%2Fb%2fc/x", "store", "a/b/c");
	expect("store=%C3%A4/x", "store", "\xc3\xa4");
	expect("store=%41/x", "store", "A");
	expect("store=%4/x", "store", "%4");
	expect("store=%/x", "store", "%");
	expect("store=%%41/x", "store", "%A");
	expect("store=%2541/x", "store", "%41");
	expect("store=100%/x", "store", "100%");
	expect("store=%g1%1g/x", "store", "%g1%1g");
	/* no text */
	expect("store=%C3/x", "store", "%C3");
	expect("store=a%00b/x", "store", "a%00b");
	expect("store=a+b/x", "store", "a+b");
	expect("store=__HIVE_DEFAULT_PARTITION__/x", "store", "");
	expect("store=__HIVE_DEFAULT_PARTITION__2/x", "store", "__HIVE_DEFAULT_PARTITION__2");
}

int
main(void)
{
	test_folders();
	test_decoding();
	return unit_done();
}
