/*
 * credentials_keys.c: credentials as values: copied, checked, painted over, wiped; and how there are none.
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "server/out_of_memory.h"
#include "store/credentials_internal.h"
#include "store/store_internal.h"

char *
slm_credentials_copy(const char *text)
{
	char	   *copy;

	if (text == NULL)
		return NULL;
	copy = strdup(text);
	if (copy == NULL)
		slm_out_of_memory();
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
slm_credentials_scrub_secret(char *text, const char *secret)
{
	size_t		len = secret ? strlen(secret) : 0;
	char	   *p = text;

	while (len > 0 && (p = strstr(p, secret)) != NULL)
	{
		memset(p, '*', len);
		p += len;
	}
}

void
slm_credentials_scrub(char *text, const SlmCredentials *credentials)
{
	if (credentials == NULL)
		return;
	slm_credentials_scrub_secret(text, credentials->secret_key);
	slm_credentials_scrub_secret(text, credentials->session_token);
	slm_credentials_scrub_secret(text, credentials->access_key);
}

void
slm_credentials_wipe(SlmCredentials *c)
{
	wipe_text(&c->access_key);
	wipe_text(&c->secret_key);
	wipe_text(&c->session_token);
	memset(c, 0, sizeof(*c));
}

/* Nothing in them may end the header that they are sent in. */
static bool
is_sendable(const char *text)
{
	for (const char *p = text; p != NULL && *p != '\0'; p++)
		if (*p <= ' ' || *p >= 0x7f)
			return false;
	return true;
}

bool
slm_credentials_check(SlmCredentials *c, SlmStoreError *error)
{
	if (is_sendable(c->access_key) && is_sendable(c->secret_key) && is_sendable(c->session_token))
		return true;
	slm_store_fail(error, SLM_STORE_DENIED, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
				   "the S3 credentials are not valid");
	error->detail = psprintf("Those from %s hold a space, a line break or another character that can't be.", c->source);
	slm_credentials_wipe(c);
	return false;
}

SlmCredentialsFound
slm_credentials_fail(SlmStoreError *error, int sqlstate, const char *hint, const char *detail,...)
{
	StringInfoData text;
	va_list		args;
	int			needed;

	initStringInfo(&text);
	do
	{
		va_start(args, detail);
		needed = appendStringInfoVA(&text, detail, args);
		va_end(args);
		if (needed > 0)
			enlargeStringInfo(&text, needed);
	} while (needed > 0);
	slm_store_fail(error, SLM_STORE_DENIED, sqlstate, "could not get S3 credentials");
	error->detail = text.data;
	error->hint = hint ? pstrdup(hint) : NULL;
	return SLM_CREDENTIALS_FAILED;
}
