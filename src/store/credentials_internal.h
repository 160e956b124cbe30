/*
 * credentials_internal.h: what credentials.c and credentials_metadata.c share.
 */
#ifndef SLM_STORE_CREDENTIALS_INTERNAL_H
#define SLM_STORE_CREDENTIALS_INTERNAL_H

#include "store/credentials.h"

typedef enum SlmCredentialsFound
{
	SLM_CREDENTIALS_FOUND,
	SLM_CREDENTIALS_NONE,		/* this place isn't set up, or has none: look further */
	SLM_CREDENTIALS_FAILED		/* it is set up, but doesn't work: *error says why */
} SlmCredentialsFound;

/*
 * The container's metadata service, if the environment names one, and the instance's, unless it is disabled.  Each
 * fills *credentials.  They wait, and process interrupts.
 */
extern SlmCredentialsFound slm_credentials_of_container(SlmCredentials *credentials, SlmStoreError *error);
extern SlmCredentialsFound slm_credentials_of_instance(SlmCredentials *credentials, SlmStoreError *error);

/* An environment variable, NULL if it is not set or empty. */
extern const char *slm_getenv(const char *name);

/* A small file, palloc'd with a NUL, or NULL with errno set. */
extern char *slm_read_small_file(const char *path, size_t *len);

#endif							/* SLM_STORE_CREDENTIALS_INTERNAL_H */
