/*
 * replace.c: an object's content, exchanged for a later one.
 *
 *   archive --rows of the old content--> groups, each -1; its views --> old
 *   source  --rows of the new content--> groups, each +1; its views --> batch
 *   history --views of all others that the old content's sessions and products have--> others
 *   [writer's lock]  view log --> known: what is counted now
 *        counted by the old content (taken):  -1 there, +1 at the earliest of the others, if there is one
 *        then the batch's views are decided as those of any batch
 *        carts of the old content's sessions and products are forgotten, and folded anew from the others and the batch;
 *        so are the rows of offers that the old content was in
 *   [the caller commits]
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "guc.h"
#include "ingest/apply.h"
#include "ingest/archive.h"
#include "ingest/cart_write.h"
#include "ingest/crash_point.h"
#include "ingest/history.h"
#include "ingest/ledger.h"
#include "ingest/offer_log.h"
#include "ingest/offer_rewrite.h"
#include "ingest/replace.h"
#include "ingest/spi.h"
#include "ingest/stock_write.h"
#include "ingest/tier.h"
#include "ingest/view_rewrite.h"
#include "ingest/view_state.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

typedef struct Replace
{
	int64		old_id;
	SlmObject	object;			/* the new content */
	SlmViewState *state;		/* for its catalog and key */
	SlmChunk	chunk;
	SlmBatch	batch;
	SlmViews	old;			/* of each fingerprint the old content's earliest view */
	SlmViews	others;			/* likewise, of all other objects */
	SlmViews	either;			/* fingerprints of the old and the new content */
	SlmViews	known;			/* what is counted */
	SlmViews	taken;			/* of that, what the old content counted */
	SlmCarts	old_carts;		/* whose events the old content has */
	SlmViews	cart_keys;		/* fingerprints of these */
	SlmCarts	other_carts;	/* what all other objects say of them */
	SlmOffersRewrite offers;
	SlmHistory *history;		/* of the others */
	TimestampTz first;			/* span of the views in either */
	TimestampTz last;
} Replace;

static int64
view_window(void)
{
	return (int64) slm_view_window * USECS_PER_SEC;
}

static void
free_replace(void *arg)
{
	Replace    *replace = arg;

	slm_chunk_free(&replace->chunk);
	slm_batch_free(&replace->batch);
	slm_views_free(&replace->old);
	slm_views_free(&replace->others);
	slm_views_free(&replace->either);
	slm_views_free(&replace->known);
	slm_views_free(&replace->taken);
	slm_carts_free(&replace->old_carts);
	slm_views_free(&replace->cart_keys);
	slm_carts_free(&replace->other_carts);
	slm_offers_free(&replace->offers);
}

static void
count(Replace *replace, TimestampTz time, SlmOfferId offer, SlmEventType type, int by)
{
	if (!slm_batch_count(&replace->batch, slm_minute_of(time), offer, type, by))
		slm_out_of_memory();
}

/* Keep the earlier of a view and what the table has of its fingerprint. */
static void
keep_earliest(Replace *replace, SlmViews *views, uint64 fingerprint, TimestampTz time, SlmOfferId offer)
{
	bool		found;
	SlmView    *view = slm_views_add(views, fingerprint, &found);

	if (view == NULL)
		slm_out_of_memory();
	if (!found || slm_view_is_earlier(replace->state->catalog, time, offer, view))
	{
		view->time = time;
		view->offer = offer;
	}
}

static SlmOfferId
offer_of(Replace *replace, const SlmEvent *event)
{
	SlmCatalogError error;
	SlmOfferId	offer = slm_catalog_offer(replace->state->catalog, event, &error);

	if (offer == SLM_NO_OFFER && error == SLM_CATALOG_MEMORY)
		slm_out_of_memory();
	return offer;				/* or none: the key is too long, and the row was rejected */
}

static uint64
fingerprint_of(const Replace *replace, const SlmEvent *event)
{
	if (event->type != SLM_VIEW || event->session.len == 0)
		return 0;
	return slm_view_fingerprint(&replace->state->key, event->session, event->product_id);
}

/* --- what there is --- */

static void
fold_event(Replace *replace, SlmCarts *carts, const SlmEvent *event)
{
	SlmCartEvents list = {0};
	bool		ok = slm_cart_events_add(&list, &replace->state->key, event) && slm_carts_fold(carts, &list);

	slm_cart_events_free(&list);
	if (!ok)
		slm_out_of_memory();
}

static uint64
cart_key(const Replace *replace, const SlmEvent *event)
{
	return slm_view_fingerprint(&replace->state->key, event->session, event->product_id);
}

static void
take_old_cart(Replace *replace, const SlmEvent *event)
{
	bool		found;

	if (slm_views_add(&replace->cart_keys, cart_key(replace, event), &found) == NULL)
		slm_out_of_memory();
	fold_event(replace, &replace->old_carts, event);
}

static void
take_old(const SlmEvent *event, void *arg)
{
	Replace    *replace = arg;
	uint64		fingerprint = fingerprint_of(replace, event);
	SlmOfferId	offer = offer_of(replace, event);

	if (offer == SLM_NO_OFFER)
		return;
	if (fingerprint != 0)
		keep_earliest(replace, &replace->old, fingerprint, event->time, offer);
	else
	{
		count(replace, event->time, offer, event->type, -1);
		slm_offers_take_old(&replace->offers, event->time, offer, event->type);
	}
	if (slm_is_cart_event(event))
		take_old_cart(replace, event);
	if (slm_batch_memory(&replace->batch) + slm_views_memory(&replace->old) > (size_t) slm_work_memory * 1024)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("the object's first content needs more memory than sellometer.work_memory"),
				 errhint("Raise sellometer.work_memory.")));
}

static void
take_other(const SlmEvent *event, void *arg)
{
	Replace    *replace = arg;
	uint64		fingerprint = fingerprint_of(replace, event);
	SlmOfferId	offer;

	if (slm_is_cart_event(event) && slm_views_find(&replace->cart_keys, cart_key(replace, event)) != NULL)
		fold_event(replace, &replace->other_carts, event);
	if (fingerprint == 0 && (offer = offer_of(replace, event)) != SLM_NO_OFFER)
		slm_offers_take_other(&replace->offers, event->time, offer, event->type);
	if (fingerprint == 0 || event->time < replace->first - view_window() || event->time > replace->last + view_window() ||
		slm_views_find(&replace->old, fingerprint) == NULL)
		return;
	offer = offer_of(replace, event);
	if (offer != SLM_NO_OFFER)
		keep_earliest(replace, &replace->others, fingerprint, event->time, offer);
}

static void
read_old(Replace *replace)
{
	SlmHistory *history = slm_history_create();

	slm_history_only(history, replace->old_id);
	(void) slm_history_read(history, DT_NOBEGIN, DT_NOEND, take_old, replace);
}

/*
 * Views of others a window around ours; all that tells of our carts and is young enough to count in one; and what is sold and
 * listed on our days.
 */
static void
read_others(Replace *replace, TimestampTz head)
{
	TimestampTz from;
	TimestampTz to;

	slm_offers_span(&replace->offers, &from, &to);
	if (replace->old.nviews > 0)
	{
		from = Min(from, replace->first - view_window());
		to = Max(to, replace->last + view_window() + 1);
	}
	if (replace->old_carts.n > 0)
	{
		from = Min(from, TIMESTAMP_NOT_FINITE(head) ? DT_NOBEGIN : head - (int64) slm_cart_retention * USECS_PER_SEC);
		to = DT_NOEND;
	}
	if (from < to)
		(void) slm_history_read(replace->history, from, to, take_other, replace);
}

/* --- the new content --- */

static SlmStore *
open_object(Replace *replace, int64 id)
{
	static SlmStatement statement = {
		"SELECT o.source, o.key, o.etag, o.size, o.object_time, s.url, s.server, s.owner::oid::bigint "
		"FROM sellometer.objects o JOIN sellometer.sources s ON s.name = o.source WHERE o.id = $1",
		1, {INT8OID}
	};
	SlmObject  *object = &replace->object;
	MemoryContext context = CurrentMemoryContext;
	Datum		arg = Int64GetDatum(id);

	if (slm_execute(&statement, &arg, NULL, SPI_OK_SELECT) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the object's source was dropped"), errhint("sellometer_add_source() it again.")));
	*object = (SlmObject) {.id = id,.number = -1};
	object->source = slm_text(context, 0, 1);
	object->key = slm_text(context, 0, 2);
	object->etag = slm_text(context, 0, 3);
	object->size = slm_int64(0, 4, 0);
	object->object_time = slm_int64(0, 5, DT_NOBEGIN);
	return slm_store_open(slm_text(context, 0, 6), slm_text(context, 0, 7), (Oid) slm_int64(0, 8, 0));
}

static void
read_new(Replace *replace, int64 id)
{
	SlmObject  *object = &replace->object;
	SlmStore   *store = open_object(replace, id);
	SlmClock	clock = {.head = slm_head_read(),.tiers = slm_tiers_read()};
	SlmReading *reading;

	clock.latest = GetCurrentTimestamp() + (int64) slm_max_clock_skew * USECS_PER_SEC;
	object->transfer = slm_store_get(store, object->key, object->etag, 0);
	reading = slm_reading_begin(object, &clock, &replace->state->key);
	slm_reading_chunk(reading, &clock, replace->state->catalog, &replace->chunk, false);
	slm_reading_end(reading);
	slm_transfer_close(object->transfer);
	slm_store_close(store);
	if (object->outcome == SLM_OBJECT_PART)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the object is too large to replace its first content"),
				 errdetail("It has more than %d rows.", slm_chunk_rows),
				 errhint("Split it, or put it aside with sellometer_skip().")));
	if (object->outcome != SLM_OBJECT_LOADED)
		ereport(ERROR,
				(errcode(object->sqlstate),
				 errmsg("the object can't be loaded, and its first content stays counted"),
				 errdetail_internal("%s", object->error)));
	object->number = (int) replace->batch.nobjects;
	if (!slm_batch_add(&replace->batch, replace->chunk.rows, replace->chunk.nrows) ||
		!slm_carts_fold(&replace->batch.carts, &replace->chunk.carts))
		slm_out_of_memory();
	slm_offers_take_new(&replace->offers, replace->chunk.rows, replace->chunk.nrows);
}

/* --- views --- */

static void
add_to_either(Replace *replace, const SlmViews *views)
{
	for (uint64 i = 0; i < views->nslots; i++)
	{
		const SlmView *view = &views->slots[i];
		bool		found;

		if (view->fingerprint == 0)
			continue;
		if (slm_views_add(&replace->either, view->fingerprint, &found) == NULL)
			slm_out_of_memory();
		replace->first = Min(replace->first, view->time);
		replace->last = Max(replace->last, view->time);
	}
}

/* Which of the counted views the old content counted; the others stay known. */
static void
find_taken(Replace *replace)
{
	SlmViews	counted = {0};

	slm_view_log_read(replace->state->catalog, replace->first - view_window(), replace->last + view_window() + 1,
					  &replace->either, &counted);
	for (uint64 i = 0; i < counted.nslots; i++)
	{
		const SlmView *view = &counted.slots[i];
		const SlmView *old = view->fingerprint == 0 ? NULL : slm_views_find(&replace->old, view->fingerprint);
		bool		is_old = old != NULL && old->time == view->time &&
			slm_catalog_compare(replace->state->catalog, old->offer, view->offer) == 0;

		if (view->fingerprint != 0)
			keep_earliest(replace, is_old ? &replace->taken : &replace->known, view->fingerprint, view->time, view->offer);
	}
	slm_views_free(&counted);
}

/* Take the old content's views out; where another object has one of the same session and product, that one counts now. */
static void
pass_on_taken(Replace *replace)
{
	SlmViewList heirs = {
		.views = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(SlmView) * (replace->taken.nviews + 1))
	};

	for (uint64 i = 0; i < replace->taken.nslots; i++)
	{
		const SlmView *view = &replace->taken.slots[i];
		const SlmView *heir;

		if (view->fingerprint == 0)
			continue;
		count(replace, view->time, view->offer, SLM_VIEW, -1);
		heir = slm_views_find(&replace->others, view->fingerprint);
		if (heir == NULL)
			continue;
		count(replace, heir->time, heir->offer, SLM_VIEW, 1);
		keep_earliest(replace, &replace->known, heir->fingerprint, heir->time, heir->offer);
		heirs.views[heirs.n++] = *heir;
	}
	slm_view_log_cut(replace->state->catalog, replace->first, replace->last + view_window() + 1, &replace->taken);
	slm_view_log_write(replace->state->catalog, &heirs, 1);
}

static void
settle(Replace *replace)
{
	slm_listing_watch(&replace->batch, slm_head_read());
	if (!slm_batch_settle_views(&replace->batch, &replace->known))
		slm_out_of_memory();
	slm_listing_write(&replace->batch, slm_head_read());
	slm_view_log_write_batch(&replace->batch);
}

static void
replace_views(Replace *replace)
{
	if (replace->either.nviews == 0)
		return;
	if (replace->first - view_window() < slm_view_log_from())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("it is not known any more which views the object's first content counted"),
				 errdetail("They are older than sellometer.view_log_retention."),
				 errhint("sellometer_skip() puts the changed object aside.")));
	find_taken(replace);
	if (replace->taken.nviews > 0)
		pass_on_taken(replace);
	settle(replace);
}

/* --- carts --- */

static void
replace_carts(Replace *replace, TimestampTz head)
{
	static SlmStatement statement = {
		"DELETE FROM sellometer.carts c USING unnest($1, $2) AS d (user_session, product_id) "
		"WHERE c.user_session = d.user_session AND c.product_id = d.product_id",
		2, {TEXTARRAYOID, INT8ARRAYOID}
	};
	const SlmCarts *old = &replace->old_carts;
	Datum	   *sessions = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Datum) * Max(old->n, 1));
	Datum	   *products = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Datum) * Max(old->n, 1));
	Datum		args[2];

	for (uint32 i = 0; i < old->n; i++)
	{
		sessions[i] = PointerGetDatum(cstring_to_text_with_len(old->carts[i].session.data, (int) old->carts[i].session.len));
		products[i] = Int64GetDatum(old->carts[i].product_id);
	}
	args[0] = slm_array(sessions, NULL, (int) old->n, TEXTOID);
	args[1] = slm_array(products, NULL, (int) old->n, INT8OID);
	if (old->n > 0)
		slm_execute(&statement, args, NULL, SPI_OK_DELETE);
	slm_carts_write(&replace->other_carts, head, NULL);
	slm_carts_write(&replace->batch.carts, head, NULL);
}

/* --- ledger --- */

static void
record(Replace *replace)
{
	static SlmStatement old = {
		"UPDATE sellometer.objects SET state = 'skipped', error = 'replaced by a later content', sqlstate = NULL WHERE id = $1",
		1, {INT8OID}
	};
	static SlmStatement rejected = {"DELETE FROM sellometer.rejected_rows WHERE object_id = $1", 1, {INT8OID}};
	Datum		id = Int64GetDatum(replace->old_id);

	slm_execute(&old, &id, NULL, SPI_OK_UPDATE);
	id = Int64GetDatum(replace->object.id);
	slm_execute(&rejected, &id, NULL, SPI_OK_DELETE);
	slm_ledger_record(&replace->object, 1, replace->batch.counts);
}

static void
check_archived(int64 id)
{
	static SlmStatement statement = {"SELECT state, resume_row FROM sellometer.objects WHERE id = $1", 1, {INT8OID}};
	Datum		arg = Int64GetDatum(id);
	char	   *state;

	slm_execute(&statement, &arg, NULL, SPI_OK_SELECT);
	state = slm_text(CurrentMemoryContext, 0, 1);
	if (strcmp(state, "archived") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the object's first content can't be read any more, so it can't be taken out"),
				 errdetail("It was overwritten before it was archived."),
				 errhint("sellometer_skip() puts the changed object aside; the first content stays counted.")));
}

void
slm_replace_object(int64 old, int64 new)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "sellometer replace", ALLOCSET_DEFAULT_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(context);
	Replace    *replace = palloc0(sizeof(Replace));
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));
	TimestampTz head;

	slm_history_lock();
	check_archived(old);
	replace->old_id = old;
	replace->first = DT_NOEND;
	replace->last = DT_NOBEGIN;
	replace->state = slm_view_state_create(false);
	callback->func = free_replace;
	callback->arg = replace;
	MemoryContextRegisterResetCallback(context, callback);
	slm_batch_init(&replace->batch, replace->state->catalog);
	slm_offers_init(&replace->offers, replace->state->catalog);
	replace->history = slm_history_create();
	slm_history_leave_out(replace->history, old);

	read_old(replace);
	read_new(replace, new);
	add_to_either(replace, &replace->old);
	add_to_either(replace, &replace->batch.views);
	read_others(replace, slm_head_read());
	SLM_CRASH_POINT("replace.read");

	(void) slm_writer_lock();
	read_others(replace, slm_head_read());
	replace_views(replace);
	SLM_CRASH_POINT("replace.views");
	head = slm_head_advance(&replace->object, 1, slm_head_read());
	(void) slm_write_tiers(&replace->batch, head, true);
	SLM_CRASH_POINT("replace.tiers");
	replace_carts(replace, head);
	slm_offers_rewrite(&replace->offers);
	slm_stock_note(&replace->batch);
	record(replace);
	SLM_CRASH_POINT("replace.recorded");
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(context);
}
