/*
 * credentials_files.c: the shared files, and what they and the environment say besides credentials: which profile counts, region, endpoints.
 */
#include "postgres.h"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/credentials_internal.h"
#include "store/credentials_parse.h"
#include "store/store_internal.h"

static const char *const variables[] = {"AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"};

/* One of the two files: what a variable names, or its usual place in the home directory.  NULL if unknown. */
static char *
path_of(bool is_config)
{
	const char *path = slm_getenv(variables[is_config]);
	const char *home = slm_getenv("HOME");

	if (path != NULL)
		return pstrdup(path);
	if (home == NULL)
	{
		struct passwd *user = getpwuid(geteuid());

		home = user ? user->pw_dir : NULL;
	}
	return home ? psprintf("%s/.aws/%s", home, is_config ? "config" : "credentials") : NULL;
}

const char *
slm_profile_name(void)
{
	const char *name = slm_getenv("AWS_PROFILE");

	if (name == NULL)
		name = slm_getenv("AWS_DEFAULT_PROFILE");
	return name ? name : "default";
}

bool
slm_profile_was_asked_for(void)
{
	return slm_getenv("AWS_PROFILE") != NULL || slm_getenv("AWS_DEFAULT_PROFILE") != NULL;
}

char *
slm_profile_read_file(bool is_config, size_t *len, SlmStoreError *error)
{
	char	   *path = path_of(is_config);
	char	   *text = path ? slm_read_small_file(path, len) : NULL;
	int			saved_errno = errno;
	struct stat st;

	error->kind = SLM_STORE_OK;
	if (text != NULL || path == NULL)
		return text;
	if (slm_getenv(variables[is_config]) != NULL)
		slm_store_fail_errno(error, saved_errno, "could not read the file that %s names", variables[is_config]);
	else if (stat(path, &st) == 0)
		slm_store_fail_errno(error, saved_errno, "could not read the %s file of the server process's user", SLM_PROFILE_FILE(is_config));
	else
		return NULL;
	/* it is not an object that is missing */
	error->kind = SLM_STORE_DENIED;
	return NULL;
}

/* Where it is, not who asks: so the config file comes first. */
char *
slm_profile_setting(int setting)
{
	char	   *found = NULL;

	for (int is_config = 1; is_config >= 0 && found == NULL; is_config--)
	{
		SlmProfile	profile;
		SlmStoreError ignored;
		size_t		len;
		char	   *text = slm_profile_read_file(is_config, &len, &ignored);

		if (text == NULL)
			continue;
		slm_profile_parse(text, len, slm_profile_name(), is_config, &profile);
		if (profile.values[setting].data != NULL)
			found = pnstrdup(profile.values[setting].data, profile.values[setting].len);
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
