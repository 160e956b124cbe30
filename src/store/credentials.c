/*
 * credentials.c: where credentials are looked for, in which order; those that were found are kept, and asked for again in time.
 */
#include "postgres.h"

#include <time.h>

#include "utils/memutils.h"

#include "store/credentials_internal.h"
#include "store/store_internal.h"

/* Ask again so many seconds before they expire, and so long after that has failed. */
#define REFRESH_BEFORE_S	300
#define REFRESH_AGAIN_S		30

/* From when on a failure took long. */
#define SLOW_MS				1000.0

static SlmCredentials cached;
static int64 next_refresh;

/* The last failure, if it took long: valid until next_refresh. */
static SlmStoreError failure;
static MemoryContext failures;

static SlmCredentialsFound
look_everywhere(bool may_run, SlmCredentials *c, SlmStoreError *error)
{
	SlmCredentialsFound found = SLM_CREDENTIALS_NONE;

	if (!slm_profile_wants_environment())
		found = slm_credentials_of_environment(c, error);
	if (found == SLM_CREDENTIALS_NONE)
		found = slm_credentials_of_web_identity(c, error);
	if (found == SLM_CREDENTIALS_NONE)
		found = slm_credentials_of_profile(may_run, c, error);
	if (found == SLM_CREDENTIALS_NONE)
		found = slm_credentials_of_container(c, error);
	if (found == SLM_CREDENTIALS_NONE)
		found = slm_credentials_of_instance(c, error);
	if (found == SLM_CREDENTIALS_FOUND && !slm_credentials_check(c, error))
		return SLM_CREDENTIALS_FAILED;
	if (found != SLM_CREDENTIALS_NONE)
		return found;
	slm_store_fail(error, SLM_STORE_DENIED, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
				   "no S3 credentials were found");
	error->detail = pstrdup("Neither the server process's environment nor its user's shared credentials and config"
							" files nor a metadata service of the container or instance has any.");
	error->hint = pstrdup("Create a foreign server of wrapper sellometer_s3 and a user mapping with access_key_id and"
						  " secret_access_key, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for the server.");
	return SLM_CREDENTIALS_FAILED;
}

/* Remember a failure that took long: whoever asks next does not wait for the same again. */
static void
keep_failure(const SlmStoreError *error, double began)
{
	MemoryContext outer;

	if (failures != NULL)
		MemoryContextReset(failures);
	failure.kind = SLM_STORE_OK;
	if (error->kind == SLM_STORE_OK || slm_now_ms() - began < SLOW_MS)
		return;
	if (failures == NULL)
		failures = AllocSetContextCreate(TopMemoryContext, "sellometer credentials", ALLOCSET_SMALL_SIZES);
	outer = MemoryContextSwitchTo(failures);
	slm_store_error_copy(&failure, error);
	MemoryContextSwitchTo(outer);
}

/* Ask for them, unless that has just failed and took long. */
static bool
ask_again(bool may_run, int64 now, SlmCredentials *found, SlmStoreError *error)
{
	double		began = slm_now_ms();

	if (failure.kind != SLM_STORE_OK && next_refresh > now)
	{
		slm_store_error_copy(error, &failure);
		return false;
	}
	next_refresh = now + REFRESH_AGAIN_S;
	if (look_everywhere(may_run, found, error) != SLM_CREDENTIALS_FOUND)
	{
		/* the longer it took, the later it may do so again */
		next_refresh = (int64) time(NULL) + Max(REFRESH_AGAIN_S, (int64) ((slm_now_ms() - began) / 1000.0));
		keep_failure(error, began);
		return false;
	}
	now = (int64) time(NULL);
	failure.kind = SLM_STORE_OK;
	/* what lives shortly is renewed in time, too, but not at each call */
	if (found->expires > now)
		next_refresh = now + Min(REFRESH_AGAIN_S, Max(1, (found->expires - now) / 10));
	return true;
}

static const SlmCredentials *
check_program(bool may_run, SlmStoreError *error)
{
	if (may_run || !cached.of_program)
		return &cached;
	(void) slm_credentials_refuse_program(error);
	return NULL;
}

const SlmCredentials *
slm_credentials_get(bool may_run, SlmStoreError *error)
{
	SlmCredentials found = {0};
	int64		now = (int64) time(NULL);

	if (cached.access_key != NULL &&
		(cached.expires == 0 || cached.expires - REFRESH_BEFORE_S > now ||
		 (cached.expires > now && next_refresh > now)))
		return check_program(may_run, error);
	if (ask_again(may_run, now, &found, error))
	{
		slm_credentials_wipe(&cached);
		cached = found;
		return check_program(may_run, error);
	}
	/* The old ones may still do for a while. */
	if (cached.access_key != NULL && cached.expires > now)
		return check_program(may_run, error);
	slm_credentials_wipe(&cached);
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
	failure.kind = SLM_STORE_OK;
	next_refresh = 0;
}
