/*
 * reading.c: read one object into a chunk.
 *
 *   transfer --bytes--> reader --rows--> dictionary (offer) --> chunk --(reading_judge.c, all times known)--> clock jumps and expired rows out
 */
#include "postgres.h"

#include "budget.h"
#include "dedup/own_dimensions.h"
#include "guc.h"
#include "ledger/currency.h"
#include "ledger/reading_internal.h"
#include "miscadmin.h"
#include "pure/event.h"
#include "server/alive.h"
#include "server/out_of_memory.h"
#include "utils/timestamp.h"

/* A part of a large object that goes on to the end of an hour ends nevertheless at this multiple of the rows of a chunk. */
#define MAX_CHUNKS_PER_PART	4

/* What a new offer takes, without the text of its keys; a cart, without its session; a row in the chunk, with the room to grow. */
#define OFFER_BYTES		300
#define CART_BYTES		100
#define ROW_BYTES		UINT64CONST(50)

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
							 "sellometer.max_object_keys and call sellometer_retry(); else repair the object and " SLM_GIVE_AGAIN ")",
							 slm_max_object_keys));
	return false;
}

/* Of the events of the part at hand. */
static void
forget_times(SlmReading *reading)
{
	reading->earliest = DT_NOEND;
	reading->latest = DT_NOBEGIN;
}

static void
note_time(SlmReading *reading, TimestampTz time)
{
	reading->earliest = Min(reading->earliest, time);
	reading->latest = Max(reading->latest, time);
}

static TimestampTz
end_of(TimestampTz time, int64 width)
{
	return time - time % width + width;
}

/*
 * Would the rest of the day, if it is as the part has been so far, not make it much larger?  Days are what partitions of hours are made of.
 */
static bool
day_fits(const SlmReading *reading, uint32 nrows)
{
	double		span = (double) (reading->latest - reading->earliest);

	return span > 0 && nrows + nrows * (double) (end_of(reading->latest, USECS_PER_DAY) - reading->latest) / span <= 2.0 * slm_chunk_rows;
}

/* Does a part of so many rows end before this one? */
static bool
is_full(const SlmReading *reading, uint32 nrows, const SlmRowAhead *ahead)
{
	uint32		most = (uint32) slm_chunk_rows * MAX_CHUNKS_PER_PART;

	if (nrows < (uint32) slm_chunk_rows)
		return false;
	if (!reading->whole_hours || nrows >= most || nrows * SLM_ROW_BYTES >= slm_budget_part())
		return true;
	if (ahead->status != SLM_READ_EVENT || ahead->row.event.time < end_of(reading->latest, USECS_PER_HOUR))
		return false;
	return ahead->row.event.time >= end_of(reading->latest, USECS_PER_DAY) || !day_fits(reading, nrows);
}

/* One event where rows are only counted: would it be rejected when it is loaded?  False if the outcome is set. */
static bool
validate_event(SlmReading *reading, const SlmRowAhead *ahead)
{
	const SlmReadRow *row = &ahead->row;

	if (slm_reading_reject_long_key(reading, row))
		return true;
	if (reading->slice.alone && slm_is_elsewhere(reading->slice, row->event.product_id))
	{
		slm_reading_reject_elsewhere(reading, row);
		return true;
	}
	/* as the part will, unless its names take so much memory that it ends sooner */
	if (is_full(reading, reading->reach.n, ahead))
	{
		slm_reach_end_part(&reading->reach, SLM_MIN_ROWS_OF_CLOCK);
		forget_times(reading);
	}
	note_time(reading, row->event.time);
	if (!slm_key_count_add(reading->keys, &row->event) || !slm_reach_add(&reading->reach, row->event.time))
	{
		slm_object_fail_by_memory(reading->object);
		return false;
	}
	return judge_keys(reading, reading->keys->n);
}

/* Names and SKUs are kept until the part ends. */
static void
note_products_memory(SlmReading *reading)
{
	const SlmNames *names = slm_reader_names(reading->reader);
	const SlmSkus *skus = slm_reader_skus(reading->reader);
	uint64		memory = (names == NULL ? 0 : slm_names_memory(names)) + (skus == NULL ? 0 : slm_skus_memory(skus));

	reading->memory += memory - reading->products_memory;
	reading->products_memory = memory;
}

/* Of the event's keys in a user's own dimensions. */
static uint64
own_bytes(const SlmOwn *own, const SlmEvent *event)
{
	uint64		bytes = 0;

	for (uint32 i = 0; own != NULL && i < own->n; i++)
		bytes += Min(event->own[own->dimension[i].value].len, SLM_MAX_KEY_BYTES);
	return bytes;
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
	reading->memory += OFFER_BYTES + event->brand.len + 3 * event->category_code.len + own_bytes(slm_reader_own(reading->reader), event);
	if (event->name.len > 0 || event->product_id < 0)
		note_products_memory(reading);
	if (reading->object->resume_row == 0 && !slm_dictionary_count_named(reading->dictionary, (uint32) slm_max_object_keys, &named))
	{
		slm_object_fail_by_memory(reading->object);
		return false;
	}
	return judge_keys(reading, named);
}

/* Of a time that no batch can hold: older than whatever a tier keeps. */
static bool
expire_at_once(SlmReading *reading, TimestampTz time, uint64 *rows)
{
	if (time >= -SLM_BATCH_TIME_LIMIT && time <= SLM_BATCH_TIME_LIMIT)
		return false;
	slm_reading_leave_out(reading, true);
	(*rows)++;
	reading->object->latest_expired = Max(reading->object->latest_expired, time);
	return true;
}

/* The event's product is another node's: only what is said of the object as a whole needs it.  False if the outcome is set. */
static bool
take_elsewhere(SlmReading *reading, const SlmReadRow *row)
{
	if (slm_reading_reject_long_key(reading, row))
	{
		slm_reading_leave_out(reading, true);
		return true;
	}
	if (reading->slice.alone)
	{
		slm_reading_leave_out(reading, true);
		slm_reading_reject_elsewhere(reading, row);
		return true;
	}
	if (expire_at_once(reading, row->event.time, &reading->object->rows_elsewhere) ||
		slm_chunk_add_elsewhere(reading->chunk, row->event.time, row->line, row->raw, (SlmTime) slm_max_clock_jump * USECS_PER_SEC))
		return true;
	slm_object_fail_by_memory(reading->object);
	return false;
}

/*
 * The event's product is a text whose number another one has.  No other node knows that: so its time counts as there, until the chunk is judged.
 * False if the outcome is set.
 */
static bool
take_taken(SlmReading *reading, const SlmReadRow *row)
{
	if (slm_reading_reject_long_key(reading, row))
	{
		slm_reading_leave_out(reading, true);
		return true;
	}
	if (expire_at_once(reading, row->event.time, &reading->object->rows_expired))
		return true;
	if (!slm_chunk_add_taken(reading->chunk, row->event.time, row->line, row->raw, (SlmTime) slm_max_clock_jump * USECS_PER_SEC))
	{
		slm_object_fail_by_memory(reading->object);
		return false;
	}
	slm_reading_note_taken(reading, row);
	return true;
}

/* One event into the chunk; false if the outcome is set. */
static bool
take_event(SlmReading *reading, const SlmRowAhead *ahead)
{
	const SlmReadRow *row = &ahead->row;
	SlmDictionaryError error;
	SlmOfferId	offer;
	bool		first;

	if (reading->chunk == NULL)
		return validate_event(reading, ahead);
	if (ahead->elsewhere)
		return take_elsewhere(reading, row);
	if (slm_is_taken(&row->event))
		return take_taken(reading, row);
	offer = slm_dictionary_offer_by_hash(reading->dictionary, &row->event, ahead->hash, &first, &error);
	if (offer == SLM_NO_OFFER)
	{
		if (error == SLM_DICTIONARY_MEMORY)
		{
			slm_object_fail_by_memory(reading->object);
			return false;
		}
		slm_reading_leave_out(reading, true);
		slm_reading_reject_key(reading, row, error);
		return true;
	}
	if ((first || row->event.type != SLM_VIEW) && !note_memory(reading, &row->event, first))
		return false;
	if (expire_at_once(reading, row->event.time, &reading->object->rows_expired))
		return true;
	if (slm_chunk_add(reading->chunk, reading->key, &row->event, offer, row->line, row->raw,
					  (SlmTime) slm_max_clock_jump * USECS_PER_SEC))
		return true;
	slm_object_fail_by_memory(reading->object);
	return false;
}

static void
fail_by_reader(SlmReading *reading)
{
	const char *message;
	SlmReadErrorCode code = slm_reader_error(reading->reader, &message);

	if (code == SLM_READ_ERROR_MEMORY)
	{
		slm_object_fail_by_memory(reading->object);
		return;
	}
	slm_object_fail(reading->object, SLM_OBJECT_FAILED,
					code == SLM_READ_ERROR_COLUMN ? ERRCODE_UNDEFINED_COLUMN : ERRCODE_BAD_COPY_FILE_FORMAT,
					reading->object->reloaded ? message : psprintf("%s (repair the object and " SLM_GIVE_AGAIN ")", message));
}

/* Of an event that was just read: whose is it, and where is its offer looked up? */
static void
look_ahead(const SlmReading *reading, SlmRowAhead *ahead)
{
	ahead->elsewhere = slm_is_elsewhere(reading->slice, ahead->row.event.product_id);
	if (!ahead->elsewhere)
		ahead->hash = slm_dictionary_hash(reading->dictionary, &ahead->row.event);
}

/* The next rows; false if there are none now, or at all: then the first one's status says why. */
static bool
read_ahead(SlmReading *reading)
{
	SlmRowAhead *ahead = reading->ahead;
	uint32		max = reading->skip > 0 ? 1 : SLM_AHEAD;
	uint32		n = 0;

	reading->nahead = reading->ntaken = 0;
	ahead[0].status = slm_reader_next(reading->reader, &ahead[0].row);
	if (ahead[0].status != SLM_READ_EVENT && ahead[0].status != SLM_READ_REJECT)
		return false;
	do
	{
		if (ahead[n].status == SLM_READ_EVENT && reading->chunk != NULL)
			look_ahead(reading, &ahead[n]);
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

/*
 * Does another part begin with this row?  Where parts end depends on the object (and sellometer.work_memory) alone, so that they are
 * the same after a restart.
 * At the end of an hour one partition is filled and another begins, and to fill one from nothing costs half of adding to it.
 */
static bool
ends_part(const SlmReading *reading, const SlmRowAhead *ahead)
{
	uint32		nrows = reading->chunk == NULL ? 0 : reading->chunk->nrows;

	if (reading->memory + nrows * ROW_BYTES >= slm_budget_part() && nrows > 0)
		return true;
	return is_full(reading, nrows, ahead);
}

/* One row; false if the outcome is set. */
static bool
take_row(SlmReading *reading, const SlmRowAhead *ahead)
{
	const SlmReject *reject = &ahead->row.reject;
	uint64		row = reading->row++;
	SlmRowChoice choice = reading->choose == NULL ? SLM_ROW_WANTED : reading->choose(reading->choose_arg, row);

	if (choice != SLM_ROW_WANTED)
		slm_reading_leave_out(reading, false);
	if (choice == SLM_ROW_FOREIGN)
		return true;
	reading->object->rows_total++;
	if (ahead->status == SLM_READ_EVENT)
	{
		if (reading->chunk != NULL)
			note_time(reading, ahead->row.event.time);
		if (!reading->object->judged && !slm_gaps_add(&reading->gaps, ahead->row.event.time))
		{
			slm_object_fail_by_memory(reading->object);
			return false;
		}
		return choice == SLM_ROW_COUNTED || take_event(reading, ahead);
	}
	if (choice == SLM_ROW_COUNTED)
		return true;
	slm_reading_leave_out(reading, true);
	slm_reading_reject(reading, ahead->row.line, reject->column < 0 ? NULL : slm_column_name(reject->column), reject->reason, reject->detail,
				ahead->row.raw);
	return true;
}

/* Take all rows that the reader can give now.  True if it needs more bytes; else the outcome is set, or all is skipped. */
static bool
take_rows(SlmReading *reading)
{
	for (;;)
	{
		const SlmRowAhead *ahead = &reading->ahead[reading->ntaken];

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
				slm_object_fail_by_store(reading->object, &error);
				return;
		}
		reading->fed = true;
		slm_alive();
		CHECK_FOR_INTERRUPTS();
	}
}

static void
reset_counts(SlmReading *reading)
{
	SlmObject  *object = reading->object;

	reading->jumps = reading->futures = reading->no_rates = 0;
	object->outcome = SLM_OBJECT_WAITING;
	object->rows_total = object->rows_rejected = object->rows_expired = object->rows_elsewhere = 0;
	object->refused = NULL;
	object->refused_len = 0;
	object->names = NULL;
	object->skus = NULL;
	object->nnames = object->nskus = 0;
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
	slm_rates_free(&reading->rates);
	if (reading->keys != NULL)
		slm_key_count_free(reading->keys);
	slm_gaps_free(&reading->gaps);
	slm_reach_free(&reading->reach);
}

SlmReading *
slm_reading_begin(SlmObject *object, const SlmClock *clock, const SlmHashKey *key, const SlmChecksumKey *checksum)
{
	/* of what was read from end to end before, by this process, it is known */
	SlmReaderOptions options = {.latest = clock->latest,.content_secret = object->has_checksum ? NULL : checksum->secret,
	.format = object->format,.own = slm_own(),
	.given = slm_own_given(object->counted_source != NULL ? object->counted_source : object->source,
						   object->counted_key != NULL ? object->counted_key : object->key)};
	SlmReading *reading = palloc0(sizeof(SlmReading));
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

	Assert(object->transfer != NULL);

	reading->object = object;
	reading->key = key;
	reading->slice = clock->slice;
	reading->slice.alone = object->own_slice;
	slm_gaps_reset(&reading->gaps, (SlmTime) slm_max_clock_jump * USECS_PER_SEC);
	reading->context = CurrentMemoryContext;
	reading->until = DT_NOEND;
	reading->patient = true;
	reading->checksum = checksum;
	callback->func = free_reader;
	callback->arg = reading;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	slm_currency_begin(&reading->rates, object->rates, object->rates_len);
	options.rates = &reading->rates;
	reading->reader = slm_reader_create(&options);
	if (reading->reader == NULL)
		slm_out_of_memory();
	return reading;
}

void
slm_reading_choose(SlmReading *reading, SlmRowChooser choose, void *arg)
{
	Assert(reading->row == 0);
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
	/* what is passed over has been converted, or was refused for want of a rate */
	slm_reader_use_rates(reading->reader, NULL);
	if (reading->skip > 0)
		pump(reading);
	slm_reader_use_rates(reading->reader, &reading->rates);
	return reading->object->outcome == SLM_OBJECT_WAITING;
}

void
slm_reading_chunk(SlmReading *reading, const SlmClock *clock, SlmDictionary *dictionary, SlmChunk *chunk, bool whole_hours)
{
	SlmObject  *object = reading->object;
	const SlmOwn *own = slm_reader_own(reading->reader);

	/* a large object is read over several transactions */
	if ((own == NULL ? 0 : slm_own_stamp(own)) != slm_own_stamp(slm_dictionary_own(dictionary)))
		slm_own_changed();
	if (is_new_call(reading))
	{
		slm_chunk_reset(chunk);
		chunk->visits.wanted = clock->visits;
		chunk->dictionary = dictionary;
		reading->part_row = reading->row;
		slm_reading_forget_refused(reading);
		slm_reading_forget_taken(reading);
		slm_reading_want_products(reading, true);
		forget_times(reading);
		reading->memory = reading->products_memory = 0;
		slm_dictionary_begin_part(dictionary);
	}
	else
	{
		/* the rows so far are in that chunk, and name offers of that dictionary */
		Assert(reading->chunk == chunk && reading->dictionary == dictionary);
	}
	reading->chunk = chunk;
	reading->dictionary = dictionary;
	reading->whole_hours = whole_hours;
	/* overrides may have changed since these were read */
	for (uint32 i = reading->ntaken; i < reading->nahead; i++)
	{
		if (reading->ahead[i].status == SLM_READ_EVENT)
			look_ahead(reading, &reading->ahead[i]);
	}
	pump(reading);
	object->rows_ignored = slm_reader_stats(reading->reader)->rows_ignored;
	if (object->outcome == SLM_OBJECT_LOADED && object->resume_row == 0 && !object->judged)
		slm_reading_judge_gaps(reading);
	if (object->outcome == SLM_OBJECT_LOADED || object->outcome == SLM_OBJECT_PART)
	{
		slm_reading_judge_times(reading, clock);
		slm_reading_keep_refused(reading);
		slm_reading_keep_products(reading);
		object->rates = slm_currency_write(&reading->rates, &object->rates_len);
	}
	if (object->outcome == SLM_OBJECT_LOADED && object->resume_row == 0)
		slm_reading_judge_rejects(reading);
	if (object->outcome == SLM_OBJECT_LOADED || object->outcome == SLM_OBJECT_PART)
	{
		slm_reading_judge_lateness(reading, clock);
		slm_reading_hand_over_rejects(reading);
	}
}

void
slm_reading_validate(SlmReading *reading)
{
	Assert(reading->reader != NULL && reading->chunk == NULL);
	(void) is_new_call(reading);
	reading->chunk = NULL;
	if (reading->keys == NULL)
	{
		reading->keys = MemoryContextAllocZero(reading->context, sizeof(SlmKeyCount));
		reading->keys->key = *reading->key;
		reading->reach.head = DT_NOBEGIN;
		forget_times(reading);
		reading->whole_hours = true;
	}
	pump(reading);
	if (reading->object->outcome != SLM_OBJECT_LOADED)
		return;
	slm_reading_judge_gaps(reading);
	slm_reach_end_part(&reading->reach, SLM_MIN_ROWS_OF_CLOCK);
	reading->object->reach = Min(reading->reach.head, reading->object->time_limit);
	reading->jumps = slm_gaps_rows_after(&reading->gaps, reading->object->time_limit);
	reading->object->rows_rejected += reading->jumps;
	slm_reading_judge_rejects(reading);
}

void
slm_reading_end(SlmReading *reading)
{
	free_reader(reading);
}
