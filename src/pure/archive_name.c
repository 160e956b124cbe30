/*
 * archive_name.c: the names of archives.  Keys come from a server's list, and may be anything.
 */
#include "pure/archive_name.h"

#include <string.h>

static const char suffix[] = ".csv.gz";

int
slm_archive_part(const char *key, const char *name)
{
	size_t		len = strlen(name);
	int			part = 0;

	if (strncmp(key, name, len) != 0)
		return -1;
	key += len;
	if (strcmp(key, suffix) == 0)
		return 0;
	if (key[0] != '.' || key[1] < '1' || key[1] > '9')
		return -1;
	for (key++; *key >= '0' && *key <= '9'; key++)
	{
		part = part * 10 + (*key - '0');
		if (part > SLM_MAX_ARCHIVE_PART)
			return -1;
	}
	return strcmp(key, suffix) == 0 ? part : -1;
}
