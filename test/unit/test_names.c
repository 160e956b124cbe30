/*
 * test_names.c: what products are called by the rows of an object, against a plain list.
 */
#include "unit.h"

#include <string.h>

#include "pure/names.h"

static const char *const words[] = {"a", "ab", "b", "\xc3\xa4", "a lamp", "a lamp, red", "z"};

#define NWORDS	(sizeof(words) / sizeof(words[0]))

static SlmSlice
slice(const char *text)
{
	return (SlmSlice) {text, (uint32_t) strlen(text)};
}

/* Which word, of those that were noted, counts for a product: of the latest hour up to limit the first; -1 if there is none. */
static int
expected(const int64_t (*noted)[3], int n, int64_t product, int64_t limit)
{
	int			best = -1;
	int64_t		best_hour = 0;

	for (int i = 0; i < n; i++)
	{
		int64_t		hour = noted[i][1] / 60 - (noted[i][1] % 60 < 0);

		if (noted[i][0] != product || hour > limit)
			continue;
		if (best < 0 || hour > best_hour || (hour == best_hour && strcmp(words[noted[i][2]], words[best]) < 0))
		{
			best = (int) noted[i][2];
			best_hour = hour;
		}
	}
	return best;
}

/* Names that are noted at random come out as the list says. */
static bool
round_agrees(void)
{
	static int64_t noted[4000][3];	/* product, minute, word */
	SlmHashKey	key = slm_hash_key(unit_random(UINT32_MAX), unit_random(UINT32_MAX));
	SlmNames   *names = slm_names_create(&key);
	int			n = 1 + (int) unit_random(4000);
	int64_t		limit = (int64_t) unit_random(12) - 6;
	const SlmName *list;
	uint32_t	nlist;
	uint32_t	found = 0;
	bool		ok = true;

	for (int i = 0; i < n; i++)
	{
		noted[i][0] = (int64_t) unit_random(300) - 100;
		noted[i][1] = (int64_t) unit_random(600) - 300;
		noted[i][2] = (int64_t) unit_random(NWORDS);
		ok = ok && slm_names_note(names, noted[i][0], noted[i][1] * SLM_USECS_PER_MIN, slice(words[noted[i][2]]));
	}
	nlist = slm_names_latest(names, limit * SLM_USECS_PER_HOUR, &list);
	for (int64_t product = -100; product < 200 && ok; product++)
	{
		int			word = expected((const int64_t (*)[3]) noted, n, product, limit);

		if (word < 0)
			continue;
		ok = found < nlist && list[found].product_id == product && list[found].name.len == strlen(words[word]) &&
			memcmp(list[found].name.data, words[word], list[found].name.len) == 0;
		found++;
	}
	ok = ok && found == nlist;
	slm_names_reset(names);
	ok = ok && slm_names_latest(names, INT64_MAX, &list) == 0 && slm_names_memory(names) == 0;
	slm_names_free(names);
	return ok;
}

/* A long one is cut, and no character with it. */
static void
long_names(void)
{
	SlmHashKey	key = slm_hash_key(1, 2);
	SlmNames   *names = slm_names_create(&key);
	char		text[SLM_MAX_NAME_BYTES + 2];
	const SlmName *list;

	memset(text, 'x', sizeof(text));
	memcpy(text + SLM_MAX_NAME_BYTES - 1, "\xc3\xa4", 2);
	UNIT_OK(slm_names_note(names, 1, 0, (SlmSlice) {text, sizeof(text)}), "a long name");
	UNIT_OK(slm_names_note(names, 2, 0, (SlmSlice) {text + 2, SLM_MAX_NAME_BYTES - 1}), "... that ends with the character");
	UNIT_EQ(slm_names_latest(names, 0, &list), 2, "two products");
	UNIT_EQ(list[0].name.len, SLM_MAX_NAME_BYTES - 1, "a character that does not fit is left out whole");
	UNIT_EQ(list[1].name.len, SLM_MAX_NAME_BYTES - 1, "one that fits stays");
	slm_names_free(names);
	slm_names_free(NULL);
}

int
main(void)
{
	bool		ok = true;

	for (int round = 0; round < 50 && ok; round++)
		ok = round_agrees();
	UNIT_OK(ok, "random names, as a plain list says");
	long_names();
	return unit_done();
}
