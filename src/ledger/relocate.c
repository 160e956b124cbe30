/*
 * relocate.c: see relocate.h.
 *
 * A file that is renamed after it was counted is in the ledger twice: counted under its old name, and skipped under the new one.
 * Nobody looks for the old name while loading goes well; who wants to read the bytes again does it here first.
 *
 * The new name may be one that another object was counted under: names have changed places, in a ring of two or more, or that one is
 * archived, or overwritten.  As a key can't be counted twice, it makes way first, with a name that says so; if it is somewhere else
 * itself, it gets that name in the next step.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "ledger/relocate.h"
#include "ledger/source.h"
#include "miscadmin.h"
#include "server/spi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

typedef struct Place
{
	int64		id;
	char	   *source;
	char	   *key;
	char	   *etag;
} Place;

/* A counted object, and a place where its bytes may be. */
typedef struct Move
{
	Place		counted;
	Place		copy;
	char	   *checksum;		/* of both */
	bool		chosen;
} Move;

typedef enum Presence
{
	IS_THERE,
	IS_GONE,
	NOT_KNOWN
} Presence;

static Place
place_of(MemoryContext context, uint64 row, int column)
{
	return (Place) {
		.id = slm_int64(row, column, 0),.source = slm_text(context, row, column + 1),
		.key = slm_text(context, row, column + 2),.etag = slm_text(context, row, column + 3)
	};
}

/* Begin to read it: that costs one request at most, and asks for this very ETag. */
static Presence
look(SlmSources *sources, const Place *place)
{
	SlmSource  *source = slm_sources_find(sources, place->source);
	SlmTransfer *transfer;
	SlmStoreError error;
	const char *data;
	size_t		len;
	Presence	presence = IS_THERE;

	if (source == NULL || source->store == NULL)
		return NOT_KNOWN;
	transfer = slm_store_get(source->store, place->key, place->etag, 0);
	if (slm_transfer_read(transfer, SLM_WAIT_FOR_EVER, &data, &len, &error) == SLM_TRANSFER_ERROR)
		presence = error.kind == SLM_STORE_NOT_FOUND || error.kind == SLM_STORE_CHANGED ? IS_GONE : NOT_KNOWN;
	slm_transfer_close(transfer);
	CHECK_FOR_INTERRUPTS();
	return presence;
}

/*
 * No object is counted under the copy's key any more.  Returns the one that was, else 0.  If nobody knows of another place where its bytes
 * are, it can't be read until somebody does, or it is archived.
 */
static int64
make_way(const Place *copy)
{
	static SlmStatement statement = {
		"WITH replaced AS (UPDATE sellometer.objects o SET key = format('%s (replaced, object %s)', o.key, o.id), "
		"counted_key = coalesce(o.counted_key, o.key), counted_source = coalesce(o.counted_source, o.source), "
		"error = CASE WHEN o.state <> 'done' OR EXISTS (SELECT FROM sellometer.objects c WHERE c.checksum = o.checksum AND c.state = 'skipped' "
		"AND c.checksum IS NOT NULL AND NOT c.unwanted) THEN o.error ELSE 'overwritten before it was archived' END "
		"WHERE o.source = $1 AND o.key = $2 AND (o.state IN ('done', 'archived') OR o.resume_row > 0) RETURNING o.id, o.key), "
		"rejects AS (UPDATE sellometer.rejected_rows r SET key = n.key FROM replaced n WHERE r.object_id = n.id) "
		"SELECT id FROM replaced",
		2, {TEXTOID, TEXTOID}
	};
	Datum		args[2] = {CStringGetTextDatum(copy->source), CStringGetTextDatum(copy->key)};

	return slm_execute_by_index(&statement, args, NULL, SPI_OK_SELECT) == 0 ? 0 : slm_int64(0, 1, 0);
}

/* The counted object takes the place, and the row, of the skipped one; one that was left half loaded goes on from there. */
static void
move_to(const Place *counted, const Place *copy)
{
	static SlmStatement take = {
		"DELETE FROM sellometer.objects WHERE id = $1 AND state = 'skipped' RETURNING source, key, etag, size",
		1, {INT8OID}
	};
	static SlmStatement move = {
		"UPDATE sellometer.objects SET counted_source = coalesce(counted_source, source), counted_key = coalesce(counted_key, key), source = $2, key = $3, etag = $4, size = $5, next_attempt = NULL, error = NULL, sqlstate = NULL, "
		"state = CASE WHEN state = 'failed' THEN 'pending' ELSE state END WHERE id = $1",
		5, {INT8OID, TEXTOID, TEXTOID, TEXTOID, INT8OID}
	};
	static SlmStatement rejects = {
		"UPDATE sellometer.rejected_rows SET source = $2, key = $3 WHERE object_id = $1", 3, {INT8OID, TEXTOID, TEXTOID}
	};
	Datum		args[5] = {Int64GetDatum(copy->id)};
	bool		isnull;

	if (slm_execute_by_index(&take, args, NULL, SPI_OK_DELETE_RETURNING) == 0)
		return;
	for (int i = 1; i < 5; i++)
		args[i] = slm_value(0, i, &isnull);
	args[0] = Int64GetDatum(counted->id);
	slm_execute_by_index(&move, args, NULL, SPI_OK_UPDATE);
	slm_execute_by_index(&rejects, args, NULL, SPI_OK_UPDATE);
}

/* Each counted object with each of the places that it may be at, in the order of their checksums. */
static Move *
find_moves(int *n)
{
	static SlmStatement statement = {
		"SELECT x.id, x.source, x.key, x.etag, t.id, t.source, t.key, t.etag, t.checksum::text "
		"FROM sellometer.objects t "
		"CROSS JOIN LATERAL (SELECT c.id, c.source, c.key, c.etag FROM sellometer.objects c WHERE c.checksum = t.checksum AND c.rows_total > 0 "
		"AND (c.state IN ('done', 'archived') OR c.resume_row > 0) AND c.state <> 'archived' OFFSET 0) x "
		"JOIN sellometer.sources s ON s.name = t.source WHERE t.state = 'skipped' AND t.checksum IS NOT NULL AND NOT t.unwanted "
		"ORDER BY t.checksum, x.id, t.id"
	};
	MemoryContext context = CurrentMemoryContext;
	Move	   *moves;

	*n = (int) slm_execute_by_index(&statement, NULL, NULL, SPI_OK_SELECT);
	moves = palloc0(sizeof(Move) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
	{
		moves[i].counted = place_of(context, i, 1);
		moves[i].copy = place_of(context, i, 5);
		moves[i].checksum = slm_text(context, i, 9);
	}
	return moves;
}

/* Is the object at another place already, or the place another's?  Of objects with equal contents each gets its own. */
static bool
is_taken(const Move *moves, int at)
{
	const Move *move = &moves[at];

	for (int i = at - 1; i >= 0 && strcmp(moves[i].checksum, move->checksum) == 0; i--)
	{
		if (moves[i].chosen && (moves[i].counted.id == move->counted.id || moves[i].copy.id == move->copy.id))
			return true;
	}
	return false;
}

/* Those that are gone from where they were, and where they are instead.  Of a source that was dropped nobody can say. */
static void
choose_moves(Move *moves, int n)
{
	SlmSources *sources = slm_sources_create();

	slm_sources_refresh(sources);
	for (int i = 0; i < n; i++)
	{
		Move	   *move = &moves[i];

		move->chosen = !is_taken(moves, i) && look(sources, &move->counted) == IS_GONE && look(sources, &move->copy) == IS_THERE;
	}
}

void
slm_relocate(void)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "sellometer relocate", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	int			n;
	Move	   *moves = find_moves(&n);

	if (n > 0)
		choose_moves(moves, n);
	for (int i = 0; i < n; i++)
	{
		if (moves[i].chosen)
			(void) make_way(&moves[i].copy);
	}
	for (int i = 0; i < n; i++)
	{
		if (moves[i].chosen)
			move_to(&moves[i].counted, &moves[i].copy);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* The newest name that was skipped for holding the same as a counted object; false if there is none. */
static bool
find_copy(int64 object, Place *copy)
{
	static SlmStatement statement = {
		"SELECT t.id, t.source, t.key, t.etag FROM sellometer.objects x JOIN sellometer.objects t ON t.checksum = x.checksum "
		"JOIN sellometer.sources s ON s.name = t.source WHERE x.id = $1 AND x.state <> 'archived' AND x.rows_total > 0 "
		"AND t.state = 'skipped' AND t.checksum IS NOT NULL AND NOT t.unwanted ORDER BY t.id DESC LIMIT 1",
		1, {INT8OID}
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		arg = Int64GetDatum(object);

	if (slm_execute_by_index(&statement, &arg, NULL, SPI_OK_SELECT) == 0)
		return false;
	*copy = place_of(context, 0, 1);
	return true;
}

static bool
is_at(int64 object, const char *source, const char *key)
{
	static SlmStatement statement = {
		"SELECT FROM sellometer.objects WHERE id = $1 AND source = $2 AND key = $3", 3, {INT8OID, TEXTOID, TEXTOID}
	};
	Datum		args[3] = {Int64GetDatum(object), CStringGetTextDatum(source), CStringGetTextDatum(key)};

	return slm_execute_by_index(&statement, args, NULL, SPI_OK_SELECT) > 0;
}

bool
slm_relocate_overwritten(int64 object, const char *source, const char *key)
{
	Place		copy;

	if (!is_at(object, source, key))
		return true;
	if (!find_copy(object, &copy))
		return false;
	/* each that has to make way is where its own copy is; this ends, as each step uses one up */
	do
	{
		Place		counted = {.id = object};

		object = make_way(&copy);
		move_to(&counted, &copy);
	} while (object != 0 && find_copy(object, &copy));
	return true;
}
