/*
 * credentials.c: see credentials.h.
 */
#include "postgres.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "utils/memutils.h"

#include "server/out_of_memory.h"
#include "store/credentials_internal.h"
#include "store/credentials_parse.h"
#include "store/store_internal.h"

/* Ask again so many seconds before they expire, and so long after that has failed. */
#define REFRESH_BEFORE_S	300
#define REFRESH_AGAIN_S		30

/* From when on a failure took long. */
#define SLOW_MS				1000.0

#define MAX_FILE_BYTES		((size_t) 1024 * 1024)

static SlmCredentials cached;
static int64 next_refresh;

/* The last failure, if it took long: valid until next_refresh. */
static SlmStoreError failure;
static MemoryContext failures;

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

const char *
slm_getenv(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

char *
slm_read_small_file(const char *path, size_t *len)
{
	int			fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	char	   *text;
	ssize_t		got;
	int			saved_errno;

	if (fd < 0)
		return NULL;
	text = palloc(MAX_FILE_BYTES + 1);
	*len = 0;
	while ((got = read(fd, text + *len, MAX_FILE_BYTES - *len)) > 0)
		*len += got;
	saved_errno = errno;
	close(fd);
	text[*len] = '\0';
	if (got == 0)
		return text;
	pfree(text);
	errno = saved_errno;
	return NULL;
}

SlmCredentialsFound
slm_credentials_of_environment(SlmCredentials *c, SlmStoreError *error)
{
	const char *access_key = slm_getenv("AWS_ACCESS_KEY_ID");
	const char *secret_key = slm_getenv("AWS_SECRET_ACCESS_KEY");

	if (access_key == NULL && secret_key == NULL)
		return SLM_CREDENTIALS_NONE;
	if (access_key == NULL || secret_key == NULL)
		return slm_credentials_fail(error, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, "Set both for the server process, or none.",
									"Of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY only %s is set.", access_key ? "the first" : "the second");
	c->access_key = slm_credentials_copy(access_key);
	c->secret_key = slm_credentials_copy(secret_key);
	c->session_token = slm_credentials_copy(slm_getenv("AWS_SESSION_TOKEN"));
	/* NOLINTBEGIN(clang-analyzer-unix.Malloc): they are c's, and slm_credentials_wipe() frees them */
	strlcpy(c->source, "the environment variable AWS_ACCESS_KEY_ID of the server process", sizeof(c->source));
	return SLM_CREDENTIALS_FOUND;
	/* NOLINTEND(clang-analyzer-unix.Malloc) */
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

char *
slm_environment_region(void)
{
	const char *region = slm_getenv("AWS_REGION");

	if (region == NULL)
		region = slm_getenv("AWS_DEFAULT_REGION");
	return region ? pstrdup(region) : slm_profile_setting(SLM_PROFILE_REGION);
}

static char *
endpoint_for(const char *variable)
{
	const char *endpoint = slm_getenv(variable);

	if (endpoint == NULL)
		endpoint = slm_getenv("AWS_ENDPOINT_URL");
	return endpoint ? pstrdup(endpoint) : slm_profile_setting(SLM_PROFILE_ENDPOINT_URL);
}

char *
slm_environment_endpoint(void)
{
	return endpoint_for("AWS_ENDPOINT_URL_S3");
}

char *
slm_environment_sts_endpoint(void)
{
	return endpoint_for("AWS_ENDPOINT_URL_STS");
}
