/*
 * credentials_parse.h: the texts that credentials come in: shared files with profiles, and commands.  Pure C.
 */
#ifndef SLM_STORE_CREDENTIALS_PARSE_H
#define SLM_STORE_CREDENTIALS_PARSE_H

#include "pure/types.h"

/* The settings of a profile that we heed. */
typedef enum SlmProfileSetting
{
	SLM_PROFILE_ACCESS_KEY,
	SLM_PROFILE_SECRET_KEY,
	SLM_PROFILE_SESSION_TOKEN,
	SLM_PROFILE_REGION,
	SLM_PROFILE_ENDPOINT_URL,
	SLM_PROFILE_ROLE_ARN,
	SLM_PROFILE_SOURCE_PROFILE,
	SLM_PROFILE_CREDENTIAL_SOURCE,
	SLM_PROFILE_EXTERNAL_ID,
	SLM_PROFILE_ROLE_SESSION_NAME,
	SLM_PROFILE_DURATION,
	SLM_PROFILE_MFA_SERIAL,
	SLM_PROFILE_TOKEN_FILE,
	SLM_PROFILE_PROCESS
} SlmProfileSetting;

#define SLM_PROFILE_SETTINGS	14

/* What one profile says. */
typedef struct SlmProfile
{
	bool		found;
	SlmSlice	values[SLM_PROFILE_SETTINGS];	/* slices into the text; data = NULL where a setting is missing or empty */
	const char *unsupported;	/* a setting that leads to credentials in a way that we don't know, or NULL */
} SlmProfile;

/*
 * Read one profile of a shared file.  is_config: sections are named [profile x] there (but for [default]), in the
 * credentials file [x].  What stands in the section twice counts as it stands last.  Names of settings are of any case.
 */
extern void slm_profile_parse(const char *text, size_t len, const char *name, bool is_config, SlmProfile *profile);

/*
 * A command's words, as a shell would split them, but without any other meaning of what stands there: blanks part words,
 * quotes ('...', "...") and backslashes keep them together.  The words are written into out, which has room for len + 1
 * bytes, each with a NUL; returns their number, or -1 if a quote isn't closed or a backslash ends the command.
 */
extern int	slm_split_command(const char *command, size_t len, char *out);

#endif							/* SLM_STORE_CREDENTIALS_PARSE_H */
