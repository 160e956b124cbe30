/*
 * missing_judge.c: does what is taken out hang together with an object whose bytes are not there any more?
 */
#include "postgres.h"

#include "archive/history.h"
#include "archive/missing.h"
#include "archive/missing_judge.h"
#include "archive/take_out.h"
#include "catalog/pg_type.h"
#include "dedup/view_rewrite.h"
#include "guc.h"
#include "server/spi.h"
#include "store/store.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/*
 * Is the log whole where the object's views are: does it have each that ever counted, though an earlier one has taken its place?  Only
 * then, and if all views of the object counted when it was loaded, does the log have all of them.
 */
static bool
is_all_in_log(const SlmMissing *missing)
{
	static SlmStatement statement = {"SELECT views_thinned_at, views_from FROM sellometer.state"};

	slm_execute(&statement, NULL, NULL, SPI_OK_SELECT);
	return missing->rows_duplicate == 0 && !TIMESTAMP_IS_NOBEGIN(missing->ingested_at) &&
		missing->ingested_at > slm_int64(0, 1, DT_NOBEGIN) && missing->first >= slm_int64(0, 2, DT_NOBEGIN);
}

/* How many of the views that are taken out might count in the missing object instead. */
static int64
count_views(const SlmTakeOut *take, const SlmMissing *missing)
{
	int64		window = slm_view_window_usecs();
	bool		in_log = is_all_in_log(missing);
	SlmViews	logged = {0};
	int64		n = 0;

	if (in_log && take->taken.nviews > 0)
		slm_view_log_read(take->state->dictionary, missing->first, missing->last + 1, &take->taken, &logged);
	for (uint64 i = 0; i < take->taken.nslots; i++)
	{
		const SlmView *view = &take->taken.slots[i];
		const SlmView *heir;

		/* the one that counts is the earliest */
		if (view->fingerprint == 0 || missing->last < view->time || missing->first > view->time + window)
			continue;
		heir = slm_views_find(&take->others, view->fingerprint);
		if (heir != NULL && heir->time < missing->first)
			continue;
		/* where their spans meet, an equal view of both stands in the log once */
		n += !in_log || slm_views_find(&logged, view->fingerprint) != NULL || (take->repeats && view->time >= missing->first);
	}
	slm_views_free(&logged);
	return n;
}

/* What is taken out of carts in the hours of a missing object, with ids and without, as (minute, product, number). */
static int
own_events(const SlmTakeOut *take, const SlmMissing *missing, Datum *minutes, Datum *products, Datum *counts)
{
	SlmGroupScan scan = {.groups = &take->batch.groups};
	SlmGroup	group;
	int			n = 0;

	for (uint64 i = 0; i < take->taken.nslots; i++)
	{
		const SlmView *view = &take->taken.slots[i];
		uint32		line = view->fingerprint == 0 ? 0 : slm_dictionary_line(take->state->dictionary, view->offer);

		if (line == 0 || view->time < missing->first - USECS_PER_DAY || view->time > missing->last + USECS_PER_DAY)
			continue;
		minutes[n] = TimestampTzGetDatum((TimestampTz) slm_minute_of(view->time) * USECS_PER_MINUTE);
		products[n] = Int64GetDatum(slm_dictionary_get(take->state->dictionary, view->offer)->product_id);
		counts[n++] = Int64GetDatum(slm_line_pieces(line));
	}
	while (slm_groups_next(&scan, &group))
	{
		TimestampTz minute = (TimestampTz) group.minute * USECS_PER_MINUTE;

		if (group.type == SLM_VIEW || group.count >= 0 || minute < missing->first - USECS_PER_DAY || minute > missing->last + USECS_PER_DAY)
			continue;
		minutes[n] = TimestampTzGetDatum(minute);
		products[n] = Int64GetDatum(slm_dictionary_get(take->state->dictionary, group.offer)->product_id);
		counts[n++] = Int64GetDatum(-(int64) group.count);
	}
	return n;
}

/* How many of the carts that rows are taken out of the missing object may tell something of, too. */
static int64
count_carts(const SlmTakeOut *take, const SlmMissing *missing)
{
	static SlmStatement statement = {
		"SELECT sellometer.carts_shared($1, $2, $3, $4, $5, $6, $7, $8, $9)", 9,
		{TEXTARRAYOID, INT8ARRAYOID, TIMESTAMPTZARRAYOID, INT8ARRAYOID, INT8ARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8ARRAYOID, INT8ARRAYOID}
	};
	const SlmCarts *carts = &take->old_carts;
	Datum	   *columns[7];
	Datum		args[9];
	int			n;

	if (carts->n == 0 && carts->nusers == 0)
		return 0;
	for (int c = 0; c < 7; c++)
		columns[c] = MemoryContextAllocHuge(CurrentMemoryContext,
											sizeof(Datum) * Max(c < 2 ? carts->n : c < 5 ? take->batch.groups.ngroups + take->taken.nviews : carts->nusers, 1));
	for (uint32 i = 0; i < carts->n; i++)
	{
		columns[0][i] = PointerGetDatum(cstring_to_text_with_len(carts->carts[i].session.data, (int) carts->carts[i].session.len));
		columns[1][i] = Int64GetDatum(carts->carts[i].product_id);
	}
	for (uint32 i = 0; i < carts->nusers; i++)
	{
		columns[5][i] = Int64GetDatum(carts->users[i].user_id);
		columns[6][i] = Int64GetDatum(carts->users[i].product_id);
	}
	n = own_events(take, missing, columns[2], columns[3], columns[4]);
	args[0] = slm_array(columns[0], NULL, (int) carts->n, TEXTOID);
	args[1] = slm_array(columns[1], NULL, (int) carts->n, INT8OID);
	args[2] = slm_array(columns[2], NULL, n, TIMESTAMPTZOID);
	args[3] = slm_array(columns[3], NULL, n, INT8OID);
	args[4] = slm_array(columns[4], NULL, n, INT8OID);
	args[5] = TimestampTzGetDatum(missing->first);
	args[6] = TimestampTzGetDatum(missing->last);
	args[7] = slm_array(columns[5], NULL, (int) carts->nusers, INT8OID);
	args[8] = slm_array(columns[6], NULL, (int) carts->nusers, INT8OID);
	slm_execute(&statement, args, NULL, SPI_OK_SELECT);
	return slm_int64(0, 1, 0);
}

static void
judge(const SlmTakeOut *take, const SlmMissing *missing)
{
	int64		views = count_views(take, missing);
	int64		carts = count_carts(take, missing);

	if (views == 0 && carts == 0)
		return;
	if (missing->declared)
		ereport(NOTICE,
				(errmsg("without object \"%s\" of source \"%s\", which was declared lost, this may not be exact",
						slm_store_display(missing->key), missing->source),
				 errdetail("At most " INT64_FORMAT " views that it may have are not counted in place of those taken out, and at most "
						   INT64_FORMAT " carts lack what it may tell of them.", Min(views, missing->rows_total), Min(carts, missing->rows_total))));
	else
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("object \"%s\" of source \"%s\" is gone or changed, and without it sums might be wrong",
						slm_store_display(missing->key), missing->source),
				 errdetail("Of its " INT64_FORMAT " rows, which are counted, some may be of the same sessions: it matters to at most "
						   INT64_FORMAT " views and " INT64_FORMAT " carts.", missing->rows_total, views, carts),
				 errhint("sellometer_declare_lost(%s, %s) has this go on without it.  Nothing has been changed.",
						 quote_literal_cstr(missing->source), quote_literal_cstr(missing->key))));
}

static List *
all_missing(const SlmTakeOut *take)
{
	return list_concat_copy(take->lost, slm_history_missing(take->history));
}

void
slm_missing_judge(const SlmTakeOut *take)
{
	ListCell   *cell;

	foreach(cell, all_missing(take))
		judge(take, lfirst(cell));
}

void
slm_missing_span(const SlmTakeOut *take, TimestampTz *first, TimestampTz *last)
{
	ListCell   *cell;

	*first = DT_NOEND;
	*last = DT_NOBEGIN;
	foreach(cell, all_missing(take))
	{
		const SlmMissing *missing = lfirst(cell);

		*first = Min(*first, missing->first);
		*last = Max(*last, missing->last);
	}
}
