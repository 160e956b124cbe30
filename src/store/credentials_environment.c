/*
 * credentials_environment.c: what the environment of the server process has.
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "store/credentials_internal.h"

#define MAX_FILE_BYTES		((size_t) 1024 * 1024)

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
