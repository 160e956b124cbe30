/*
 * refused.c: which rows of an object did not count.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "ledger/refused.h"
#include "server/out_of_memory.h"
#include "server/spi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#define LEAST_BYTES		1024

static bool
has_bit(const uint8 *bits, uint64 i)
{
	return (bits[i / 8] >> (i % 8)) & 1;
}

static void
set_bit(uint8 *bits, uint64 i)
{
	bits[i / 8] |= (uint8) (1 << (i % 8));
}

static uint8 *
enlarge(uint8 *bits, uint64 size, uint64 larger)
{
	uint8	   *enlarged = MemoryContextAllocHuge(CurrentMemoryContext, larger);

	if (size > 0)
		memcpy(enlarged, bits, size);
	memset(enlarged + size, 0, larger - size);
	if (bits != NULL)
		pfree(bits);
	return enlarged;
}

static void
reserve(SlmRefused *out, uint64 rows)
{
	uint64		larger = Max(out->size, LEAST_BYTES);

	while (larger * 8 < rows)
		larger *= 2;
	if (larger == out->size)
		return;
	out->absent = enlarge(out->absent, out->size, larger);
	out->left = enlarge(out->left, out->size, larger);
	out->size = larger;
}

void
slm_refused_note(SlmRefused *out, uint64 row, bool left)
{
	reserve(out, row + 1);
	Assert(row < out->size * 8);
	set_bit(out->absent, row);
	if (left)
		set_bit(out->left, row);
	out->any |= left;
}

/* What is in the chunk are the rows that are not absent, in their order: the first from this one on. */
static uint64
next_in_chunk(const SlmRefused *out, uint64 row)
{
	while (has_bit(out->absent, row))
		row++;
	return row;
}

void
slm_refused_by_time(SlmRefused *out, const SlmChunk *chunk, uint64 rows, SlmTime first, SlmTime last)
{
	uint64		row = 0;

	reserve(out, rows);
	for (uint32 i = 0; i < chunk->nrows; i++, row++)
	{
		SlmTime		time = chunk->rows[i].time;

		row = next_in_chunk(out, row);
		Assert(row < rows);
		if (time < first || time > last)
			slm_refused_note(out, row, true);
	}
}

void
slm_refused_taken(SlmRefused *out, const SlmChunk *chunk, uint64 rows)
{
	uint64		row = 0;

	reserve(out, rows);
	for (uint32 i = 0; i < chunk->nrows; i++, row++)
	{
		row = next_in_chunk(out, row);
		Assert(row < rows);
		if (chunk->rows[i].offer == SLM_TAKEN_OFFER)
			slm_refused_note(out, row, true);
	}
}

void
slm_refused_add_to(const SlmRefused *out, SlmRowSet *set, uint64 base)
{
	if (!out->any)
		return;
	for (uint64 byte = 0; byte < out->size; byte++)
	{
		for (int bit = 0; out->left[byte] >> bit != 0; bit++)
		{
			if (has_bit(out->left, byte * 8 + bit) && !slm_row_set_add(set, base + byte * 8 + bit))
				slm_out_of_memory();
		}
	}
}

/* --- in the database --- */

void
slm_refused_record(int64 object, int64 from_row, const char *data, size_t len)
{
	static SlmStatement statement = {
		"INSERT INTO sellometer.refused_rows (object_id, from_row, rows) VALUES ($1, $2, $3)", 3, {INT8OID, INT8OID, BYTEAOID}
	};
	bytea	   *rows = MemoryContextAllocHuge(CurrentMemoryContext, len + VARHDRSZ);
	Datum		args[3] = {Int64GetDatum(object), Int64GetDatum(from_row), PointerGetDatum(rows)};

	SET_VARSIZE(rows, len + VARHDRSZ);
	memcpy(VARDATA(rows), data, len);
	slm_execute(&statement, args, NULL, SPI_OK_INSERT);
	pfree(rows);
}

void
slm_refused_forget(int64 object)
{
	static SlmStatement statement = {"DELETE FROM sellometer.refused_rows WHERE object_id = $1", 1, {INT8OID}};
	Datum		arg = Int64GetDatum(object);

	slm_execute_by_index(&statement, &arg, NULL, SPI_OK_DELETE);
}

void
slm_refused_read(SlmRefusedRows *rows, int64 object)
{
	static SlmStatement statement = {
		"SELECT from_row, rows FROM sellometer.refused_rows WHERE object_id = $1 ORDER BY from_row", 1, {INT8OID}
	};
	Datum		arg = Int64GetDatum(object);
	MemoryContext context = CurrentMemoryContext;

	*rows = (SlmRefusedRows) {.n = (int) slm_execute_by_index(&statement, &arg, NULL, SPI_OK_SELECT)};
	if (rows->n == 0)
		return;
	rows->sets = MemoryContextAlloc(context, sizeof(SlmRowSetReader) * rows->n);
	rows->from_rows = MemoryContextAlloc(context, sizeof(int64) * rows->n);
	for (int i = 0; i < rows->n; i++)
	{
		bool		isnull;
		Datum		value = slm_value(i, 2, &isnull);
		MemoryContext old = MemoryContextSwitchTo(context);
		bytea	   *data = DatumGetByteaPCopy(value);

		MemoryContextSwitchTo(old);
		rows->from_rows[i] = slm_int64(i, 1, 0);
		slm_row_set_read(&rows->sets[i], VARDATA_ANY(data), VARSIZE_ANY_EXHDR(data));
	}
}

bool
slm_refused_has(SlmRefusedRows *rows, int64 row)
{
	if (rows->n == 0)
		return false;
	/* asked in the order of rows */
	Assert(rows->at == 0 || row >= rows->from_rows[rows->at]);
	while (rows->at + 1 < rows->n && row >= rows->from_rows[rows->at + 1])
		rows->at++;
	return slm_row_set_has(&rows->sets[rows->at], (uint64) row);
}
