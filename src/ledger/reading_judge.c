/*
 * reading_judge.c: what is said of an object when all rows of a chunk are known: which are clock jumps or too old, whether too many
 * are rejected, whether it is late.
 */
#include "postgres.h"

#include "guc.h"
#include "ledger/head.h"
#include "ledger/key_time.h"
#include "ledger/reading_internal.h"
#include "lib/stringinfo.h"
#include "pure/event.h"
#include "tiers/tier.h"
#include "utils/timestamp.h"

#define MIN_ROWS_TO_FAIL	100 /* a smaller object isn't judged by its share of rejected rows, unless it is all of them */

/* What to do about too many rejected rows: name the settings that would help. */
static void
append_remedy(const SlmReading *reading, StringInfo message, bool all)
{
	appendStringInfoString(message, " (see sellometer.rejected_rows; repair the object and " SLM_GIVE_AGAIN);
	if (reading->jumps > 0)
		appendStringInfo(message, ", or raise sellometer.max_clock_jump, behind which lie " UINT64_FORMAT " of these rows", reading->jumps);
	if (reading->futures > 0)
		appendStringInfo(message, ", or raise sellometer.max_clock_skew, beyond which lie " UINT64_FORMAT " of these rows", reading->futures);
	if (reading->no_rates > 0)
		appendStringInfo(message, ", or give " UINT64_FORMAT " of these rows a rate in sellometer.currency_rates, or say in sellometer.currency what the shop's own currency is",
						 reading->no_rates);
	if (reading->jumps + reading->futures + reading->no_rates > 0)
		appendStringInfoString(message, all ? "" : ", or sellometer.max_reject_fraction");
	else
		appendStringInfoString(message, all ? ", or mend the setting that rejects them" : ", or raise the setting");
	appendStringInfoString(message, " and call sellometer_retry())");
}

void
slm_reading_judge_rejects(SlmReading *reading)
{
	SlmObject  *object = reading->object;
	StringInfoData message;
	/* that two texts have the same number says nothing about the object, and of several nodes only one knows it */
	uint64		judged = object->rows_rejected - reading->rows_taken;
	bool		others = slm_is_sliced(reading->slice) && !reading->slice.alone;
	bool		all = object->rows_total > 0 && (others ? judged : object->rows_rejected) == object->rows_total;

	if (reading->choose != NULL ||
		(!all && (object->rows_total < MIN_ROWS_TO_FAIL ||
				  (double) judged <= slm_max_reject_fraction * (double) object->rows_total)))
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

void
slm_reading_judge_gaps(SlmReading *reading)
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
reject_jump(void *arg, uint64_t line, SlmTime time, SlmSlice raw)
{
	char		detail[128];

	snprintf(detail, sizeof(detail), "behind a gap of more than sellometer.max_clock_jump ahead of the object's other rows: %s",
			 timestamptz_to_str(time));
	slm_reading_reject(arg, line, slm_column_name(SLM_COL_EVENT_TIME), SLM_REJECT_CLOCK_JUMP, detail, raw);
}

static void
reject_jumps(SlmReading *reading)
{
	SlmObject  *object = reading->object;

	if (!object->judged || object->last_event <= object->time_limit || reading->chunk->nrows == 0)
		return;
	slm_reading_refuse_by_time(reading, DT_NOBEGIN, object->time_limit);
	slm_chunk_reject_after(reading->chunk, object->time_limit, reject_jump, reading);
	find_span(reading);
}

static void
drop_expired(SlmReading *reading, SlmTime floor)
{
	SlmObject  *object = reading->object;

	if (object->first_event >= floor)
		return;
	slm_reading_refuse_by_time(reading, floor, DT_NOEND);
	object->rows_elsewhere += slm_chunk_drop_elsewhere(reading->chunk, floor, &object->latest_expired);
	object->rows_expired += slm_chunk_drop_before(reading->chunk, floor, &object->latest_expired);
	find_span(reading);
}

void
slm_reading_judge_times(SlmReading *reading, const SlmClock *clock)
{
	SlmObject  *object = reading->object;
	SlmChunk   *chunk = reading->chunk;
	SlmTime		latest = DT_NOBEGIN;
	SlmTime		median;
	SlmTime		floor;

	find_span(reading);
	reject_jumps(reading);
	if (chunk->nrows == 0)
		return;
	if (!slm_chunk_median(chunk, &median))
	{
		slm_object_fail_by_memory(object);
		return;
	}
	if (object->resume_row == 0 || chunk->nrows >= SLM_MIN_ROWS_OF_CLOCK)
		object->median = median;
	floor = slm_tiers_floor(clock->tiers, Max(median, clock->head));
	drop_expired(reading, floor);
	slm_reading_reject_taken(reading, floor);
	object->rows_elsewhere += slm_chunk_drop_elsewhere(chunk, DT_NOEND, &latest);
}

void
slm_reading_judge_lateness(SlmReading *reading, const SlmClock *clock)
{
	SlmObject  *object = reading->object;
	TimestampTz live_from = slm_live_from(clock->head);

	if (!clock->live || TIMESTAMP_IS_NOBEGIN(object->median) || object->resume_row > 0 ||
		(!TIMESTAMP_IS_NOBEGIN(object->object_time) && object->object_time >= live_from && !object->time_doubtful))
		return;
	if (object->median >= live_from)
		return;
	object->outcome = SLM_OBJECT_LATE;
	if (TIMESTAMP_IS_NOBEGIN(object->object_time) || !slm_key_time_fits(object, 0))
		object->object_time = object->median;
}
