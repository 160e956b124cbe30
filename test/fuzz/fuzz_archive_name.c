/*
 * fuzz_archive_name.c: keys that a server lists beside our archives: the first part of the input is the archive's name, the
 * rest, behind a NUL byte, the key.
 *
 * What is taken for a part must be just how that part is named, and of each part the name must be known.
 */
#include "fuzz.h"
#include "pure/archive_name.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *text = malloc(size + 1);
	const char *name = text;
	const char *key;
	char		expected[16384];
	int			part;

	memcpy(text, data, size);
	text[size] = '\0';
	key = strlen(name) < size ? name + strlen(name) + 1 : name;
	part = slm_archive_part(key, name);
	MUST(part >= -1 && part <= SLM_MAX_ARCHIVE_PART, "%d", part);
	if (part > 0)
		snprintf(expected, sizeof(expected), "%s.%d.csv.gz", name, part);
	else
		snprintf(expected, sizeof(expected), "%s.csv.gz", name);
	MUST((part >= 0) == (strcmp(key, expected) == 0), "\"%s\" of \"%s\": %d", key, name, part);
	snprintf(expected, sizeof(expected), "%s.%u.csv.gz", name, 1 + (unsigned) size % SLM_MAX_ARCHIVE_PART);
	MUST(slm_archive_part(expected, name) == 1 + (int) (size % SLM_MAX_ARCHIVE_PART), "\"%s\"", expected);
	free(text);
	return 0;
}
