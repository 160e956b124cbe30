/*
 * take_out.c: what an object counted, out of all sums.
 */
#include "postgres.h"

#include "archive/missing.h"
#include "archive/missing_judge.h"
#include "archive/take_out.h"
#include "catalog/pg_type.h"
#include "dedup/view_log.h"
#include "dedup/view_rewrite.h"
#include "facts/cart_rewrite.h"
#include "facts/listing_rewrite.h"
#include "facts/offer_log.h"
#include "facts/stock_write.h"
#include "facts/visit_write.h"
#include "guc.h"
#include "ledger/head.h"
#include "ledger/refused.h"
#include "load/apply.h"
#include "pure/granularity.h"
#include "server/crash_point.h"
#include "server/locks.h"
#include "server/out_of_memory.h"
#include "server/progress.h"
#include "server/spi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

static void
free_take_out(void *arg)
{
	SlmTakeOut *take = arg;

	slm_batch_free(&take->batch);
	slm_views_free(&take->old);
	slm_views_free(&take->others);
	slm_views_free(&take->either);
	slm_views_free(&take->known);
	slm_views_free(&take->taken);
	slm_carts_free(&take->old_carts);
	slm_views_free(&take->cart_keys);
	slm_carts_free(&take->other_carts);
	slm_visits_free(&take->old_visits);
	slm_views_free(&take->visit_keys);
	slm_visits_free(&take->other_visits);
	slm_offers_free(&take->offers);
	slm_listings_free(&take->listings);
	slm_views_free(&take->listed);
	slm_views_free(&take->cut);
}

static void
count(SlmTakeOut *take, TimestampTz time, SlmOfferId offer, SlmEventType type, int by)
{
	if (!slm_batch_count(&take->batch, slm_minute_of(time), offer, type, by))
		slm_out_of_memory();
}

static void
count_entry(SlmTakeOut *take, const SlmView *view, int sign)
{
	if (!slm_batch_count_entry(&take->batch, view, sign))
		slm_out_of_memory();
}

/* Before views of a table go into another one, slot by slot: in that order they would heap up in a table that is yet to grow. */
static void
reserve(SlmViews *views, uint64 more)
{
	if (!slm_views_reserve(views, views->nviews + more))
		slm_out_of_memory();
}

/* Keep the earlier of a view and what the table has of its fingerprint. */
static void
keep_earliest(SlmTakeOut *take, SlmViews *views, uint64 fingerprint, TimestampTz time, SlmOfferId offer)
{
	bool		found;
	SlmView    *view = slm_views_add(views, fingerprint, &found);

	if (view == NULL)
		slm_out_of_memory();
	if (!found || slm_view_is_earlier(take->state->dictionary, time, offer, view))
	{
		view->time = time;
		view->offer = offer;
	}
}

/* --- these rows --- */

/* What tells a user's event from others of the user and the product.  No session begins with that byte: they are UTF-8. */
static uint64
user_key(const SlmTakeOut *take, const SlmEvent *event)
{
	char		user[1 + sizeof(int64)] = {'\xff'};

	memcpy(user + 1, &event->user_id, sizeof(int64));
	return slm_view_fingerprint(&take->state->key, (SlmSlice) {user, sizeof(user)}, event->product_id);
}

static void
fold_event(SlmTakeOut *take, SlmCarts *carts, const SlmEvent *event)
{
	SlmCartEvents list = {0};
	bool		ok = slm_cart_events_add(&list, &take->state->key, event) && slm_carts_fold(carts, &list);

	slm_cart_events_free(&list);
	if (!ok)
		slm_out_of_memory();
}

static void
take_cart_key(SlmTakeOut *take, uint64 key)
{
	bool		found;

	if (slm_views_add(&take->cart_keys, key, &found) == NULL)
		slm_out_of_memory();
}

static void
take_old_cart(SlmTakeOut *take, const SlmEvent *event)
{
	if (slm_is_session_cart_event(event))
		take_cart_key(take, slm_event_key(take->state, event));
	if (slm_is_user_cart_event(event))
		take_cart_key(take, user_key(take, event));
	fold_event(take, &take->old_carts, event);
}

/* Of what it tells only that about our carts. */
static void
take_other_cart(SlmTakeOut *take, const SlmEvent *event)
{
	SlmEvent	ours = *event;

	if (slm_is_session_cart_event(event) && slm_views_find(&take->cart_keys, slm_event_key(take->state, event)) == NULL)
		ours.session = (SlmSlice) {"", 0};
	if (slm_is_user_cart_event(event) && slm_views_find(&take->cart_keys, user_key(take, event)) == NULL)
		ours.has_user_id = false;
	if (slm_is_cart_event(&ours))
		fold_event(take, &take->other_carts, &ours);
}

/* What tells the hour that a session was there in from others. */
static uint64
visit_key(const SlmTakeOut *take, const SlmEvent *event)
{
	return slm_view_fingerprint(&take->state->key, event->session, slm_bucket_start((SlmGranularity) {.usecs = USECS_PER_HOUR}, event->time) / USECS_PER_HOUR);
}

static void
take_visit(const SlmTakeOut *take, SlmVisits *visits, const SlmEvent *event, uint64 keys)
{
	if (!slm_visits_add(visits, slm_view_fingerprint(&take->state->key, event->session, 0), event->time, event->type == SLM_PURCHASE, keys))
		slm_out_of_memory();
}

static void
take_old_visit(SlmTakeOut *take, const SlmEvent *event, SlmOfferId offer)
{
	bool		found;

	if (event->session.len == 0 || event->time < take->visits_from)
		return;
	if (slm_views_add(&take->visit_keys, visit_key(take, event), &found) == NULL)
		slm_out_of_memory();
	take_visit(take, &take->old_visits, event, slm_dictionary_visit_keys(take->state->dictionary, offer));
	take->visits_first = Min(take->visits_first, event->time);
	take->visits_last = Max(take->visits_last, event->time);
}

static void
take_other_visit(SlmTakeOut *take, const SlmEvent *event)
{
	SlmOfferId	offer;

	if (take->old_visits.n == 0 || event->session.len == 0 || event->time < take->visits_from ||
		slm_views_find(&take->visit_keys, visit_key(take, event)) == NULL)
		return;
	offer = slm_dictionary_own(take->state->dictionary)->visits ? slm_event_offer(take->state, event) : SLM_NO_OFFER;
	take_visit(take, &take->other_visits, event, offer == SLM_NO_OFFER ? 0 : slm_dictionary_visit_keys(take->state->dictionary, offer));
}

/* What others have of these rows takes about as much again, and what is counted too. */
static bool
is_full(const SlmTakeOut *take)
{
	size_t		used = slm_batch_memory(&take->batch) + slm_views_memory(&take->old) + slm_carts_memory(&take->old_carts) +
		slm_views_memory(&take->cart_keys) + slm_views_memory(&take->offers.rows) + take->old_visits.max * sizeof(SlmVisit) + slm_views_memory(&take->visit_keys) + slm_dictionary_memory(take->state->dictionary);

	return take->rows >= take->max_rows || used > (size_t) slm_work_memory * 1024 / 4;
}

static void
take_old(const SlmEvent *event, void *arg)
{
	SlmTakeOut *take = arg;
	uint64		fingerprint = slm_event_fingerprint(take->state, event);
	SlmOfferId	offer = slm_event_offer(take->state, event);

	if (offer == SLM_NO_OFFER)
		return;
	if (fingerprint != 0)
	{
		keep_earliest(take, &take->old, fingerprint, event->time, offer);
		take->offers.has_lines |= event->line != 0;
		take->first = Min(take->first, event->time);
		take->last = Max(take->last, event->time);
	}
	else
	{
		count(take, event->time, offer, event->type, -slm_event_pieces(event));
		slm_offers_take_old(&take->offers, event->time, offer, event->type, slm_event_pieces(event));
	}
	if (slm_is_cart_event(event))
		take_old_cart(take, event);
	take_old_visit(take, event, offer);
	take->rows++;
}

static void
take_old_part(const SlmEvent *event, void *arg)
{
	SlmTakeOut *take = arg;

	take_old(event, take);
	if (is_full(take))
		slm_history_stop(take->own);
}

static void
read_ledger(SlmTakeOut *take)
{
	static SlmStatement statement = {
		"SELECT unloaded_rows, rows_duplicate FROM sellometer.objects WHERE id = $1", 1, {INT8OID}
	};
	Datum		id = Int64GetDatum(take->old_id);

	slm_execute(&statement, &id, NULL, SPI_OK_SELECT);
	take->started_at = slm_int64(0, 1, 0);
	take->repeats = slm_int64(0, 2, 0) > 0;
}

SlmTakeOut *
slm_take_out_begin(int64 object, int64 max_rows)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "sellometer take out", ALLOCSET_DEFAULT_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(context);
	SlmTakeOut *take = palloc0(sizeof(SlmTakeOut));
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

	take->context = context;
	take->old_id = object;
	take->max_rows = max_rows;
	take->first = DT_NOEND;
	take->last = DT_NOBEGIN;
	take->visits_from = slm_visits_from();
	take->visits_first = DT_NOEND;
	take->visits_last = DT_NOBEGIN;
	take->state = slm_view_state_create(false);
	callback->func = free_take_out;
	callback->arg = take;
	MemoryContextRegisterResetCallback(context, callback);
	slm_batch_init(&take->batch, take->state->dictionary);
	slm_offers_init(&take->offers, take->state->dictionary);
	read_ledger(take);
	take->own = slm_history_create();
	slm_history_only(take->own, object);
	(void) slm_history_read(take->own, DT_NOBEGIN, DT_NOEND, take_old_part, take);
	if (!slm_carts_join_users(&take->old_carts))
		slm_out_of_memory();
	take->stopped_at = slm_history_stopped_at(take->own);
	take->history = slm_history_create();
	slm_history_leave_out(take->history, object, take->stopped_at);
	slm_history_tolerate(take->history);
	MemoryContextSwitchTo(outer);
	return take;
}

void
slm_take_out_add(SlmTakeOut *take, const SlmChunkRow *rows, size_t nrows)
{
	if (!slm_batch_add(&take->batch, rows, nrows))
		slm_out_of_memory();
	slm_offers_take_new(&take->offers, rows, nrows);
}

/* --- the others --- */

static void
take_other(const SlmEvent *event, void *arg)
{
	SlmTakeOut *take = arg;
	uint64		fingerprint = slm_event_fingerprint(take->state, event);
	SlmOfferId	offer;

	if (slm_is_cart_event(event))
		take_other_cart(take, event);
	take_other_visit(take, event);
	/* what has an id is counted by what is deduplicated; but it may be in one of our rows */
	if ((fingerprint == 0 || event->line != 0) && (offer = slm_event_offer(take->state, event)) != SLM_NO_OFFER)
		slm_offers_take_other(&take->offers, event->time, offer, event->type, event->line != 0 ? 0 : slm_event_pieces(event));
	if (fingerprint == 0 || event->time < take->first - slm_view_window_usecs() || event->time > take->last + slm_view_window_usecs() ||
		slm_views_find(&take->old, fingerprint) == NULL)
		return;
	offer = slm_event_offer(take->state, event);
	if (offer == SLM_NO_OFFER)
		return;
	keep_earliest(take, &take->others, fingerprint, event->time, offer);
	if (event->line == 0)
		slm_listings_take(&take->listings, &(SlmView) {.fingerprint = fingerprint,.time = event->time,.offer = offer});
}

/*
 * Views of others a window around ours; all that tells of our carts and is young enough to count in one; and what is sold and
 * listed on our days.  from >= to: nothing.
 */
static void
span_of_others(const SlmTakeOut *take, TimestampTz head, TimestampTz *from, TimestampTz *to)
{
	slm_offers_span(&take->offers, from, to);
	if (take->old.nviews > 0)
	{
		*from = Min(*from, take->first - slm_view_window_usecs());
		*to = Max(*to, take->last + slm_view_window_usecs() + 1);
	}
	if (take->old_visits.n > 0)
	{
		*from = Min(*from, take->visits_first - USECS_PER_HOUR);
		*to = Max(*to, take->visits_last + USECS_PER_HOUR);
	}
	if (take->old_carts.n > 0 || take->old_carts.nusers > 0)
	{
		*from = Min(*from, TIMESTAMP_NOT_FINITE(head) ? DT_NOBEGIN : head - (int64) slm_cart_retention * USECS_PER_SEC);
		*to = DT_NOEND;
	}
}

void
slm_take_out_costs(const SlmTakeOut *take, int64 *pieces, int64 *bytes)
{
	static SlmStatement statement = {
		"SELECT count(*), coalesce(sum(bytes), 0)::bigint FROM (SELECT bytes FROM sellometer.archives "
		"WHERE archived_at IS NOT NULL AND first_event < $2 AND last_event >= $1 UNION ALL "
		"SELECT size FROM sellometer.objects WHERE (state = 'done' OR resume_row > 0) AND NOT lost AND first_event < $2 AND last_event >= $1) p",
		2, {TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	TimestampTz from;
	TimestampTz to;
	Datum		args[2];

	span_of_others(take, slm_head_read(), &from, &to);
	args[0] = TimestampTzGetDatum(from);
	args[1] = TimestampTzGetDatum(to);
	slm_execute(&statement, args, NULL, SPI_OK_SELECT);
	*pieces = slm_int64(0, 1, 0);
	*bytes = slm_int64(0, 2, 0);
}

static void
read_others(SlmTakeOut *take, TimestampTz head)
{
	TimestampTz from;
	TimestampTz to;

	span_of_others(take, head, &from, &to);
	if (from >= to)
		return;
	/* what was declared lost is not read, and judged like what is gone */
	list_free(take->lost);
	take->lost = slm_missing_declared(from, to);
	(void) slm_history_read(take->history, from, to, take_other, take);
}

/* --- views --- */

static void
add_to_either(SlmTakeOut *take, const SlmViews *views)
{
	reserve(&take->either, views->nviews);
	for (uint64 i = 0; i < views->nslots; i++)
	{
		const SlmView *view = &views->slots[i];
		bool		found;

		if (view->fingerprint == 0)
			continue;
		if (slm_views_add(&take->either, view->fingerprint, &found) == NULL)
			slm_out_of_memory();
		take->first = Min(take->first, view->time);
		take->last = Max(take->last, view->time);
	}
}

/* Which of the counted views these rows counted; the others stay known. */
static void
find_taken(SlmTakeOut *take)
{
	SlmViews	counted = {0};

	slm_view_log_read(take->state->dictionary, take->first - slm_view_window_usecs(), take->last + slm_view_window_usecs() + 1,
					  &take->either, &counted);
	reserve(&take->taken, counted.nviews);
	reserve(&take->known, counted.nviews);
	for (uint64 i = 0; i < counted.nslots; i++)
	{
		const SlmView *view = &counted.slots[i];
		const SlmView *old = view->fingerprint == 0 ? NULL : slm_views_find(&take->old, view->fingerprint);
		/*
		 * Of several at a time that differ in own keys alone another may have been chosen, by a dimension that has been dropped since.  If it is another
		 * object's, that has it again.
		 */
		bool		is_old = old != NULL && old->time == view->time && slm_is_same_offer(take->state->dictionary, old->offer, view->offer);

		if (view->fingerprint != 0)
			keep_earliest(take, is_old ? &take->taken : &take->known, view->fingerprint, view->time, view->offer);
	}
	slm_views_free(&counted);
}

static void
add_view(SlmViewList *list, const SlmView *view)
{
	Assert(view->fingerprint != 0);
	list->views[list->n++] = *view;
}

static void
cut(SlmTakeOut *take, uint64 fingerprint)
{
	bool		found;

	if (slm_views_add(&take->cut, fingerprint, &found) == NULL)
		slm_out_of_memory();
}

/* Take these rows' views out; where another object has one of the same session and product, that one counts now. */
static void
pass_on_taken(SlmTakeOut *take, SlmViewList *stay)
{
	for (uint64 i = 0; i < take->taken.nslots; i++)
	{
		const SlmView *view = &take->taken.slots[i];
		const SlmView *heir;

		if (view->fingerprint == 0)
			continue;
		count_entry(take, view, -1);
		cut(take, view->fingerprint);
		heir = slm_views_find(&take->others, view->fingerprint);
		if (heir == NULL)
			continue;
		count_entry(take, heir, 1);
		keep_earliest(take, &take->known, heir->fingerprint, heir->time, heir->offer);
		add_view(stay, heir);
	}
}

/* Where somebody looks at all that a session saw, the log must not tell of these rows' views that counted once. */
static void
forget_repeated(SlmTakeOut *take, SlmViewList *stay)
{
	for (uint64 i = 0; i < take->listed.nslots; i++)
	{
		uint64		fingerprint = take->listed.slots[i].fingerprint;
		const SlmView *counted = fingerprint == 0 ? NULL : slm_views_find(&take->known, fingerprint);

		if (counted == NULL || slm_views_find(&take->taken, fingerprint) != NULL)
			continue;
		cut(take, fingerprint);
		add_view(stay, counted);
	}
}

static void
rewrite_log(SlmTakeOut *take)
{
	SlmViewList stay = {
		.views = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(SlmView) * (take->taken.nviews + take->listed.nviews + 1))
	};

	reserve(&take->cut, take->taken.nviews + take->listed.nviews);
	forget_repeated(take, &stay);
	pass_on_taken(take, &stay);
	if (take->cut.nviews == 0)
		return;
	slm_view_log_cut(take->state->dictionary, take->first - slm_view_window_usecs(), take->last + slm_view_window_usecs() + 1, &take->cut);
	slm_view_log_write(take->state->dictionary, &stay, 1);
}

static void
rewrite_views(SlmTakeOut *take)
{
	TimestampTz head = slm_head_read();

	Assert(slm_lock_held(SLM_LOCK_WRITER));
	Assert(take->first <= take->last);

	if (take->first - slm_view_window_usecs() < slm_view_log_from())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("it is not known any more which views the object counted"),
				 errdetail("They are older than sellometer.view_log_retention."),
				 errhint("Nothing has been changed: what was counted stays counted.")));
	find_taken(take);
	slm_missing_judge(take);
	slm_listings_find(&take->old, &take->listed);
	rewrite_log(take);
	slm_listing_watch(&take->batch, head);
	if (!slm_batch_deduplicate_views(&take->batch, &take->known))
		slm_out_of_memory();
	slm_listings_rewrite(&take->listings, &take->listed, &take->batch);
	slm_listing_write(&take->batch, head);
	slm_view_log_write_batch(&take->batch);
}

void
slm_take_out_views(SlmTakeOut *take)
{
	MemoryContext outer = MemoryContextSwitchTo(take->context);

	add_to_either(take, &take->old);
	add_to_either(take, &take->batch.views);
	slm_progress_phase("read what others have of it");
	read_others(take, slm_head_read());
	SLM_CRASH_POINT("replace.read");
	slm_progress_phase("wait for lock");
	(void) slm_writer_lock();
	slm_progress_phase("take out");
	read_others(take, slm_head_read());
	if (take->either.nviews > 0)
		rewrite_views(take);
	else
		slm_missing_judge(take);
	SLM_CRASH_POINT("replace.views");
	MemoryContextSwitchTo(outer);
}

void
slm_take_out_write(SlmTakeOut *take, TimestampTz head)
{
	MemoryContext outer = MemoryContextSwitchTo(take->context);
	TimestampTz first;
	TimestampTz last;

	Assert(slm_lock_held(SLM_LOCK_WRITER));

	(void) slm_write_tiers(&take->batch, head, true);
	SLM_CRASH_POINT("replace.tiers");
	slm_carts_rewrite(&take->old_carts, &take->other_carts, &take->batch.carts, head);
	slm_visits_rewrite(&take->old_visits, &take->other_visits, take->state->dictionary);
	slm_visits_write(&take->batch.visits, take->state->dictionary);
	slm_missing_span(take, &first, &last);
	slm_offers_rewrite(&take->offers, first, last);
	slm_offer_log_write(take->state->dictionary, &take->batch.lines);
	slm_stock_note(&take->batch);
	MemoryContextSwitchTo(outer);
}

static void
record_part(const SlmTakeOut *take)
{
	static SlmStatement statement = {
		"UPDATE sellometer.objects SET unloaded_rows = $2, state = CASE WHEN state = 'archived' OR state = 'done' THEN state ELSE 'skipped' END, "
		"next_attempt = NULL, sqlstate = NULL, unwanted = true, "
		"error = 'being taken out: the rest is counted until sellometer_unload() is called again' WHERE id = $1",
		2, {INT8OID, INT8OID}
	};
	Datum		args[2] = {Int64GetDatum(take->old_id), Int64GetDatum(take->stopped_at)};

	slm_execute(&statement, args, NULL, SPI_OK_UPDATE);
}

void
slm_take_out_record(const SlmTakeOut *take, const char *why)
{
	static SlmStatement statement = {
		"UPDATE sellometer.objects o SET state = 'skipped', error = $2, sqlstate = NULL, next_attempt = NULL, unwanted = true, "
		"rows_total = 0, rows_counted = 0, rows_duplicate = 0, rows_rejected = 0, rows_expired = 0, rows_elsewhere = 0, "
		"first_event = NULL, last_event = NULL, head = NULL, resume_row = 0, unloaded_rows = 0 "
		"FROM (SELECT id, source, head FROM sellometer.objects) was WHERE o.id = $1 AND was.id = o.id RETURNING was.source, was.head",
		2, {INT8OID, TEXTOID}
	};
	static SlmStatement parts = {"DELETE FROM sellometer.object_parts WHERE object_id = $1", 1, {INT8OID}};
	static SlmStatement rejected = {"DELETE FROM sellometer.rejected_rows WHERE object_id = $1", 1, {INT8OID}};
	Datum		args[2] = {Int64GetDatum(take->old_id), CStringGetTextDatum(why)};
	char	   *source;
	TimestampTz head;

	if (take->stopped_at != SLM_HISTORY_END)
	{
		record_part(take);
		return;
	}
	slm_execute(&statement, args, NULL, SPI_OK_UPDATE_RETURNING);
	source = slm_text(CurrentMemoryContext, 0, 1);
	head = slm_int64(0, 2, DT_NOBEGIN);
	if (!TIMESTAMP_IS_NOBEGIN(head))
		slm_head_take_back(source, head);
	slm_execute(&parts, args, NULL, SPI_OK_DELETE);
	slm_execute(&rejected, args, NULL, SPI_OK_DELETE);
	slm_refused_forget(take->old_id);
}

void
slm_take_out_end(SlmTakeOut *take)
{
	MemoryContextDelete(take->context);
}
