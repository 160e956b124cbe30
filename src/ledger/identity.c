/*
 * identity.c: see identity.h.
 *
 * Two processes can't both count a content: each looks for it once more under the writer's lock, and sees what the other has
 * committed.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "ledger/identity.h"
#include "ledger/relocate.h"
#include "server/crash_point.h"
#include "server/spi.h"
#include "utils/builtins.h"

/* What is known of an object's key and content; of the first row that tells of it. */
typedef struct Known
{
	int64		first;			/* counted object of the same key; 0: none */
	bool		first_same;		/* it has the same content */
	bool		first_archived;
	bool		first_lost;		/* and that archive was declared lost */
	bool		first_empty;	/* nothing of it counted, on no node */
	int64		twin;			/* counted object of the same content; 0: none */
	char	   *twin_source;
	char	   *twin_key;
	char	   *unwanted_source;	/* NULL: nobody has put the content aside */
	char	   *unwanted_key;
	char	   *forgotten_source;	/* counted object of the same content, whose row the ledger does not keep any more; NULL: none */
	char	   *forgotten_key;
} Known;

#define COUNTED(o)	"(" o ".state IN ('done', 'archived') OR " o ".resume_row > 0)"

/*
 * Only those of which something is known come back.  Each LIMIT keeps the planner from making a join of what is looked up by an
 * index.
 */
static SlmStatement look_up_statement = {
	"SELECT n.place, first.id, (first.checksum = n.checksum)::int::bigint, (first.state = 'archived')::int::bigint, "
	"first.empty::int::bigint, "
	"twin.id, twin.source, twin.key, unwanted.source, unwanted.key, first.lost::int::bigint, forgotten.source, forgotten.key "
	"FROM unnest($1, $2, $3) AS n (place, id, checksum) JOIN sellometer.objects o ON o.id = n.id "
	"CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM sellometer.sources s WHERE s.name = o.source AND s.same_content = 'count')) AS counts (each) "
	"LEFT JOIN LATERAL (SELECT k.id, k.checksum, k.state, sellometer.counted_nothing(k) AS empty, k.lost FROM sellometer.objects k "
	"WHERE k.source = o.source AND k.key = o.key AND k.id <> o.id AND " COUNTED("k") " LIMIT 1) first ON true "
	"LEFT JOIN LATERAL (SELECT c.id, c.source, c.key FROM sellometer.objects c WHERE NOT counts.each AND c.checksum = n.checksum "
	"AND c.id <> o.id AND c.rows_total > 0 AND " COUNTED("c") " AND c.rows_counted + c.rows_duplicate + c.rows_elsewhere > 0 LIMIT 1) twin ON true "
	"LEFT JOIN LATERAL (SELECT u.source, u.key FROM sellometer.objects u WHERE u.unwanted AND u.checksum = n.checksum "
	"AND u.id <> o.id AND (NOT counts.each OR (u.source = o.source AND u.key = o.key)) LIMIT 1) unwanted ON true "
	"LEFT JOIN LATERAL (SELECT f.source, f.key FROM sellometer.forgotten_objects f WHERE f.checksum = n.checksum "
	"AND (NOT counts.each OR (f.source = o.source AND f.key = o.key)) LIMIT 1) forgotten ON true "
	"WHERE first.id IS NOT NULL OR twin.id IS NOT NULL OR unwanted.key IS NOT NULL OR forgotten.key IS NOT NULL",
	3, {INT4ARRAYOID, INT8ARRAYOID, UUIDARRAYOID}
};

/* Is the object to be looked up?  One that could not be read tells nothing but that it can't. */
static bool
is_candidate(const SlmObject *object)
{
	switch (object->outcome)
	{
		case SLM_OBJECT_LOADED:
		case SLM_OBJECT_PART:
		case SLM_OBJECT_LATE:
			return object->resume_row == 0;
		case SLM_OBJECT_FAILED:
			return object->resume_row == 0 &&
				(object->sqlstate == ERRCODE_BAD_COPY_FILE_FORMAT || object->sqlstate == ERRCODE_UNDEFINED_COLUMN);
		default:
			return false;
	}
}

/* Is it in the batch? */
static bool
has_rows(const SlmObject *object)
{
	return object->outcome == SLM_OBJECT_LOADED || object->outcome == SLM_OBJECT_PART;
}

/* Only what has rows is known by its content: all that have none are the same. */
static bool
has_identity(const SlmObject *object)
{
	return object->has_checksum && object->rows_total > 0;
}

/* Sets known[] of the objects of which something is known; the others' is zero. */
static void
look_up(const SlmObject *objects, int n, bool (*wanted) (const SlmObject *object), Known *known)
{
	MemoryContext context = CurrentMemoryContext;
	Datum	   *places = palloc(sizeof(Datum) * Max(n, 1));
	Datum	   *ids = palloc(sizeof(Datum) * Max(n, 1));
	Datum	   *checksums = palloc(sizeof(Datum) * Max(n, 1));
	bool	   *nulls = palloc(sizeof(bool) * Max(n, 1));
	Datum		args[3];
	int			count = 0;
	uint64		rows;

	memset(known, 0, sizeof(Known) * n);
	for (int i = 0; i < n; i++)
	{
		if (!wanted(&objects[i]))
			continue;
		places[count] = Int32GetDatum(i);
		ids[count] = Int64GetDatum(objects[i].id);
		checksums[count] = slm_checksum_datum(&objects[i].checksum);
		nulls[count++] = !has_identity(&objects[i]);
	}
	if (count == 0)
		return;
	args[0] = slm_array(places, NULL, count, INT4OID);
	args[1] = slm_array(ids, NULL, count, INT8OID);
	args[2] = slm_array(checksums, nulls, count, UUIDOID);
	rows = slm_execute_by_index(&look_up_statement, args, NULL, SPI_OK_SELECT);
	for (uint64 r = 0; r < rows; r++)
	{
		bool		isnull;
		Known	   *k = &known[DatumGetInt32(slm_value(r, 1, &isnull))];

		k->first = slm_int64(r, 2, 0);
		k->first_same = slm_int64(r, 3, 0) != 0;
		k->first_archived = slm_int64(r, 4, 0) != 0;
		k->first_empty = slm_int64(r, 5, 0) != 0;
		k->twin = slm_int64(r, 6, 0);
		k->twin_source = slm_text(context, r, 7);
		k->twin_key = slm_text(context, r, 8);
		k->unwanted_source = slm_text(context, r, 9);
		k->unwanted_key = slm_text(context, r, 10);
		k->first_lost = slm_int64(r, 11, 0) != 0;
		k->forgotten_source = slm_text(context, r, 12);
		k->forgotten_key = slm_text(context, r, 13);
	}
}

/* --- what becomes of an object that is not new --- */

/*
 * The counted object of this key is what was read just now: it is to be found by the new ETag (and, if it is loaded in parts, goes
 * on by that).
 */
static void
follow(const SlmObject *object, int64 first)
{
	static SlmStatement forget = {"DELETE FROM sellometer.objects WHERE id = $1", 1, {INT8OID}};
	static SlmStatement rename = {
		"UPDATE sellometer.objects SET etag = $2, size = $3, next_attempt = NULL, error = NULL, sqlstate = NULL, "
		"state = CASE WHEN state = 'failed' THEN 'pending' ELSE state END, attempts = CASE WHEN state = 'failed' THEN 0 ELSE attempts END "
		"WHERE id = $1",
		3, {INT8OID, TEXTOID, INT8OID}
	};
	Datum		args[3] = {Int64GetDatum(object->id), CStringGetTextDatum(object->etag), Int64GetDatum(object->size)};

	slm_execute_by_index(&forget, args, NULL, SPI_OK_DELETE);
	args[0] = Int64GetDatum(first);
	slm_execute_by_index(&rename, args, NULL, SPI_OK_UPDATE);
}

static void
skip(const SlmObject *object, const char *why)
{
	static SlmStatement statement = {
		"UPDATE sellometer.objects SET state = 'skipped', checksum = $2, error = $3, sqlstate = NULL, next_attempt = NULL WHERE id = $1",
		3, {INT8OID, UUIDOID, TEXTOID}
	};
	Datum		args[3] = {Int64GetDatum(object->id), slm_checksum_datum(&object->checksum),
	CStringGetTextDatum(why)};

	slm_execute_by_index(&statement, args, object->has_checksum ? NULL : " n ", SPI_OK_UPDATE);
}

/* Here is where the counted object is now: what has come under its key since, and was taken for a change of it, is another one. */
static void
free_key_of(int64 counted)
{
	static SlmStatement statement = {
		"UPDATE sellometer.objects f SET state = 'pending', attempts = 0, next_attempt = NULL, error = NULL, sqlstate = NULL "
		"FROM sellometer.objects x WHERE x.id = $1 AND x.state <> 'archived' AND f.source = x.source AND f.key = x.key AND f.id > x.id "
		"AND f.state = 'failed' AND f.sqlstate = '55000' AND f.rows_total = 0",
		1, {INT8OID}
	};
	Datum		id = Int64GetDatum(counted);

	slm_execute_by_index(&statement, &id, NULL, SPI_OK_UPDATE);
}

static void
skip_as_same(SlmObject *object, const char *source, const char *key)
{
	skip(object, psprintf("same content as object \"%s\" of source \"%s\", which is counted (if it is to be counted as well: "
						  "sellometer_alter_source() with same_content => 'count', then sellometer_retry())",
						  slm_store_display(key), source));
	object->outcome = SLM_OBJECT_SAME;
}

static void
fail_as_changed(SlmObject *object, const Known *known)
{
	const char *advice = known->first_archived && !known->first_lost
		? "the object has changed since it was loaded: its first content stays counted; "
		"sellometer_retry() with replace => true counts this one instead, sellometer_skip() puts it aside"
		: known->first_lost ? "the object has changed since it was loaded: its first content stays counted, as it was declared lost; "
		"sellometer_skip() puts this one aside"
		: "the object has changed since it was loaded, and before it was archived: its first content stays counted, "
		"as nobody can read it any more; sellometer_skip() puts this one aside";

	if (object->outcome == SLM_OBJECT_FAILED)
		advice = psprintf("the object has changed since it was loaded: its first content stays counted; this one can't be loaded: %s",
						  object->error);
	slm_object_fail(object, SLM_OBJECT_FAILED, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, advice);
	object->number = -1;
	object->nrejects = 0;
}

static void
skip_as_forgotten(SlmObject *object, const Known *known)
{
	skip(object, psprintf("same content as object \"%s\" of source \"%s\", which was counted (its row has left the ledger: sellometer.ledger_retention)",
						  slm_store_display(known->forgotten_key), known->forgotten_source));
	object->outcome = SLM_OBJECT_SAME;
}

/* Raise what has the batch tried again, with everything looked at anew. */
pg_noreturn static void
overtaken(const SlmObject *object)
{
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("another process has loaded the content of object \"%s\" meanwhile", slm_store_display(object->key))));
}

/*
 * Nothing of the first content was counted, so there is nothing to take out; its row makes way.  Unless that was so only until
 * somebody whom this had to wait for loaded its next part.
 */
static void
supersede(const SlmObject *object, int64 first)
{
	static SlmStatement statement = {
		"UPDATE sellometer.objects o SET state = 'skipped', error = 'nothing of it was counted, and a later content was loaded', "
		"sqlstate = NULL, resume_row = 0 WHERE id = $1 AND sellometer.counted_nothing(o)",
		1, {INT8OID}
	};
	Datum		id = Int64GetDatum(first);

	if (slm_execute_by_index(&statement, &id, NULL, SPI_OK_UPDATE) == 0)
		overtaken(object);
}

/* Is it another content under a known key? */
static bool
is_changed(const Known *known)
{
	return known->first != 0 && !known->first_same && !known->first_empty && known->twin == 0 && known->forgotten_key == NULL;
}

static void
judge(SlmObject *object, const Known *known)
{
	if (known->first != 0 && known->first_same && !known->first_empty)
	{
		if (known->first_archived)
			skip(object, "the same content was counted under this key, and is archived");
		else
			follow(object, known->first);
		object->outcome = SLM_OBJECT_SAME;
	}
	else if (known->twin != 0)
	{
		skip_as_same(object, known->twin_source, known->twin_key);
		free_key_of(known->twin);
	}
	else if (known->forgotten_key != NULL)
		skip_as_forgotten(object, known);
	else if (is_changed(known) && !slm_relocate_overwritten(known->first, object->source, object->key))
		fail_as_changed(object, known);
	else if (known->unwanted_key != NULL)
	{
		skip(object, psprintf("same content as object \"%s\" of source \"%s\", which was put aside (sellometer_retry() loads it)",
							  slm_store_display(known->unwanted_key), known->unwanted_source));
		object->outcome = SLM_OBJECT_SAME;
	}
	else if (known->first != 0 && known->first_empty && has_rows(object))
		supersede(object, known->first);
}

/* --- equal contents in one batch --- */

static int
compare_checksums(const void *a, const void *b)
{
	const SlmObject *x = *(SlmObject *const *) a;
	const SlmObject *y = *(SlmObject *const *) b;
	int			order = memcmp(&x->checksum, &y->checksum, sizeof(x->checksum));

	/* both are in one array */
	return order != 0 ? order : (x > y) - (x < y);
}

static bool
source_counts_each(const char *source)
{
	static SlmStatement statement = {
		"SELECT 1 FROM sellometer.sources WHERE name = $1 AND same_content = 'count'", 1, {TEXTOID}
	};
	Datum		arg = CStringGetTextDatum(source);

	return slm_execute(&statement, &arg, NULL, SPI_OK_SELECT) > 0;
}

/* Of those with the same content the first one counts. */
static void
judge_among_themselves(SlmObject *objects, int n)
{
	SlmObject **sorted = palloc(sizeof(SlmObject *) * Max(n, 1));
	int			count = 0;
	int			first = 0;

	for (int i = 0; i < n; i++)
	{
		if (has_rows(&objects[i]) && is_candidate(&objects[i]) && has_identity(&objects[i]))
			sorted[count++] = &objects[i];
	}
	qsort(sorted, count, sizeof(SlmObject *), compare_checksums);
	for (int i = 1; i < count; i++)
	{
		if (memcmp(&sorted[i]->checksum, &sorted[first]->checksum, sizeof(SlmChecksum)) != 0)
			first = i;
		else if (!source_counts_each(sorted[i]->source))
			skip_as_same(sorted[i], sorted[first]->source, sorted[first]->key);
	}
	pfree(sorted);
}

int
slm_identity_judge(SlmObject *objects, int n)
{
	Known	   *known = palloc(sizeof(Known) * Max(n, 1));
	bool	   *had_rows = palloc(sizeof(bool) * Max(n, 1));
	int			taken_out = 0;

	for (int i = 0; i < n; i++)
		had_rows[i] = has_rows(&objects[i]);
	look_up(objects, n, is_candidate, known);
	/* those that tell where others are come first */
	for (int changed = 0; changed < 2; changed++)
	{
		for (int i = 0; i < n; i++)
		{
			if (is_changed(&known[i]) == (changed != 0))
				judge(&objects[i], &known[i]);
		}
	}
	judge_among_themselves(objects, n);
	for (int i = 0; i < n; i++)
	{
		if (!had_rows[i] || has_rows(&objects[i]))
			continue;
		objects[i].number = -1;
		taken_out++;
	}
	if (taken_out > 0)
		SLM_CRASH_POINT("identity.judged");
	pfree(known);
	pfree(had_rows);
	return taken_out;
}

static bool
is_to_be_counted(const SlmObject *object)
{
	return has_rows(object) && object->resume_row == 0;
}

void
slm_identity_confirm(SlmObject *objects, int n)
{
	Known	   *known = palloc(sizeof(Known) * Max(n, 1));

	look_up(objects, n, is_to_be_counted, known);
	for (int i = 0; i < n; i++)
	{
		if (known[i].first != 0 || known[i].twin != 0 || known[i].unwanted_key != NULL || known[i].forgotten_key != NULL)
			overtaken(&objects[i]);
	}
	pfree(known);
}
