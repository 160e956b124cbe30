/*
 * credentials_parse.h: the texts that credentials come in: shared files with profiles, and JSON.  Pure C.
 */
#ifndef SLM_STORE_CREDENTIALS_PARSE_H
#define SLM_STORE_CREDENTIALS_PARSE_H

#include "pure/types.h"

/* What one profile says; slices into the text, data = NULL where a setting is missing. */
typedef struct SlmProfile
{
	bool		found;
	SlmSlice	access_key;
	SlmSlice	secret_key;
	SlmSlice	session_token;
	SlmSlice	region;
	SlmSlice	endpoint_url;
	const char *unsupported;	/* a setting that would lead to credentials in a way we don't know, or NULL */
} SlmProfile;

/*
 * Read one profile of a shared file.  is_config: sections are named [profile x] there (but for [default]), in the
 * credentials file [x].  What stands in the section twice counts as it stands last.
 */
extern void slm_profile_parse(const char *text, size_t len, const char *name, bool is_config, SlmProfile *profile);

/*
 * The string value of a member of a JSON object (not of the objects in it), with a NUL, decoded to UTF-8.  Returns
 * false if the text is no object, has no such member, or the value is no string, holds a NUL, or doesn't fit.
 */
extern bool slm_json_string(const char *json, size_t len, const char *name, char *out, size_t out_size);

#endif							/* SLM_STORE_CREDENTIALS_PARSE_H */
