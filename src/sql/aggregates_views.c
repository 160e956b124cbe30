/*
 * aggregates_views.c: sellometer_unique_views(session, product_id): how many views of a product there were, each
 * counted once a session.
 *
 * The pairs are kept as 64-bit keyed fingerprints, 8 bytes each in an open-addressed table: 11 to 21 bytes a pair.
 * The count comes out too small only if two pairs share a fingerprint, either in the hash of the session or in the
 * hash of both: for n pairs with a probability below n^2 / 2^64, which is 5 in 100,000,000 for a million pairs and 5
 * in 10,000 for a hundred million.  The key is the server's system identifier: the same in all processes, not known
 * to those who choose the session ids.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "libpq/pqformat.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "compat.h"
#include "sql/aggregates.h"

#define MIN_SLOTS	16

typedef struct ViewsState
{
	SlmStateTag tag;
	int64		alone;			/* events without a session: each is a view of its own */
	uint64		used;			/* pairs in slots */
	uint64		nslots;			/* 0 or a power of two, over 4/3 of used */
	uint64	   *slots;			/* fingerprints; 0 = empty */
	MemoryContext context;		/* holds slots */
} ViewsState;

PG_FUNCTION_INFO_V1(sellometer_unique_views_transition);
PG_FUNCTION_INFO_V1(sellometer_unique_views_combine);
PG_FUNCTION_INFO_V1(sellometer_unique_views_serialize);
PG_FUNCTION_INFO_V1(sellometer_unique_views_deserialize);
PG_FUNCTION_INFO_V1(sellometer_unique_views_final);

static ViewsState *
make_state(MemoryContext context)
{
	ViewsState *state = MemoryContextAllocZero(context, sizeof(ViewsState));

	state->tag = SLM_STATE_VIEWS;
	state->context = context;
	return state;
}

static uint64
fingerprint(const char *session, int len, int64 product_id)
{
	uint64		hash = hash_bytes_extended((const unsigned char *) session, len, GetSystemIdentifier());

	hash = hash_bytes_extended((const unsigned char *) &product_id, sizeof(product_id), hash);
	return hash != 0 ? hash : 1;
}

/* The slot where a fingerprint is, or belongs.  Ends, as there is always an empty slot. */
static uint64 *
find_slot(ViewsState *state, uint64 hash)
{
	uint64		mask = state->nslots - 1;
	uint64		i = hash & mask;

	while (state->slots[i] != 0 && state->slots[i] != hash)
		i = (i + 1) & mask;
	return &state->slots[i];
}

/* Make room for that many pairs in all. */
static void
reserve(ViewsState *state, uint64 pairs)
{
	uint64		nslots = Max(state->nslots, MIN_SLOTS);
	uint64		old_nslots = state->nslots;
	uint64	   *old_slots = state->slots;

	while (pairs > nslots / 4 * 3)
		nslots *= 2;
	if (nslots == old_nslots)
		return;
	if (nslots > MaxAllocHugeSize / sizeof(uint64))
		ereport(ERROR, errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("too many different views to count"));

	state->slots = MemoryContextAllocExtended(state->context, nslots * sizeof(uint64), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	state->nslots = nslots;
	for (uint64 i = 0; i < old_nslots; i++)
	{
		if (old_slots[i] != 0)
			*find_slot(state, old_slots[i]) = old_slots[i];
	}
	if (old_slots != NULL)
		pfree(old_slots);
}

static void
add_view(ViewsState *state, uint64 hash)
{
	uint64	   *slot;

	reserve(state, state->used + 1);
	slot = find_slot(state, hash);
	if (*slot == 0)
	{
		*slot = hash;
		state->used++;
	}
}

/* unique_views_transition(internal, session text, product_id bigint) → internal */
Datum
sellometer_unique_views_transition(PG_FUNCTION_ARGS)
{
	MemoryContext context = slm_aggregate_context(fcinfo);
	ViewsState *state = slm_aggregate_state(fcinfo, 0, SLM_STATE_VIEWS);
	text	   *session;

	if (state == NULL)
		state = make_state(context);
	if (PG_ARGISNULL(2))
		PG_RETURN_POINTER(state);

	session = PG_ARGISNULL(1) ? NULL : PG_GETARG_TEXT_PP(1);
	if (session == NULL || VARSIZE_ANY_EXHDR(session) == 0)
		state->alone++;
	else
		add_view(state, fingerprint(VARDATA_ANY(session), VARSIZE_ANY_EXHDR(session), PG_GETARG_INT64(2)));
	PG_RETURN_POINTER(state);
}

/* unique_views_combine(internal, internal) → internal */
Datum
sellometer_unique_views_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context = slm_aggregate_context(fcinfo);
	ViewsState *state = slm_aggregate_state(fcinfo, 0, SLM_STATE_VIEWS);
	ViewsState *other = slm_aggregate_state(fcinfo, 1, SLM_STATE_VIEWS);

	if (state == NULL)
		state = make_state(context);
	if (other != NULL)
	{
		state->alone += other->alone;

		/*
		 * Room for all of them first: the other's come in the order of their hashes, and would pile up at the
		 * beginning of a table that grows while they come.
		 */
		reserve(state, state->used + other->used);
		for (uint64 i = 0; i < other->nslots; i++)
		{
			if (other->slots[i] != 0)
				add_view(state, other->slots[i]);
		}
	}
	PG_RETURN_POINTER(state);
}

/* unique_views_serialize(internal) → bytea; the bytes stay on this machine, so fingerprints are in native order */
Datum
sellometer_unique_views_serialize(PG_FUNCTION_ARGS)
{
	ViewsState *state;
	StringInfoData buf;

	(void) slm_aggregate_context(fcinfo);
	state = slm_aggregate_state(fcinfo, 0, SLM_STATE_VIEWS);
	if (state->used > (MaxAllocSize - 64) / sizeof(uint64))
		ereport(ERROR, errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				errmsg("too many different views to count in parallel"),
				errdetail("A process can hand over the fingerprints of up to %zu views.",
						  (MaxAllocSize - 64) / sizeof(uint64)),
				errhint("Set max_parallel_workers_per_gather to 0 for this query."));

	slm_aggregate_begin_send(&buf, SLM_STATE_VIEWS);
	enlargeStringInfo(&buf, 2 * sizeof(int64) + state->used * sizeof(uint64));
	pq_sendint64(&buf, state->alone);
	pq_sendint64(&buf, state->used);
	for (uint64 i = 0; i < state->nslots; i++)
	{
		if (state->slots[i] != 0)
			appendBinaryStringInfo(&buf, (const char *) &state->slots[i], sizeof(uint64));
	}
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

/* unique_views_deserialize(bytea, internal) → internal */
Datum
sellometer_unique_views_deserialize(PG_FUNCTION_ARGS)
{
	ViewsState *state = make_state(CurrentMemoryContext);
	StringInfoData buf;
	uint64		used;
	const char *bytes;

	slm_aggregate_begin_recv(fcinfo, &buf, SLM_STATE_VIEWS);
	state->alone = pq_getmsgint64(&buf);
	used = pq_getmsgint64(&buf);
	if (state->alone < 0 || used != (uint64) (buf.len - buf.cursor) / sizeof(uint64))
		slm_aggregate_recv_error("Its counts don't agree with its length.");

	bytes = pq_getmsgbytes(&buf, used * sizeof(uint64));
	reserve(state, used);
	for (uint64 i = 0; i < used; i++)
	{
		uint64		hash;

		memcpy(&hash, bytes + i * sizeof(hash), sizeof(hash));
		if (hash == 0)
			slm_aggregate_recv_error("A fingerprint is 0.");
		add_view(state, hash);
	}
	pq_getmsgend(&buf);
	PG_RETURN_POINTER(state);
}

/* unique_views_final(internal) → bigint */
Datum
sellometer_unique_views_final(PG_FUNCTION_ARGS)
{
	ViewsState *state;

	(void) slm_aggregate_context(fcinfo);
	state = slm_aggregate_state(fcinfo, 0, SLM_STATE_VIEWS);
	PG_RETURN_INT64(state == NULL ? 0 : state->alone + (int64) state->used);
}
