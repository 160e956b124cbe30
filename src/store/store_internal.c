/*
 * store_internal.c: what the implementations of stores share.
 */
#include "postgres.h"

#include "store/store_internal.h"

int			slm_max_connections = 16;
int			slm_max_list_keys = 10000000;
int			slm_max_list_time = SECS_PER_HOUR;

void
slm_listing_passed(const SlmListing *listing, const char *key, SlmPassReason reason, const char *why,...)
{
	char		text[256];
	va_list		args;

	if (listing->passed == NULL)
		return;
	if (why != NULL)
	{
		va_start(args, why);
		vsnprintf(text, sizeof(text), why, args);
		va_end(args);
	}
	listing->passed(key, reason, why != NULL ? text : NULL, listing->arg);
}

char *
slm_store_display_url(const SlmStore *store, const char *key)
{
	char	   *url = psprintf("%s%s", store->url, key);
	char	   *shown = slm_store_display(url);
	char	   *quoted = psprintf("\"%s\"", shown);

	pfree(url);
	pfree(shown);
	return quoted;
}

char *
slm_url_encoded(const char *text, bool keep_slash)
{
	size_t		len = strlen(text);
	char	   *encoded = palloc(3 * len + 1);

	slm_url_encode(encoded, text, len, keep_slash);
	return encoded;
}
