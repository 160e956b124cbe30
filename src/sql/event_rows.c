/*
 * event_rows.c: bytes of CSV in, a set of cleaned events out.
 */
#include "postgres.h"

#include "access/xact.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "server/out_of_memory.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "guc.h"
#include "pure/clean.h"
#include "pure/reader.h"
#include "sql/event_rows.h"
#include "types/event_type.h"
#include "types/money.h"
#include "types/read_error.h"

#define RESULT_COLUMNS	17

/* Bytes that the reader is given at a time, so that interrupts are processed even where no row comes out of it. */
#define PIECE	(1024 * 1024)

struct SlmEventRows
{
	MemoryContext context;		/* holds this struct */
	MemoryContext row_context;	/* reset after each row */
	MemoryContextCallback on_reset;
	ReturnSetInfo *rsinfo;
	SlmReader  *reader;
	bool		convert;		/* the database is in another encoding than UTF-8 */
	Datum		type_values[SLM_EVENT_TYPES];
	uint64		most;			/* of events */
	uint64		events;
	uint64		rejected[SLM_REJECT_REASONS];
	uint64		total_rejected;
	uint64		first_line;		/* of the first row that was rejected */
	char		first_detail[128];
	char		buf[SLM_CLEAN_BUFFER];
};

/* The reader's memory is not palloc'd, so it is freed with the context, also after an error. */
static void
free_reader(void *arg)
{
	slm_reader_free(((SlmEventRows *) arg)->reader);
}

SlmEventRows *
slm_event_rows_begin(FunctionCallInfo fcinfo, const SlmFormat *format)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "sellometer event rows", ALLOCSET_DEFAULT_SIZES);
	SlmEventRows *rows = MemoryContextAllocZero(context, sizeof(SlmEventRows));
	SlmReaderOptions options = {.format = format};

	InitMaterializedSRF(fcinfo, 0);
	rows->context = context;
	rows->most = PG_UINT64_MAX;
	rows->row_context = AllocSetContextCreate(context, "sellometer event row", ALLOCSET_SMALL_SIZES);
	rows->rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	if (rows->rsinfo->setDesc->natts != RESULT_COLUMNS)
		elog(ERROR, "events have %d columns, not %d", RESULT_COLUMNS, rows->rsinfo->setDesc->natts);
	for (int i = 0; i < SLM_EVENT_TYPES; i++)
		rows->type_values[i] = ObjectIdGetDatum(slm_event_type_value((SlmEventType) i));
	rows->convert = GetDatabaseEncoding() != PG_UTF8 && GetDatabaseEncoding() != PG_SQL_ASCII;

	options.latest = GetCurrentStatementStartTimestamp() + (SlmTime) slm_max_clock_skew * SLM_USECS_PER_SEC;
	rows->reader = slm_reader_create(&options);
	if (rows->reader == NULL)
		slm_out_of_memory();
	rows->on_reset.func = free_reader;
	rows->on_reset.arg = rows;
	MemoryContextRegisterResetCallback(context, &rows->on_reset);
	return rows;
}

void
slm_event_rows_limit(SlmEventRows *rows, uint64 most)
{
	rows->most = most;
}

bool
slm_event_rows_full(const SlmEventRows *rows)
{
	return rows->events >= rows->most;
}

/* UTF-8 as text in the database's encoding. */
static Datum
text_datum(const SlmEventRows *rows, const char *data, size_t len)
{
	if (rows->convert)
	{
		char	   *converted = pg_any_to_server(data, (int) len, PG_UTF8);

		if (converted != data)
			return CStringGetTextDatum(converted);
	}
	return PointerGetDatum(cstring_to_text_with_len(data, (int) len));
}

static void
put_event(SlmEventRows *rows, const SlmEvent *event, const SlmCleanEvent *clean)
{
	const SlmCategory *category = &clean->category;
	MemoryContext outer = MemoryContextSwitchTo(rows->row_context);
	bool		nulls[RESULT_COLUMNS] = {false};
	Datum		values[RESULT_COLUMNS] = {
		TimestampTzGetDatum(event->time),
		rows->type_values[event->type],
		Int64GetDatum(event->product_id),
		Int64GetDatum(event->category_id),
		text_datum(rows, category->code, category->code_len),
		text_datum(rows, clean->brand.data, clean->brand.len),
		text_datum(rows, category->key, category->l1_len),
		text_datum(rows, category->key, category->l2_len),
		text_datum(rows, category->key, category->l3_len),
		NumericGetDatum(slm_price_to_numeric(event->price)),
		Int64GetDatum(event->user_id),
		text_datum(rows, event->session.data, event->session.len),
		Int32GetDatum(slm_event_pieces(event)),
		event->line != 0 ? text_datum(rows, event->event_id.data, event->event_id.len) : (Datum) 0,
		text_datum(rows, event->name.data, event->name.len),
		text_datum(rows, event->currency.data, event->currency.len),
		event->product_id < 0 ? text_datum(rows, event->sku.data, event->sku.len) : (Datum) 0
	};

	nulls[3] = !event->has_category_id;
	nulls[10] = !event->has_user_id;
	nulls[11] = event->session.len == 0;
	nulls[13] = event->line == 0;
	nulls[14] = event->name.len == 0;
	nulls[15] = event->currency.len == 0;
	nulls[16] = event->product_id >= 0;
	tuplestore_putvalues(rows->rsinfo->setResult, rows->rsinfo->setDesc, values, nulls);
	MemoryContextSwitchTo(outer);
	MemoryContextReset(rows->row_context);
}

static void
count_reject(SlmEventRows *rows, uint64 line, const SlmReject *reject)
{
	rows->rejected[reject->reason]++;
	if (rows->total_rejected++ == 0)
	{
		rows->first_line = line;
		strlcpy(rows->first_detail, reject->detail, sizeof(rows->first_detail));
	}
}

static void
raise_read_error(const SlmReader *reader)
{
	const char *message;
	SlmReadErrorCode code = slm_reader_error(reader, &message);
	const char *hint = slm_read_error_hint(code);

	ereport(ERROR,
			(errcode(slm_read_error_sqlstate(code)),
			 errmsg("%s", message),
			 hint != NULL ? errhint("%s", hint) : 0));
}

static void
add_piece(SlmEventRows *rows, const char *data, size_t len, bool last)
{
	SlmReadStatus status;
	SlmReadRow	row = {.event.currency = {"", 0}};
	SlmCleanEvent clean;

	slm_reader_feed(rows->reader, data, len, last);
	while ((status = slm_reader_next(rows->reader, &row)) == SLM_READ_EVENT || status == SLM_READ_REJECT)
	{
		CHECK_FOR_INTERRUPTS();
		if (slm_event_rows_full(rows))
			return;
		if (status == SLM_READ_EVENT && slm_clean_event(&row.event, rows->buf, &clean, &row.reject))
		{
			put_event(rows, &row.event, &clean);
			rows->events++;
		}
		else
			count_reject(rows, row.line, &row.reject);
		row.event.currency.len = 0;
	}
	if (status == SLM_READ_FAILED)
		raise_read_error(rows->reader);
}

void
slm_event_rows_add(SlmEventRows *rows, const char *data, size_t len, bool last)
{
	do
	{
		size_t		piece = Min(len, PIECE);

		if (slm_event_rows_full(rows))
			return;
		CHECK_FOR_INTERRUPTS();
		add_piece(rows, data, piece, last && piece == len);
		data += piece;
		len -= piece;
	} while (len > 0);
}

/* What was seen in the first rejected row, in the database's encoding. */
static const char *
first_detail(SlmEventRows *rows)
{
	if (rows->convert)
	{
		/* not all of it may exist there, and a warning must not fail */
		for (char *p = rows->first_detail; *p != '\0'; p++)
			if (IS_HIGHBIT_SET(*p))
				*p = '?';
	}
	return rows->first_detail;
}

void
slm_event_rows_end(SlmEventRows *rows)
{
	StringInfoData reasons;

	if (rows->total_rejected > 0)
	{
		initStringInfo(&reasons);
		for (int i = 0; i < SLM_REJECT_REASONS; i++)
		{
			if (rows->rejected[i] > 0)
				appendStringInfo(&reasons, "%s%s " UINT64_FORMAT, reasons.len > 0 ? ", " : "",
								 slm_reject_name((SlmRejectReason) i), rows->rejected[i]);
		}
		ereport(WARNING,
				(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
				 errmsg_plural(UINT64_FORMAT " of " UINT64_FORMAT " rows was rejected",
							   UINT64_FORMAT " of " UINT64_FORMAT " rows were rejected",
							   rows->total_rejected, rows->total_rejected,
							   slm_reader_stats(rows->reader)->rows_total),
				 errdetail("Reasons: %s. The first is in line " UINT64_FORMAT ": %s.", reasons.data, rows->first_line,
						   first_detail(rows))));
	}
	if (slm_reader_stats(rows->reader)->rows_ignored > 0)
		ereport(NOTICE,
				(errmsg("rows of events that the format passes over: " UINT64_FORMAT, slm_reader_stats(rows->reader)->rows_ignored)));
	MemoryContextDelete(rows->context);
}
