/*
 * source_calls.c: the functions that add a source, and change it.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "fmgr.h"
#include "ledger/passed.h"
#include "miscadmin.h"
#include "pure/glob.h"
#include "server/as_owner.h"
#include "server/locks.h"
#include "server/spi.h"
#include "sql/format_calls.h"
#include "sql/own_slice.h"
#include "store/store.h"
#include "upkeep/runs.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(sellometer_add_source);
PG_FUNCTION_INFO_V1(sellometer_alter_source);
PG_FUNCTION_INFO_V1(sellometer_move_source);
PG_FUNCTION_INFO_V1(sellometer_check_url);
PG_FUNCTION_INFO_V1(sellometer_check_pattern);

/* --- places --- */

static bool
stop_at_first(const SlmObjectInfo *info, void *arg)
{
	return false;
}

/* One directory below that can't be read hides nothing but itself. */
static void
ignore_passed(const char *key, SlmPassReason reason, const char *why, void *arg)
{
}

/* An error unless this role can list the URL; gives it back as the store spells it.  advice: what else may help, or NULL. */
static char *
check_listable_by(const char *url, const char *server, Oid role, const char *advice)
{
	SlmStore   *store = slm_store_open(url, server, role);
	SlmListQuery	listing = {.found = stop_at_first,.passed = ignore_passed};
	SlmStoreError error;
	char	   *canonical;

	if (!slm_store_list(store, &listing, &error))
	{
		if (advice != NULL)
			error.hint = psprintf("%s%s%s", error.hint ? error.hint : "", error.hint ? "  " : "", advice);
		slm_store_error_raise(&error);
	}
	canonical = pstrdup(slm_store_url(store));
	slm_store_close(store);
	return canonical;
}

static char *
check_listable(const char *url, const char *server)
{
	return check_listable_by(url, server, GetUserId(), NULL);
}

Datum
sellometer_check_url(PG_FUNCTION_ARGS)
{
	char	   *url = text_to_cstring(PG_GETARG_TEXT_PP(0));

	(void) check_listable(url, PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1)));
	PG_RETURN_VOID();
}

static char *
text_argument(FunctionCallInfo fcinfo, int i, const char *what)
{
	char	   *value = PG_ARGISNULL(i) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(i));

	if (what != NULL && (value == NULL || *value == '\0'))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("%s must not be empty", what)));
	return value;
}

static Datum
optional_text(const char *value, char *null)
{
	*null = value ? ' ' : 'n';
	return value ? CStringGetTextDatum(value) : (Datum) 0;
}

/* What is in two sources would be counted twice, and what one archives must not be loaded by another. */
static void
check_overlap(const char *name, const char *url, const char *server, bool is_new)
{
	static SlmStatement statement = {
		"SELECT s.name, u.url FROM sellometer.sources s, LATERAL (VALUES (s.url), (s.archive_url)) u (url) "
		"WHERE ($4 OR s.name <> $3) AND s.server IS NOT DISTINCT FROM $2 AND (starts_with($1, u.url) OR starts_with(u.url, $1)) "
		"ORDER BY s.name LIMIT 1",
		4, {TEXTOID, TEXTOID, TEXTOID, BOOLOID}
	};
	char		nulls[] = "    ";
	Datum		args[4];

	args[0] = CStringGetTextDatum(url);
	args[1] = optional_text(server, &nulls[1]);
	args[2] = CStringGetTextDatum(name);
	args[3] = BoolGetDatum(is_new);
	if (slm_execute(&statement, args, nulls, SPI_OK_SELECT) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("source \"%s\" would overlap with source \"%s\"", name, slm_text(CurrentMemoryContext, 0, 1)),
				 errdetail("%s and %s have objects in common, which would be counted twice.", url,
						   slm_text(CurrentMemoryContext, 0, 2)),
				 errhint("Choose prefixes for objects and archives of which none begins with another.")));
}

/* Archives are <archive_url>/<name>: so it is what stands behind the slash that must not overlap. */
static char *
as_directory(const char *url)
{
	size_t		len = strlen(url);

	return psprintf("%s%s", url, len > 0 && url[len - 1] == '/' ? "" : "/");
}

/* Where a source is, and where it archives: none of another's, and not the one inside the other. */
static void
check_places(const char *name, const char *url, const char *archive_url, const char *server, bool is_new)
{
	if (archive_url != NULL && strncmp(archive_url, url, strlen(url)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("archive_url must not be inside url"),
				 errdetail("What is archived below %s would be loaded again.", url)));
	check_overlap(name, url, server, is_new);
	if (archive_url != NULL)
		check_overlap(name, archive_url, server, is_new);
}

/* --- patterns --- */

/* More than anybody needs, and each key of a list is compared with all of them. */
#define MAX_PATTERNS		100
#define MAX_PATTERN_LENGTH	1024

/* What a call says of a source's patterns: NULL leaves them as they are, an empty array is none. */
typedef struct Patterns
{
	Datum		include;
	Datum		exclude;
	char		include_null;	/* as SPI has it */
	char		exclude_null;
} Patterns;

static const Patterns as_they_are = {.include_null = 'n',.exclude_null = 'n'};

static void
check_pattern(const char *pattern, const char *what)
{
	const char *fault = slm_glob_fault(pattern);

	if (fault == NULL && strlen(pattern) > MAX_PATTERN_LENGTH)
		fault = "is longer than any key";
	if (fault != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("pattern \"%s\" of %s %s", pattern, what, fault),
				 errhint("\"*\" stands for any characters, \"?\" for one, \"[a-z]\" for one of several; a backslash before one of these "
						 "has it stand for itself.")));
	if (pattern[0] == '/' || strstr(pattern, "://") != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("pattern \"%s\" of %s matches no key", pattern, what),
				 errdetail("Keys begin behind the source's url."),
				 errhint("sellometer.objects and sellometer_list() show keys.")));
}

Datum
sellometer_check_pattern(PG_FUNCTION_ARGS)
{
	char	   *of = text_to_cstring(PG_GETARG_TEXT_PP(1));

	check_pattern(text_to_cstring(PG_GETARG_TEXT_PP(0)), of);
	PG_RETURN_VOID();
}

static Datum
patterns_argument(FunctionCallInfo fcinfo, int i, const char *what, char *null)
{
	ArrayType  *array;
	SlmPatterns patterns;

	*null = PG_ARGISNULL(i) ? 'n' : ' ';
	if (PG_ARGISNULL(i))
		return (Datum) 0;
	array = PG_GETARG_ARRAYTYPE_P(i);
	if (ARR_NDIM(array) > 1 || array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be a list of patterns, without nulls", what)));
	patterns = slm_patterns(PointerGetDatum(array));
	if (patterns.n > MAX_PATTERNS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s has %d patterns, more than %d", what, patterns.n, MAX_PATTERNS)));
	for (int p = 0; p < patterns.n; p++)
		check_pattern(patterns.globs[p], what);
	return PointerGetDatum(array);
}

static Patterns
patterns_arguments(FunctionCallInfo fcinfo, int i)
{
	Patterns	patterns;

	patterns.include = patterns_argument(fcinfo, i, "include", &patterns.include_null);
	patterns.exclude = patterns_argument(fcinfo, i + 1, "exclude", &patterns.exclude_null);
	return patterns;
}

/* --- what is known already --- */

/*
 * The ledger is changed with the rights of the extension's owner: whoever may add a source need not be able to write there.  An error
 * makes the user the caller again.
 */
static void
begin_on_ledger(Oid *caller, int *security)
{
	GetUserIdAndSecContext(caller, security);
	SetUserIdAndSecContext(slm_extension_owner(get_extension_oid("sellometer", false)), *security | SECURITY_LOCAL_USERID_CHANGE);
}

static void
execute_on_ledger(SlmStatement *statement, const char *name)
{
	Datum		arg = CStringGetTextDatum(name);
	Oid			caller;
	int			security;

	begin_on_ledger(&caller, &security);
	slm_execute(statement, &arg, NULL, SPI_OK_SELECT);
	SetUserIdAndSecContext(caller, security);
}

/* What is in the ledger follows the source's patterns, unless it is counted. */
static void
apply_patterns(const char *name)
{
	static SlmStatement statement = {"SELECT * FROM sellometer.apply_patterns($1)", 1, {TEXTOID}};
	int64		skipped;
	int64		resumed;

	execute_on_ledger(&statement, name);
	skipped = slm_int64(0, 1, 0);
	resumed = slm_int64(0, 2, 0);
	if (skipped > 0)
		ereport(NOTICE, (errmsg(INT64_FORMAT " objects of source \"%s\" that were waiting or had failed are left out, and skipped", skipped, name)));
	if (resumed > 0)
		ereport(NOTICE, (errmsg(INT64_FORMAT " objects of source \"%s\" that were left out are not any more, and wait to be loaded", resumed, name)));
}

/* Objects that are known by the URL of a new source are its own from now on. */
static void
adopt_objects(const char *name)
{
	static SlmStatement statement = {"SELECT sellometer.adopt_objects($1)", 1, {TEXTOID}};
	int64		adopted;

	execute_on_ledger(&statement, name);
	adopted = slm_int64(0, 1, 0);
	if (adopted > 0)
		ereport(NOTICE,
				(errmsg("source \"%s\" takes over " INT64_FORMAT " objects of sources that were dropped", name, adopted),
				 errdetail("What was counted of them is not counted again.")));
}

pg_noreturn static void
raise_exists(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_DUPLICATE_OBJECT),
			 errmsg("source \"%s\" exists already", name),
			 errhint("Choose another name, or call sellometer_drop_source() first.")));
}

/* Before its places are looked at: that it overlaps with itself would help nobody. */
static void
check_name_is_free(const char *name)
{
	static SlmStatement statement = {"SELECT FROM sellometer.sources WHERE name = $1", 1, {TEXTOID}};
	Datum		arg = CStringGetTextDatum(name);

	if (slm_execute(&statement, &arg, NULL, SPI_OK_SELECT) > 0)
		raise_exists(name);
}

Datum
sellometer_add_source(PG_FUNCTION_ARGS)
{
	static SlmStatement insert = {
		"INSERT INTO sellometer.sources (name, url, server, archive_url, enabled, owner, include, exclude, format_id, own_slice) "
		"VALUES ($1, $2, $3, $4, $5, $6, nullif($7, '{}'), nullif($8, '{}'), nullif($9, 0), $10) ON CONFLICT (name) DO NOTHING",
		10, {TEXTOID, TEXTOID, TEXTOID, TEXTOID, BOOLOID, REGROLEOID, TEXTARRAYOID, TEXTARRAYOID, INT8OID, BOOLOID}
	};
	char	   *name = text_argument(fcinfo, 0, "the name of a source");
	char	   *url = text_argument(fcinfo, 1, "the url of a source");
	char	   *server = text_argument(fcinfo, 2, NULL);
	char	   *archive_url = text_argument(fcinfo, 3, NULL);
	Patterns	patterns = patterns_arguments(fcinfo, 5);
	Jsonb	   *format = PG_ARGISNULL(7) ? NULL : PG_GETARG_JSONB_P(7);
	bool		own_slice = !PG_ARGISNULL(8) && PG_GETARG_BOOL(8);
	char		nulls[] = "          ";
	Datum		args[10];

	SPI_connect();
	check_name_is_free(name);
	if (own_slice)
	{
		url = slm_own_slice_place(name, url);
		archive_url = slm_own_slice_archive(name, archive_url);
	}
	url = check_listable(url, server);
	if (archive_url != NULL)
		archive_url = check_listable(as_directory(archive_url), server);
	check_places(name, url, archive_url, server, true);
	args[0] = CStringGetTextDatum(name);
	args[1] = CStringGetTextDatum(url);
	args[2] = optional_text(server, &nulls[2]);
	args[3] = optional_text(archive_url, &nulls[3]);
	args[4] = BoolGetDatum(PG_ARGISNULL(4) || PG_GETARG_BOOL(4));
	args[5] = ObjectIdGetDatum(GetUserId());
	args[6] = patterns.include;
	args[7] = patterns.exclude;
	nulls[6] = patterns.include_null;
	nulls[7] = patterns.exclude_null;
	slm_format_check(name, url, server, patterns.include, patterns.exclude, format);
	args[8] = Int64GetDatum(format == NULL ? 0 : slm_format_keep(name, format));
	args[9] = BoolGetDatum(own_slice);
	if (slm_execute(&insert, args, nulls, SPI_OK_INSERT) == 0)
		raise_exists(name);
	adopt_objects(name);
	apply_patterns(name);
	SPI_finish();
	PG_RETURN_VOID();
}

/* --- changing a source --- */

typedef struct Settled
{
	char	   *name;
	char	   *url;
	char	   *server;			/* or NULL */
	char	   *archive_url;	/* or NULL */
	Oid			owner;
	bool		own_slice;
} Settled;

/* What a source is now, locked; an error if there is none, or if it is not for the caller to change: it is read with its owner's rights. */
static Settled
read_source(const char *name)
{
	static SlmStatement statement = {
		"SELECT name, url, server, archive_url, owner::oid::bigint, own_slice::int::bigint FROM sellometer.sources WHERE name = $1 FOR UPDATE", 1, {TEXTOID}
	};
	Datum		arg = CStringGetTextDatum(name);
	MemoryContext context = CurrentMemoryContext;
	Settled		source = {0};

	if (slm_execute(&statement, &arg, NULL, SPI_OK_SELECT) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("source \"%s\" does not exist", name), errhint("The sources are listed in sellometer.sources.")));
	source.name = slm_text(context, 0, 1);
	source.url = slm_text(context, 0, 2);
	source.server = slm_text(context, 0, 3);
	source.archive_url = slm_text(context, 0, 4);
	source.owner = (Oid) slm_int64(0, 5, InvalidOid);
	source.own_slice = slm_int64(0, 6, 0) != 0;
	if (!has_privs_of_role(GetUserId(), source.owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of source \"%s\"", name),
				 errdetail("It belongs to role \"%s\", with whose rights it is read.", GetUserNameFromId(source.owner, true))));
	return source;
}

/* Check it as sellometer_add_source() does, and write it. */
static void
change_source(Settled *source, const char *same_content, const Patterns *patterns)
{
	static SlmStatement update = {
		"UPDATE sellometer.sources SET url = $2, server = $3, archive_url = $4, same_content = coalesce($5, same_content), "
		"include = nullif(coalesce($6, include), '{}'), exclude = nullif(coalesce($7, exclude), '{}') WHERE name = $1",
		7, {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTARRAYOID, TEXTARRAYOID}
	};
	char		nulls[] = "       ";
	Datum		args[7];

	source->url = check_listable_by(source->url, source->server, source->owner, NULL);
	if (source->archive_url != NULL)
		source->archive_url = check_listable_by(as_directory(source->archive_url), source->server, source->owner,
												"If what is archived has moved, archive_url of sellometer_move_source() says where to.");
	check_places(source->name, source->url, source->archive_url, source->server, false);
	args[0] = CStringGetTextDatum(source->name);
	args[1] = CStringGetTextDatum(source->url);
	args[2] = optional_text(source->server, &nulls[2]);
	args[3] = optional_text(source->archive_url, &nulls[3]);
	args[4] = optional_text(same_content, &nulls[4]);
	args[5] = patterns->include;
	args[6] = patterns->exclude;
	nulls[5] = patterns->include_null;
	nulls[6] = patterns->exclude_null;
	slm_execute(&update, args, nulls, SPI_OK_UPDATE);
}

/* NULL: as it was; empty: none. */
static char *
changed_text(FunctionCallInfo fcinfo, int i, char *was)
{
	char	   *value = text_argument(fcinfo, i, NULL);

	if (value == NULL)
		return was;
	return *value == '\0' ? NULL : value;
}

static char *
changed_archive_url(FunctionCallInfo fcinfo, int i, const Settled *source)
{
	char	   *url = changed_text(fcinfo, i, source->archive_url);

	return source->own_slice && url != source->archive_url ? slm_own_slice_archive(source->name, url) : url;
}

Datum
sellometer_alter_source(PG_FUNCTION_ARGS)
{
	char	   *name = text_argument(fcinfo, 0, "the name of a source");
	char	   *same_content = text_argument(fcinfo, 2, NULL);
	Patterns	patterns = patterns_arguments(fcinfo, 4);
	Settled		source;

	if (same_content != NULL && strcmp(same_content, "skip") != 0 && strcmp(same_content, "count") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("same_content must be \"skip\" or \"count\", not \"%s\"", same_content)));
	SPI_connect();
	source = read_source(name);
	source.archive_url = changed_archive_url(fcinfo, 1, &source);
	source.server = changed_text(fcinfo, 3, source.server);
	change_source(&source, same_content, &patterns);
	apply_patterns(name);
	SPI_finish();
	PG_RETURN_VOID();
}

/* --- moving a source --- */

/* What lies at a place, as arrays for SQL. */
typedef struct Contents
{
	MemoryContext context;
	ArrayBuildState *keys;
	ArrayBuildState *etags;
	ArrayBuildState *sizes;
} Contents;

static bool
note_object(const SlmObjectInfo *info, void *arg)
{
	Contents   *contents = arg;

	if (slm_store_key_text(info->key) == NULL)
		return true;
	contents->keys = accumArrayResult(contents->keys, CStringGetTextDatum(info->key), false, TEXTOID, contents->context);
	contents->etags = accumArrayResult(contents->etags, CStringGetTextDatum(info->etag), false, TEXTOID, contents->context);
	contents->sizes = accumArrayResult(contents->sizes, Int64GetDatum(info->size), false, INT8OID, contents->context);
	return true;
}

static Contents
list_contents(const char *url, const char *server, Oid owner)
{
	Contents	contents = {.context = CurrentMemoryContext};
	SlmListQuery listing = {.found = note_object,.arg = &contents};
	SlmStore   *store = slm_store_open(url, server, owner);
	SlmStoreError error;

	contents.keys = initArrayResult(TEXTOID, CurrentMemoryContext, false);
	contents.etags = initArrayResult(TEXTOID, CurrentMemoryContext, false);
	contents.sizes = initArrayResult(INT8OID, CurrentMemoryContext, false);
	if (!slm_store_list(store, &listing, &error))
		slm_store_error_raise(&error);
	slm_store_close(store);
	return contents;
}

/* An error unless each of the source's archives is at its new place, as long as it was. */
static void
check_moved_archives(const char *name, Datum *args, const char *nulls)
{
	static SlmStatement missing = {
		"SELECT count(*), min(a.key COLLATE \"C\") FROM sellometer.archives a "
		"WHERE a.source = $1 AND a.url = $2 AND a.server IS NOT DISTINCT FROM $3 AND a.archived_at IS NOT NULL "
		"AND NOT EXISTS (SELECT FROM unnest($6, $8) l (key, size) WHERE l.key = a.key AND l.size = a.bytes)",
		8, {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTARRAYOID, TEXTARRAYOID, INT8ARRAYOID}
	};
	int64		count;

	slm_execute(&missing, args, nulls, SPI_OK_SELECT);
	count = slm_int64(0, 1, 0);
	if (count > 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FILE),
				 errmsg(INT64_FORMAT " archives of source \"%s\" are not at their new place", count, name),
				 errdetail("The first is \"%s\": it is not there, or not as long as it was.", slm_text(CurrentMemoryContext, 0, 2)),
				 errhint("Copy all of them first.  Archives that stay where they are need no archive_url here: sellometer_alter_source() says where "
						 "later ones go.")));
}

/* The archives of a source have moved with it: they are read where they are now. */
static void
move_archives(const Settled *was, const Settled *is)
{
	static SlmStatement move = {
		"UPDATE sellometer.archives a SET url = $4, server = $5, etag = coalesce(n.etag, a.etag) "
		"FROM (SELECT l.key, min(l.etag) AS etag FROM unnest($6, $7) l (key, etag) GROUP BY l.key) n "
		"WHERE a.source = $1 AND a.url = $2 AND a.server IS NOT DISTINCT FROM $3 AND a.archived_at IS NOT NULL AND n.key = a.key",
		8, {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTARRAYOID, TEXTARRAYOID, INT8ARRAYOID}
	};
	Contents	contents = list_contents(is->archive_url, is->server, is->owner);
	char		nulls[] = "        ";
	Datum		args[8];
	Oid			caller;
	int			security;

	args[0] = CStringGetTextDatum(was->name);
	args[1] = CStringGetTextDatum(as_directory(was->archive_url));
	args[2] = optional_text(was->server, &nulls[2]);
	args[3] = CStringGetTextDatum(is->archive_url);
	args[4] = optional_text(is->server, &nulls[4]);
	args[5] = makeArrayResult(contents.keys, CurrentMemoryContext);
	args[6] = makeArrayResult(contents.etags, CurrentMemoryContext);
	args[7] = makeArrayResult(contents.sizes, CurrentMemoryContext);
	begin_on_ledger(&caller, &security);
	check_moved_archives(was->name, args, nulls);
	slm_execute(&move, args, nulls, SPI_OK_UPDATE);
	SetUserIdAndSecContext(caller, security);
}

Datum
sellometer_move_source(PG_FUNCTION_ARGS)
{
	char	   *name = text_argument(fcinfo, 0, "the name of a source");
	char	   *url = text_argument(fcinfo, 1, "the url of a source");
	Settled		was;
	Settled		source;

	SPI_connect();
	/* one that is being made is not anywhere yet; before the source's row, which the worker writes to */
	if (!PG_ARGISNULL(2))
		slm_run_lock("archive");
	was = source = read_source(name);
	source.url = source.own_slice ? slm_own_slice_place(name, url) : url;
	source.archive_url = changed_archive_url(fcinfo, 2, &source);
	source.server = changed_text(fcinfo, 3, source.server);
	change_source(&source, NULL, &as_they_are);
	if (!PG_ARGISNULL(2) && was.archive_url != NULL && source.archive_url != NULL)
		move_archives(&was, &source);
	SPI_finish();
	PG_RETURN_VOID();
}
