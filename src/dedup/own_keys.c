/*
 * own_keys.c: see own_keys.h.
 *
 *   groups, or visits --> events of each tuple --> events of each key --(admitted already?)--> those that are new, the most events first
 *          --> as many as there is room for: rows of sellometer.dimension_keys
 *          --> the others: the dictionary's, and a sketch of how many there are in sellometer.dimension_others
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "dedup/own_dimensions.h"
#include "dedup/own_keys.h"
#include "fmgr.h"
#include "lib/hyperloglog.h"
#include "server/crash_point.h"
#include "server/locks.h"
#include "server/out_of_memory.h"
#include "server/spi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(sellometer_sketched_keys);

/* So many registers has a sketch, as a power of two: it tells the number of keys to about three in a hundred. */
#define SKETCH_BITS			10

/* Keys, and bytes of them, that go to one statement. */
#define KEYS_PER_STATEMENT	20000
#define BYTES_PER_STATEMENT	((Size) 4 * 1024 * 1024)

typedef struct NamedKey
{
	SlmKeyId	key;
	bool		admitted;
	SlmSlice	text;
	uint64		events;
} NamedKey;

/* The keys that the groups name of one dimension. */
typedef struct Named
{
	SlmDictionary *dictionary;
	uint32		own;			/* number of the dimension */
	NamedKey   *keys;
	uint32		n;
} Named;

static void *
alloc_zero(uint64 n, Size size)
{
	return MemoryContextAllocExtended(CurrentMemoryContext, Max(n, 1) * size, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

static uint64 *
count_by_tuple(const SlmDictionary *dictionary, const SlmGroups *groups)
{
	uint64	   *events = alloc_zero(slm_dictionary_tuples(dictionary), sizeof(uint64));
	SlmGroupScan scan = {.groups = groups};
	SlmGroup	group;

	while (slm_groups_next(&scan, &group))
		events[slm_dictionary_tuple(dictionary, group.offer)] += abs(group.count);
	return events;
}

static uint64 *
count_visits_by_tuple(const SlmDictionary *dictionary, const SlmVisits *visits)
{
	uint64	   *events = alloc_zero(slm_dictionary_tuples(dictionary), sizeof(uint64));

	for (uint32 i = 0; i < visits->n; i++)
		events[visits->visits[i].keys]++;
	return events;
}

static void
find_named(Named *named, const uint64 *by_tuple)
{
	const SlmDictionary *dictionary = named->dictionary;
	uint32		nkeys = slm_dictionary_keys(dictionary, SLM_FIRST_OWN + named->own);
	uint64	   *events = alloc_zero(nkeys, sizeof(uint64));

	for (SlmTupleId t = 1; t < slm_dictionary_tuples(dictionary); t++)
	{
		SlmKeyId	key = slm_dictionary_tuple_key(dictionary, t, named->own);

		if (key != SLM_NO_KEY)
			events[key] += by_tuple[t];
	}
	named->keys = alloc_zero(nkeys, sizeof(NamedKey));
	for (SlmKeyId key = 0; key < nkeys; key++)
	{
		if (events[key] > 0)
			named->keys[named->n++] = (NamedKey) {.key = key,.text = slm_dictionary_text(dictionary, SLM_FIRST_OWN + named->own, key),.events = events[key]};
	}
	pfree(events);
}

static int64
dimension_id(const Named *named)
{
	return slm_dictionary_own(named->dictionary)->dimension[named->own].id;
}

/* Execute a statement ($1: the dimension, $2: keys) for keys from one on; *after: the first of those that are for the next. */
static uint64
execute_for_keys(SlmStatement *statement, const Named *named, uint32 first, uint32 end, uint32 *after, int expected)
{
	Datum	   *texts = palloc(sizeof(Datum) * KEYS_PER_STATEMENT);
	Size		bytes = 0;
	int			n = 0;
	Datum		args[2];

	for (*after = first; *after < end && n < KEYS_PER_STATEMENT && bytes < BYTES_PER_STATEMENT; (*after)++)
	{
		SlmSlice	text = named->keys[*after].text;

		texts[n++] = PointerGetDatum(cstring_to_text_with_len(text.data, (int) text.len));
		bytes += text.len;
	}
	args[0] = Int64GetDatum(dimension_id(named));
	args[1] = slm_array(texts, NULL, n, TEXTOID);
	return slm_execute_by_index(statement, args, NULL, expected);
}

/* Leave those that are not admitted yet. */
static void
drop_admitted(Named *named)
{
	static SlmStatement statement = {
		"SELECT u.n FROM unnest($2) WITH ORDINALITY u (key, n) JOIN sellometer.dimension_keys k ON k.dimension_id OPERATOR(pg_catalog.=) $1 AND k.key OPERATOR(pg_catalog.=) u.key",
		2, {INT8OID, TEXTARRAYOID}
	};
	uint32		left = 0;

	for (uint32 first = 0, after; first < named->n; first = after)
	{
		uint64		rows = execute_for_keys(&statement, named, first, named->n, &after, SPI_OK_SELECT);

		for (uint64 row = 0; row < rows; row++)
			named->keys[first + slm_int64(row, 1, 0) - 1].admitted = true;
	}
	for (uint32 i = 0; i < named->n; i++)
	{
		if (!named->keys[i].admitted)
			named->keys[left++] = named->keys[i];
	}
	named->n = left;
}

/* For how many more there is room: none, once another had to be counted as SLM_OTHER. */
static int64
read_room(const Named *named)
{
	static SlmStatement statement = {
		"SELECT CASE WHEN EXISTS (SELECT FROM sellometer.dimension_others o WHERE o.dimension_id = d.id) THEN 0 "
		"ELSE d.max_keys - (SELECT count(*) FROM sellometer.dimension_keys k WHERE k.dimension_id = d.id AND NOT k.given) END "
		"FROM sellometer.dimensions d WHERE d.id = $1", 1, {INT8OID}
	};
	Datum		id = Int64GetDatum(dimension_id(named));

	if (slm_execute(&statement, &id, NULL, SPI_OK_SELECT) != 1)
		slm_own_changed();
	return slm_int64(0, 1, 0);
}

/* The most events first; of as many, by bytes. */
static int
compare_named(const void *a, const void *b)
{
	const NamedKey *x = a;
	const NamedKey *y = b;

	return x->events != y->events ? (x->events < y->events) - (x->events > y->events) : slm_slice_compare(x->text, y->text);
}

static void
admit_keys(const Named *named, uint32 n)
{
	static SlmStatement statement = {
		"INSERT INTO sellometer.dimension_keys (dimension_id, key) SELECT $1, u.key FROM unnest($2) u (key)", 2, {INT8OID, TEXTARRAYOID}
	};

	for (uint32 first = 0, after; first < n; first = after)
		execute_for_keys(&statement, named, first, n, &after, SPI_OK_INSERT);
	SLM_CRASH_POINT("dimension.keys");
}

/* --- the others --- */

/* What is known of how many there are; empty if there were none. */
static void
read_sketch(const Named *named, hyperLogLogState *sketch, bool *first)
{
	static SlmStatement statement = {"SELECT sketch FROM sellometer.dimension_others WHERE dimension_id = $1", 1, {INT8OID}};
	Datum		id = Int64GetDatum(dimension_id(named));
	size_t		len;
	char	   *bytes;

	initHyperLogLog(sketch, SKETCH_BITS);
	*first = slm_execute(&statement, &id, NULL, SPI_OK_SELECT) == 0;
	if (*first)
		return;
	bytes = slm_bytes(CurrentMemoryContext, 0, 1, &len);
	if (len != sketch->nRegisters)
		elog(ERROR, "a sketch of keys has %zu bytes", len);
	memcpy(sketch->hashesArr, bytes, len);
}

static void
write_sketch(const Named *named, const hyperLogLogState *sketch)
{
	static SlmStatement statement = {
		"INSERT INTO sellometer.dimension_others AS o (dimension_id, sketch) VALUES ($1, $2) "
		"ON CONFLICT (dimension_id) DO UPDATE SET sketch = excluded.sketch WHERE o.sketch <> excluded.sketch", 2, {INT8OID, BYTEAOID}
	};
	bytea	   *bytes = palloc(VARHDRSZ + sketch->nRegisters);
	Datum		args[2] = {Int64GetDatum(dimension_id(named)), PointerGetDatum(bytes)};

	SET_VARSIZE(bytes, VARHDRSZ + sketch->nRegisters);
	memcpy(VARDATA(bytes), sketch->hashesArr, sketch->nRegisters);
	slm_execute(&statement, args, NULL, SPI_OK_INSERT);
}

/* Have keys from one on be counted as SLM_OTHER. */
static void
note_others(const Named *named, uint32 from)
{
	hyperLogLogState sketch;
	bool		first;

	read_sketch(named, &sketch, &first);
	for (uint32 i = from; i < named->n; i++)
	{
		const NamedKey *key = &named->keys[i];

		addHyperLogLog(&sketch, hash_bytes((const unsigned char *) key->text.data, (int) key->text.len));
		slm_dictionary_set_other(named->dictionary, named->own, key->key);
	}
	write_sketch(named, &sketch);
	SLM_CRASH_POINT("dimension.others");
	if (first)
		ereport(WARNING,
				(errmsg("dimension \"%s\" has as many keys as it may have: further ones are counted as \"%s\" from now on", slm_own_name((int) named->own), SLM_OTHER),
				 errdetail("sellometer.dimension_limits tells how many there are."),
				 errhint("sellometer_drop_dimension(), then sellometer_add_dimension() with a larger max_keys, and a replay, have more of them.")));
}

/* How many different keys a sketch has seen, about. */
Datum
sellometer_sketched_keys(PG_FUNCTION_ARGS)
{
	bytea	   *bytes = PG_GETARG_BYTEA_PP(0);
	hyperLogLogState sketch;

	initHyperLogLog(&sketch, SKETCH_BITS);
	if (VARSIZE_ANY_EXHDR(bytes) != sketch.nRegisters)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("a sketch of keys has %zu bytes", (size_t) sketch.nRegisters)));
	memcpy(sketch.hashesArr, VARDATA_ANY(bytes), sketch.nRegisters);
	PG_RETURN_INT64((int64) (estimateHyperLogLog(&sketch) + 0.5));
}

/* --- of a batch --- */

static void
admit(SlmDictionary *dictionary, uint32 own, const uint64 *by_tuple)
{
	Named		named = {.dictionary = dictionary,.own = own};
	int64		room;

	find_named(&named, by_tuple);
	drop_admitted(&named);
	if (named.n == 0)
		return;
	room = Max(read_room(&named), 0);
	if (named.n > room)
		qsort(named.keys, named.n, sizeof(NamedKey), compare_named);
	admit_keys(&named, (uint32) Min(named.n, room));
	if (named.n > room)
		note_others(&named, (uint32) room);
}

/* What groups, or visits, name. */
static void
admit_all(SlmDictionary *dictionary, const SlmGroups *groups, const SlmVisits *visits)
{
	const SlmOwn *own = slm_dictionary_own(dictionary);
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "sellometer own keys", ALLOCSET_DEFAULT_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(scratch);
	uint64	   *by_tuple = groups != NULL ? count_by_tuple(dictionary, groups) : count_visits_by_tuple(dictionary, visits);

	Assert(slm_lock_held(SLM_LOCK_WRITER));
	if (!slm_dictionary_forget_others(dictionary))
		slm_out_of_memory();
	for (uint32 i = 0; i < own->n; i++)
	{
		if (groups != NULL || own->dimension[i].visits_from != PG_INT64_MAX)
			admit(dictionary, i, by_tuple);
	}
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(scratch);
}

void
slm_own_keys_admit(SlmDictionary *dictionary, const SlmGroups *groups)
{
	if (slm_dictionary_own(dictionary)->n > 0)
		admit_all(dictionary, groups, NULL);
}

void
slm_own_keys_admit_visits(SlmDictionary *dictionary, const SlmVisits *visits)
{
	if (slm_dictionary_own(dictionary)->visits)
		admit_all(dictionary, NULL, visits);
}

int32 *
slm_own_key_numbers(const SlmDictionary *dictionary, uint32 own, const SlmVisits *visits)
{
	static SlmStatement statement = {
		"SELECT u.n, k.number::bigint FROM unnest($2) WITH ORDINALITY u (key, n) JOIN sellometer.dimension_keys k ON k.dimension_id OPERATOR(pg_catalog.=) $1 AND k.key OPERATOR(pg_catalog.=) u.key",
		2, {INT8OID, TEXTARRAYOID}
	};
	uint32		nkeys = slm_dictionary_keys(dictionary, SLM_FIRST_OWN + own);
	int32	   *numbers = alloc_zero(nkeys, sizeof(int32));
	Named		named = {.dictionary = (SlmDictionary *) dictionary,.own = own,.keys = alloc_zero(nkeys, sizeof(NamedKey))};

	/* -1: wanted */
	for (uint32 i = 0; i < visits->n; i++)
	{
		SlmKeyId	key = slm_dictionary_counted_tuple_key(dictionary, (SlmTupleId) visits->visits[i].keys, own);

		if (key != SLM_NO_KEY)
			numbers[key] = -1;
	}
	for (SlmKeyId key = 0; key < nkeys; key++)
	{
		if (numbers[key] != 0)
			named.keys[named.n++] = (NamedKey) {.key = key,.text = slm_dictionary_text(dictionary, SLM_FIRST_OWN + own, key)};
	}
	for (uint32 first = 0, after; first < named.n; first = after)
	{
		uint64		rows = execute_for_keys(&statement, &named, first, named.n, &after, SPI_OK_SELECT);

		if (rows != after - first)
			elog(ERROR, "keys of visits were not admitted");
		for (uint64 row = 0; row < rows; row++)
			numbers[named.keys[first + slm_int64(row, 1, 0) - 1].key] = (int32) slm_int64(row, 2, 0);
	}
	pfree(named.keys);
	return numbers;
}

/* --- for who reads rows --- */

SlmOwnKeys *
slm_own_keys_read(int own)
{
	static SlmStatement others = {"SELECT FROM sellometer.dimension_others WHERE dimension_id = $1", 1, {INT8OID}};
	static SlmStatement admitted = {"SELECT key FROM sellometer.dimension_keys WHERE dimension_id = $1 ORDER BY key COLLATE \"C\"", 1, {INT8OID}};
	Datum		id = Int64GetDatum(slm_own()->dimension[own].id);
	SlmOwnKeys *keys;

	if (slm_query(&others, &id) == 0)
		return NULL;
	keys = palloc0(sizeof(SlmOwnKeys));
	keys->n = (int) slm_query(&admitted, &id);
	keys->admitted = palloc(sizeof(char *) * Max(keys->n, 1));
	for (int i = 0; i < keys->n; i++)
		keys->admitted[i] = slm_text(CurrentMemoryContext, i, 1);
	return keys;
}

static int
compare_to_admitted(const void *key, const void *admitted)
{
	const char *text = *(const char *const *) admitted;

	return slm_slice_compare(*(const SlmSlice *) key, (SlmSlice) {text, (uint32) strlen(text)});
}

SlmSlice
slm_own_keys_counted(const SlmOwnKeys *keys, SlmSlice key)
{
	if (bsearch(&key, keys->admitted, keys->n, sizeof(char *), compare_to_admitted) != NULL)
		return key;
	return (SlmSlice) {SLM_OTHER, sizeof(SLM_OTHER) - 1};
}
