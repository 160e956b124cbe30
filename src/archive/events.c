/*
 * events.c: from a sum to its rows.
 *
 *   look.h --each row of what overlaps--> wanted? --> verdict, but for views of sessions --> sort by time --> events_views.c --> put()
 *
 * What counted was decided when an object was loaded, and that is what is told here: rows that were left out are known by their numbers
 * (refused.h, rowmap.h), and so all others were taken.  Which view of a session counts, and which event of an id, is in the view log.  Nothing is judged by settings,
 * a head or a clock of now.  Labels are those that the loader's own code gives: of categories, by the overrides that there are now.
 */
#include "postgres.h"

#include "archive/events_internal.h"
#include "archive/look.h"
#include "catalog/pg_collation_d.h"
#include "catalog/pg_operator_d.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "pure/clean.h"
#include "server/progress.h"
#include "server/spi.h"
#include "store/store_error.h"
#include "types/event_type.h"
#include "types/money.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* So often it is looked at how much the names take. */
#define ROWS_OF_NAMES	1024

/* --- is it wanted? --- */

/* A row, and what is worked out of it. */
typedef struct Row
{
	const SlmLookRow *look;
	SlmEvent	event;			/* as far as the row tells; without a price, if it does not tell that */
	const SlmOffer *offer;		/* with the labels; NULL: they can't be told */
	SlmOfferId	id;				/* its number */
} Row;

static bool
tells(const Row *row, SlmColumn column)
{
	return slm_row_tells(row->look->read, row->look->is_event, column);
}

/* Its labels, by the loader's code; NULL also if they are too long to be keys. */
static const SlmOffer *
find_offer(SlmEventSearch *search, Row *row)
{
	SlmOfferId	offer;

	if (!tells(row, SLM_COL_BRAND))
		return NULL;
	if (!tells(row, SLM_COL_PRICE))
		row->event.price = 0;
	if (++search->seen % ROWS_OF_NAMES == 0)
		slm_view_state_trim(search->state, DT_NOBEGIN);
	/* what can't be used has no keys in a user's own dimensions */
	if (!row->look->is_event)
		memset(row->event.own, 0, sizeof(row->event.own));
	row->id = offer = slm_event_offer(search->state, &row->event);
	return offer == SLM_NO_OFFER ? NULL : slm_dictionary_get(search->state->dictionary, offer);
}

static SlmSlice
label(const SlmEventSearch *search, const SlmOffer *offer, SlmDimension dimension)
{
	return slm_dictionary_text(search->state->dictionary, dimension, offer->keys[dimension]);
}

static bool
has_key(const SlmEventSearch *search, const Row *row)
{
	const SlmEventQuery *query = search->query;
	SlmSlice	key;
	SlmKeyId	number;

	if (query->dimension == SLM_PRODUCT_ID)
		return tells(row, SLM_COL_PRODUCT_ID) && row->event.product_id == query->product_id;
	if (row->offer == NULL)
		return false;
	number = slm_dictionary_key_of(search->state->dictionary, row->id, query->dimension);
	if (number == SLM_NO_KEY)
		return false;
	key = slm_dictionary_text(search->state->dictionary, query->dimension, number);
	if (search->own_keys != NULL)
		key = slm_own_keys_counted(search->own_keys, key);
	return key.len == strlen(query->key) && memcmp(key.data, query->key, key.len) == 0;
}

/* What costs least first. */
static bool
is_wanted(SlmEventSearch *search, Row *row)
{
	const SlmEventQuery *query = search->query;
	bool		any_time = TIMESTAMP_IS_NOBEGIN(query->from) && TIMESTAMP_IS_NOEND(query->to);

	if (!any_time && (!tells(row, SLM_COL_EVENT_TIME) || row->event.time < query->from || row->event.time >= query->to))
		return false;
	if (query->type >= 0 && (!tells(row, SLM_COL_EVENT_TYPE) || (int) row->event.type != query->type))
		return false;
	if (query->key != NULL && query->dimension == SLM_PRODUCT_ID && !has_key(search, row))
		return false;
	row->offer = find_offer(search, row);
	return query->key == NULL || has_key(search, row);
}

/* --- what became of it --- */

/* What is told of a row that was not counted. */
typedef struct Why
{
	const char *reason;			/* NULL: not known */
	const char *detail;			/* likewise */
} Why;

/* Reasons that a row can have been rejected for that tells of none, or of another, where it stands now; as they are in SQL. */
#define BY_TIME		"{future,clock_jump,sku_taken,other_slice}"
#define BY_SHAPE	"{bad_quote,column_count,too_long}"

/*
 * Why it was rejected, as far as that was kept (sellometer.max_rejects_kept): it is known by line, in an archive by text (NULL: its line);
 * or all are kept, and those that it can be of have one reason.  Returns whether all are kept.
 */
static bool
recorded(const SlmLookRow *look, const char *text, const char *reasons, Why *why)
{
	static SlmStatement statement = {
		"SELECT count(*), max(reason) FILTER (WHERE hit), max(detail) FILTER (WHERE hit), "
		"CASE WHEN min(reason) FILTER (WHERE possible) = max(reason) FILTER (WHERE possible) THEN min(reason) FILTER (WHERE possible) END "
		"FROM (SELECT reason, detail, reason = ANY ($4::text[]) AS possible, "
		"CASE WHEN $3 IS NULL THEN line = $2 ELSE raw = $3 AND reason = ANY ($4::text[]) END AS hit "
		"FROM sellometer.rejected_rows WHERE object_id = $1) r",
		4, {INT8OID, INT8OID, TEXTOID, TEXTOID}
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		args[4] = {Int64GetDatum(look->object->id), Int64GetDatum((int64) look->read->line),
	text == NULL ? (Datum) 0 : CStringGetTextDatum(text), CStringGetTextDatum(reasons)};
	bool		all_kept;

	slm_execute_by_index(&statement, args, text == NULL ? "  n " : NULL, SPI_OK_SELECT);
	all_kept = slm_int64(0, 1, 0) == look->object->rows_rejected;
	why->reason = slm_text(context, 0, 2);
	why->detail = slm_text(context, 0, 3);
	if (why->reason == NULL && text != NULL && all_kept)
		why->reason = slm_text(context, 0, 4);
	SPI_freetuptable(SPI_tuptable);
	return all_kept;
}

/*
 * It was left out, but there is nothing in it that would say why: it was too old, or rejected for its time.  The ledger says how many
 * were, and which of the latter; else what was too old is before all that counted, and what is later than that was rejected.
 */
static SlmVerdict
left_out_by_time(const SlmLookRow *look, Why *why)
{
	const SlmLookObject *object = look->object;
	const SlmReadRow *read = look->read;
	bool		all_kept;

	if (object->rows_rejected == 0 && object->rows_expired > 0)
		return SLM_VERDICT_EXPIRED;
	if (object->rows_expired > 0 && object->first <= object->last && read->event.time < object->first)
		return SLM_VERDICT_EXPIRED;
	all_kept = recorded(look, look->archive == NULL ? NULL : slm_store_display_text(read->raw.data, read->raw.len), BY_TIME, why);
	if (object->rows_expired == 0)
		return SLM_VERDICT_REJECTED;
	if (object->rows_expired > 0 && object->first <= object->last)
		return read->event.time > object->last ? SLM_VERDICT_REJECTED : SLM_VERDICT_UNKNOWN;
	/* nothing of it counted: then it is what it is by its line alone */
	if (look->archive != NULL || object->rows_expired < 0)
		*why = (Why) {0};
	else if (why->reason != NULL)
		return SLM_VERDICT_REJECTED;
	return look->archive == NULL && all_kept ? SLM_VERDICT_EXPIRED : SLM_VERDICT_UNKNOWN;
}

/* A row that did not fit its header stands in an archive as one quoted field.  Returns what it was, as far as it is kept. */
static char *
unquoted(SlmSlice raw)
{
	StringInfoData text;

	initStringInfo(&text);
	for (uint32 i = raw.len > 0 && raw.data[0] == '"' ? 1 : 0; i < raw.len; i++)
	{
		if (raw.data[i] == '"' && ++i >= raw.len)
			break;
		appendStringInfoChar(&text, raw.data[i]);
	}
	return slm_store_display_text(text.data, text.len);
}

/* *pending: it is a view, or an event with an id, whose verdict the view log has. */
static SlmVerdict
judge(const Row *row, Why *why, SlmReject *reject, bool *pending)
{
	const SlmLookRow *look = row->look;
	char		buf[SLM_CLEAN_BUFFER];
	SlmCleanEvent clean;

	*why = (Why) {0};
	*pending = false;
	if (!look->is_event || row->offer == NULL)
	{
		*reject = look->read->reject;
		if (look->is_event)
			(void) slm_clean_event(&row->event, buf, &clean, reject);
		if (!look->is_event && look->archive != NULL && reject->reason == SLM_REJECT_COLUMN_COUNT)
			(void) recorded(look, unquoted(look->read->raw), BY_SHAPE, why);
		else
			*why = (Why) {slm_reject_name(reject->reason), reject->detail};
		return look->taken ? SLM_VERDICT_UNKNOWN : SLM_VERDICT_REJECTED;
	}
	if (!look->taken)
		return left_out_by_time(look, why);
	*pending = row->event.type == SLM_VIEW ? row->event.session.len > 0 : row->event.line != 0;
	return SLM_VERDICT_COUNTED;
}

/* Of a row that was left out: is it for another node to tell?  Rejected ones are for slice 0, expired ones for that of their product. */
static bool
is_for_another(const Row *row)
{
	const SlmLookRow *look = row->look;
	const SlmLookObject *object = look->object;
	bool		any = object->first <= object->last;
	bool		elsewhere;

	if (look->taken || !slm_is_sliced(look->slice) || object->own_slice)
		return false;
	if (!look->is_event || row->offer == NULL)
		return !slm_keeps_rejects(look->slice);
	elsewhere = slm_is_elsewhere(look->slice, row->event.product_id);
	if (any && row->event.time < object->first)
		return elsewhere;
	if (slm_keeps_rejects(look->slice))
		return elsewhere && object->rows_rejected == 0;
	return elsewhere || (object->rows_expired == 0 && object->rows_rejected <= 0) || (any && row->event.time > object->last);
}

/* --- into the sort --- */

static Datum
text_of(const char *data, size_t len)
{
	return PointerGetDatum(cstring_to_text_with_len(data, (int) len));
}

static void
set_slice(Datum *values, bool *nulls, int column, SlmSlice slice)
{
	slm_found_set(values, nulls, column, text_of(slice.data, slice.len));
}

static void
set_labels(const SlmEventSearch *search, const Row *row, Datum *values, bool *nulls)
{
	char		buf[SLM_CLEAN_BUFFER];
	SlmCleanEvent clean;
	SlmReject	reject;

	if (row->offer == NULL || !slm_clean_event(&row->event, buf, &clean, &reject))
		return;
	slm_found_set(values, nulls, SLM_FOUND_CATEGORY_CODE, text_of(clean.category.code, clean.category.code_len));
	set_slice(values, nulls, SLM_FOUND_BRAND, label(search, row->offer, SLM_BRAND));
	set_slice(values, nulls, SLM_FOUND_CATEGORY_L1, label(search, row->offer, SLM_CATEGORY_L1));
	set_slice(values, nulls, SLM_FOUND_CATEGORY_L2, label(search, row->offer, SLM_CATEGORY_L2));
	set_slice(values, nulls, SLM_FOUND_CATEGORY_L3, label(search, row->offer, SLM_CATEGORY_L3));
}

/* What the row tells. */
static void
set_values(const SlmEventSearch *search, const Row *row, Datum *values, bool *nulls)
{
	const SlmEvent *event = &row->event;

	if (tells(row, SLM_COL_EVENT_TIME))
		slm_found_set(values, nulls, SLM_FOUND_TIME, TimestampTzGetDatum(event->time));
	if (tells(row, SLM_COL_EVENT_TYPE))
		slm_found_set(values, nulls, SLM_FOUND_TYPE, search->types[event->type]);
	if (tells(row, SLM_COL_PRODUCT_ID))
		slm_found_set(values, nulls, SLM_FOUND_PRODUCT_ID, Int64GetDatum(event->product_id));
	if (tells(row, SLM_COL_CATEGORY_ID) && event->has_category_id)
		slm_found_set(values, nulls, SLM_FOUND_CATEGORY_ID, Int64GetDatum(event->category_id));
	if (tells(row, SLM_COL_PRICE))
		slm_found_set(values, nulls, SLM_FOUND_PRICE, NumericGetDatum(slm_price_to_numeric(event->price)));
	if (tells(row, SLM_COL_USER_ID) && event->has_user_id)
		slm_found_set(values, nulls, SLM_FOUND_USER_ID, Int64GetDatum(event->user_id));
	if (tells(row, SLM_COL_USER_SESSION) && event->session.len > 0)
		set_slice(values, nulls, SLM_FOUND_SESSION, event->session);
	if (tells(row, SLM_COL_QUANTITY))
		slm_found_set(values, nulls, SLM_FOUND_QUANTITY, Int32GetDatum(slm_event_pieces(event)));
	if (tells(row, SLM_COL_EVENT_ID) && event->line != 0)
		set_slice(values, nulls, SLM_FOUND_EVENT_ID, event->event_id);
	if (tells(row, SLM_COL_EVENT_ID) && event->currency.len > 0)
		set_slice(values, nulls, SLM_FOUND_CURRENCY, event->currency);
	set_labels(search, row, values, nulls);
}

/* Its keys in a user's own dimensions, in the order in which they decide between what repeats each other: keys hold no NUL, and are never empty. */
static void
set_own(const SlmEventSearch *search, const Row *row, Datum *values, bool *nulls)
{
	const SlmDictionary *dictionary = search->state->dictionary;
	StringInfoData keys;

	if (slm_dictionary_own(dictionary)->n == 0)
		return;
	initStringInfo(&keys);
	for (uint32 i = 0; i < slm_dictionary_own(dictionary)->n; i++)
	{
		SlmKeyId	key = slm_dictionary_key_of(dictionary, row->id, SLM_FIRST_OWN + i);
		SlmSlice	text = key == SLM_NO_KEY ? (SlmSlice) {"", 0} : slm_dictionary_text(dictionary, SLM_FIRST_OWN + i, key);

		appendBinaryStringInfo(&keys, text.data, (int) text.len);
		appendStringInfoChar(&keys, '\0');
	}
	slm_found_set(values, nulls, FOUND_OWN, PointerGetDatum(cstring_to_text_with_len(keys.data, keys.len)));
	pfree(keys.data);
}

static void
set_verdict(const SlmEventSearch *search, const Row *row, Datum *values, bool *nulls)
{
	SlmReject	reject;
	Why			why;
	bool		pending;
	SlmVerdict	verdict = judge(row, &why, &reject, &pending);

	if (why.reason != NULL)
		slm_found_set(values, nulls, SLM_FOUND_REASON, CStringGetTextDatum(why.reason));
	if (why.detail != NULL)
		slm_found_set(values, nulls, SLM_FOUND_DETAIL, CStringGetTextDatum(why.detail));
	if (!pending)
	{
		slm_found_set(values, nulls, SLM_FOUND_VERDICT, search->verdicts[verdict]);
		return;
	}
	slm_found_set(values, nulls, FOUND_FINGERPRINT, Int64GetDatum((int64) slm_event_fingerprint(search->state, &row->event)));
	slm_found_set(values, nulls, FOUND_MONEY, Int64GetDatum(row->event.price));
	slm_found_set(values, nulls, FOUND_PIECES, Int64GetDatum(row->event.line));
	set_own(search, row, values, nulls);
}

static Datum
kept_text(const SlmEventSearch *search, const char *text)
{
	MemoryContext old = MemoryContextSwitchTo(search->context);
	Datum		kept = text == NULL ? (Datum) 0 : CStringGetTextDatum(text);

	MemoryContextSwitchTo(old);
	return kept;
}

static void
note_place(SlmEventSearch *search, const SlmLookRow *look)
{
	bool		found;
	SlmPlace   *place;

	if (search->last_place == look->object->id)
		return;
	search->last_place = look->object->id;
	place = hash_search(search->places, &look->object->id, HASH_ENTER, &found);
	if (found)
		return;
	place->source = kept_text(search, look->object->source);
	place->key = kept_text(search, look->object->key);
	place->archive = kept_text(search, look->archive);
}

static void
take_row(const SlmLookRow *look, void *arg)
{
	SlmEventSearch *search = arg;
	Row			row = {.look = look,.event = look->read->event};
	Datum	   *values = search->slot->tts_values;
	bool	   *nulls = search->slot->tts_isnull;
	MemoryContext outer;

	if (!is_wanted(search, &row) || is_for_another(&row))
		return;
	outer = MemoryContextSwitchTo(search->row_context);
	ExecClearTuple(search->slot);
	memset(values, 0, sizeof(Datum) * FOUND_COLS);
	memset(nulls, true, sizeof(bool) * FOUND_COLS);
	set_values(search, &row, values, nulls);
	set_verdict(search, &row, values, nulls);
	slm_found_set(values, nulls, SLM_FOUND_LINE, Int64GetDatum((int64) look->read->line));
	slm_found_set(values, nulls, FOUND_OBJECT_ID, Int64GetDatum(look->object->id));
	slm_found_set(values, nulls, FOUND_NUMBER, Int64GetDatum(look->number));
	search->views += !nulls[FOUND_FINGERPRINT];
	ExecStoreVirtualTuple(search->slot);
	tuplesort_puttupleslot(search->sort, search->slot);
	MemoryContextSwitchTo(outer);
	MemoryContextReset(search->row_context);
	note_place(search, look);
}

/* --- all of it --- */

static TupleDesc
make_desc(void)
{
	static const Oid types[FOUND_COLS] = {
		INT8OID, OIDOID, INT8OID, INT8OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, NUMERICOID, INT8OID, TEXTOID, INT4OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID,
		TEXTOID, TEXTOID, TEXTOID, TEXTOID, INT8OID, INT8OID, TEXTOID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, TEXTOID
	};
	TupleDesc	desc = CreateTemplateTupleDesc(FOUND_COLS);

	for (int i = 0; i < FOUND_COLS; i++)
		TupleDescInitEntry(desc, (AttrNumber) (i + 1), NULL, types[i], -1, 0);
	return desc;
}

/* By time; of what may repeat each other at a time, the one that counts first: as slm_dictionary_compare() has it. */
static void
begin_sort(SlmEventSearch *search)
{
	AttrNumber	columns[8] = {
		SLM_FOUND_TIME + 1, FOUND_MONEY + 1, SLM_FOUND_CATEGORY_L3 + 1, SLM_FOUND_BRAND + 1, FOUND_PIECES + 1, FOUND_OWN + 1, FOUND_OBJECT_ID + 1, FOUND_NUMBER + 1
	};
	Oid			operators[8] = {
		Int8LessOperator, Int8LessOperator, TextLessOperator, TextLessOperator, Int8LessOperator, TextLessOperator, Int8LessOperator, Int8LessOperator
	};
	Oid			collations[8] = {InvalidOid, InvalidOid, C_COLLATION_OID, C_COLLATION_OID, InvalidOid, C_COLLATION_OID, InvalidOid, InvalidOid};
	bool		nulls_first[8] = {false};

	search->desc = make_desc();
	search->slot = MakeSingleTupleTableSlot(search->desc, &TTSOpsVirtual);
	search->sorted = MakeSingleTupleTableSlot(search->desc, &TTSOpsMinimalTuple);
	/* each slice is gone through twice */
	search->sort = tuplesort_begin_heap(search->desc, lengthof(columns), columns, operators, collations, nulls_first, maintenance_work_mem, NULL,
										TUPLESORT_RANDOMACCESS);
}

static SlmEventSearch *
create_search(const SlmEventQuery *query, SlmFoundCallback put, void *arg)
{
	static const char *const names[SLM_VERDICTS] = {"counted", "duplicate", "rejected", "expired", "unknown"};
	SlmEventSearch *search = palloc0(sizeof(SlmEventSearch));
	HASHCTL		ctl = {.keysize = sizeof(int64),.entrysize = sizeof(SlmPlace),.hcxt = CurrentMemoryContext};

	search->query = query;
	search->put = put;
	search->arg = arg;
	search->context = CurrentMemoryContext;
	search->row_context = AllocSetContextCreate(CurrentMemoryContext, "sellometer found row", ALLOCSET_DEFAULT_SIZES);
	search->state = slm_view_state_create(false);
	if (query->key != NULL && query->dimension >= SLM_FIRST_OWN)
		search->own_keys = slm_own_keys_read((int) query->dimension - SLM_FIRST_OWN);
	search->places = hash_create("sellometer places", 256, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	search->last_place = -1;
	for (int i = 0; i < SLM_EVENT_TYPES; i++)
		search->types[i] = ObjectIdGetDatum(slm_event_type_value((SlmEventType) i));
	for (int i = 0; i < SLM_VERDICTS; i++)
		search->verdicts[i] = CStringGetTextDatum(names[i]);
	begin_sort(search);
	return search;
}

void
slm_events_find(const SlmEventQuery *query, SlmFoundCallback put, void *arg)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "sellometer events", ALLOCSET_DEFAULT_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(context);
	SlmEventSearch *search = create_search(query, put, arg);

	slm_progress_phase("read");
	slm_look_read(query->from, query->to, take_row, search);
	slm_progress_phase("sort");
	tuplesort_performsort(search->sort);
	slm_progress_phase("tell what counted");
	slm_events_judge(search);
	ExecDropSingleTupleTableSlot(search->slot);
	ExecDropSingleTupleTableSlot(search->sorted);
	tuplesort_end(search->sort);
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(context);
}
