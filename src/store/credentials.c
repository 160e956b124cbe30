/*
 * credentials.c: see credentials.h.
 */
#include "postgres.h"

#include <time.h>

#include "store/credentials.h"
#include "store/store_internal.h"

/* Ask again so many seconds before they expire. */
#define REFRESH_BEFORE_S	300

static SlmCredentials cached;

char *
slm_credentials_copy(const char *text)
{
	char	   *copy;

	if (text == NULL)
		return NULL;
	copy = strdup(text);
	if (copy == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	return copy;
}

static void
wipe_text(char **text)
{
	if (*text)
	{
		explicit_bzero(*text, strlen(*text));
		free(*text);
	}
	*text = NULL;
}

void
slm_credentials_wipe(SlmCredentials *c)
{
	wipe_text(&c->access_key);
	wipe_text(&c->secret_key);
	wipe_text(&c->session_token);
	memset(c, 0, sizeof(*c));
}

static const char *
environment(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

char *
slm_environment_region(void)
{
	const char *region = environment("AWS_REGION");

	if (region == NULL)
		region = environment("AWS_DEFAULT_REGION");
	return region ? pstrdup(region) : NULL;
}

const char *
slm_environment_endpoint(void)
{
	const char *endpoint = environment("AWS_ENDPOINT_URL_S3");

	return endpoint ? endpoint : environment("AWS_ENDPOINT_URL");
}

/* Whether the variables are set.  Raises an error only when out of memory. */
static bool
from_environment(SlmCredentials *c)
{
	const char *access_key = environment("AWS_ACCESS_KEY_ID");
	const char *secret_key = environment("AWS_SECRET_ACCESS_KEY");

	if (access_key == NULL || secret_key == NULL)
		return false;
	c->access_key = slm_credentials_copy(access_key);
	c->secret_key = slm_credentials_copy(secret_key);
	c->session_token = slm_credentials_copy(environment("AWS_SESSION_TOKEN"));
	strlcpy(c->source, "the environment variable AWS_ACCESS_KEY_ID of the server process", sizeof(c->source));
	return true;
}

const SlmCredentials *
slm_credentials_get(SlmStoreError *error)
{
	if (cached.access_key != NULL && (cached.expires == 0 || cached.expires - REFRESH_BEFORE_S > (int64) time(NULL)))
		return &cached;
	slm_credentials_wipe(&cached);
	if (from_environment(&cached))
		return &cached;
	slm_store_fail(error, SLM_STORE_DENIED, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
				   "no S3 credentials were found");
	error->detail = pstrdup("The environment of the server process holds none.");
	error->hint = pstrdup("Create a foreign server of wrapper sellometer_s3 and a user mapping with access_key_id and"
						  " secret_access_key, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for the server.");
	return NULL;
}

const SlmCredentials *
slm_credentials_current(void)
{
	return cached.access_key ? &cached : NULL;
}

void
slm_credentials_forget(void)
{
	slm_credentials_wipe(&cached);
}
