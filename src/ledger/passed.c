/*
 * passed.c: what of a source is no object to it.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "ledger/passed.h"
#include "lib/stringinfo.h"
#include "pure/glob.h"
#include "utils/array.h"
#include "utils/builtins.h"

SlmPatterns
slm_patterns(Datum array)
{
	SlmPatterns patterns = {0};
	Datum	   *elements;
	bool	   *nulls;
	int			n;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &n);
	patterns.globs = palloc(sizeof(char *) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		if (!nulls[i])
			patterns.globs[patterns.n++] = TextDatumGetCString(elements[i]);
	}
	return patterns;
}

static bool
matches_any(const char *key, const SlmPatterns *patterns)
{
	for (int i = 0; i < patterns->n; i++)
	{
		if (slm_glob_matches(patterns->globs[i], key))
			return true;
	}
	return false;
}

bool
slm_key_is_wanted(const char *key, const SlmPatterns *include, const SlmPatterns *exclude)
{
	return (include->n == 0 || matches_any(key, include)) && !matches_any(key, exclude);
}

void
slm_passed_count(SlmPassed *passed, MemoryContext context, const char *key, SlmPassReason reason, const char *why)
{
	MemoryContext outer;

	passed->counts[reason]++;
	if (why == NULL || passed->nunreadable >= SLM_PASSED_NAMED)
		return;
	outer = MemoryContextSwitchTo(context);
	if (passed->unreadable == NULL)
		passed->unreadable = palloc(sizeof(char *) * SLM_PASSED_NAMED);
	passed->unreadable[passed->nunreadable++] = key[0] == '\0' ? pstrdup(why) : psprintf("%s: %s", slm_store_display(key), why);
	MemoryContextSwitchTo(outer);
}

int64
slm_passed_total(const SlmPassed *passed)
{
	int64		total = passed->patterns + passed->encoding;

	for (int i = 0; i < SLM_PASS_REASONS; i++)
		total += passed->counts[i];
	return total;
}

static void
append_count(StringInfo json, const char *reason, int64 count)
{
	if (count > 0)
		appendStringInfo(json, "%s\"%s\": " INT64_FORMAT, json->len > 1 ? ", " : "", reason, count);
}

char *
slm_passed_json(const SlmPassed *passed)
{
	static const char *const reasons[SLM_PASS_REASONS] = {
		[SLM_PASS_NAME] = "name", [SLM_PASS_LINK] = "link", [SLM_PASS_UNREADABLE] = "unreadable",
		[SLM_PASS_ENTRY] = "entry", [SLM_PASS_SIZE] = "size"
	};
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	for (int i = 0; i < SLM_PASS_REASONS; i++)
		append_count(&json, reasons[i], passed->counts[i]);
	append_count(&json, "pattern", passed->patterns);
	append_count(&json, "encoding", passed->encoding);
	appendStringInfoChar(&json, '}');
	return json.data;
}
