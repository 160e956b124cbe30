/*
 * reading_rejects.c: rows of an object that don't count: the rejected ones, with what is wrong, and the numbers of all that are left out.
 */
#include "postgres.h"

#include "guc.h"
#include "ledger/reading_internal.h"
#include "pure/clean.h"
#include "pure/event.h"
#include "pure/fault.h"
#include "utils/builtins.h"

/* In a context: text as it can be shown. */
static char *
printable(MemoryContext context, const char *bytes, size_t len)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	char	   *text = slm_store_display_text(bytes, len);

	MemoryContextSwitchTo(old);
	return text;
}

void
slm_reading_reject(SlmReading *reading, uint64 line, const char *column, SlmRejectReason reason, const char *detail,
				   SlmSlice raw)
{
	SlmObject  *object = reading->object;
	SlmRejectedRow *row;

	object->rows_rejected++;
	reading->jumps += reason == SLM_REJECT_CLOCK_JUMP;
	reading->futures += reason == SLM_REJECT_FUTURE;
	reading->no_rates += reason == SLM_REJECT_NO_RATE;
	if (object->rejected_before + object->nrejects >= slm_max_rejects_kept)
		return;
	if (object->rejects == NULL)
	{
		object->maxrejects = 8;
		object->rejects = MemoryContextAlloc(reading->context, sizeof(SlmRejectedRow) * object->maxrejects);
	}
	else if (object->nrejects >= object->maxrejects)
	{
		object->maxrejects *= 2;
		object->rejects = repalloc(object->rejects, sizeof(SlmRejectedRow) * object->maxrejects);
	}
	row = &object->rejects[object->nrejects++];
	row->line = line;
	row->column = column;
	row->reason = slm_reject_name(reason);
	row->detail = printable(reading->context, detail, strlen(detail));
	row->raw = printable(reading->context, raw.data, raw.len);
}

/* What is noted of a part outlives the turn in which it is: it stands where the reading does. */
static void
note_refused(SlmReading *reading, bool left)
{
	MemoryContext old = MemoryContextSwitchTo(reading->context);

	Assert(reading->row > reading->part_row);

	slm_refused_note(&reading->refused, reading->row - 1 - reading->part_row, left);
	MemoryContextSwitchTo(old);
}

void
slm_reading_refuse_by_time(SlmReading *reading, SlmTime first, SlmTime last)
{
	MemoryContext old = MemoryContextSwitchTo(reading->context);

	slm_refused_by_time(&reading->refused, reading->chunk, reading->row - reading->part_row, first, last);
	MemoryContextSwitchTo(old);
}

void
slm_reading_forget_refused(SlmReading *reading)
{
	if (reading->refused.absent != NULL)
	{
		pfree(reading->refused.absent);
		pfree(reading->refused.left);
	}
	reading->refused = (SlmRefused) {0};
}

void
slm_reading_leave_out(SlmReading *reading, bool left)
{
	if (reading->chunk != NULL)
		note_refused(reading, left);
}

void
slm_reading_reject_key(SlmReading *reading, const SlmReadRow *row, SlmDictionaryError error)
{
	bool		is_brand = error == SLM_DICTIONARY_LONG_BRAND;
	const char *column = slm_column_name(is_brand ? SLM_COL_BRAND : SLM_COL_CATEGORY_CODE);
	char		detail[128];

	slm_reject_detail(detail, column, is_brand ? row->event.brand : row->event.category_code,
					  is_brand ? SLM_FAULT_LONG_BRAND : SLM_FAULT_LONG_CATEGORY);
	slm_reading_reject(reading, row->line, column, SLM_REJECT_KEY_TOO_LONG, detail, row->raw);
}

bool
slm_reading_reject_long_key(SlmReading *reading, const SlmReadRow *row)
{
	char		buf[SLM_CLEAN_BUFFER];
	SlmCleanEvent clean;
	SlmReject	reject;

	/* shorter ones can't be too long when filled to three levels */
	if ((row->event.brand.len <= SLM_MAX_KEY_BYTES && row->event.category_code.len < SLM_MAX_KEY_BYTES / 3) ||
		slm_clean_event(&row->event, buf, &clean, &reject))
		return false;
	slm_reading_reject(reading, row->line, slm_column_name(reject.column), reject.reason, reject.detail, row->raw);
	return true;
}

void
slm_reading_note_taken(SlmReading *reading, const SlmReadRow *row)
{
	SlmTakenRow *taken;

	if (reading->ntaken_rows >= slm_max_rejects_kept)
		return;
	if (reading->ntaken_rows == reading->max_taken_rows)
	{
		reading->max_taken_rows = Max(8, 2 * reading->max_taken_rows);
		reading->taken_rows = reading->taken_rows == NULL ? MemoryContextAlloc(reading->context, sizeof(SlmTakenRow) * reading->max_taken_rows)
			: repalloc(reading->taken_rows, sizeof(SlmTakenRow) * reading->max_taken_rows);
	}
	taken = &reading->taken_rows[reading->ntaken_rows++];
	taken->time = row->event.time;
	taken->line = row->line;
	taken->raw = (SlmSlice) {memcpy(MemoryContextAlloc(reading->context, Max(row->raw.len, 1)), row->raw.data, row->raw.len), row->raw.len};
	slm_reject_detail(taken->detail, slm_column_name(SLM_COL_PRODUCT_ID), row->event.sku, slm_fault(SLM_REJECT_SKU_TAKEN, row->event.sku));
}

void
slm_reading_forget_taken(SlmReading *reading)
{
	for (int i = 0; i < reading->ntaken_rows; i++)
		pfree((char *) reading->taken_rows[i].raw.data);
	reading->ntaken_rows = 0;
	reading->rows_taken = 0;
}

void
slm_reading_reject_taken(SlmReading *reading, SlmTime floor)
{
	SlmObject  *object = reading->object;
	MemoryContext old;
	uint64		told = 0;

	if (!reading->chunk->any_taken)
		return;
	old = MemoryContextSwitchTo(reading->context);
	slm_refused_taken(&reading->refused, reading->chunk, reading->row - reading->part_row);
	MemoryContextSwitchTo(old);
	reading->rows_taken = slm_chunk_drop_taken(reading->chunk);
	for (int i = 0; i < reading->ntaken_rows; i++)
	{
		const SlmTakenRow *taken = &reading->taken_rows[i];

		if (taken->time < floor || (object->judged && taken->time > object->time_limit))
			continue;
		slm_reading_reject(reading, taken->line, slm_column_name(SLM_COL_PRODUCT_ID), SLM_REJECT_SKU_TAKEN, taken->detail, taken->raw);
		told++;
	}
	Assert(told <= reading->rows_taken);
	object->rows_rejected += reading->rows_taken - told;
}

void
slm_reading_reject_elsewhere(SlmReading *reading, const SlmReadRow *row)
{
	const SlmEvent *event = &row->event;
	char		number[MAXINT8LEN + 1];
	char		fault[64];
	char		detail[128];
	SlmSlice	product = event->sku;

	if (event->product_id >= 0)
		product = (SlmSlice) {number, (uint32) pg_lltoa(event->product_id, number)};
	snprintf(fault, sizeof(fault), "is of slice %u/%u, not of this one, %u/%u", slm_slice_of(event->product_id, reading->slice.of), reading->slice.of,
			 reading->slice.number, reading->slice.of);
	slm_reject_detail(detail, slm_column_name(SLM_COL_PRODUCT_ID), product, fault);
	slm_reading_reject(reading, row->line, slm_column_name(SLM_COL_PRODUCT_ID), SLM_REJECT_OTHER_SLICE, detail, row->raw);
}

void
slm_reading_hand_over_rejects(SlmReading *reading)
{
	SlmObject  *object = reading->object;
	int			kept = 0;

	if (slm_keeps_rejects(reading->slice))
		return;
	object->rows_elsewhere += object->rows_rejected - reading->rows_taken;
	object->rows_rejected = reading->rows_taken;
	for (int i = 0; i < object->nrejects; i++)
	{
		if (strcmp(object->rejects[i].reason, slm_reject_name(SLM_REJECT_SKU_TAKEN)) == 0)
			object->rejects[kept++] = object->rejects[i];
	}
	object->nrejects = kept;
}

void
slm_reading_keep_refused(SlmReading *reading)
{
	SlmRowSet	set = {0};
	SlmObject  *object = reading->object;

	if (!reading->refused.any)
		return;
	slm_refused_add_to(&reading->refused, &set, reading->part_row);
	if (!slm_row_set_finish(&set))
		slm_object_fail_by_memory(object);
	else
	{
		object->refused = MemoryContextAllocHuge(CurrentMemoryContext, set.len);
		object->refused_len = set.len;
		memcpy(object->refused, set.data, set.len);
	}
	slm_row_set_free(&set);
}
