/*
 * json.c: members of a JSON object.
 */
#include "postgres.h"

#include "common/jsonapi.h"
#include "compat.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "store/json.h"
#include "utils/memutils.h"

/* The parser calls itself for each bracket: what has more of them is no credentials. */
#define MAX_BRACKETS	200

typedef struct Search
{
	JsonLexContext *lexer;
	const char *name;
	JsonTokenType type;			/* of the value that is looked for */
	char	   *out;			/* with room for out_size */
	size_t		out_size;
	bool		is_object;
	bool		at_member;
	bool		found;
} Search;

/*
 * Is it for the parser?  Escapes of what isn't ASCII it turns into the database's encoding, with an error where that has no such
 * character; nothing that makes up credentials has any.
 */
static bool
is_plain(const char *json, size_t len)
{
	int			brackets = 0;

	for (size_t i = 0; i < len; i++)
	{
		brackets += json[i] == '{' || json[i] == '[';
		if (json[i] == '\0' || brackets > MAX_BRACKETS)
			return false;
		if (json[i] != '\\' || ++i >= len || json[i] != 'u')
			continue;
		if (len - i < 5 || json[i + 1] != '0' || json[i + 2] != '0' || json[i + 3] < '0' || json[i + 3] > '7')
			return false;
	}
	return true;
}

static SLM_JSON_RESULT
begin_object(void *state)
{
	Search	   *search = state;

	search->is_object |= search->lexer->lex_level == 0;
	SLM_JSON_GO_ON;
}

static SLM_JSON_RESULT
begin_member(void *state, char *name, bool isnull)
{
	Search	   *search = state;

	search->at_member = search->lexer->lex_level == 1 && strcmp(name, search->name) == 0;
	if (search->at_member)
		search->found = false;
	SLM_JSON_GO_ON;
}

static SLM_JSON_RESULT
take_value(void *state, char *token, JsonTokenType type)
{
	Search	   *search = state;
	size_t		len = token ? strlen(token) : 0;

	if (search->at_member && search->lexer->lex_level == 1 && type == search->type && len < search->out_size)
	{
		memcpy(search->out, token, len + 1);
		search->found = true;
	}
	search->at_member = false;
	if (token != NULL)
		explicit_bzero(token, len);
	SLM_JSON_GO_ON;
}

/* Look for the member, whose value of this type goes to out.  What comes twice counts as it comes last. */
static bool
find_member(const char *json, size_t len, const char *name, JsonTokenType type, char *out, size_t out_size)
{
	MemoryContext context;
	MemoryContext old;
	Search		search = {.name = name,.type = type,.out = out,.out_size = out_size};
	JsonSemAction actions = {.semstate = &search,.object_start = begin_object,.object_field_start = begin_member,.scalar = take_value};
	bool		ok;

	if (len > MaxAllocSize / 2 || !is_plain(json, len))
		return false;
	context = AllocSetContextCreate(CurrentMemoryContext, "sellometer json", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	search.lexer = slm_json_lexer(json, len, PG_UTF8);
	/* at once as large as it may become: copies that are left behind could not be overwritten */
	enlargeStringInfo(search.lexer->strval, (int) len);
	ok = pg_parse_json(search.lexer, &actions) == JSON_SUCCESS && search.is_object && search.found;
	explicit_bzero(search.lexer->strval->data, search.lexer->strval->maxlen);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return ok;
}

bool
slm_json_string(const char *json, size_t len, const char *name, char *out, size_t out_size)
{
	Assert(out_size > 0);
	return find_member(json, len, name, JSON_TOKEN_STRING, out, out_size);
}

bool
slm_json_is_number(const char *json, size_t len, const char *name, const char *number)
{
	char		value[32];

	Assert(strlen(number) < sizeof(value));
	return find_member(json, len, name, JSON_TOKEN_NUMBER, value, sizeof(value)) && strcmp(value, number) == 0;
}
