/*
 * Patterns of keys: each kind by example, random ones against the obvious recursion, and that none takes for ever.
 */
#include "pure/glob.h"
#include "unit.h"

#include <time.h>

/* What a pattern of '*', '?' and letters matches, as it is defined. */
static bool
naive(const char *glob, const char *text)
{
	if (*glob == '\0')
		return *text == '\0';
	if (*glob == '*')
		return naive(glob + 1, text) || (*text != '\0' && naive(glob, text + 1));
	return *text != '\0' && (*glob == '?' || *glob == *text) && naive(glob + 1, text + 1);
}

static void
check_examples(void)
{
	static const struct
	{
		const char *glob;
		const char *text;
		bool		matches;
	}			examples[] = {
		{"*.csv", "a.csv", true}, {"*.csv", "a/b.csv", true}, {"*.csv", ".csv", true}, {"*.csv", "a.CSV", false}, {"*.csv", "a.csv.gz", false},
		{"shop/*", "shop/", true}, {"shop/*", "shop", false}, {"*", "", true}, {"*", "x/y", true}, {"?", "", false}, {"?", "/", true},
		{"?", "\xC3\xA4", true}, {"??", "\xC3\xA4", false}, {"?", "\xFF", true}, {"[\xC3\xA0-\xC3\xBC]", "\xC3\xA4", true},
		{"[a-c]", "b", true}, {"[a-c]", "B", false}, {"[a-c]", "d", false}, {"[!a-c]", "d", true}, {"[^a-c]", "b", false}, {"[!a]", "", false},
		{"[]a]", "]", true}, {"[!]a]", "]", false}, {"[a-]", "-", true}, {"[-a]", "-", true}, {"[\\]]", "]", true}, {"[a\\-c]", "b", false},
		{"\\*", "*", true}, {"\\*", "x", false}, {"\\[x", "[x", true}, {"[x", "[x", false}, {"x[", "x", false}, {"a*b*c", "aXbYbZc", true},
		{"a*b*c", "aXbYbZ", false}, {"**", "abc", true}, {"", "", true}, {"", "x", false}, {"a\\", "a\\", true},
	};

	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++)
		UNIT_EQ(slm_glob_matches(examples[i].glob, examples[i].text), examples[i].matches, "\"%s\" and \"%s\"", examples[i].glob, examples[i].text);
}

static void
check_faults(void)
{
	static const char *const good[] = {"*", "a", "[a]", "[]]", "[!]]", "\\[", "a/*/b?[0-9]", "[\\]]", "[a-a]"};
	static const char *const bad[] = {"", "[", "[a", "a[]", "[!", "[!]", "a\\", "[a\\]", "[z-a]", "x[9-0]y"};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		UNIT_OK(slm_glob_fault(good[i]) == NULL, "\"%s\" is well", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		UNIT_OK(slm_glob_fault(bad[i]) != NULL, "\"%s\" is not", bad[i]);
}

static void
check_random(void)
{
	int			wrong = 0;
	int			matched = 0;

	for (int round = 0; round < 200000; round++)
	{
		char		glob[9];
		char		text[9];
		size_t		nglob = unit_random(8);
		size_t		ntext = unit_random(8);
		bool		expected;

		for (size_t i = 0; i < nglob; i++)
			glob[i] = "**?ab"[unit_random(5)];
		for (size_t i = 0; i < ntext; i++)
			text[i] = "ab"[unit_random(2)];
		glob[nglob] = text[ntext] = '\0';
		expected = naive(glob, text);
		matched += expected;
		wrong += slm_glob_matches(glob, text) != expected;
	}
	UNIT_EQ(wrong, 0, "random patterns match what they should");
	UNIT_OK(matched > 10000 && matched < 190000, "... and some do, some don't");
}

static void
check_time(void)
{
	char		glob[401];
	char		text[4097];
	clock_t		begin = clock();

	for (int i = 0; i < 400; i += 2)
	{
		glob[i] = '*';
		glob[i + 1] = 'a';
	}
	glob[399] = 'b';
	glob[400] = '\0';
	memset(text, 'a', 4096);
	text[4096] = '\0';
	UNIT_OK(!slm_glob_matches(glob, text), "two hundred stars");
	UNIT_OK(clock() - begin < 5 * CLOCKS_PER_SEC, "... end");
}

int
main(void)
{
	check_examples();
	check_faults();
	check_random();
	check_time();
	return unit_done();
}
