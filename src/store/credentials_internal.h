/*
 * credentials_internal.h: what the parts that look for credentials share.
 *
 *   credentials.c             the order in which places are asked, the cache, refresh
 *     credentials_profile.c   a profile of the shared files: keys, a program, or a role with what it builds upon
 *     credentials_program.c   credential_process
 *     credentials_sts.c       roles, by AWS's service for them
 *     credentials_metadata.c  services of containers and instances
 *       credentials_ask.c     a small request, as the last two send
 *     credentials_files.c     the shared files, and settings in them: region, endpoints
 *     credentials_environment.c  keys of the environment
 *     credentials_keys.c      credentials as values
 *
 * What is set up, but can't be honoured, is an error: nobody is ever asked in its stead.
 */
#ifndef SLM_STORE_CREDENTIALS_INTERNAL_H
#define SLM_STORE_CREDENTIALS_INTERNAL_H

#include "store/credentials.h"
#include "store/http.h"

typedef enum SlmCredentialsFound
{
	SLM_CREDENTIALS_FOUND,
	SLM_CREDENTIALS_NONE,		/* this place isn't set up, or has none: look further */
	SLM_CREDENTIALS_FAILED		/* it is set up, but doesn't work: *error says why */
} SlmCredentialsFound;

/*
 * The environment's keys.  A key without its other half is an error.
 */
extern SlmCredentialsFound slm_credentials_of_environment(SlmCredentials *credentials, SlmStoreError *error);

/* Does the profile that counts (see slm_profile_name()) build its role upon the environment's keys? */
extern bool slm_profile_wants_environment(void);

/* What the profile that counts has.  NONE only where there is no such profile and none was asked for, or it has no credentials. */
extern SlmCredentialsFound slm_credentials_of_profile(bool may_run, SlmCredentials *credentials, SlmStoreError *error);

/* One of the two files, for messages. */
#define SLM_PROFILE_FILE(is_config)	((is_config) ? "config" : "shared credentials")

/*
 * A file's text, palloc'd; wipe it.  NULL if there is none, and with *error set (else it is SLM_STORE_OK) if it is there, or should be, but
 * can't be read.
 */
extern char *slm_profile_read_file(bool is_config, size_t *len, SlmStoreError *error);

/* Has somebody named the profile that counts? */
extern bool slm_profile_was_asked_for(void);

/* The name of that profile: AWS_PROFILE, AWS_DEFAULT_PROFILE, or "default". */
extern const char *slm_profile_name(void);

/* One of its settings (an SlmProfileSetting), of the config file, else of the credentials file; palloc'd, or NULL. */
extern char *slm_profile_setting(int setting);

/*
 * Run a program that prints credentials, as the operating system's user of the server, without a shell, for a minute at most.  It waits,
 * processes interrupts, and leaves no process behind.  whose: a profile, for messages.
 */
extern SlmCredentialsFound slm_credentials_of_program(const char *command, const char *whose, SlmCredentials *credentials,
													  SlmStoreError *error);

/* A program would have to be run, or was, for somebody who may not do that.  Always FAILED. */
extern SlmCredentialsFound slm_credentials_refuse_program(SlmStoreError *error);

/* A role that is to be assumed.  Strings are NULL where nothing is said. */
typedef struct SlmRole
{
	const char *arn;
	const char *session_name;
	const char *external_id;
	const char *duration;		/* seconds */
	const char *whose;			/* who says so, fit for a message: "profile \"x\"" */
} SlmRole;

/* The credentials of a role, for whoever has the source's, or the token in the file.  Both wait, and process interrupts. */
extern SlmCredentialsFound slm_sts_assume_role(const SlmRole *role, const SlmCredentials *source, SlmCredentials *credentials,
											   SlmStoreError *error);
extern SlmCredentialsFound slm_sts_assume_role_with_token(const SlmRole *role, const char *token_file,
														  SlmCredentials *credentials, SlmStoreError *error);

/*
 * The role that the environment names (AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN, AWS_ROLE_SESSION_NAME).  NONE if it names none.
 */
extern SlmCredentialsFound slm_credentials_of_web_identity(SlmCredentials *credentials, SlmStoreError *error);

/*
 * The container's metadata service, if the environment names one, and the instance's, unless it is disabled.  Each
 * fills *credentials.  They wait, and process interrupts.
 */
extern SlmCredentialsFound slm_credentials_of_container(SlmCredentials *credentials, SlmStoreError *error);
extern SlmCredentialsFound slm_credentials_of_instance(SlmCredentials *credentials, SlmStoreError *error);

typedef struct SlmAnswer
{
	int			status;			/* 0 = none */
	char	   *body;			/* palloc'd, NUL-terminated, of an error too; wipe it */
	size_t		len;
	char	   *problem;		/* of the transport, fit for a message; NULL if there was none */
} SlmAnswer;

/*
 * Ask a service, twice if need be, with an engine of its own: the store's may just be starting the request that needs credentials.
 * The spec says what, and connect_timeout_ms and deadline_s; what becomes of the answer is up to this function.
 */
extern void slm_credentials_ask(const SlmHttpSpec *spec, SlmAnswer *answer);

/*
 * May a secret be sent to an address?  Without TLS only to this machine, and to those that AWS's container services have.
 */
extern bool slm_credentials_may_send(const char *url);

/* The first line of a file, palloc'd, or NULL with *error set; what: for messages. */
extern char *slm_credentials_read_token(const char *path, const char *what, SlmStoreError *error);

/* A service, program or file fails: denied, with "could not get S3 credentials" and a detail.  Always FAILED. */
extern SlmCredentialsFound slm_credentials_fail(SlmStoreError *error, int sqlstate, const char *hint,
												const char *detail,...) pg_attribute_printf(4, 5);

/*
 * Take credentials out of JSON: AccessKeyId, SecretAccessKey, Expiration, and what token_name says.  False, with nothing taken, if it
 * has no keys.
 */
extern bool slm_credentials_of_json(const char *json, size_t len, const char *token_name, SlmCredentials *credentials);

/* Can they be sent?  Nothing in them may end a header.  False with *error set and nothing left of them. */
extern bool slm_credentials_check(SlmCredentials *credentials, SlmStoreError *error);

/* A time as such answers have it, in Unix time.  Returns false if it is none. */
extern bool slm_credentials_parse_time(const char *text, int64 *unix_time);

/* An environment variable, NULL if it is not set or empty. */
extern const char *slm_getenv(const char *name);

/* A small file, palloc'd with a NUL, or NULL with errno set. */
extern char *slm_read_small_file(const char *path, size_t *len);

#endif							/* SLM_STORE_CREDENTIALS_INTERNAL_H */
