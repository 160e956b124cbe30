/*
 * test_sku.c: numbers of texts, and what happens if two have the same.
 */
#include "unit.h"

#include <string.h>

#include "pure/number.h"
#include "pure/sha256.h"
#include "pure/sku.h"

static SlmSlice
slice(const char *text)
{
	return (SlmSlice) {text, (uint32_t) strlen(text)};
}

/* As the standard's examples, and sha256sum, have it. */
static void
hashes(void)
{
	char		text[300];

	UNIT_OK(slm_sha256_first8(slice("")) == UINT64_C(0xe3b0c44298fc1c14), "no text");
	UNIT_OK(slm_sha256_first8(slice("abc")) == UINT64_C(0xba7816bf8f01cfea), "abc");
	UNIT_OK(slm_sha256_first8(slice("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")) == UINT64_C(0x248d6a61d20638b8), "two blocks");
	memset(text, 'a', sizeof(text));
	UNIT_OK(slm_sha256_first8((SlmSlice) {text, 55}) == UINT64_C(0x9f4390f8d30c2dd9), "55 times a: the last that fits into a block");
	UNIT_OK(slm_sha256_first8((SlmSlice) {text, 56}) == UINT64_C(0xb35439a4ac6f0948), "56 times a");
	UNIT_OK(slm_sha256_first8((SlmSlice) {text, 64}) == UINT64_C(0xffe054fe7ae0cb6d), "64 times a");
	UNIT_OK(slm_sha256_first8((SlmSlice) {text, 200}) == UINT64_C(0xc2a908d98f5df987), "200 times a");
	UNIT_EQ(slm_sku_id(slice("abc")), -1 - (int64_t) (UINT64_C(0xba7816bf8f01cfea) >> 1), "the number of abc");
}

static void
field(const char *text, bool ok, int64_t expected)
{
	char		padded[300] = {0};
	int64_t		id = 0;
	bool		got;

	memcpy(padded, text, strlen(text));
	got = slm_product_of_field((SlmSlice) {padded, (uint32_t) strlen(text)}, &id);
	UNIT_OK(got == ok && (!ok || id == expected), "\"%.40s\" is %s", text, ok ? "a product" : "none");
}

static void
fields(void)
{
	char		longest[240] = SLM_SKU_MARK;

	field("12", true, 12);
	field(" 12.0 ", true, 12);
	field("sku:12", true, 12);
	field("sku:0", true, 0);
	field("sku:012", true, slm_sku_id(slice("012")));
	field("sku:-1", true, slm_sku_id(slice("-1")));
	field("sku:9223372036854775807", true, INT64_MAX);
	field("sku:9223372036854775808", true, slm_sku_id(slice("9223372036854775808")));
	field("sku:99999999999999999999", true, slm_sku_id(slice("99999999999999999999")));
	field(" sku: a b ", true, slm_sku_id(slice("a b")));
	field("sku:sku:1", true, slm_sku_id(slice("sku:1")));
	field("sku:", false, 0);
	field("sku:  ", false, 0);
	field("SKU:a", false, 0);
	field("a", false, 0);
	field("", false, 0);
	memset(longest + 4, 'x', SLM_MAX_SKU_BYTES);
	field(longest, true, slm_sku_id(slice(longest + 4)));
	longest[4 + SLM_MAX_SKU_BYTES] = 'x';
	field(longest, false, 0);
}

/* With few bits many texts have the same number: the first of each is known, the others are refused, again and again. */
static void
collisions(void)
{
	SlmHashKey	key = slm_hash_key(1, 2);
	SlmSkus    *skus = slm_skus_create(&key);
	bool		ok = true;
	uint32_t	n;
	uint32_t	known = 0;
	int			owner[256];

	slm_sku_bits = 8;
	for (int i = 0; i < 256; i++)
		owner[i] = -1;
	UNIT_OK(slm_skus_refuse(skus, slice("text 3")), "one is refused beforehand");
	for (int round = 0; round < 3; round++)
	{
		for (int i = 0; i < 2000; i++)
		{
			char		text[24];
			int64_t		id;
			int64_t		number;

			snprintf(text, sizeof(text), "text %d", i);
			number = -1 - slm_sku_id(slice(text));
			if (owner[number] < 0 && i != 3)
				owner[number] = i;
			if (owner[number] == i)
				ok = ok && slm_skus_id(skus, slice(text), &id) == SLM_SKU_KNOWN && id == -1 - number;
			else
				ok = ok && slm_skus_id(skus, slice(text), &id) == SLM_SKU_TAKEN && id == -1 - number;
		}
	}
	UNIT_OK(ok, "each number is that of the first text");
	(void) slm_skus_list(skus, &n);
	UNIT_EQ(n, 2000, "all are in the list");
	for (uint32_t i = 0; i < n; i++)
		known += !slm_skus_list(skus, &n)[i].taken;
	UNIT_EQ(known, 256, "... a text for each number");
	UNIT_OK(!slm_skus_failed(skus), "there was memory");
	slm_skus_free(skus);
	slm_skus_free(NULL);
	slm_sku_bits = 63;
}

int
main(void)
{
	hashes();
	fields();
	collisions();
	return unit_done();
}
