/*
 * credentials.c: see credentials.h.
 */
#include "postgres.h"

#include <fcntl.h>
#include <pwd.h>
#include <time.h>
#include <unistd.h>

#include "lib/stringinfo.h"

#include "store/credentials_internal.h"
#include "store/credentials_parse.h"
#include "store/store_internal.h"

/* Ask again so many seconds before they expire, and so long after that has failed. */
#define REFRESH_BEFORE_S	300
#define REFRESH_AGAIN_S		30

#define MAX_FILE_BYTES		((size_t) 1024 * 1024)

static SlmCredentials cached;
static int64 next_refresh;

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

static SlmCredentialsFound
from_environment(SlmCredentials *c)
{
	const char *access_key = slm_getenv("AWS_ACCESS_KEY_ID");
	const char *secret_key = slm_getenv("AWS_SECRET_ACCESS_KEY");

	if (access_key == NULL || secret_key == NULL)
		return SLM_CREDENTIALS_NONE;
	c->access_key = slm_credentials_copy(access_key);
	c->secret_key = slm_credentials_copy(secret_key);
	c->session_token = slm_credentials_copy(slm_getenv("AWS_SESSION_TOKEN"));
	/* NOLINTBEGIN(clang-analyzer-unix.Malloc): they are c's, and slm_credentials_wipe() frees them */
	strlcpy(c->source, "the environment variable AWS_ACCESS_KEY_ID of the server process", sizeof(c->source));
	return SLM_CREDENTIALS_FOUND;
	/* NOLINTEND(clang-analyzer-unix.Malloc) */
}

/* One of the two shared files: what a variable names, or its usual place in the home directory.  NULL if unknown. */
static char *
shared_file(const char *variable, const char *name)
{
	const char *path = slm_getenv(variable);
	const char *home = slm_getenv("HOME");

	if (path != NULL)
		return pstrdup(path);
	if (home == NULL)
	{
		struct passwd *user = getpwuid(geteuid());

		home = user ? user->pw_dir : NULL;
	}
	return home ? psprintf("%s/.aws/%s", home, name) : NULL;
}

static const char *
profile_name(void)
{
	const char *name = slm_getenv("AWS_PROFILE");

	return name ? name : "default";
}

static char *
copy_slice(SlmSlice slice)
{
	char	   *text;
	char	   *copy;

	if (slice.data == NULL || slice.len == 0)
		return NULL;
	text = pnstrdup(slice.data, slice.len);
	copy = slm_credentials_copy(text);
	explicit_bzero(text, slice.len);
	pfree(text);
	return copy;
}

/* The profile in one of the files.  The file's text is palloc'd: wipe and free it.  NULL = no such file. */
static char *
read_profile(bool is_config, char **path, size_t *len, SlmProfile *profile)
{
	char	   *text;

	memset(profile, 0, sizeof(*profile));
	*path = is_config ? shared_file("AWS_CONFIG_FILE", "config")
		: shared_file("AWS_SHARED_CREDENTIALS_FILE", "credentials");
	if (*path == NULL)
		return NULL;
	text = slm_read_small_file(*path, len);
	if (text != NULL)
		slm_profile_parse(text, *len, profile_name(), is_config, profile);
	return text;
}

static SlmCredentialsFound
from_file(bool is_config, SlmCredentials *c, const char **unsupported, SlmStoreError *error)
{
	const char *variable = is_config ? "AWS_CONFIG_FILE" : "AWS_SHARED_CREDENTIALS_FILE";
	SlmProfile	profile;
	char	   *path;
	size_t		len;
	char	   *text = read_profile(is_config, &path, &len, &profile);

	if (text == NULL)
	{
		/* A file that was asked for must be there; the usual one need not. */
		if (slm_getenv(variable) == NULL)
			return SLM_CREDENTIALS_NONE;
		slm_store_fail_errno(error, errno, "could not read the file that %s names", variable);
		error->kind = SLM_STORE_DENIED;
		return SLM_CREDENTIALS_FAILED;
	}
	c->access_key = copy_slice(profile.access_key);
	c->secret_key = copy_slice(profile.secret_key);
	c->session_token = copy_slice(profile.session_token);
	if (profile.unsupported)
		*unsupported = profile.unsupported;
	explicit_bzero(text, len);
	pfree(text);
	if (c->access_key == NULL || c->secret_key == NULL)
	{
		slm_credentials_wipe(c);
		return SLM_CREDENTIALS_NONE;
	}
	c->refreshable = true;
	snprintf(c->source, sizeof(c->source), "profile \"%s\" of the %s file", slm_store_display(profile_name()),
			 is_config ? "config" : "shared credentials");
	return SLM_CREDENTIALS_FOUND;
}

static SlmCredentialsFound
from_files(SlmCredentials *c, SlmStoreError *error)
{
	const char *unsupported = NULL;
	SlmCredentialsFound found = from_file(false, c, &unsupported, error);

	if (found == SLM_CREDENTIALS_NONE)
		found = from_file(true, c, &unsupported, error);
	if (found != SLM_CREDENTIALS_NONE)
		return found;
	if (unsupported != NULL)
	{
		slm_store_fail(error, SLM_STORE_DENIED, ERRCODE_FEATURE_NOT_SUPPORTED,
					   "could not get S3 credentials");
		error->detail = psprintf("Profile \"%s\" uses %s, which is not supported.", slm_store_display(profile_name()), unsupported);
		error->hint = pstrdup("Give the profile aws_access_key_id and aws_secret_access_key, or create a user"
							  " mapping.");
		return SLM_CREDENTIALS_FAILED;
	}
	if (slm_getenv("AWS_PROFILE") != NULL)
	{
		slm_store_fail(error, SLM_STORE_DENIED, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
					   "no S3 credentials were found");
		error->detail = psprintf("There are none in profile \"%s\".", slm_store_display(profile_name()));
		error->hint = pstrdup("Correct AWS_PROFILE, or the profile in the shared credentials file of the operating"
							  " system's user that runs PostgreSQL.");
		return SLM_CREDENTIALS_FAILED;
	}
	return SLM_CREDENTIALS_NONE;
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

static SlmCredentialsFound
look_everywhere(SlmCredentials *c, SlmStoreError *error)
{
	SlmCredentialsFound found = from_environment(c);

	if (found == SLM_CREDENTIALS_NONE)
		found = from_files(c, error);
	if (found == SLM_CREDENTIALS_NONE)
		found = slm_credentials_of_container(c, error);
	if (found == SLM_CREDENTIALS_NONE)
		found = slm_credentials_of_instance(c, error);
	if (found == SLM_CREDENTIALS_FOUND &&
		!(is_sendable(c->access_key) && is_sendable(c->secret_key) && is_sendable(c->session_token)))
	{
		slm_store_fail(error, SLM_STORE_DENIED, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
					   "the S3 credentials are not valid");
		error->detail = psprintf("Those from %s hold a space, a line break or another character that can't be.", c->source);
		slm_credentials_wipe(c);
		return SLM_CREDENTIALS_FAILED;
	}
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

const SlmCredentials *
slm_credentials_get(SlmStoreError *error)
{
	SlmCredentials found = {0};
	int64		now = (int64) time(NULL);

	if (cached.access_key != NULL &&
		(cached.expires == 0 || cached.expires - REFRESH_BEFORE_S > now ||
		 (cached.expires > now && next_refresh > now)))
		return &cached;
	next_refresh = now + REFRESH_AGAIN_S;
	if (look_everywhere(&found, error) == SLM_CREDENTIALS_FOUND)
	{
		slm_credentials_wipe(&cached);
		cached = found;
		return &cached;
	}
	/* The old ones may still do for a while. */
	if (cached.access_key != NULL && cached.expires > now)
		return &cached;
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
	next_refresh = 0;
}

/* A setting of the profile in the config file, else of the credentials file; palloc'd, or NULL. */
static char *
profile_setting(size_t offset)
{
	char	   *found = NULL;

	for (int is_config = 1; is_config >= 0 && found == NULL; is_config--)
	{
		SlmProfile	profile;
		char	   *path;
		size_t		len;
		char	   *text = read_profile(is_config, &path, &len, &profile);
		SlmSlice	slice = *(SlmSlice *) ((char *) &profile + offset);

		if (text == NULL)
			continue;
		if (slice.data != NULL && slice.len > 0)
			found = pnstrdup(slice.data, slice.len);
		explicit_bzero(text, len);
		pfree(text);
	}
	return found;
}

char *
slm_environment_region(void)
{
	const char *region = slm_getenv("AWS_REGION");

	if (region == NULL)
		region = slm_getenv("AWS_DEFAULT_REGION");
	return region ? pstrdup(region) : profile_setting(offsetof(SlmProfile, region));
}

char *
slm_environment_endpoint(void)
{
	const char *endpoint = slm_getenv("AWS_ENDPOINT_URL_S3");

	if (endpoint == NULL)
		endpoint = slm_getenv("AWS_ENDPOINT_URL");
	return endpoint ? pstrdup(endpoint) : profile_setting(offsetof(SlmProfile, endpoint_url));
}
