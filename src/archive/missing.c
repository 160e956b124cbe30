/*
 * missing.c: counted objects whose bytes are not there any more.
 */
#include "postgres.h"

#include "archive/missing.h"
#include "archive/take_out.h"
#include "catalog/pg_type.h"
#include "dedup/view_rewrite.h"
#include "guc.h"
#include "server/spi.h"
#include "store/store.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#define COLUMNS	"id, source, key, greatest(rows_total, resume_row), rows_duplicate, first_event, last_event, ingested_at, lost::int::bigint"

static SlmMissing *
from_row(MemoryContext context, uint64 row)
{
	SlmMissing *missing = MemoryContextAlloc(context, sizeof(SlmMissing));

	missing->id = slm_int64(row, 1, 0);
	missing->source = slm_text(context, row, 2);
	missing->key = slm_text(context, row, 3);
	missing->rows_total = slm_int64(row, 4, 0);
	missing->rows_duplicate = slm_int64(row, 5, 0);
	missing->first = slm_int64(row, 6, DT_NOEND);
	missing->last = slm_int64(row, 7, DT_NOBEGIN);
	missing->ingested_at = slm_int64(row, 8, DT_NOBEGIN);
	missing->declared = slm_int64(row, 9, 0) != 0;
	return missing;
}

SlmMissing *
slm_missing_of(int64 object)
{
	static SlmStatement statement = {"SELECT " COLUMNS " FROM sellometer.objects WHERE id = $1", 1, {INT8OID}};
	MemoryContext context = CurrentMemoryContext;
	Datum		arg = Int64GetDatum(object);

	if (slm_execute(&statement, &arg, NULL, SPI_OK_SELECT) != 1)
		elog(ERROR, "an object's row is gone");
	return from_row(context, 0);
}

List *
slm_missing_declared(TimestampTz from, TimestampTz to)
{
	static SlmStatement statement = {
		"SELECT " COLUMNS " FROM sellometer.objects WHERE lost AND (state IN ('done', 'archived') OR resume_row > 0) "
		"AND first_event < $2 AND last_event >= $1 ORDER BY first_event, id",
		2, {TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		args[2] = {TimestampTzGetDatum(from), TimestampTzGetDatum(to)};
	uint64		n = slm_execute(&statement, args, NULL, SPI_OK_SELECT);
	List	   *list = NIL;

	for (uint64 i = 0; i < n; i++)
	{
		SlmMissing *missing = from_row(context, i);

		list = lappend(list, missing);
	}
	return list;
}

/* --- views --- */

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
		slm_view_log_read(take->state->catalog, missing->first, missing->last + 1, &take->taken, &logged);
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

/* --- carts --- */

/* What is taken out of carts in the hours of a missing object, as (minute, product, number). */
static int
own_events(const SlmTakeOut *take, const SlmMissing *missing, Datum *minutes, Datum *products, Datum *counts)
{
	SlmGroupScan scan = {.groups = &take->batch.groups};
	SlmGroup	group;
	int			n = 0;

	while (slm_groups_next(&scan, &group))
	{
		TimestampTz minute = (TimestampTz) group.minute * USECS_PER_MINUTE;

		if (group.type == SLM_VIEW || group.count >= 0 || minute < missing->first - USECS_PER_DAY || minute > missing->last + USECS_PER_DAY)
			continue;
		minutes[n] = TimestampTzGetDatum(minute);
		products[n] = Int64GetDatum(slm_catalog_get(take->state->catalog, group.offer)->product_id);
		counts[n++] = Int64GetDatum(-(int64) group.count);
	}
	return n;
}

/* How many of the carts that rows are taken out of the missing object may tell something of, too. */
static int64
count_carts(const SlmTakeOut *take, const SlmMissing *missing)
{
	static SlmStatement statement = {
		"SELECT sellometer.carts_shared($1, $2, $3, $4, $5, $6, $7)", 7,
		{TEXTARRAYOID, INT8ARRAYOID, TIMESTAMPTZARRAYOID, INT8ARRAYOID, INT8ARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	const SlmCarts *carts = &take->old_carts;
	Datum	   *columns[5];
	Datum		args[7];
	int			n;

	if (carts->n == 0)
		return 0;
	for (int c = 0; c < 5; c++)
		columns[c] = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Datum) * Max(c < 2 ? carts->n : take->batch.groups.ngroups, 1));
	for (uint32 i = 0; i < carts->n; i++)
	{
		columns[0][i] = PointerGetDatum(cstring_to_text_with_len(carts->carts[i].session.data, (int) carts->carts[i].session.len));
		columns[1][i] = Int64GetDatum(carts->carts[i].product_id);
	}
	n = own_events(take, missing, columns[2], columns[3], columns[4]);
	args[0] = slm_array(columns[0], NULL, (int) carts->n, TEXTOID);
	args[1] = slm_array(columns[1], NULL, (int) carts->n, INT8OID);
	args[2] = slm_array(columns[2], NULL, n, TIMESTAMPTZOID);
	args[3] = slm_array(columns[3], NULL, n, INT8OID);
	args[4] = slm_array(columns[4], NULL, n, INT8OID);
	args[5] = TimestampTzGetDatum(missing->first);
	args[6] = TimestampTzGetDatum(missing->last);
	slm_execute(&statement, args, NULL, SPI_OK_SELECT);
	return slm_int64(0, 1, 0);
}

/* --- both --- */

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

/* --- is it there? --- */

char *
slm_missing_problem(int64 object)
{
	static SlmStatement statement = {
		"SELECT s.url, s.server, s.owner::oid::bigint, o.key, o.etag FROM sellometer.objects o JOIN sellometer.sources s ON s.name = o.source "
		"WHERE o.id = $1 AND o.state <> 'archived' UNION ALL "
		"SELECT a.url, a.server, a.owner::oid::bigint, a.key, a.etag FROM sellometer.objects o JOIN sellometer.archives a "
		"ON o.id = ANY (a.objects) WHERE o.id = $1 AND o.state = 'archived'",
		1, {INT8OID}
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		arg = Int64GetDatum(object);
	SlmStore   *store;
	SlmTransfer *transfer;
	SlmStoreError error;
	const char *data;
	size_t		len;
	char	   *problem = NULL;

	if (slm_execute(&statement, &arg, NULL, SPI_OK_SELECT) == 0)
		return pstrdup("its source was dropped");
	store = slm_store_open(slm_text(context, 0, 1), slm_text(context, 0, 2), (Oid) slm_int64(0, 3, 0));
	transfer = slm_store_get(store, slm_text(context, 0, 4), slm_text(context, 0, 5), 0);
	if (slm_transfer_read(transfer, SLM_WAIT_FOR_EVER, &data, &len, &error) == SLM_TRANSFER_ERROR)
	{
		if (error.kind != SLM_STORE_NOT_FOUND && error.kind != SLM_STORE_CHANGED)
			slm_store_error_raise(&error);
		problem = pstrdup(error.message);
	}
	slm_transfer_close(transfer);
	slm_store_close(store);
	return problem;
}
