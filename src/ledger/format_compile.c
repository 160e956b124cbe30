/*
 * format_compile.c: from the description of a format, in JSON, to what the reader works by.
 */
#include "postgres.h"

#include "compat.h"
#include "ledger/source_format.h"
#include "lib/stringinfo.h"
#include "pgtime.h"
#include "pure/trim.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

/* Changes of a zone are known from 1970 to this year. */
#define LAST_YEAR		2200
#define MAX_CHANGES		2000

/* The longest text that a description may have anywhere. */
#define MAX_TEXT		255

typedef struct Compile
{
	MemoryContext context;
	SlmFormat  *format;
} Compile;

/* A word of a description, and what takes its value. */
typedef struct Word
{
	const char *name;
	void		(*take) (Compile *compile, const char *word, JsonbValue *value);
} Word;

pg_noreturn static void
wrong(const char *word, const char *what, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("\"%s\" of a format %s", word, what), errhint("%s", hint)));
}

/* --- values --- */

static char *
text_of(Compile *compile, const char *word, const JsonbValue *value)
{
	if (value->type != jbvString)
		wrong(word, "must be a text", "Write it in double quotes.");
	if (value->val.string.len > MAX_TEXT)
		wrong(word, "is longer than 255 bytes", "Names and texts of a format must be shorter.");
	for (int i = 0; i < value->val.string.len; i++)
	{
		if ((unsigned char) value->val.string.val[i] < ' ' && value->val.string.len > 1)
			wrong(word, "holds a control character", "Only a single tab may be one.");
	}
	return MemoryContextStrdup(compile->context, pnstrdup(value->val.string.val, value->val.string.len));
}

static int
number_of(const char *word, const JsonbValue *value, int least, int most)
{
	int			number;

	if (value->type != jbvNumeric)
		wrong(word, "must be a number", "Write it without quotes.");
	number = DatumGetInt32(DirectFunctionCall1(numeric_int4, NumericGetDatum(value->val.numeric)));
	if (number < least || number > most)
		wrong(word, psprintf("must be from %d to %d, not %d", least, most, number), "docs/formats.md says what it means.");
	return number;
}

/* One of several words; their number in the list. */
static int
choice(Compile *compile, const char *word, const JsonbValue *value, const char *const *choices, int n)
{
	char	   *text = text_of(compile, word, value);
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < n; i++)
	{
		if (strcmp(text, choices[i]) == 0)
			return i;
		appendStringInfo(&list, "%s\"%s\"", i > 0 ? ", " : "It may be ", choices[i]);
	}
	appendStringInfoChar(&list, '.');
	wrong(word, psprintf("can't be \"%s\"", text), list.data);
}

/* Each name and value of an object. */
static void
for_each(Compile *compile, const char *word, JsonbValue *value, void (*take) (Compile *compile, const char *name, JsonbValue *value))
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	item;
	char	   *name = NULL;

	if (value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data))
		wrong(word, "must be an object", "As in {\"event_time\": \"timestamp\"}.");
	iterator = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = pnstrdup(item.val.string.val, item.val.string.len);
		else if (token == WJB_VALUE)
			take(compile, name, &item);
	}
}

/* --- columns, constants, events --- */

static SlmFormatRole *
role_of(Compile *compile, const char *name)
{
	int			role = slm_role_named((SlmSlice) {name, strlen(name)});
	StringInfoData list;

	if (role != SLM_ROLE_NONE)
		return &compile->format->role[role];
	initStringInfo(&list);
	for (int r = 0; r < SLM_ROLES; r++)
		appendStringInfo(&list, "%s%s", r > 0 ? ", " : "", slm_role_name(r));
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("there is no column \"%s\" that a format could say where to find", name),
			 errdetail("There are %s.", list.data),
			 errhint("The name of the file's column stands behind it, as in {\"event_time\": \"timestamp\"}.")));
}

static void
add_field(Compile *compile, const char *name, SlmFormatRole *role, const JsonbValue *value)
{
	SlmFormatField *field;

	if (role->nfields == SLM_MAX_JOINED)
		wrong(name, psprintf("joins more than %d columns", SLM_MAX_JOINED), "Give fewer.");
	field = &role->field[role->nfields++];
	if (value->type == jbvNumeric)
		field->position = number_of(name, value, 1, 10000);
	else
	{
		SlmSlice	trimmed;

		field->name = text_of(compile, name, value);
		trimmed = slm_trim((SlmSlice) {field->name, strlen(field->name)});
		if (trimmed.len == 0)
			wrong(name, "has no name", "Columns without one are known by their number.");
		field->name = MemoryContextStrdup(compile->context, pnstrdup(trimmed.data, trimmed.len));
	}
}

static void
take_column(Compile *compile, const char *name, JsonbValue *value)
{
	SlmFormatRole *role = role_of(compile, name);
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	item;

	if (value->type != jbvBinary)
	{
		if (value->type != jbvNumeric && value->type != jbvString)
			wrong(name, "is no column", "Give the name of the file's column, or its number.");
		add_field(compile, name, role, value);
		return;
	}
	if (!JsonContainerIsArray(value->val.binary.data))
		wrong(name, "is no column", "Give the name of the file's column, or its number, or a list of those that are joined.");
	iterator = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
	{
		if (token == WJB_ELEM)
			add_field(compile, name, role, &item);
	}
	if (role->nfields == 0)
		wrong(name, "is no column", "The list is empty.");
	if (role->nfields > 1 && role != &compile->format->role[SLM_COL_USER_SESSION] && role != &compile->format->role[SLM_ROLE_EVENT_ID])
		wrong(name, "can't be joined", "Only user_session and event_id may be made of several columns.");
}

static void
take_columns(Compile *compile, const char *word, JsonbValue *value)
{
	for_each(compile, word, value, take_column);
}

static void
take_constant(Compile *compile, const char *name, JsonbValue *value)
{
	SlmFormatRole *role = role_of(compile, name);

	if (value->type == jbvNumeric)
		role->constant = MemoryContextStrdup(compile->context,
											 DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric))));
	else
		role->constant = text_of(compile, name, value);
}

static void
take_constants(Compile *compile, const char *word, JsonbValue *value)
{
	for_each(compile, word, value, take_constant);
}

static void
take_event(Compile *compile, const char *name, JsonbValue *value)
{
	static const char *const types[] = {"view", "cart", "remove_from_cart", "purchase"};
	SlmFormatEvent *event = (SlmFormatEvent *) &compile->format->events[compile->format->nevents];
	char	   *lower = pstrdup(name);
	SlmSlice	trimmed;

	if (compile->format->nevents == SLM_MAX_EVENTS)
		wrong("events", psprintf("has more than %d names", SLM_MAX_EVENTS), "Events without a name here are passed over.");
	for (char *p = lower; *p != '\0'; p++)
	{
		if (*p >= 'A' && *p <= 'Z')
			*p += 'a' - 'A';
	}
	trimmed = slm_trim((SlmSlice) {lower, strlen(lower)});
	event->name = MemoryContextStrdup(compile->context, pnstrdup(trimmed.data, trimmed.len));
	event->type = value->type == jbvNull ? -1 : choice(compile, name, value, types, lengthof(types));
	compile->format->nevents++;
}

static void
take_events(Compile *compile, const char *word, JsonbValue *value)
{
	compile->format->only_events = true;
	compile->format->events = MemoryContextAllocZero(compile->context, sizeof(SlmFormatEvent) * SLM_MAX_EVENTS);
	for_each(compile, word, value, take_event);
}

/* --- characters --- */

static void
take_delimiter(Compile *compile, const char *word, JsonbValue *value)
{
	char	   *text = text_of(compile, word, value);

	if (strcmp(text, "tab") == 0 || strcmp(text, "\\t") == 0)
		text = "\t";
	if (strlen(text) != 1 || *text == '\n' || *text == '\r' || *text == '"' || *text == '\\' || (unsigned char) *text >= 0x80)
		wrong(word, "must be a single character", "As in \",\", \";\", \"|\" or \"tab\".");
	compile->format->delimiter = *text;
}

static void
take_quote(Compile *compile, const char *word, JsonbValue *value)
{
	static const char *const quotes[] = {"\"", "'", "none"};
	static const char characters[] = {'"', '\'', '\0'};

	compile->format->quote = characters[choice(compile, word, value, quotes, lengthof(quotes))];
}

static void
take_escape(Compile *compile, const char *word, JsonbValue *value)
{
	static const char *const escapes[] = {"doubled", "backslash"};

	compile->format->backslash = choice(compile, word, value, escapes, lengthof(escapes)) == 1;
}

static void
take_header(Compile *compile, const char *word, JsonbValue *value)
{
	if (value->type != jbvBool)
		wrong(word, "must be true or false", "false: the first line is a row already, and columns are known by their numbers.");
	compile->format->no_header = !value->val.boolean;
}

static void
take_encoding(Compile *compile, const char *word, JsonbValue *value)
{
	static const char *const encodings[] = {"utf8", "cp1252", "latin1"};

	compile->format->encoding = (SlmEncoding) choice(compile, word, value, encodings, lengthof(encodings));
}

/* --- numbers and times --- */

static void
take_decimal(Compile *compile, const char *word, JsonbValue *value)
{
	static const char *const decimals[] = {".", ","};

	compile->format->decimal = choice(compile, word, value, decimals, lengthof(decimals)) == 1 ? ',' : '.';
}

static void
take_thousands(Compile *compile, const char *word, JsonbValue *value)
{
	static const char *const separators[] = {".", ",", " ", "'"};

	compile->format->thousands = *separators[choice(compile, word, value, separators, lengthof(separators))];
}

static void
take_minor_units(Compile *compile, const char *word, JsonbValue *value)
{
	compile->format->minor_units = number_of(word, value, 0, 4);
}

static void
take_time(Compile *compile, const char *word, JsonbValue *value)
{
	static const char *const forms[] = {"iso", "mdy", "dmy", "s", "ms", "us"};

	compile->format->time = (SlmTimeForm) choice(compile, word, value, forms, lengthof(forms));
}

/* What its wall clock shows, from 1970 on, by PostgreSQL's own zone data. */
static void
take_zone(Compile *compile, const char *word, JsonbValue *value)
{
	const pg_tz *zone = pg_tzset(text_of(compile, word, value));
	SlmZoneChange *changes;
	pg_time_t	at = 0;
	int			n = 0;

	if (zone == NULL || !pg_tz_acceptable((pg_tz *) zone))
		wrong(word, "is no time zone that is known", "pg_timezone_names lists them, as in \"Europe/Berlin\".");
	changes = MemoryContextAllocZero(compile->context, sizeof(SlmZoneChange) * (MAX_CHANGES + 1));
	for (; n <= MAX_CHANGES; n++)
	{
		long		before;
		long		after;
		int			before_dst;
		int			after_dst;
		pg_time_t	boundary;
		int			more = pg_next_dst_boundary(&at, &before, &before_dst, &boundary, &after, &after_dst, zone);

		if (n == 0)
			changes[n++] = (SlmZoneChange) {DT_NOBEGIN, (int32) before};
		if (more <= 0 || boundary > (pg_time_t) (LAST_YEAR - 1970) * 366 * SECS_PER_DAY)
			break;
		changes[n] = (SlmZoneChange) {time_t_to_timestamptz(boundary), (int32) after};
		at = boundary;
	}
	compile->format->nzone = Min(n, MAX_CHANGES);
	compile->format->zone = changes;
}

static void
take_product_ids(Compile *compile, const char *word, JsonbValue *value)
{
	static const char *const kinds[] = {"number", "text"};

	compile->format->text_products = choice(compile, word, value, kinds, lengthof(kinds)) == 1;
}

/* --- all of it --- */

static const Word words[] = {
	{"columns", take_columns}, {"constants", take_constants}, {"events", take_events}, {"header", take_header},
	{"delimiter", take_delimiter}, {"quote", take_quote}, {"escape", take_escape}, {"encoding", take_encoding},
	{"decimal", take_decimal}, {"thousands", take_thousands}, {"minor_units", take_minor_units}, {"time", take_time},
	{"time_zone", take_zone}, {"product_ids", take_product_ids}
};

static void
take_word(Compile *compile, const char *name, JsonbValue *value)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < lengthof(words); i++)
	{
		if (strcmp(words[i].name, name) == 0)
		{
			words[i].take(compile, name, value);
			return;
		}
		appendStringInfo(&list, "%s%s", i > 0 ? ", " : "", words[i].name);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("a format has no \"%s\"", name), errhint("It may have %s.", list.data)));
}

/* What contradicts itself, or says nothing. */
static void
check(const SlmFormat *format)
{
	static const int required[] = {SLM_COL_EVENT_TIME, SLM_COL_EVENT_TYPE, SLM_COL_PRODUCT_ID, SLM_COL_PRICE};

	for (int r = 0; r < SLM_ROLES; r++)
	{
		const SlmFormatRole *role = &format->role[r];

		if (role->constant != NULL && role->nfields > 0)
			wrong("constants", psprintf("has \"%s\", which is among the columns too", slm_role_name(r)), "Leave out one of the two.");
		for (int i = 0; i < role->nfields && format->no_header; i++)
		{
			if (role->field[i].name != NULL)
				wrong("columns", psprintf("has a name for \"%s\", and the files have no header", slm_role_name(r)),
					  "Give the numbers of columns: the first one is 1.");
		}
	}
	for (int i = 0; i < lengthof(required) && format->no_header; i++)
	{
		if (format->role[required[i]].constant == NULL && format->role[required[i]].nfields == 0)
			wrong("columns", psprintf("lacks \"%s\"", slm_role_name(required[i])),
				  "Files without a header say nothing themselves: give the number of its column, or put a text into \"constants\".");
	}
	if (format->decimal == format->thousands)
		wrong("thousands", "is what separates decimals", "Give \"decimal\" too, or leave it out.");
	if (format->quote == format->delimiter)
		wrong("quote", "is the delimiter too", "Give another one.");
	if (format->zone != NULL && format->time >= SLM_TIME_S)
		wrong("time_zone", "says nothing of times that are numbers", "Those count from 1970 in UTC.");
}

const SlmFormat *
slm_format_compile(Jsonb *description, MemoryContext context)
{
	Compile		compile = {.context = context};
	JsonbValue	all = {.type = jbvBinary};

	compile.format = MemoryContextAllocZero(context, sizeof(SlmFormat));
	slm_format_init(compile.format);
	all.val.binary.data = &description->root;
	all.val.binary.len = VARSIZE(description) - VARHDRSZ;
	if (!JB_ROOT_IS_OBJECT(description))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a format must be a JSON object"), errhint("As in {\"columns\": {\"event_time\": \"timestamp\"}}.")));
	for_each(&compile, "format", &all, take_word);
	check(compile.format);
	return compile.format;
}
