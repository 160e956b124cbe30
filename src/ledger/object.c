/*
 * object.c: read one object into a chunk.
 *
 *   transfer --bytes--> reader --rows--> catalog (offer) --> chunk --(all times known)--> clock jumps and expired rows out
 */
#include "postgres.h"

#include "guc.h"
#include "ledger/key_time.h"
#include "ledger/object.h"
#include "ledger/refused.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pure/clean.h"
#include "pure/event.h"
#include "pure/gaps.h"
#include "pure/key_count.h"
#include "server/alive.h"
#include "server/out_of_memory.h"
#include "tiers/tier.h"
#include "utils/timestamp.h"

#define MIN_ROWS_TO_FAIL	100 /* a smaller object isn't judged by its share of rejected rows, unless it is all of them */

/* So few rows at the end of a large object say nothing about how far the data has got. */
#define MIN_ROWS_OF_CLOCK	100

/* A part of a large object that goes on to the end of an hour ends nevertheless at this multiple of the rows of a chunk. */
#define MAX_CHUNKS_PER_PART	4

/* What a new offer takes, without the text of its keys; a cart, without its session; any row, from the chunk to the tiers. */
#define OFFER_BYTES		300
#define CART_BYTES		100
#define ROW_BYTES		UINT64CONST(100)

/* One of the rows that are read before the first of them is looked at, so that what its offer is looked up in is in the cache by then. */
typedef struct Ahead
{
	SlmReadRow	row;
	SlmReadStatus status;
	uint64		hash;			/* of an event's offer */
} Ahead;

struct SlmReading
{
	SlmObject  *object;
	const SlmHashKey *key;
	const SlmChecksumKey *checksum;
	SlmReader  *reader;
	SlmChunk   *chunk;			/* of the call under way; NULL: rows are only counted */
	SlmCatalog *catalog;		/* likewise */
	uint64		skip;			/* rows still to be passed over */
	bool		fed;			/* the reader has bytes that it has not used up */
	int64		bytes;			/* that have come */
	SlmGaps		gaps;			/* between the times of all rows that were read */
	uint64		row;			/* rows that were read */
	uint64		part_row;		/* of these before the part at hand */
	SlmRefused	refused;		/* of the part at hand */
	SlmRowChooser choose;		/* NULL: all are wanted */
	void	   *choose_arg;
	uint64		jumps;			/* rows that were rejected for their time, since the counts began */
	uint64		futures;

	/* rows that are read, the first of which are taken; the others may be the first of another part */
	Ahead		ahead[SLM_AHEAD];
	uint32		nahead;
	uint32		ntaken;

	MemoryContext context;		/* it lives in, as do the rejected rows */
	TimestampTz until;			/* when it is to return; DT_NOEND: when it is done */
	bool		patient;		/* until then bytes are waited for */
	bool		interrupted;	/* it has returned for that */
	bool		starved;		/* for want of bytes */

	bool		whole_hours;	/* a part may be larger, to end where an hour does */
	TimestampTz latest;			/* event of the part at hand */
	uint64		memory;			/* that the part takes beyond what it takes by its rows, about */
	SlmKeyCount *keys;			/* brands and categories of an object whose rows are only counted */
};

void
slm_object_fail(SlmObject *object, SlmOutcome outcome, int sqlstate, const char *error)
{
	object->outcome = outcome;
	object->sqlstate = sqlstate;
	object->error = slm_store_display_text(error, strlen(error));
	object->error_detail = NULL;
}

#define GIVE_AGAIN	"put it there again under the same key, or put it aside with sellometer_skip()"

static void
fail_by_store(SlmObject *object, const SlmStoreError *error)
{
	/* only these two tell of the object; all else is about the way to it, which may be mended */
	bool		of_object = error->kind == SLM_STORE_NOT_FOUND || error->kind == SLM_STORE_CHANGED;
	StringInfoData message;

	initStringInfo(&message);
	appendStringInfoString(&message, error->message);
	if (object->reloaded)
		;						/* what would help would only help to load it */
	else if (error->kind == SLM_STORE_NOT_FOUND)
		appendStringInfoString(&message, " (it was deleted after it was listed: should it be listed again, it is "
							   "loaded; sellometer_skip() puts it aside)");
	else if (of_object && error->hint)
		appendStringInfo(&message, " (%s)", error->hint);
	else if (error->detail || error->hint)
		appendStringInfoString(&message, " (more is in sellometer.error_details)");
	slm_object_fail(object, of_object ? SLM_OBJECT_FAILED : SLM_OBJECT_RETRY, error->sqlstate, message.data);
	object->error_detail = slm_store_error_text(error);
	object->retry_after_ms = error->retry_after_ms;
}

static void
fail_by_source(SlmObject *object, const SlmSource *source)
{
	if (source != NULL)
		fail_by_store(object, &source->error);
	else
		slm_object_fail(object, SLM_OBJECT_RETRY, ERRCODE_CONNECTION_DOES_NOT_EXIST, "the source is not enabled any more");
	/* whatever it is, it is not the object's fault */
	object->outcome = SLM_OBJECT_RETRY;
}

void
slm_object_open(SlmObject *object, SlmSource *source)
{
	if (source == NULL || source->store == NULL)
		fail_by_source(object, source);
	else if (object->resume_row == 0 && !slm_key_is_wanted(object->key, &source->include, &source->exclude))
		object->outcome = SLM_OBJECT_EXCLUDED;
	else if (object->size / 1024 > slm_max_object_bytes)
		slm_object_fail(object, SLM_OBJECT_FAILED, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
						psprintf("the object has " INT64_FORMAT " bytes, more than sellometer.max_object_bytes allows (increase the "
								 "setting and call sellometer_retry(), or put it aside with sellometer_skip())", object->size));
	else
		object->transfer = slm_store_get(source->store, object->key, object->etag, 0);
}

bool
slm_object_add(SlmObject *object, SlmBatch *batch, const SlmChunk *chunk)
{
	object->number = (int) batch->nobjects;
	return slm_batch_add(batch, chunk->rows, chunk->nrows) && slm_carts_fold(&batch->carts, &chunk->carts);
}

/* --- rejected rows --- */

/* In a context: text as it can be shown. */
static char *
printable(MemoryContext context, const char *bytes, size_t len)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	char	   *text = slm_store_display_text(bytes, len);

	MemoryContextSwitchTo(old);
	return text;
}

static void
keep_reject(SlmReading *reading, uint64 line, const char *column, SlmRejectReason reason, const char *detail,
			SlmSlice raw)
{
	SlmObject  *object = reading->object;
	SlmRejectedRow *row;

	object->rows_rejected++;
	reading->jumps += reason == SLM_REJECT_CLOCK_JUMP;
	reading->futures += reason == SLM_REJECT_FUTURE;
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

static void
reject_jump(void *arg, uint64_t line, SlmTime time, SlmSlice raw)
{
	char		detail[128];

	snprintf(detail, sizeof(detail), "behind a gap of more than sellometer.max_clock_jump ahead of the object's other rows: %s",
			 timestamptz_to_str(time));
	keep_reject(arg, line, slm_column_name(SLM_COL_EVENT_TIME), SLM_REJECT_CLOCK_JUMP, detail, raw);
}

/* What is noted of a part outlives the turn in which it is: it stands where the reading does. */
static void
note_refused(SlmReading *reading, bool left)
{
	MemoryContext old = MemoryContextSwitchTo(reading->context);

	slm_refused_note(&reading->refused, reading->row - 1 - reading->part_row, left);
	MemoryContextSwitchTo(old);
}

static void
refuse_by_time(SlmReading *reading, SlmTime first, SlmTime last)
{
	MemoryContext old = MemoryContextSwitchTo(reading->context);

	slm_refused_by_time(&reading->refused, reading->chunk, reading->row - reading->part_row, first, last);
	MemoryContextSwitchTo(old);
}

static void
forget_refused(SlmReading *reading)
{
	if (reading->refused.absent != NULL)
	{
		pfree(reading->refused.absent);
		pfree(reading->refused.left);
	}
	reading->refused = (SlmRefused) {0};
}

/* The row at hand, which was just read, does not go into the chunk. */
static void
leave_out(SlmReading *reading, bool left)
{
	if (reading->chunk != NULL)
		note_refused(reading, left);
}

/* A brand or category that can't be an index key. */
static void
reject_key(SlmReading *reading, const SlmReadRow *row, SlmCatalogError error)
{
	bool		is_brand = error == SLM_CATALOG_LONG_BRAND;
	const char *column = slm_column_name(is_brand ? SLM_COL_BRAND : SLM_COL_CATEGORY_CODE);
	char		detail[128];

	slm_reject_detail(detail, column, is_brand ? row->event.brand : row->event.category_code,
					  is_brand ? SLM_FAULT_LONG_BRAND : SLM_FAULT_LONG_CATEGORY);
	keep_reject(reading, row->line, column, SLM_REJECT_KEY_TOO_LONG, detail, row->raw);
}

/* --- rows --- */

static void
out_of_memory(SlmObject *object)
{
	slm_object_fail(object, SLM_OBJECT_RETRY, ERRCODE_OUT_OF_MEMORY, "out of memory");
}

/*
 * Are so many different brands and categories too many?  False if they are.  Only of the whole object: of one whose first parts are
 * loaded that was found out before.
 */
static bool
judge_keys(SlmReading *reading, uint64 n)
{
	if (n <= (uint64) slm_max_object_keys || reading->object->resume_row > 0)
		return true;
	slm_object_fail(reading->object, SLM_OBJECT_FAILED, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
					psprintf("too_many_keys: the object names more than %d different brands and categories (if they are real, raise "
							 "sellometer.max_object_keys and call sellometer_retry(); else repair the object and " GIVE_AGAIN ")",
							 slm_max_object_keys));
	return false;
}

/* One event where rows are only counted: would it be rejected when it is loaded?  False if the outcome is set. */
static bool
validate_event(SlmReading *reading, const SlmReadRow *row)
{
	char		buf[SLM_CLEAN_BUFFER];
	SlmCleanEvent clean;
	SlmReject	reject;

	/* shorter ones can't be too long when filled to three levels */
	if ((row->event.brand.len > SLM_MAX_KEY_BYTES || row->event.category_code.len >= SLM_MAX_KEY_BYTES / 3) &&
		!slm_clean_event(&row->event, buf, &clean, &reject))
	{
		keep_reject(reading, row->line, slm_column_name(reject.column), reject.reason, reject.detail, row->raw);
		return true;
	}
	if (!slm_key_count_add(reading->keys, &row->event))
	{
		out_of_memory(reading->object);
		return false;
	}
	return judge_keys(reading, reading->keys->n);
}

/* What the part takes of memory besides what each row does, about. */
static bool
note_memory(SlmReading *reading, const SlmEvent *event, bool first)
{
	uint32		named = 0;

	if (slm_is_cart_event(event))
		reading->memory += CART_BYTES + event->session.len;
	if (!first)
		return true;
	/* a category is kept at each of its levels */
	reading->memory += OFFER_BYTES + event->brand.len + 3 * event->category_code.len;
	if (reading->object->resume_row == 0 && !slm_catalog_count_named(reading->catalog, (uint32) slm_max_object_keys, &named))
	{
		out_of_memory(reading->object);
		return false;
	}
	return judge_keys(reading, named);
}

/* One event into the chunk; false if the outcome is set. */
static bool
take_event(SlmReading *reading, const Ahead *ahead)
{
	const SlmReadRow *row = &ahead->row;
	SlmCatalogError error;
	SlmOfferId	offer;
	bool		first;
	TimestampTz time = row->event.time;

	if (reading->chunk == NULL)
		return validate_event(reading, row);
	offer = slm_catalog_offer_by_hash(reading->catalog, &row->event, ahead->hash, &first, &error);
	if (offer == SLM_NO_OFFER)
	{
		if (error == SLM_CATALOG_MEMORY)
		{
			out_of_memory(reading->object);
			return false;
		}
		leave_out(reading, true);
		reject_key(reading, row, error);
		return true;
	}
	if ((first || row->event.type != SLM_VIEW) && !note_memory(reading, &row->event, first))
		return false;
	if (time < -SLM_BATCH_TIME_LIMIT || time > SLM_BATCH_TIME_LIMIT)
	{
		leave_out(reading, true);
		reading->object->rows_expired++;
		reading->object->latest_expired = Max(reading->object->latest_expired, time);
		return true;
	}
	if (slm_chunk_add(reading->chunk, reading->key, &row->event, offer, row->line, row->raw,
					  (SlmTime) slm_max_clock_jump * USECS_PER_SEC))
		return true;
	out_of_memory(reading->object);
	return false;
}

static void
fail_by_reader(SlmReading *reading)
{
	const char *message;
	SlmReadErrorCode code = slm_reader_error(reading->reader, &message);

	if (code == SLM_READ_ERROR_MEMORY)
	{
		out_of_memory(reading->object);
		return;
	}
	slm_object_fail(reading->object, SLM_OBJECT_FAILED,
					code == SLM_READ_ERROR_COLUMN ? ERRCODE_UNDEFINED_COLUMN : ERRCODE_BAD_COPY_FILE_FORMAT,
					reading->object->reloaded ? message : psprintf("%s (repair the object and " GIVE_AGAIN ")", message));
}

/* The next rows; false if there are none now, or at all: then the first one's status says why. */
static bool
read_ahead(SlmReading *reading)
{
	Ahead	   *ahead = reading->ahead;
	uint32		max = reading->skip > 0 ? 1 : SLM_AHEAD;
	uint32		n = 0;

	reading->nahead = reading->ntaken = 0;
	ahead[0].status = slm_reader_next(reading->reader, &ahead[0].row);
	if (ahead[0].status != SLM_READ_EVENT && ahead[0].status != SLM_READ_REJECT)
		return false;
	do
	{
		if (ahead[n].status == SLM_READ_EVENT && reading->chunk != NULL)
			ahead[n].hash = slm_catalog_hash(reading->catalog, &ahead[n].row.event);
		n++;
	} while (n < max && slm_reader_next_in_place(reading->reader, &ahead[n].row, &ahead[n].status));
	reading->nahead = n;
	return true;
}

/* At its end it is known what the object holds. */
static void
note_checksum(SlmReading *reading)
{
	uint8		sum[SLM_CONTENT_SIZE];

	if (!slm_reader_content(reading->reader, sum))
		return;
	reading->object->checksum = slm_checksum_show(reading->checksum, sum);
	reading->object->has_checksum = true;
}

/* No rows were there to read: either more bytes are needed (true), or the outcome is set. */
static bool
stop_reading(SlmReading *reading)
{
	switch (reading->ahead[0].status)
	{
		case SLM_READ_MORE:
			reading->fed = false;
			return true;
		case SLM_READ_END:
			note_checksum(reading);
			reading->object->outcome = SLM_OBJECT_LOADED;
			return false;
		default:
			fail_by_reader(reading);
			return false;
	}
}

/* Its catalog may hold twice as much from before, and writing it takes about as much again. */
static inline uint64
part_memory(void)
{
	return (uint64) slm_work_memory * 1024 / 8;
}

/*
 * Does another part begin with this row?  Where parts end depends on the object (and sellometer.work_memory) alone, so that they are
 * the same after a restart.
 * At the end of an hour one partition is filled and another begins, and to fill one from nothing costs half of adding to it.
 */
static bool
ends_part(const SlmReading *reading, const Ahead *ahead)
{
	uint32		nrows = reading->chunk == NULL ? 0 : reading->chunk->nrows;

	if (reading->memory >= part_memory() && nrows > 0)
		return true;
	if (nrows < (uint32) slm_chunk_rows)
		return false;
	if (!reading->whole_hours || nrows >= (uint32) slm_chunk_rows * MAX_CHUNKS_PER_PART || nrows * ROW_BYTES >= part_memory())
		return true;
	return ahead->status == SLM_READ_EVENT && ahead->row.event.time >= reading->latest - reading->latest % USECS_PER_HOUR + USECS_PER_HOUR;
}

/* One row; false if the outcome is set. */
static bool
take_row(SlmReading *reading, const Ahead *ahead)
{
	const SlmReject *reject = &ahead->row.reject;
	uint64		row = reading->row++;
	SlmRowChoice choice = reading->choose == NULL ? SLM_ROW_WANTED : reading->choose(reading->choose_arg, row);

	if (choice != SLM_ROW_WANTED)
		leave_out(reading, false);
	if (choice == SLM_ROW_FOREIGN)
		return true;
	reading->object->rows_total++;
	if (ahead->status == SLM_READ_EVENT)
	{
		reading->latest = Max(reading->latest, ahead->row.event.time);
		if (!reading->object->judged && !slm_gaps_add(&reading->gaps, ahead->row.event.time))
		{
			out_of_memory(reading->object);
			return false;
		}
		return choice == SLM_ROW_COUNTED || take_event(reading, ahead);
	}
	if (choice == SLM_ROW_COUNTED)
		return true;
	leave_out(reading, true);
	keep_reject(reading, ahead->row.line, reject->column < 0 ? NULL : slm_column_name(reject->column), reject->reason, reject->detail,
				ahead->row.raw);
	return true;
}

/* Take all rows that the reader can give now.  True if it needs more bytes; else the outcome is set, or all is skipped. */
static bool
take_rows(SlmReading *reading)
{
	for (;;)
	{
		const Ahead *ahead = &reading->ahead[reading->ntaken];

		if (reading->ntaken == reading->nahead)
		{
			if (!read_ahead(reading))
				return stop_reading(reading);
		}
		else if (reading->skip > 0)
		{
			reading->ntaken++;
			if (--reading->skip == 0)
				return false;
		}
		else if (ends_part(reading, ahead))
		{
			reading->object->outcome = SLM_OBJECT_PART;
			return false;
		}
		else
		{
			reading->ntaken++;
			if (!take_row(reading, ahead))
				return false;
		}
	}
}

/*
 * What came is as long as the list said.  An answer that is cut short can look whole: a proxy on the way may have set its
 * length anew.
 */
static bool
is_whole(SlmReading *reading)
{
	SlmObject  *object = reading->object;

	if (reading->bytes == object->size || slm_transfer_is_encoded(object->transfer))
		return true;
	slm_object_fail(object, SLM_OBJECT_RETRY, ERRCODE_CONNECTION_FAILURE,
					psprintf("the object did not come whole: of " INT64_FORMAT " bytes that were listed "
							 INT64_FORMAT " came", object->size, reading->bytes));
	return false;
}

/* How long bytes may be waited for. */
static long
wait_ms(const SlmReading *reading)
{
	if (!reading->patient)
		return 0;
	if (TIMESTAMP_IS_NOEND(reading->until))
		return SLM_WAIT_FOR_EVER;
	return (long) Max(0, (reading->until - GetCurrentTimestamp()) / 1000);
}

/*
 * Move bytes from the transfer to the reader and rows from there, until the outcome is set, or all is skipped, or the time is over.
 */
static void
pump(SlmReading *reading)
{
	SlmStoreError error;
	const char *data;
	size_t		len;

	while (!reading->fed || take_rows(reading))
	{
		if (!TIMESTAMP_IS_NOEND(reading->until) && GetCurrentTimestamp() >= reading->until)
		{
			reading->interrupted = true;
			return;
		}
		switch (slm_transfer_read(reading->object->transfer, wait_ms(reading), &data, &len, &error))
		{
			case SLM_TRANSFER_WAIT:
				reading->interrupted = reading->starved = true;
				return;
			case SLM_TRANSFER_DATA:
				reading->bytes += len;
				slm_reader_feed(reading->reader, data, len, false);
				break;
			case SLM_TRANSFER_END:
				if (!is_whole(reading))
					return;
				slm_reader_feed(reading->reader, NULL, 0, true);
				break;
			default:
				fail_by_store(reading->object, &error);
				return;
		}
		reading->fed = true;
		slm_alive();
		CHECK_FOR_INTERRUPTS();
	}
}

/* --- when all rows of a chunk are known --- */

/* What to do about too many rejected rows: name the settings that would help. */
static void
append_remedy(const SlmReading *reading, StringInfo message, bool all)
{
	appendStringInfoString(message, " (see sellometer.rejected_rows; repair the object and " GIVE_AGAIN);
	if (reading->jumps > 0)
		appendStringInfo(message, ", or raise sellometer.max_clock_jump, behind which lie " UINT64_FORMAT " of these rows", reading->jumps);
	if (reading->futures > 0)
		appendStringInfo(message, ", or raise sellometer.max_clock_skew, beyond which lie " UINT64_FORMAT " of these rows", reading->futures);
	if (reading->jumps + reading->futures > 0)
		appendStringInfoString(message, all ? "" : ", or sellometer.max_reject_fraction");
	else
		appendStringInfoString(message, all ? ", or mend the setting that rejects them" : ", or raise the setting");
	appendStringInfoString(message, " and call sellometer_retry())");
}

static void
judge_rejects(SlmReading *reading)
{
	SlmObject  *object = reading->object;
	StringInfoData message;
	bool		all = object->rows_total > 0 && object->rows_rejected == object->rows_total;

	if (reading->choose != NULL ||
		(!all && (object->rows_total < MIN_ROWS_TO_FAIL ||
				  (double) object->rows_rejected <= slm_max_reject_fraction * (double) object->rows_total)))
		return;
	initStringInfo(&message);
	if (all && object->rows_total == 1)
		appendStringInfoString(&message, "the only row can't be used");
	else if (all)
		appendStringInfo(&message, "none of " UINT64_FORMAT " rows can be used", object->rows_total);
	else
		appendStringInfo(&message, UINT64_FORMAT " of " UINT64_FORMAT " rows can't be used, more than "
						 "sellometer.max_reject_fraction allows", object->rows_rejected, object->rows_total);
	if (object->nrejects > 0)
		appendStringInfo(&message, "; the first is line " UINT64_FORMAT ", %s: %s", object->rejects[0].line,
						 object->rejects[0].reason, object->rejects[0].detail);
	append_remedy(reading, &message, all);
	slm_object_fail(object, SLM_OBJECT_FAILED, ERRCODE_BAD_COPY_FILE_FORMAT, message.data);
}

/* All rows of the object have been read. */
static void
judge_gaps(SlmReading *reading)
{
	reading->object->time_limit = slm_gaps_limit(&reading->gaps, reading->object->rows_total);
	reading->object->judged = true;
}

/* The earliest and the latest of the chunk's rows. */
static void
find_span(SlmReading *reading)
{
	const SlmChunk *chunk = reading->chunk;
	SlmTime		first = DT_NOEND;
	SlmTime		last = DT_NOBEGIN;

	for (uint32 i = 0; i < chunk->nrows; i++)
	{
		first = Min(first, chunk->rows[i].time);
		last = Max(last, chunk->rows[i].time);
	}
	reading->object->first_event = first;
	reading->object->last_event = last;
}

static void
reject_jumps(SlmReading *reading)
{
	SlmObject  *object = reading->object;

	if (!object->judged || object->last_event <= object->time_limit || reading->chunk->nrows == 0)
		return;
	refuse_by_time(reading, DT_NOBEGIN, object->time_limit);
	slm_chunk_reject_after(reading->chunk, object->time_limit, reject_jump, reading);
	find_span(reading);
}

static void
drop_expired(SlmReading *reading, SlmTime floor)
{
	SlmObject  *object = reading->object;

	if (object->first_event >= floor)
		return;
	refuse_by_time(reading, floor, DT_NOEND);
	object->rows_expired += slm_chunk_drop_before(reading->chunk, floor, &object->latest_expired);
	find_span(reading);
}

/*
 * Take out clock jumps and rows that are too old; note the span of what is left.  The clock is moved by the median of rows
 * that are no jumps; not by the few that may stand at the end of a large object.
 */
static void
judge_times(SlmReading *reading, const SlmClock *clock)
{
	SlmObject  *object = reading->object;
	SlmChunk   *chunk = reading->chunk;
	SlmTime		median;

	find_span(reading);
	reject_jumps(reading);
	if (chunk->nrows == 0)
		return;
	if (!slm_chunk_median(chunk, &median))
	{
		out_of_memory(object);
		return;
	}
	if (object->resume_row == 0 || chunk->nrows >= MIN_ROWS_OF_CLOCK)
		object->median = median;
	drop_expired(reading, slm_tiers_floor(clock->tiers, Max(median, clock->head)));
}

/* Say in the object which of the part's rows don't count. */
static void
keep_refused(SlmReading *reading)
{
	SlmRowSet	set = {0};
	SlmObject  *object = reading->object;

	if (!reading->refused.any)
		return;
	slm_refused_add_to(&reading->refused, &set, reading->part_row);
	if (!slm_row_set_finish(&set))
		out_of_memory(object);
	else
	{
		object->refused = MemoryContextAllocHuge(CurrentMemoryContext, set.len);
		object->refused_len = set.len;
		memcpy(object->refused, set.data, set.len);
	}
	slm_row_set_free(&set);
}

/* An object without a time in its key, or with one that may be wrong, is known to be late only now: as one that is late by its key. */
static void
judge_lateness(SlmObject *object, const SlmClock *clock)
{
	TimestampTz live_from = TIMESTAMP_IS_NOBEGIN(clock->head) ? DT_NOBEGIN : clock->head - (int64) slm_live_lateness * USECS_PER_SEC;

	if (!clock->live || TIMESTAMP_IS_NOBEGIN(object->median) || object->resume_row > 0 ||
		(!TIMESTAMP_IS_NOBEGIN(object->object_time) && object->object_time >= live_from && !object->time_doubtful))
		return;
	if (object->median >= live_from)
		return;
	object->outcome = SLM_OBJECT_LATE;
	if (TIMESTAMP_IS_NOBEGIN(object->object_time) || !slm_key_time_fits(object, 0))
		object->object_time = object->median;
}

static void
reset_counts(SlmReading *reading)
{
	SlmObject  *object = reading->object;

	reading->jumps = reading->futures = 0;
	object->outcome = SLM_OBJECT_WAITING;
	object->rows_total = object->rows_rejected = object->rows_expired = 0;
	object->refused = NULL;
	object->refused_len = 0;
	object->rejects = NULL;
	object->nrejects = 0;
	object->first_event = DT_NOEND;
	object->last_event = DT_NOBEGIN;
	object->median = object->latest_expired = DT_NOBEGIN;
}

static void
free_reader(void *arg)
{
	SlmReading *reading = arg;

	slm_reader_free(reading->reader);
	reading->reader = NULL;
	if (reading->keys != NULL)
		slm_key_count_free(reading->keys);
	slm_gaps_free(&reading->gaps);
}

SlmReading *
slm_reading_begin(SlmObject *object, const SlmClock *clock, const SlmHashKey *key, const SlmChecksumKey *checksum)
{
	/* of what was read from end to end before, by this process, it is known */
	SlmReaderOptions options = {.latest = clock->latest,.content_secret = object->has_checksum ? NULL : checksum->secret};
	SlmReading *reading = palloc0(sizeof(SlmReading));
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

	reading->object = object;
	reading->key = key;
	slm_gaps_reset(&reading->gaps, (SlmTime) slm_max_clock_jump * USECS_PER_SEC);
	reading->context = CurrentMemoryContext;
	reading->until = DT_NOEND;
	reading->patient = true;
	reading->checksum = checksum;
	callback->func = free_reader;
	callback->arg = reading;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	reading->reader = slm_reader_create(&options);
	if (reading->reader == NULL)
		slm_out_of_memory();
	return reading;
}

void
slm_reading_choose(SlmReading *reading, SlmRowChooser choose, void *arg)
{
	reading->choose = choose;
	reading->choose_arg = arg;
}

void
slm_reading_limit(SlmReading *reading, long turn_ms, bool wait)
{
	reading->until = GetCurrentTimestamp() + turn_ms * INT64CONST(1000);
	reading->patient = wait;
}

bool
slm_reading_interrupted(const SlmReading *reading)
{
	return reading->interrupted;
}

bool
slm_reading_starved(const SlmReading *reading)
{
	return reading->starved;
}

int64
slm_reading_bytes(const SlmReading *reading)
{
	return reading->bytes;
}

/* Begin a call; false if it goes on with an interrupted one. */
static bool
is_new_call(SlmReading *reading)
{
	bool		is_new = !reading->interrupted;

	reading->interrupted = reading->starved = false;
	if (is_new)
		reset_counts(reading);
	return is_new;
}

bool
slm_reading_skip(SlmReading *reading, uint64 rows)
{
	if (is_new_call(reading))
		reading->skip = reading->row = rows;
	if (reading->skip > 0)
		pump(reading);
	return reading->object->outcome == SLM_OBJECT_WAITING;
}

void
slm_reading_chunk(SlmReading *reading, const SlmClock *clock, SlmCatalog *catalog, SlmChunk *chunk, bool whole_hours)
{
	SlmObject  *object = reading->object;

	if (is_new_call(reading))
	{
		slm_chunk_reset(chunk);
		reading->part_row = reading->row;
		forget_refused(reading);
		reading->latest = DT_NOBEGIN;
		reading->memory = 0;
		slm_catalog_begin_part(catalog);
	}
	reading->chunk = chunk;
	reading->catalog = catalog;
	reading->whole_hours = whole_hours;
	/* overrides may have changed since these were read */
	for (uint32 i = reading->ntaken; i < reading->nahead; i++)
	{
		if (reading->ahead[i].status == SLM_READ_EVENT)
			reading->ahead[i].hash = slm_catalog_hash(catalog, &reading->ahead[i].row.event);
	}
	pump(reading);
	if (object->outcome == SLM_OBJECT_LOADED && object->resume_row == 0 && !object->judged)
		judge_gaps(reading);
	if (object->outcome == SLM_OBJECT_LOADED || object->outcome == SLM_OBJECT_PART)
	{
		judge_times(reading, clock);
		keep_refused(reading);
	}
	if (object->outcome == SLM_OBJECT_LOADED && object->resume_row == 0)
		judge_rejects(reading);
	if (object->outcome == SLM_OBJECT_LOADED || object->outcome == SLM_OBJECT_PART)
		judge_lateness(object, clock);
}

void
slm_reading_validate(SlmReading *reading)
{
	(void) is_new_call(reading);
	reading->chunk = NULL;
	if (reading->keys == NULL)
	{
		reading->keys = MemoryContextAllocZero(reading->context, sizeof(SlmKeyCount));
		reading->keys->key = *reading->key;
	}
	pump(reading);
	if (reading->object->outcome != SLM_OBJECT_LOADED)
		return;
	judge_gaps(reading);
	reading->jumps = slm_gaps_rows_after(&reading->gaps, reading->object->time_limit);
	reading->object->rows_rejected += reading->jumps;
	judge_rejects(reading);
}

void
slm_reading_end(SlmReading *reading)
{
	free_reader(reading);
}
