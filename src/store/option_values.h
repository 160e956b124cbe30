/*
 * option_values.h: options of foreign servers and user mappings: which there are, and which values they may have.  Pure C.
 */
#ifndef SLM_STORE_OPTION_VALUES_H
#define SLM_STORE_OPTION_VALUES_H

#include <stdbool.h>
#include <stddef.h>

typedef enum SlmOptionPlace
{
	SLM_OPTION_OF_SERVER,
	SLM_OPTION_OF_MAPPING
} SlmOptionPlace;

typedef enum SlmOptionKind
{
	SLM_OPTION_ENDPOINT,
	SLM_OPTION_REGION,
	SLM_OPTION_URL_STYLE,
	SLM_OPTION_CA_FILE,
	SLM_OPTION_SECONDS,
	SLM_OPTION_RATE,
	SLM_OPTION_STORAGE_CLASS,
	SLM_OPTION_SSE,
	SLM_OPTION_KMS_KEY,
	SLM_OPTION_ACL,
	SLM_OPTION_PAYER,
	SLM_OPTION_SECRET
} SlmOptionKind;

typedef struct SlmOption
{
	const char *name;
	SlmOptionPlace place;
	SlmOptionKind kind;
} SlmOption;

#define SLM_OPTIONS	16
extern const SlmOption slm_options[SLM_OPTIONS];

/* What is wrong with a value. */
typedef enum SlmOptionFault
{
	SLM_OPTION_FINE,
	SLM_OPTION_NO_URL,			/* endpoint: neither https:// nor http:// */
	SLM_OPTION_MORE_THAN_HOST,	/* endpoint: more than a host and a port */
	SLM_OPTION_NO_REGION,
	SLM_OPTION_NO_URL_STYLE,
	SLM_OPTION_RELATIVE,		/* ca_file: no absolute path */
	SLM_OPTION_NO_SECONDS,		/* not from 1 to 3600 */
	SLM_OPTION_NO_RATE,			/* not from 1 byte to a GB */
	SLM_OPTION_NO_CLASS,		/* storage_class: no word in capitals */
	SLM_OPTION_COLD,			/* storage_class: one whose objects can't be read at once */
	SLM_OPTION_NO_SSE,			/* sse: not one of S3's */
	SLM_OPTION_NO_KMS_KEY,		/* sse_kms_key_id: no identifier, ARN or alias */
	SLM_OPTION_NO_ACL,			/* acl: not one of those that archives may have */
	SLM_OPTION_NO_PAYER,		/* request_payer: not "requester" */
	SLM_OPTION_UNPRINTABLE,		/* a secret that can't stand in a header */
	SLM_OPTION_EMPTY
} SlmOptionFault;

/* An option by its name, or NULL. */
extern const SlmOption *slm_option_find(SlmOptionPlace place, const char *name);

/* Is this a value of such an option? */
extern SlmOptionFault slm_option_check(SlmOptionKind kind, const char *value);

/* The number of seconds that a value of kind SLM_OPTION_SECONDS means; 0 = it is none. */
extern int	slm_option_seconds(const char *value);

/* Likewise the bytes a second of one of kind SLM_OPTION_RATE. */
extern int	slm_option_rate(const char *value);

#endif							/* SLM_STORE_OPTION_VALUES_H */
