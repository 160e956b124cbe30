/*
 * history_piece.c: one archive, or one object that is not archived, read again.
 *
 *   transfer --bytes--> reader --rows--> row map, or windows: what became of it --> take()
 */
#include "postgres.h"

#include "archive/history.h"
#include "archive/history_piece.h"
#include "catalog/pg_type.h"
#include "dedup/own_dimensions.h"
#include "ledger/currency.h"
#include "ledger/slice.h"
#include "ledger/source_format.h"
#include "miscadmin.h"
#include "server/out_of_memory.h"
#include "server/progress.h"
#include "server/spi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* --- rows --- */

/* Of an archive: of which object the next row is tells by which rates it is to be read, and what the object was called. */
static void
peek(SlmPiece *piece)
{
	if (piece->row_map == NULL || piece->peeked)
		return;
	piece->peeked = slm_row_map_next(&piece->map, &piece->object, &piece->counted) && piece->object < piece->nobjects;
	slm_reader_use_rates(piece->reader, piece->peeked ? piece->rates_of[piece->object] : &piece->rates);
	slm_reader_use_given(piece->reader, piece->peeked ? piece->given_of[piece->object] : NULL);
}

/* What became of the row that was just read, by its time and its place. */
static SlmRowFate
fate_of(SlmPiece *piece, TimestampTz time)
{
	bool		counted;

	if (piece->row_map == NULL)
	{
		piece->own_row = piece->row;
		counted = slm_windows_counted(&piece->windows, piece->row, time);
		return piece->row < piece->first_row ? SLM_FATE_FOREIGN : counted ? SLM_FATE_TAKEN : SLM_FATE_LEFT_OUT;
	}
	if (!piece->peeked)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("%s does not fit its row map in sellometer.archives", piece->what),
				 errdetail("Row " INT64_FORMAT " of it is not there.", piece->row + 1)));
	piece->peeked = false;
	piece->own_row = piece->seen[piece->object]++;
	if (piece->own_row < piece->first_rows[piece->object])
		return SLM_FATE_FOREIGN;
	return piece->counted ? SLM_FATE_TAKEN : SLM_FATE_LEFT_OUT;
}

static void
fail_by_reader(const SlmPiece *piece)
{
	const char *message;

	(void) slm_reader_error(piece->reader, &message);
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("%s can't be read any more", piece->what), errdetail_internal("%s", message)));
}

/* Likewise; what other nodes count is none of ours. */
static SlmRowFate
fate_here(SlmPiece *piece, const SlmReadRow *row, bool is_event)
{
	/* a row that can't be read has no time, but a place in the map */
	SlmRowFate	fate = fate_of(piece, is_event ? row->event.time : DT_NOBEGIN);

	return fate == SLM_FATE_TAKEN && is_event && slm_is_elsewhere(piece->slice, row->event.product_id) ? SLM_FATE_FOREIGN : fate;
}

/* Take all rows that the reader can give; false at the end, or if it is enough: then *enough is set. */
static bool
take_rows(SlmPiece *piece, bool *enough)
{
	SlmReadRow	row = {0};

	for (;;)
	{
		SlmReadStatus status;
		bool		event = false;

		if (piece->row >= piece->end)
			return false;
		peek(piece);
		row.event.currency = (SlmSlice) {"", 0};
		status = slm_reader_next(piece->reader, &row);
		switch (status)
		{
			case SLM_READ_MORE:
				return true;
			case SLM_READ_END:
				return false;
			case SLM_READ_FAILED:
				fail_by_reader(piece);
				break;
			default:
				event = status == SLM_READ_EVENT;
				break;
		}
		*enough = !piece->take(piece, &row, event, fate_here(piece, &row, event));
		piece->row++;
		if (*enough)
			return false;
	}
}

static bool
pump(SlmPiece *piece, SlmTransfer *transfer, SlmStoreError *error, bool *any_read, bool *enough)
{
	const char *data;
	size_t		len;

	do
	{
		switch (slm_transfer_read(transfer, SLM_WAIT_FOR_EVER, &data, &len, error))
		{
			case SLM_TRANSFER_DATA:
				slm_reader_feed(piece->reader, data, len, false);
				*any_read = true;
				break;
			case SLM_TRANSFER_END:
				slm_reader_feed(piece->reader, NULL, 0, true);
				break;
			default:
				return false;
		}
		CHECK_FOR_INTERRUPTS();
	} while (take_rows(piece, enough));
	return true;
}

/* --- rates --- */

/* Objects that are archived together mostly have the same ones: those of one before, if it has. */
static SlmRates *
same_rates(const SlmPiece *piece, int i)
{
	for (int before = i - 1; before >= 0; before--)
	{
		if (piece->object_rates_len[before] == piece->object_rates_len[i] &&
			memcmp(piece->object_rates[before], piece->object_rates[i], piece->object_rates_len[i]) == 0)
			return piece->rates_of[before];
	}
	return NULL;
}

/* By which rates rows are read; to be freed in any case. */
static void
read_rates(SlmPiece *piece)
{
	if (piece->rates_data != NULL)
		slm_currency_known(&piece->rates, piece->rates_data, piece->rates_len);
	if (piece->row_map == NULL)
		return;
	piece->rates_of = palloc0(sizeof(SlmRates *) * Max(piece->nobjects, 1));
	for (int i = 0; i < piece->nobjects; i++)
	{
		piece->rates_of[i] = piece->object_rates_len[i] == 0 ? &piece->rates : same_rates(piece, i);
		if (piece->rates_of[i] != NULL)
			continue;
		piece->rates_of[i] = palloc0(sizeof(SlmRates));
		slm_currency_known(piece->rates_of[i], piece->object_rates[i], piece->object_rates_len[i]);
	}
}

static void
free_rates(SlmPiece *piece)
{
	slm_rates_free(&piece->rates);
	for (int i = 0; piece->rates_of != NULL && i < piece->nobjects; i++)
	{
		if (piece->rates_of[i] != NULL)
			slm_rates_free(piece->rates_of[i]);
	}
}

bool
slm_piece_read(SlmPiece *piece, SlmStoreError *error, bool *any_read)
{
	SlmReaderOptions options = {.latest = PG_INT64_MAX,.archive = piece->row_map != NULL,.format = piece->format,
	.rates = &piece->rates,.own = slm_own(),.given = piece->given};
	SlmStore   *store = slm_store_open(piece->url, piece->server, piece->owner);
	SlmTransfer *transfer = slm_store_get(store, piece->key, piece->etag, 0);
	volatile bool there = false;
	bool		enough = false;

	*any_read = false;
	PG_TRY();
	{
		read_rates(piece);
		piece->reader = slm_reader_create(&options);
		if (piece->reader == NULL ||
			(piece->row_map != NULL && !slm_row_map_read(&piece->map, VARDATA_ANY(piece->row_map),
														 VARSIZE_ANY_EXHDR(piece->row_map))))
			slm_out_of_memory();
		there = pump(piece, transfer, error, any_read, &enough);
	}
	PG_FINALLY();
	{
		slm_reader_free(piece->reader);
		slm_row_map_close(&piece->map);
		free_rates(piece);
	}
	PG_END_TRY();
	slm_transfer_close(transfer);
	slm_store_close(store);
	if (there && piece->row != piece->end && !enough)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("%s has " INT64_FORMAT " rows, where " INT64_FORMAT " are on record", piece->what, piece->row, piece->end)));
	return there;
}

/* --- archives --- */

/* From which row on rows of an object count; of one that is left out for a part, from behind that. */
static int64
first_row(const SlmPiece *piece, int64 id, int64 unloaded)
{
	if (piece->only != 0 && id != piece->only)
		return SLM_HISTORY_END;
	return id == piece->leave_out ? Max(unloaded, piece->leave_out_rows) : unloaded;
}

/*
 * Which rows of the archive's objects count: none of one that was replaced or unloaded, or not those that have been taken out so far.  All
 * of one whose row the ledger does not keep any more: see ledger_prune.h.
 */
static void
find_live(SlmPiece *piece)
{
	static SlmStatement statement = {
		"SELECT o.ordinality, cardinality(a.objects)::bigint, o.id, coalesce(l.unloaded_rows, 0), a.rates[o.ordinality::int], "
		"coalesce(a.counted_sources[o.ordinality::int], a.source), coalesce(a.counted_keys[o.ordinality::int], '') FROM sellometer.archives a "
		"CROSS JOIN unnest(a.objects) WITH ORDINALITY o (id, ordinality) LEFT JOIN sellometer.objects l ON l.id = o.id "
		"WHERE a.id = $1 AND (l.id IS NULL OR (l.state = 'archived' AND NOT l.lost))",
		1, {INT8OID}
	};
	Datum		arg = Int64GetDatum(piece->id);
	MemoryContext context = CurrentMemoryContext;
	int			n = (int) slm_execute(&statement, &arg, NULL, SPI_OK_SELECT);

	piece->nobjects = n == 0 ? 0 : (int) slm_int64(0, 2, 0);
	piece->first_rows = MemoryContextAlloc(context, Max(piece->nobjects, 1) * sizeof(int64));
	piece->seen = MemoryContextAllocZero(context, Max(piece->nobjects, 1) * sizeof(int64));
	piece->object_rates = MemoryContextAllocZero(context, Max(piece->nobjects, 1) * sizeof(char *));
	piece->object_rates_len = MemoryContextAllocZero(context, Max(piece->nobjects, 1) * sizeof(size_t));
	piece->given_of = MemoryContextAllocZero(context, Max(piece->nobjects, 1) * sizeof(const SlmSlice *));
	for (int i = 0; i < piece->nobjects; i++)
		piece->first_rows[i] = SLM_HISTORY_END;
	for (int i = 0; i < n; i++)
	{
		int64		place = slm_int64(i, 1, 0) - 1;
		int64		first = first_row(piece, slm_int64(i, 3, 0), slm_int64(i, 4, 0));

		piece->first_rows[place] = first;
		piece->object_rates[place] = slm_bytes(context, i, 5, &piece->object_rates_len[place]);
		piece->given_of[place] = slm_own_given(slm_text(context, i, 6), slm_text(context, i, 7));
		piece->any |= first < SLM_HISTORY_END;
	}
}

void
slm_piece_of_archive(SlmPiece *piece, int64 id)
{
	static SlmStatement statement = {
		"SELECT url, server, owner::oid::bigint, key, etag, rows, bytes, row_map, source FROM sellometer.archives WHERE id = $1",
		1, {INT8OID}
	};
	Datum		arg = Int64GetDatum(id);
	MemoryContext context = CurrentMemoryContext;
	bool		isnull;

	if (slm_execute(&statement, &arg, NULL, SPI_OK_SELECT) != 1)
		elog(ERROR, "an archive's row is gone");
	piece->id = id;
	piece->url = slm_text(context, 0, 1);
	piece->server = slm_text(context, 0, 2);
	piece->owner = (Oid) slm_int64(0, 3, 0);
	piece->key = slm_text(context, 0, 4);
	piece->etag = slm_text(context, 0, 5);
	piece->end = slm_int64(0, 6, 0);
	piece->size = slm_int64(0, 7, 0);
	piece->row_map = DatumGetByteaPCopy(slm_value(0, 8, &isnull));
	piece->source = slm_text(context, 0, 9);
	piece->what = psprintf("archive \"%s\" of source \"%s\"", piece->key, piece->source);
	SPI_freetuptable(SPI_tuptable);
}

/* --- objects --- */

void
slm_piece_of_object(SlmPiece *piece, int64 id)
{
	static SlmStatement statement = {
		"SELECT s.url, s.server, s.owner::oid::bigint, o.key, o.etag, CASE WHEN o.state = 'done' THEN o.rows_total ELSE o.resume_row END, "
		"o.size, o.first_event, o.last_event, (EXISTS (SELECT FROM sellometer.object_parts p WHERE p.object_id = o.id))::int::bigint, "
		"o.source, o.unloaded_rows, o.format_id, o.rates, coalesce(o.counted_source, o.source), coalesce(o.counted_key, o.key) "
		"FROM sellometer.objects o LEFT JOIN sellometer.sources s ON s.name = o.source WHERE o.id = $1",
		1, {INT8OID}
	};
	Datum		arg = Int64GetDatum(id);
	MemoryContext context = CurrentMemoryContext;

	if (slm_execute(&statement, &arg, NULL, SPI_OK_SELECT) != 1)
		elog(ERROR, "an object's row is gone");
	piece->id = id;
	piece->url = slm_text(context, 0, 1);
	piece->server = slm_text(context, 0, 2);
	piece->owner = (Oid) slm_int64(0, 3, 0);
	piece->key = slm_text(context, 0, 4);
	piece->etag = slm_text(context, 0, 5);
	piece->end = slm_int64(0, 6, 0);
	piece->size = slm_int64(0, 7, 0);
	piece->source = slm_text(context, 0, 11);
	piece->what = psprintf("object \"%s\" of source \"%s\"", slm_store_display(piece->key), piece->source);
	piece->first_row = first_row(piece, id, slm_int64(0, 12, 0));
	piece->has_parts = slm_int64(0, 10, 0) != 0;
	piece->first = slm_int64(0, 8, DT_NOEND);
	piece->last = slm_int64(0, 9, DT_NOBEGIN);
	piece->format_id = slm_int64(0, 13, 0);
	piece->rates_data = slm_bytes(context, 0, 14, &piece->rates_len);
	piece->given = slm_own_given(slm_text(context, 0, 15), slm_text(context, 0, 16));
}

bool
slm_piece_open(SlmPiece *piece)
{
	piece->slice = slm_slice_read();
	if (piece->row_map != NULL)
	{
		find_live(piece);
		/* else all of its objects were replaced */
		return piece->any;
	}
	if (piece->first_row == SLM_HISTORY_END)
		return false;
	slm_windows_read(&piece->windows, piece->id, piece->has_parts, piece->first, piece->last);
	piece->format = slm_format_get(piece->format_id);
	return true;
}
