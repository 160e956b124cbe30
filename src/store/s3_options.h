/*
 * s3_options.h: where a bucket's server is and who asks, from a foreign server, its user mapping and the environment.
 */
#ifndef SLM_STORE_S3_OPTIONS_H
#define SLM_STORE_S3_OPTIONS_H

#include "postgres.h"

#include "store/credentials.h"

typedef struct SlmS3Options
{
	char	   *endpoint;		/* http[s]://host[:port], no slash at the end; NULL = AWS's for the region */
	char	   *region;
	char	   *url_style;		/* "path", "virtual", or NULL = what fits the endpoint and bucket */
	char	   *ca_file;		/* or NULL */
	int			connect_timeout_s;
	int			stall_timeout_s;
	int			retry_timeout_s;
	int			min_rate;		/* bytes a second, over stall_timeout_s */
	/* Of what is written; NULL = the bucket's default. */
	char	   *storage_class;
	char	   *sse;			/* encryption */
	char	   *sse_kms_key_id; /* only where sse is one of KMS */
	char	   *acl;

	char	   *request_payer;	/* "requester", of every request, or NULL */
	bool		any_address;	/* who says where the server is may say addresses of metadata services, too: see address.h */
	bool		may_run;		/* and the owner of the server, and whoever asks, may run programs of the server */
	bool		has_mapping;	/* mapping holds the credentials, else the environment does */
	SlmCredentials mapping;
} SlmS3Options;

/*
 * Read them for a user; server may be NULL.  Raises an error for a server that doesn't exist, is of another wrapper or
 * may not be used.  Strings are palloc'd, but those of mapping malloc'ed: wipe them.
 */
extern void slm_s3_options_read(const char *server, Oid userid, SlmS3Options *options);

#endif							/* SLM_STORE_S3_OPTIONS_H */
