/*
 * names.c: which names are not those of objects.  Calls nothing of the server's.
 */
#include "store/names.h"

#include <string.h>
#include <strings.h>

static const char *const suffixes[] = {
	"~", ".tmp", ".part", ".filepart", "._copying_", ".crdownload", ".inprogress", ".crc"
};

static bool
has_suffix(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
	{
		size_t		n = strlen(suffixes[i]);

		if (len >= n && strncasecmp(name + len - n, suffixes[i], n) == 0)
			return true;
	}
	return false;
}

bool
slm_name_is_passed_over(const char *name, size_t len)
{
	/* to a bucket these are names like any other */
	if ((len == 1 || (len == 2 && name[1] == '.')) && name[0] == '.')
		return false;
	return len > 0 && (name[0] == '.' || name[0] == '_' || has_suffix(name, len));
}

bool
slm_key_is_passed_over(const char *prefix, const char *key)
{
	size_t		prefix_len = strlen(prefix);
	bool		whole = prefix_len == 0 || prefix[prefix_len - 1] == '/';

	for (const char *name = key;; whole = true)
	{
		size_t		len = strcspn(name, "/");

		if (whole ? slm_name_is_passed_over(name, len) : has_suffix(name, len))
			return true;
		if (name[len] == '\0')
			return false;
		name += len + 1;
	}
}
