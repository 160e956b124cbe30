/*
 * visit_write.c: from a batch's visits to rows of sellometer.visit_log and sellometer.visit_purchases, and what they change in
 * sellometer.visit_counts.
 *
 *   minutes and purchases of sessions, of the whole shop (key 0), and of each key in dimensions by which sessions are counted
 *       --> sorted --> of each session, key and block its minutes, as bits --> sellometer.add_visits()
 *                  --> purchases                                          --> sellometer.change_visit_purchases()
 *
 * A block is an hour, or so much of one that no day of the zone begins within.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "dedup/own_keys.h"
#include "facts/visit_write.h"
#include "miscadmin.h"
#include "pure/granularity.h"
#include "server/crash_point.h"
#include "server/locks.h"
#include "server/out_of_memory.h"
#include "server/spi.h"
#include "server/zone.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define VISITS_PER_CALL	50000

typedef struct VisitState
{
	bool		counted;
	TimestampTz from;
	SlmGranularity block;
} VisitState;

static VisitState
read_state(void)
{
	static SlmStatement statement = {"SELECT kept_from, extract(epoch FROM block)::bigint FROM sellometer.visit_state"};
	VisitState	state = {.from = DT_NOEND};

	if (slm_execute(&statement, NULL, NULL, SPI_OK_SELECT) == 0)
		return state;
	state.counted = true;
	state.from = slm_int64(0, 1, DT_NOBEGIN);
	state.block.usecs = slm_int64(0, 2, 0) * USECS_PER_SEC;
	return state;
}

bool
slm_visits_wanted(void)
{
	return read_state().counted;
}

TimestampTz
slm_visits_from(void)
{
	return read_state().from;
}

/* Rows for a statement. */
typedef struct Rows
{
	int			n;
	Datum		sessions[VISITS_PER_CALL];
	Datum		keys[VISITS_PER_CALL];
	Datum		times[VISITS_PER_CALL];
	Datum		minutes[VISITS_PER_CALL];
} Rows;

static void
change_blocks(const Rows *blocks, bool add)
{
	static SlmStatement statements[2] = {
		{"SELECT sellometer.take_out_visits($1, $2, $3)", 3, {INT8ARRAYOID, INT4ARRAYOID, TIMESTAMPTZARRAYOID}},
		{"SELECT sellometer.add_visits($1, $2, $3, $4)", 4, {INT8ARRAYOID, INT4ARRAYOID, TIMESTAMPTZARRAYOID, INT8ARRAYOID}}
	};
	Datum		args[4];

	if (blocks->n == 0)
		return;
	args[0] = slm_array((Datum *) blocks->sessions, NULL, blocks->n, INT8OID);
	args[1] = slm_array((Datum *) blocks->keys, NULL, blocks->n, INT4OID);
	args[2] = slm_array((Datum *) blocks->times, NULL, blocks->n, TIMESTAMPTZOID);
	args[3] = slm_array((Datum *) blocks->minutes, NULL, blocks->n, INT8OID);
	slm_execute(&statements[add], args, NULL, SPI_OK_SELECT);
}

static void
change_purchases(const Rows *purchases, bool add)
{
	static SlmStatement statement = {
		"SELECT sellometer.change_visit_purchases($1, $2, $3, $4)", 4, {INT8ARRAYOID, INT4ARRAYOID, TIMESTAMPTZARRAYOID, BOOLOID}
	};
	Datum		args[4];

	if (purchases->n == 0)
		return;
	args[0] = slm_array((Datum *) purchases->sessions, NULL, purchases->n, INT8OID);
	args[1] = slm_array((Datum *) purchases->keys, NULL, purchases->n, INT4OID);
	args[2] = slm_array((Datum *) purchases->times, NULL, purchases->n, TIMESTAMPTZOID);
	args[3] = BoolGetDatum(add);
	slm_execute(&statement, args, NULL, SPI_OK_SELECT);
}

/* Into the rows: minutes of one session, key and block are one. */
static void
put(Rows *blocks, Rows *purchases, SlmGranularity width, const SlmVisit *visit)
{
	TimestampTz time = slm_visit_time(visit);
	TimestampTz block;
	int			last = blocks->n - 1;

	if (slm_visit_is_purchase(visit))
	{
		purchases->sessions[purchases->n] = Int64GetDatum((int64) visit->session);
		purchases->keys[purchases->n] = Int32GetDatum((int32) visit->keys);
		purchases->times[purchases->n++] = TimestampTzGetDatum(time);
		return;
	}
	block = slm_bucket_start(width, time);
	if (last < 0 || DatumGetInt64(blocks->sessions[last]) != (int64) visit->session || DatumGetInt32(blocks->keys[last]) != (int32) visit->keys ||
		DatumGetTimestampTz(blocks->times[last]) != block)
	{
		last = blocks->n++;
		blocks->keys[last] = Int32GetDatum((int32) visit->keys);
		blocks->sessions[last] = Int64GetDatum((int64) visit->session);
		blocks->times[last] = TimestampTzGetDatum(block);
		blocks->minutes[last] = Int64GetDatum(0);
	}
	blocks->minutes[last] = Int64GetDatum(DatumGetInt64(blocks->minutes[last]) | INT64CONST(1) << ((time - block) / USECS_PER_MINUTE));
}

/* Those from a time on; what is before can't be corrected any more. */
static void
change(const SlmVisits *visits, const VisitState *state, bool add)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "sellometer visits", ALLOCSET_DEFAULT_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(scratch);

	for (uint32 i = 0; i < visits->n;)
	{
		Rows	   *blocks = palloc(sizeof(Rows));
		Rows	   *purchases = palloc(sizeof(Rows));

		blocks->n = purchases->n = 0;
		for (; i < visits->n && blocks->n < VISITS_PER_CALL && purchases->n < VISITS_PER_CALL; i++)
		{
			if (slm_visit_time(&visits->visits[i]) >= state->from)
				put(blocks, purchases, state->block, &visits->visits[i]);
		}
		change_blocks(blocks, add);
		SLM_CRASH_POINT("visits.blocks");
		change_purchases(purchases, add);
		MemoryContextReset(scratch);
		CHECK_FOR_INTERRUPTS();
	}
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(scratch);
}

/* --- by dimensions of a user's own --- */

static void
add_of_key(SlmVisits *all, const SlmVisit *visit, int32 number)
{
	if (!slm_visits_take(all, &(SlmVisit) {visit->session, visit->when, (uint64) number}, 1))
		slm_out_of_memory();
}

/*
 * Have each visit be there for the whole shop, and for each key that it was seen with, by the key's number instead of the tuple's.
 * The set is another then.
 */
static void
spread(SlmVisits *visits, SlmDictionary *dictionary)
{
	const SlmOwn *own = slm_dictionary_own(dictionary);
	MemoryContext scratch;
	MemoryContext outer;
	SlmVisits  *all;

	if (!own->visits)
		return;
	slm_own_keys_admit_visits(dictionary, visits);
	scratch = AllocSetContextCreate(CurrentMemoryContext, "sellometer keys of visits", ALLOCSET_DEFAULT_SIZES);
	outer = MemoryContextSwitchTo(scratch);
	all = palloc0(sizeof(SlmVisits));
	all->wanted = visits->wanted;
	PG_TRY();
	{
		for (uint32 i = 0; i < visits->n; i++)
			add_of_key(all, &visits->visits[i], 0);
		for (uint32 d = 0; d < own->n; d++)
		{
			int32	   *numbers = own->dimension[d].visits_from == PG_INT64_MAX ? NULL : slm_own_key_numbers(dictionary, d, visits);

			for (uint32 i = 0; numbers != NULL && i < visits->n; i++)
			{
				const SlmVisit *visit = &visits->visits[i];
				SlmKeyId	key = slm_dictionary_counted_tuple_key(dictionary, (SlmTupleId) visit->keys, d);

				if (key != SLM_NO_KEY && slm_visit_time(visit) >= own->dimension[d].visits_from)
					add_of_key(all, visit, numbers[key]);
			}
		}
	}
	PG_CATCH();
	{
		slm_visits_free(all);
		PG_RE_THROW();
	}
	PG_END_TRY();
	slm_visits_free(visits);
	*visits = *all;
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(scratch);
}

void
slm_visits_write(SlmVisits *visits, SlmDictionary *dictionary)
{
	VisitState	state = read_state();

	Assert(slm_lock_held(SLM_LOCK_WRITER));
	if (!state.counted)
		return;
	if (!visits->wanted)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("the counting of visits began while files were being read"),
				 errhint("They are read again.")));
	spread(visits, dictionary);
	slm_visits_unite(visits);
	change(visits, &state, true);
}

/* Of n visits, kept[i] is set where the log has the session and block, or the purchase. */
static void
find_noted(const SlmVisit *visits, int n, SlmGranularity width, bool *kept)
{
	static SlmStatement statement = {
		"SELECT CASE WHEN u.bought THEN EXISTS (SELECT FROM sellometer.visit_purchases p WHERE p.session OPERATOR(pg_catalog.=) u.session AND p.bought_at OPERATOR(pg_catalog.=) u.at) "
		"ELSE EXISTS (SELECT FROM sellometer.visit_log l WHERE l.session OPERATOR(pg_catalog.=) u.session AND l.block OPERATOR(pg_catalog.=) u.at) END::integer::bigint "
		"FROM unnest($1, $2, $3) WITH ORDINALITY u (session, at, bought, n) ORDER BY n",
		3, {INT8ARRAYOID, TIMESTAMPTZARRAYOID, BOOLARRAYOID}
	};
	Datum	   *sessions = palloc(sizeof(Datum) * n);
	Datum	   *times = palloc(sizeof(Datum) * n);
	Datum	   *bought = palloc(sizeof(Datum) * n);
	Datum		args[3];

	for (int i = 0; i < n; i++)
	{
		bool		purchase = slm_visit_is_purchase(&visits[i]);
		TimestampTz time = slm_visit_time(&visits[i]);

		sessions[i] = Int64GetDatum((int64) visits[i].session);
		times[i] = TimestampTzGetDatum(purchase ? time : slm_bucket_start(width, time));
		bought[i] = BoolGetDatum(purchase);
	}
	args[0] = slm_array(sessions, NULL, n, INT8OID);
	args[1] = slm_array(times, NULL, n, TIMESTAMPTZOID);
	args[2] = slm_array(bought, NULL, n, BOOLOID);
	if (slm_execute_by_index(&statement, args, NULL, SPI_OK_SELECT) != (uint64) n)
		elog(ERROR, "visits were lost");
	for (int i = 0; i < n; i++)
		kept[i] = slm_int64(i, 1, 0) != 0;
}

/*
 * Leave out what is not in the log: in archives a session whose user was forgotten goes by another name, which did not count unless visits
 * were counted anew since.
 */
static void
keep_noted(SlmVisits *visits, SlmGranularity width)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "sellometer visits", ALLOCSET_DEFAULT_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(scratch);
	uint32		left = 0;

	for (uint32 i = 0; i < visits->n;)
	{
		int			n = Min(visits->n - i, VISITS_PER_CALL);
		bool	   *kept = palloc(n);

		find_noted(&visits->visits[i], n, width, kept);
		for (int k = 0; k < n; k++, i++)
		{
			if (kept[k])
				visits->visits[left++] = visits->visits[i];
		}
		MemoryContextReset(scratch);
		CHECK_FOR_INTERRUPTS();
	}
	visits->n = left;
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(scratch);
}

/* Of these sessions and blocks all goes, also what others have: so of others there must be all of them. */
void
slm_visits_rewrite(SlmVisits *old, SlmVisits *others, SlmDictionary *dictionary)
{
	VisitState	state = read_state();

	Assert(slm_lock_held(SLM_LOCK_WRITER));
	if (!state.counted || old->n == 0)
		return;
	spread(old, dictionary);
	slm_visits_unite(old);
	spread(others, dictionary);
	slm_visits_unite(others);
	keep_noted(others, state.block);
	change(old, &state, false);
	change(others, &state, true);
}
