/*
 * credentials_parse.c: see credentials_parse.h.
 */
#include <string.h>
#include <strings.h>

#include "store/credentials_parse.h"

/* How deeply a value that we skip may be nested. */
#define MAX_NESTING	32

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

typedef struct Json
{
	const char *p;
	const char *end;
} Json;

static void
skip_blanks(Json *j)
{
	while (j->p < j->end && (is_blank(*j->p) || *j->p == '\n'))
		j->p++;
}

static bool
take(Json *j, char c)
{
	skip_blanks(j);
	if (j->p == j->end || *j->p != c)
		return false;
	j->p++;
	return true;
}

/* \uXXXX behind the u.  -1 if it isn't. */
static int
take_hex4(Json *j)
{
	int			value = 0;

	if (j->end - j->p < 4)
		return -1;
	for (int i = 0; i < 4; i++)
	{
		char		c = *j->p++;

		if (c >= '0' && c <= '9')
			value = value * 16 + (c - '0');
		else if (c >= 'a' && c <= 'f')
			value = value * 16 + (c - 'a' + 10);
		else if (c >= 'A' && c <= 'F')
			value = value * 16 + (c - 'A' + 10);
		else
			return -1;
	}
	return value;
}

static size_t
encode_utf8(int c, char *out)
{
	if (c < 0x80)
	{
		out[0] = (char) c;
		return 1;
	}
	if (c < 0x800)
	{
		out[0] = (char) (0xC0 | (c >> 6));
		out[1] = (char) (0x80 | (c & 0x3F));
		return 2;
	}
	out[0] = (char) (0xE0 | (c >> 12));
	out[1] = (char) (0x80 | ((c >> 6) & 0x3F));
	out[2] = (char) (0x80 | (c & 0x3F));
	return 3;
}

/* An escape behind the backslash; out has room for three bytes.  0 = not valid, or more than keys ever hold. */
static size_t
take_escape(Json *j, char *out)
{
	static const char from[] = "\"\\/bfnrt";
	static const char to[] = "\"\\/\b\f\n\r\t";
	const char *found;
	char		c;
	int			code;

	if (j->p == j->end)
		return 0;
	c = *j->p++;
	if (c == 'u')
	{
		code = take_hex4(j);
		return code <= 0 || (code >= 0xD800 && code < 0xE000) ? 0 : encode_utf8(code, out);
	}
	found = c == '\0' ? NULL : strchr(from, c);
	if (found == NULL)
		return 0;
	out[0] = to[found - from];
	return 1;
}

/* A string.  out may be NULL: it is skipped then. */
static bool
take_string(Json *j, char *out, size_t out_size)
{
	size_t		n = 0;
	bool		fits = true;

	if (!take(j, '"'))
		return false;
	while (j->p < j->end && *j->p != '"')
	{
		char		bytes[4];
		size_t		len = 1;

		bytes[0] = *j->p++;
		if (bytes[0] == '\\')
			len = take_escape(j, bytes);
		if (len == 0 || bytes[0] == '\0')
			return false;
		if (out != NULL && n + len < out_size)
		{
			memcpy(out + n, bytes, len);
			n += len;
		}
		else
			fits = out == NULL;
	}
	if (j->p == j->end || (out != NULL && !fits))
		return false;
	j->p++;
	if (out != NULL)
		out[n] = '\0';
	return true;
}

/* Any value: strings are read as such, so that brackets in them don't count; of the rest only brackets matter. */
static bool
skip_value(Json *j)
{
	int			depth = 0;

	for (;;)
	{
		skip_blanks(j);
		if (j->p == j->end)
			return false;
		if (*j->p == '"')
		{
			if (!take_string(j, NULL, 0))
				return false;
		}
		else if (*j->p == '{' || *j->p == '[')
		{
			if (++depth > MAX_NESTING)
				return false;
			j->p++;
			continue;
		}
		else if (*j->p == '}' || *j->p == ']')
		{
			if (depth-- == 0)
				return true;
			j->p++;
		}
		else if (*j->p == ',' && depth == 0)
			return true;
		else
			j->p++;
		skip_blanks(j);
		if (depth == 0 && (j->p == j->end || *j->p == ',' || *j->p == '}'))
			return true;
	}
}

/* Go to the value of a member.  False if there is none. */
static bool
find_member(Json *j, const char *name)
{
	if (!take(j, '{'))
		return false;
	do
	{
		char		member[64];
		Json		before = *j;

		/* A longer name is not ours. */
		if (!take_string(j, member, sizeof(member)))
		{
			*j = before;
			member[0] = '\0';
			if (!take_string(j, NULL, 0))
				return false;
		}
		if (!take(j, ':'))
			return false;
		if (strcmp(member, name) == 0)
			return true;
		if (!skip_value(j))
			return false;
	} while (take(j, ','));
	return false;
}

bool
slm_json_string(const char *json, size_t len, const char *name, char *out, size_t out_size)
{
	Json		j = {json, json + len};

	return out_size > 0 && find_member(&j, name) && take_string(&j, out, out_size);
}

bool
slm_json_is_number(const char *json, size_t len, const char *name, const char *number)
{
	Json		j = {json, json + len};
	size_t		digits = strlen(number);

	if (!find_member(&j, name))
		return false;
	skip_blanks(&j);
	if ((size_t) (j.end - j.p) <= digits || memcmp(j.p, number, digits) != 0)
		return false;
	j.p += digits;
	skip_blanks(&j);
	return j.p < j.end && (*j.p == ',' || *j.p == '}');
}
