/*
 * credentials_parse.c: profiles of shared files, and commands in them.
 */
#include <string.h>
#include <strings.h>

#include "store/credentials_parse.h"

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static SlmSlice
trim(const char *data, const char *end)
{
	while (data < end && is_blank(*data))
		data++;
	while (end > data && is_blank(end[-1]))
		end--;
	return (SlmSlice) {data, (uint32_t) (end - data)};
}

static bool
is_text(SlmSlice slice, const char *text)
{
	return slice.len == strlen(text) && memcmp(slice.data, text, slice.len) == 0;
}

static bool
is_name(SlmSlice slice, const char *name)
{
	return slice.len == strlen(name) && strncasecmp(slice.data, name, slice.len) == 0;
}

/* Is this what stands between the brackets of our section? */
static bool
is_section(SlmSlice title, const char *name, bool is_config)
{
	if (!is_config || is_text(title, "default"))
		return is_text(title, name);
	if (title.len < 8 || memcmp(title.data, "profile", 7) != 0 || !is_blank(title.data[7]))
		return false;
	title = trim(title.data + 8, title.data + title.len);
	if (title.len >= 2 && title.data[0] == '"' && title.data[title.len - 1] == '"')
		title = (SlmSlice) {title.data + 1, title.len - 2};
	return is_text(title, name);
}

static const char *const settings[SLM_PROFILE_SETTINGS] = {
	[SLM_PROFILE_ACCESS_KEY] = "aws_access_key_id",
	[SLM_PROFILE_SECRET_KEY] = "aws_secret_access_key",
	[SLM_PROFILE_SESSION_TOKEN] = "aws_session_token",
	[SLM_PROFILE_REGION] = "region",
	[SLM_PROFILE_ENDPOINT_URL] = "endpoint_url",
	[SLM_PROFILE_ROLE_ARN] = "role_arn",
	[SLM_PROFILE_SOURCE_PROFILE] = "source_profile",
	[SLM_PROFILE_CREDENTIAL_SOURCE] = "credential_source",
	[SLM_PROFILE_EXTERNAL_ID] = "external_id",
	[SLM_PROFILE_ROLE_SESSION_NAME] = "role_session_name",
	[SLM_PROFILE_DURATION] = "duration_seconds",
	[SLM_PROFILE_MFA_SERIAL] = "mfa_serial",
	[SLM_PROFILE_TOKEN_FILE] = "web_identity_token_file",
	[SLM_PROFILE_PROCESS] = "credential_process",
};

static void
set(SlmProfile *profile, SlmSlice name, SlmSlice value)
{
	static const char *const unsupported[] = {"sso_session", "sso_start_url", "sso_account_id", "sso_role_name", "login_session"};

	for (int i = 0; i < SLM_PROFILE_SETTINGS; i++)
		if (is_name(name, settings[i]))
			profile->values[i] = value.len > 0 ? value : (SlmSlice) {NULL, 0};
	for (size_t i = 0; i < sizeof(unsupported) / sizeof(unsupported[0]); i++)
		if (is_name(name, unsupported[i]))
			profile->unsupported = unsupported[i];
}

/* One line without its end: a section's title, or a setting of the section that we are in. */
static void
parse_line(const char *line, const char *end, const char *name, bool is_config, bool *inside, SlmProfile *profile)
{
	const char *sign;

	/* An indented line belongs to the setting before it, and none of ours has such ones. */
	if (line == end || is_blank(*line) || *line == '#' || *line == ';')
		return;
	if (*line == '[')
	{
		const char *closing = memchr(line, ']', (size_t) (end - line));

		*inside = closing != NULL && is_section(trim(line + 1, closing), name, is_config);
		profile->found |= *inside;
		return;
	}
	sign = memchr(line, '=', (size_t) (end - line));
	if (!*inside || sign == NULL)
		return;
	/* A comment behind a value begins with a blank. */
	for (const char *p = sign + 1; p + 1 < end; p++)
		if (is_blank(p[0]) && (p[1] == '#' || p[1] == ';'))
			end = p;
	set(profile, trim(line, sign), trim(sign + 1, end));
}

void
slm_profile_parse(const char *text, size_t len, const char *name, bool is_config, SlmProfile *profile)
{
	const char *end = text + len;
	bool		inside = false;

	memset(profile, 0, sizeof(*profile));
	/* A byte order mark. */
	if (len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
		text += 3;
	while (text < end)
	{
		const char *newline = memchr(text, '\n', (size_t) (end - text));
		const char *line_end = newline ? newline : end;

		parse_line(text, line_end, name, is_config, &inside, profile);
		text = newline ? newline + 1 : end;
	}
}

int
slm_split_command(const char *command, size_t len, char *out)
{
	char		quote = '\0';
	bool		inside = false;
	int			words = 0;

	for (size_t i = 0; i < len; i++)
	{
		char		c = command[i];

		if (quote == '\0' && (is_blank(c) || c == '\n'))
		{
			if (inside)
				*out++ = '\0';
			inside = false;
			continue;
		}
		words += !inside;
		inside = true;
		if (c == quote && quote != '\0')
			quote = '\0';
		else if (quote == '\0' && (c == '\'' || c == '"'))
			quote = c;
		/* within double quotes a backslash stands for itself but before what would end them, or another */
		else if (c == '\\' && quote != '\'' &&
				 (quote == '\0' || (i + 1 < len && (command[i + 1] == '"' || command[i + 1] == '\\'))))
		{
			if (++i == len)
				return -1;
			*out++ = command[i];
		}
		else
			*out++ = c;
	}
	*out = '\0';
	return quote == '\0' ? words : -1;
}
