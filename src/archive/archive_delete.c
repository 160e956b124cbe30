/*
 * archive_delete.c: the originals of an archive go.
 *
 * A store deletes by name.  So the names are listed just before, and what bears another ETag than the one that was archived
 * stays: somebody has put a new object there, which will be found as such.
 */
#include "postgres.h"

#include "archive/archive_delete.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "server/crash_point.h"
#include "server/progress.h"
#include "server/spi.h"
#include "store/store.h"
#include "utils/builtins.h"

#define KEYS_PER_DELETE		1000

typedef struct Original
{
	const char *key;
	const char *etag;
	bool		there;
} Original;

typedef struct Deletion
{
	Original   *originals;		/* in the order of their keys, bytewise */
	int			n;
	char	   *unreadable;		/* why some of them can't be listed; NULL: all can */
} Deletion;

/* From rows (key, etag) in the order of keys, bytewise. */
static void
read_originals(const SlmArchive *archive, SlmStatement *statement, Deletion *deletion)
{
	Datum		arg = Int64GetDatum(archive->id);
	MemoryContext context = CurrentMemoryContext;

	deletion->n = (int) slm_execute_by_index(statement, &arg, NULL, SPI_OK_SELECT);
	deletion->originals = MemoryContextAllocExtended(context, sizeof(Original) * Max(deletion->n, 1),
													 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (int i = 0; i < deletion->n; i++)
	{
		deletion->originals[i].key = slm_text(context, i, 1);
		deletion->originals[i].etag = slm_text(context, i, 2);
	}
}

static int
compare_keys(const void *a, const void *b)
{
	return strcmp(((const Original *) a)->key, ((const Original *) b)->key);
}

static bool
note_listed(const SlmObjectInfo *info, void *arg)
{
	Deletion   *deletion = arg;
	Original	wanted = {.key = info->key};
	Original   *found = bsearch(&wanted, deletion->originals, deletion->n, sizeof(Original), compare_keys);

	if (found != NULL && strcmp(found->etag, info->etag) == 0)
		found->there = true;
	return true;
}

/* What can't be read matters only where originals are. */
static void
note_passed(const char *key, SlmPassReason reason, const char *why, void *arg)
{
	Deletion   *deletion = arg;

	if (reason != SLM_PASS_UNREADABLE || deletion->unreadable != NULL)
		return;
	for (int i = 0; i < deletion->n && deletion->unreadable == NULL; i++)
	{
		if (strncmp(deletion->originals[i].key, key, strlen(key)) == 0)
			deletion->unreadable = psprintf("\"%s\": %s", slm_store_display(key), why);
	}
}

/* What all keys begin with: of sorted ones, what the first and the last have in common. */
static char *
common_prefix(const Deletion *deletion)
{
	const char *first = deletion->originals[0].key;
	const char *last = deletion->originals[deletion->n - 1].key;
	int			len = 0;

	while (first[len] != '\0' && first[len] == last[len])
		len++;
	return pnstrdup(first, len);
}

/* Which of the originals are there. */
static void
list_originals(const SlmArchive *archive, SlmStore *store, Deletion *deletion)
{
	SlmListQuery	listing = {.prefix = common_prefix(deletion),.found = note_listed,.passed = note_passed,.arg = deletion};
	SlmStoreError error;

	if (!slm_store_list(store, &listing, &error))
		slm_store_error_raise(&error);
	if (deletion->unreadable != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_IO_ERROR),
				 errmsg("could not list what is to be deleted of source \"%s\"", archive->source),
				 errdetail("It holds %s.", deletion->unreadable)));
}

static void
delete_keys(SlmStore *store, const Deletion *deletion)
{
	const char **keys = palloc(sizeof(char *) * KEYS_PER_DELETE);
	SlmStoreError error;
	int			n = 0;

	for (int i = 0; i <= deletion->n; i++)
	{
		if (i < deletion->n && deletion->originals[i].there)
			keys[n++] = deletion->originals[i].key;
		if (n < KEYS_PER_DELETE && i < deletion->n)
			continue;
		if (!slm_store_delete(store, keys, n, &error))
			slm_store_error_raise(&error);
		n = 0;
		CHECK_FOR_INTERRUPTS();
	}
}

void
slm_archive_delete_originals(const SlmArchive *archive)
{
	static SlmStatement originals = {
		"SELECT o.key, o.etag FROM sellometer.objects o WHERE o.id = ANY ((SELECT objects FROM sellometer.archives "
		"WHERE id = $1)::bigint[]) AND o.state = 'archived' "
		"AND o.source = (SELECT source FROM sellometer.archives WHERE id = $1) ORDER BY o.key COLLATE \"C\"",
		1, {INT8OID}
	};
	static SlmStatement statement = {
		"UPDATE sellometer.archives SET originals_deleted_at = clock_timestamp() WHERE id = $1", 1, {INT8OID}
	};
	Datum		arg = Int64GetDatum(archive->id);
	SlmStore   *store = slm_store_open(archive->source_url, archive->server, archive->owner);
	Deletion	deletion = {0};

	slm_progress_phase("delete");
	read_originals(archive, &originals, &deletion);
	if (deletion.n > 0)
	{
		list_originals(archive, store, &deletion);
		SLM_CRASH_POINT("archive.delete");
		delete_keys(store, &deletion);
	}
	SLM_CRASH_POINT("archive.deleted");
	slm_execute(&statement, &arg, NULL, SPI_OK_UPDATE);
	slm_store_close(store);
}

bool
slm_archive_originals_there(const SlmArchive *archive)
{
	static SlmStatement originals = {
		"SELECT o.key, o.etag FROM sellometer.objects o JOIN (SELECT a.source, length(a.block) = 10 AS is_day, "
		"(left(a.block, 10) || ' ' || coalesce(nullif(substr(a.block, 12), ''), '00') || ':00:00+00')::timestamptz AS start "
		"FROM sellometer.archives a WHERE a.id = $1) b ON o.source = b.source AND o.object_time >= b.start "
		"AND o.object_time < b.start + CASE WHEN b.is_day THEN interval '1 day' ELSE interval '1 hour' END "
		"WHERE o.state = 'done' ORDER BY o.key COLLATE \"C\"",
		1, {INT8OID}
	};
	Deletion	deletion = {0};
	SlmStore   *store;

	read_originals(archive, &originals, &deletion);
	if (deletion.n == 0)
		return true;
	store = slm_store_open(archive->source_url, archive->server, archive->owner);
	list_originals(archive, store, &deletion);
	slm_store_close(store);
	for (int i = 0; i < deletion.n; i++)
	{
		if (!deletion.originals[i].there)
			return false;
	}
	return true;
}
