/*
 * fuzz_clean.c: categories against a plain reading of the rules: split, trim, drop, fill, cut, join.
 *
 * The input: a byte of flags, eight of an id, then the code.
 */
#include "fuzz.h"

#include <inttypes.h>
#include <strings.h>

#include "pure/clean.h"
#include "pure/utf8.h"

typedef struct Level
{
	char	   *text;
	size_t		len;
} Level;

/* Words for nothing, spelt out. */
static bool
is_nothing(const char *text, size_t len)
{
	static const char *const exact[] = {"-", "\\N", "nan", "NaN", "n/a", "N/A", "<NA>", "#N/A", "undefined"};
	static const char *const any_case[] = {"null", "none", "(null)"};

	for (size_t i = 0; i < sizeof(exact) / sizeof(exact[0]); i++)
	{
		if (strlen(exact[i]) == len && memcmp(exact[i], text, len) == 0)
			return true;
	}
	for (size_t i = 0; i < sizeof(any_case) / sizeof(any_case[0]); i++)
	{
		if (strlen(any_case[i]) == len && strncasecmp(any_case[i], text, len) == 0)
			return true;
	}
	return false;
}

/* The bounds of a text without blanks at its ends. */
static void
strip(const char **from, const char **to)
{
	size_t		n;

	while ((n = fuzz_blank(*from, (size_t) (*to - *from), false)) > 0)
		*from += n;
	while ((n = fuzz_blank(*from, (size_t) (*to - *from), true)) > 0)
		*to -= n;
}

/* Cut a level out of code, small letters and all. */
static Level
take_level(const char *from, const char *to)
{
	Level		level;

	strip(&from, &to);
	level.len = (size_t) (to - from);
	level.text = malloc(level.len + 1);
	for (size_t i = 0; i < level.len; i++)
		level.text[i] = strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ", from[i]) && from[i] ? (char) (from[i] | 0x20) : from[i];
	return level;
}

static size_t
join(char *out, const Level *levels, size_t n)
{
	size_t		len = 0;

	for (size_t i = 0; i < n; i++)
	{
		if (i > 0)
			out[len++] = '.';
		memcpy(out + len, levels[i].text, levels[i].len);
		len += levels[i].len;
	}
	return len;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *code,
			   *end,
			   *from,
			   *to;
	int			n_given = 1;
	Level	   *levels;
	size_t		n = 0,
				joined[4],
				code_len;
	int64_t		id;
	bool		has_id;
	char	   *buf,
			   *expected[4],
				number[32];
	SlmCategory got;
	bool		ok;

	if (size < 9)
		return 0;
	has_id = data[0] & 1;
	memcpy(&id, data + 1, 8);
	code = (const char *) data + 9;
	code_len = size - 9;
	end = code + code_len;
	from = code;
	to = end;
	strip(&from, &to);
	/* of a word for nothing no level is left, as of one dot */
	if (is_nothing(from, (size_t) (to - from)))
		n_given = 0;

	levels = calloc(code_len + 4, sizeof(Level));
	for (from = code; n_given > 0 && from <= end; from = to + 1)
	{
		to = memchr(from, '.', (size_t) (end - from));
		if (to == NULL)
			to = end;
		levels[n] = take_level(from, to);
		if (levels[n].len > 0)
			n++;
		else
			free(levels[n].text);
	}
	if (n == 0)
	{
		snprintf(number, sizeof(number), "%" PRId64, id);
		levels[n].text = strdup(has_id ? number : "unknown");
		levels[n].len = strlen(levels[n].text);
		n++;
	}
	expected[3] = malloc(code_len + 64);
	joined[3] = join(expected[3], levels, n);
	for (; n < 3; n++)
		levels[n] = take_level(levels[n - 1].text, levels[n - 1].text + levels[n - 1].len);
	for (size_t l = 0; l < 3; l++)
	{
		expected[l] = malloc(3 * code_len + 128);
		joined[l] = join(expected[l], levels, l + 1);
	}

	buf = malloc(2 * SLM_CATEGORY_BUFFER);
	ok = slm_clean_category((SlmSlice) {code, (uint32_t) code_len}, has_id, id, buf, &got);
	MUST(ok == (joined[2] <= SLM_MAX_KEY_BYTES && joined[3] <= SLM_MAX_KEY_BYTES),
		 "%zu and %zu bytes", joined[2], joined[3]);
	if (ok)
	{
		MUST(got.l1_len == joined[0] && memcmp(got.key, expected[0], joined[0]) == 0, "level 1");
		MUST(got.l2_len == joined[1] && memcmp(got.key, expected[1], joined[1]) == 0, "level 2");
		MUST(got.l3_len == joined[2] && memcmp(got.key, expected[2], joined[2]) == 0, "level 3");
		MUST(got.code_len == joined[3] && memcmp(got.code, expected[3], joined[3]) == 0, "code");
		/* text that can be stored stays so */
		if (slm_utf8_check(code, code_len) == code_len)
			MUST(slm_utf8_check(got.key, got.l3_len) == got.l3_len, "key");
	}
	for (size_t i = 0; i < n; i++)
		free(levels[i].text);
	for (int i = 0; i < 4; i++)
		free(expected[i]);
	free(levels);
	free(buf);
	return 0;
}
