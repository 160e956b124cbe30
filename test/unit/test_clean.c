/*
 * test_clean.c: brands and categories as they are counted.
 */
#include "unit.h"

#include "pure/clean.h"

static const char *
slice(const char *data, size_t len)
{
	static char copies[4][2048];
	static int	next;
	char	   *copy = copies[next++ % 4];

	memcpy(copy, data, len);
	copy[len] = '\0';
	return copy;
}

/* A buffer of just the size that is promised, so that the sanitizer sees any write beyond. */
static bool
clean(const char *code, bool has_id, int64_t id, char **buf, SlmCategory *out)
{
	char	   *copy = strdup(code);
	bool		ok;

	*buf = malloc(SLM_CATEGORY_BUFFER * 2);
	ok = slm_clean_category((SlmSlice) {copy, (uint32_t) strlen(code)}, has_id, id, *buf, out);
	/* nothing may point into the caller's text */
	free(copy);
	return ok;
}

static void
gives(const char *code, bool has_id, int64_t id, const char *l1, const char *l2, const char *l3, const char *cleaned)
{
	char	   *buf;
	SlmCategory c;

	UNIT_OK(clean(code, has_id, id, &buf, &c), "category [%s]", code);
	UNIT_STR(c.key, c.l1_len, l1, "level 1 of [%s]", code);
	UNIT_STR(c.key, c.l2_len, l2, "level 2 of [%s]", code);
	UNIT_STR(c.key, c.l3_len, l3, "level 3 of [%s]", code);
	UNIT_STR(c.code, c.code_len, cleaned, "code of [%s]", code);
	free(buf);
}

static void
test_categories(void)
{
	gives("appliances.environment.water_heater", true, 1, "appliances", "appliances.environment",
		  "appliances.environment.water_heater", "appliances.environment.water_heater");
	gives("electronics.smartphone", true, 1, "electronics", "electronics.smartphone",
		  "electronics.smartphone.smartphone", "electronics.smartphone");
	gives("headphones", true, 1, "headphones", "headphones.headphones",
		  "headphones.headphones.headphones", "headphones");
	gives("electronics.audio.music_tools.piano", true, 1, "electronics", "electronics.audio",
		  "electronics.audio.music_tools", "electronics.audio.music_tools.piano");
	gives("", true, INT64_C(2103807459595387724), "2103807459595387724", "2103807459595387724.2103807459595387724",
		  "2103807459595387724.2103807459595387724.2103807459595387724", "2103807459595387724");
	gives("", false, 5, "unknown", "unknown.unknown", "unknown.unknown.unknown", "unknown");
	gives(" . \t..", false, 5, "unknown", "unknown.unknown", "unknown.unknown.unknown", "unknown");
	gives("...", true, INT64_MIN, "-9223372036854775808", "-9223372036854775808.-9223372036854775808",
		  "-9223372036854775808.-9223372036854775808.-9223372036854775808", "-9223372036854775808");
	gives("", true, 0, "0", "0.0", "0.0.0", "0");
	gives(" Electronics . .Smart Phone. ", true, 1, "electronics", "electronics.smart phone",
		  "electronics.smart phone.smart phone", "electronics.smart phone");
	gives("\xc2\xa0" "A.\xef\xbb\xbf" "b\xc2\xa0.\xe3\x80\x80.\tc\r", true, 1, "a", "a.b", "a.b.c", "a.b.c");
	gives("nan", true, 7, "7", "7.7", "7.7.7", "7");
	gives(" NULL\xc2\xa0", false, 7, "unknown", "unknown.unknown", "unknown.unknown.unknown", "unknown");
	gives("-", true, 7, "7", "7.7", "7.7.7", "7");
	gives("a.-.null", true, 7, "a", "a.-", "a.-.null", "a.-.null");
	gives(".a..b.", true, 1, "a", "a.b", "a.b.b", "a.b");
	gives("Z\xc3\x89.\xc3\xa9", true, 1, "z\xc3\x89", "z\xc3\x89.\xc3\xa9", "z\xc3\x89.\xc3\xa9.\xc3\xa9",
		  "z\xc3\x89.\xc3\xa9");
}

/* levels levels of n bytes each, with a dot between them, and a first level that makes up for total. */
static void
test_lengths(void)
{
	static const struct
	{
		int			levels[5];
		bool		fits;
	}			cases[] = {
		{{333}, false}, {{332}, true}, {{332, 333}, true}, {{1, 498}, true}, {{2, 498}, true}, {{1, 499}, false},
		{{332, 334}, false}, {{998, 1}, false}, {{996, 1}, true}, {{1, 1, 996}, true}, {{1, 1, 997}, false},
		{{1, 1, 1, 994}, true}, {{1, 1, 1, 995}, false}, {{1, 1, 1, 1, 992}, true}, {{1, 1, 1, 1, 993}, false},
		{{999}, false}, {{1001}, false}, {{5000}, false}
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		char		code[6000];
		size_t		len = 0;
		int			levels = 0;
		char	   *buf;
		SlmCategory c;

		for (; levels < 5 && cases[i].levels[levels] > 0; levels++)
		{
			if (len > 0)
				code[len++] = '.';
			memset(code + len, 'a' + levels, (size_t) cases[i].levels[levels]);
			len += (size_t) cases[i].levels[levels];
		}
		code[len] = '\0';
		UNIT_EQ(clean(code, false, 0, &buf, &c), cases[i].fits, "%d levels of %d, %d, %d ... bytes", levels,
				cases[i].levels[0], cases[i].levels[1], cases[i].levels[2]);
		if (cases[i].fits)
			UNIT_OK(c.l3_len <= SLM_MAX_KEY_BYTES && c.code_len <= SLM_MAX_KEY_BYTES && c.code_len == len,
					"whose keys are short enough");
		free(buf);
	}
}

/* What is clean stays as it is. */
static void
test_idempotent(void)
{
	static const char rich[] = "aB .. \tz9_";
	int			bad = 0;

	for (int i = 0; i < 20000; i++)
	{
		char		code[40];
		size_t		len = (size_t) unit_random(sizeof(code));
		char	   *first_buf,
				   *second_buf;
		SlmCategory first,
					second;
		const char *key;

		for (size_t k = 0; k < len; k++)
			code[k] = rich[unit_random(sizeof(rich) - 1)];
		code[len] = '\0';
		if (!clean(code, i % 2, i, &first_buf, &first))
			bad++;
		key = slice(first.key, first.l3_len);
		if (!clean(key, false, 0, &second_buf, &second) || second.l1_len != first.l1_len ||
			second.l2_len != first.l2_len || strcmp(slice(second.key, second.l3_len), key) != 0)
			bad++;
		free(first_buf);
		free(second_buf);
	}
	UNIT_EQ(bad, 0, "the key of level 3 is clean");
}

static void
test_brands(void)
{
	char		buf[20];
	SlmSlice	s = slm_clean_brand((SlmSlice) {"Samsung ", 8}, 5, (SlmSlice) {0}, buf);

	UNIT_STR(s.data, s.len, "Samsung", "a brand is trimmed, and its capitals stay");
	s = slm_clean_brand((SlmSlice) {" NULL", 5}, 5, (SlmSlice) {0}, buf);
	UNIT_STR(s.data, s.len, "5", "a word for nothing is no brand");
	s = slm_clean_brand((SlmSlice) {"", 0}, 44600062, (SlmSlice) {0}, buf);
	UNIT_STR(s.data, s.len, "44600062", "no brand: the product");
	s = slm_clean_brand((SlmSlice) {"", 0}, INT64_MAX, (SlmSlice) {0}, buf);
	UNIT_STR(s.data, s.len, "9223372036854775807", "and the longest one");
	s = slm_clean_brand((SlmSlice) {"", 0}, 0, (SlmSlice) {0}, buf);
	UNIT_STR(s.data, s.len, "0", "and the least");
}

static void
test_events(void)
{
	char		longest[1001];
	char	   *buf = malloc(SLM_CLEAN_BUFFER);
	SlmEvent	event = {.product_id = INT64_MAX,.category_id = INT64_MIN,.has_category_id = true};
	SlmCleanEvent out;
	SlmReject	reject;

	memset(longest, 'b', sizeof(longest));
	UNIT_OK(slm_clean_event(&event, buf, &out, &reject), "an event with neither brand nor category");
	UNIT_STR(out.brand.data, out.brand.len, "9223372036854775807", "its brand");
	UNIT_STR(out.category.key, out.category.l1_len, "-9223372036854775808", "its category");
	event.brand = (SlmSlice) {longest, 1000};
	UNIT_OK(slm_clean_event(&event, buf, &out, &reject), "a brand of 1000 bytes");
	event.brand.len++;
	UNIT_OK(!slm_clean_event(&event, buf, &out, &reject), "a brand of 1001 bytes");
	UNIT_EQ(reject.reason, SLM_REJECT_KEY_TOO_LONG, "is too long");
	UNIT_EQ(reject.column, SLM_COL_BRAND, "in its column");
	UNIT_OK(strncmp(reject.detail, "brand \"bbbbb", 12) == 0, "detail");
	event.category_code = (SlmSlice) {longest, 333};
	UNIT_OK(!slm_clean_event(&event, buf, &out, &reject), "a category too long once filled");
	UNIT_EQ(reject.column, SLM_COL_CATEGORY_CODE, "is found first, as in the order of columns");
	free(buf);
}

int
main(void)
{
	test_categories();
	test_lengths();
	test_idempotent();
	test_brands();
	test_events();
	return unit_done();
}
