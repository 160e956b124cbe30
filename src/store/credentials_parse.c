/*
 * credentials_parse.c: see credentials_parse.h.
 */
#include <string.h>

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

static void
set(SlmProfile *profile, SlmSlice name, SlmSlice value)
{
	static const char *const unsupported[] = {"role_arn", "credential_process", "sso_session", "sso_account_id",
	"web_identity_token_file"};

	if (is_text(name, "aws_access_key_id"))
		profile->access_key = value;
	else if (is_text(name, "aws_secret_access_key"))
		profile->secret_key = value;
	else if (is_text(name, "aws_session_token"))
		profile->session_token = value;
	else if (is_text(name, "region"))
		profile->region = value;
	else if (is_text(name, "endpoint_url"))
		profile->endpoint_url = value;
	else
		for (size_t i = 0; i < sizeof(unsupported) / sizeof(unsupported[0]); i++)
			if (is_text(name, unsupported[i]))
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

bool
slm_json_string(const char *json, size_t len, const char *name, char *out, size_t out_size)
{
	Json		j = {json, json + len};

	if (out_size == 0 || !take(&j, '{'))
		return false;
	do
	{
		char		member[64];
		Json		before = j;

		/* A longer name is not ours. */
		if (!take_string(&j, member, sizeof(member)))
		{
			j = before;
			member[0] = '\0';
			if (!take_string(&j, NULL, 0))
				return false;
		}
		if (!take(&j, ':'))
			return false;
		if (strcmp(member, name) == 0)
			return take_string(&j, out, out_size);
		if (!skip_value(&j))
			return false;
	} while (take(&j, ','));
	return false;
}
