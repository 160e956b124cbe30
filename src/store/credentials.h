/*
 * credentials.h: the S3 credentials of the process, from where AWS's own tools look for them:
 *
 *   keys of the environment -> role of the environment (web identity) -> profile of the shared credentials and config files (role, keys,
 *   or program) -> container metadata -> instance metadata (IMDSv2)
 *
 * The first place that has some wins; one that is set up and can't be used is an error, and no other is asked.  But keys of the environment
 * that a profile names as the source of its role (credential_source = Environment) are just that.
 * What was found is kept for the process, and asked for again before it expires.
 * Credentials of a user mapping don't come from here.  No message ever holds a value, only the name of the place.
 */
#ifndef SLM_STORE_CREDENTIALS_H
#define SLM_STORE_CREDENTIALS_H

#include "postgres.h"

#include "store/store_error.h"
#include "store/store_types.h"

typedef struct SlmCredentials
{
	char	   *access_key;		/* malloc'ed, as the next two */
	char	   *secret_key;
	char	   *session_token;	/* or NULL */
	char		source[256];	/* e.g. "the environment variable AWS_ACCESS_KEY_ID", fit for a message */
	int64		expires;		/* Unix time; 0 = never */
	bool		refreshable;	/* asking again may give others */
	bool		of_program;		/* a program was run for them: see slm_credentials_get() */
} SlmCredentials;

/*
 * The process's credentials, valid until the next call.  NULL with *error set if there are none.  May wait for a
 * service or program, and processes interrupts then.  may_run: whoever it is for may run programs of the server
 * (pg_execute_server_program); else credentials of a program are refused to him, also those that are there already.
 */
extern const SlmCredentials *slm_credentials_get(bool may_run, SlmStoreError *error);

/* What slm_credentials_get() returned last, or NULL. */
extern const SlmCredentials *slm_credentials_current(void);

/* The server said that they have expired: ask again at the next call. */
extern void slm_credentials_forget(void);

/* Paint over what a text repeats of a secret, or of all that credentials hold; NULL has none. */
extern void slm_credentials_scrub_secret(char *text, const char *secret);
extern void slm_credentials_scrub(char *text, const SlmCredentials *credentials);

/* Overwrite and free the values. */
extern void slm_credentials_wipe(SlmCredentials *credentials);

/* A malloc'ed copy, or NULL if text is NULL.  Raises an error when out of memory. */
extern char *slm_credentials_copy(const char *text);

/* The region that the environment or the shared config file names, palloc'd, or NULL. */
extern char *slm_environment_region(void);

/* The endpoint that the environment (AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL) or the file names, palloc'd, or NULL. */
extern char *slm_environment_endpoint(void);

/* The same for STS, by AWS_ENDPOINT_URL_STS. */
extern char *slm_environment_sts_endpoint(void);

#endif							/* SLM_STORE_CREDENTIALS_H */
