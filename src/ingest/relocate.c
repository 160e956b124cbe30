/*
 * relocate.c: see relocate.h.
 *
 * A file that is renamed after it was counted is in the ledger twice: counted under its old name, and skipped under the new one.
 * Nobody looks for the old name while loading goes well; who wants to read the bytes again does it here first.  Names that have changed
 * places with each other stay as they are: a key can't be counted twice.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "ingest/relocate.h"
#include "ingest/source.h"
#include "ingest/spi.h"
#include "miscadmin.h"
#include "utils/memutils.h"

typedef struct Place
{
	int64		id;
	char	   *source;
	char	   *key;
	char	   *etag;
} Place;

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
	if (slm_transfer_read(transfer, true, &data, &len, &error) == SLM_TRANSFER_ERROR)
		presence = error.kind == SLM_STORE_NOT_FOUND || error.kind == SLM_STORE_CHANGED ? IS_GONE : NOT_KNOWN;
	slm_transfer_close(transfer);
	CHECK_FOR_INTERRUPTS();
	return presence;
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
		"UPDATE sellometer.objects SET source = $2, key = $3, etag = $4, size = $5, next_attempt = NULL, error = NULL, sqlstate = NULL, "
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

void
slm_relocate(void)
{
	static SlmStatement statement = {
		"SELECT x.id, x.source, x.key, x.etag, t.id, t.source, t.key, t.etag FROM sellometer.objects t "
		"CROSS JOIN LATERAL (SELECT c.id, c.source, c.key, c.etag FROM sellometer.objects c WHERE c.checksum = t.checksum AND c.rows_total > 0 "
		"AND (c.state IN ('done', 'archived') OR c.resume_row > 0) AND c.state <> 'archived' OFFSET 0) x "
		"JOIN sellometer.sources s ON s.name = t.source WHERE t.state = 'skipped' AND t.checksum IS NOT NULL AND NOT t.unwanted "
		"AND NOT EXISTS (SELECT FROM sellometer.objects f WHERE f.source = t.source AND f.key = t.key "
		"AND (f.state IN ('done', 'archived') OR f.resume_row > 0))"
	};
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "sellometer relocate", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	int			n = (int) slm_execute_by_index(&statement, NULL, NULL, SPI_OK_SELECT);
	Place	   *places = palloc(sizeof(Place) * 2 * Max(n, 1));
	SlmSources *sources;
	int64		moved = 0;

	for (int i = 0; i < n; i++)
	{
		places[2 * i] = place_of(context, i, 1);
		places[2 * i + 1] = place_of(context, i, 5);
	}
	sources = slm_sources_create();
	if (n > 0)
		slm_sources_refresh(sources);
	for (int i = 0; i < n; i++)
	{
		const Place *counted = &places[2 * i];
		const Place *copy = &places[2 * i + 1];

		if (counted->id == moved)
			continue;
		/* of a source that was dropped nobody can say */
		if (look(sources, counted) == IS_GONE && look(sources, copy) == IS_THERE)
		{
			move_to(counted, copy);
			moved = counted->id;
		}
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}
