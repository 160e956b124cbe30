/*
 * Days of a zone, and sets of visits, on their own and by way of a serialized batch.
 */
#include "unit.h"

#include "pure/granularity.h"
#include "pure/memory.h"
#include "pure/serialize.h"

#define HOUR	(60 * SLM_USECS_PER_MIN)
#define DAY		(24 * HOUR)

/* Two hours ahead until the 11th day at 1 UTC, one hour from then on; a day is left out on the 21st, when 20 hours are put on. */
static const SlmZoneChange changes[] = {
	{INT64_MIN, 7200}, {10 * DAY + HOUR, 3600}, {20 * DAY - HOUR, 25 * 3600}
};
static const SlmZone zone = {.name = "Test/Zone",.n = 3,.changes = changes,.unit = HOUR};

static void
test_days(void)
{
	const SlmGranularity day = {.usecs = DAY,.zone = &zone};
	const SlmGranularity month = {.months = 1,.zone = &zone};
	const SlmGranularity hour = {.usecs = HOUR};
	const SlmGranularity half_hour = {.usecs = HOUR / 2};
	const SlmGranularity ninety = {.usecs = HOUR + HOUR / 2};

	UNIT_EQ(slm_zone_unit(changes, 3), HOUR, "all are whole hours");
	UNIT_EQ(slm_zone_unit((const SlmZoneChange[]) {{INT64_MIN, 20700}}, 1), HOUR / 4, "5:45 is of quarters");
	UNIT_EQ(slm_bucket_start(day, 5 * DAY), 5 * DAY - 2 * HOUR, "midnight is two hours before that of UTC");
	UNIT_EQ(slm_bucket_next(day, 10 * DAY - 2 * HOUR) - (10 * DAY - 2 * HOUR), 25 * HOUR, "a day of 25 hours");
	UNIT_EQ(slm_bucket_start(day, 11 * DAY - HOUR - 1), 10 * DAY - 2 * HOUR, "up to its end");
	UNIT_EQ(slm_bucket_start(month, 40 * DAY), 31 * DAY - 25 * HOUR, "months begin so too");
	/* at 20 days less an hour the clock shows the beginning of the 21st, and is put to that of the 22nd */
	UNIT_EQ(slm_bucket_next(day, 19 * DAY - HOUR), 20 * DAY - HOUR, "the day before the one that there was not");
	UNIT_EQ(slm_bucket_next(day, 20 * DAY - HOUR), 21 * DAY - HOUR, "and the one behind it");
	for (SlmTime t = -DAY; t < 45 * DAY; t += HOUR / 2)
	{
		SlmTime		start = slm_bucket_start(day, t);

		if (start > t || slm_bucket_next(day, start) <= t || slm_bucket_start(day, start) != start)
			UNIT_OK(false, "a day holds its times");
	}
	UNIT_OK(slm_granularity_is_multiple(day, hour) && slm_granularity_is_multiple(day, half_hour) && slm_granularity_is_multiple(month, day) &&
			!slm_granularity_is_multiple(day, ninety) && !slm_granularity_is_multiple(day, (SlmGranularity) {.usecs = DAY}) &&
			!slm_granularity_is_multiple((SlmGranularity) {.usecs = DAY}, day), "days of a zone consist of its hours, not of other days");
	UNIT_OK(slm_granularity_in(hour, &zone).zone == NULL && slm_granularity_in((SlmGranularity) {.usecs = 7 * DAY}, &zone).zone == &zone,
			"weeks are a zone's, hours are not");
}

static void
test_set(void)
{
	SlmVisits	visits = {0};
	const SlmTime minute = SLM_USECS_PER_MIN;

	slm_visits_add(&visits, 7, 5 * minute + 3, false, 0);
	slm_visits_add(&visits, 7, -1, true, 0);
	slm_visits_add(&visits, 3, 5 * minute, true, 0);
	slm_visits_add(&visits, 7, 5 * minute + 9, false, 0);
	slm_visits_add(&visits, 7, -1, true, 0);
	slm_visits_add(&visits, 7, 90 * minute, false, 0);
	slm_visits_keep(&visits, -1, 90 * minute - 1);
	UNIT_EQ(visits.n, 8, "what is later is left out");
	slm_visits_unite(&visits);
	UNIT_EQ(visits.n, 5, "each once");
	UNIT_OK(visits.visits[0].session == 3 && visits.visits[4].session == 7 && !slm_visit_is_purchase(&visits.visits[2]) &&
			slm_visit_time(&visits.visits[2]) == -minute && slm_visit_is_purchase(&visits.visits[3]) && slm_visit_time(&visits.visits[3]) == -1 &&
			slm_visit_time(&visits.visits[4]) == 5 * minute, "by session and time: minutes, and moments of purchases");
	slm_visits_unite(&visits);
	UNIT_EQ(visits.n, 5, "and again");
	slm_visits_free(&visits);
}

#define KEYS	3

/* A dictionary with tuples of one own dimension's keys, numbered in the one order or the other. */
static SlmDictionary *
with_tuples(const SlmHashKey *key, bool turned, SlmTupleId *tuples)
{
	static const char *const texts[KEYS] = {"a", "b", "c"};
	SlmDictionary *dictionary = slm_dictionary_create(key);
	SlmOwn		own = {.n = 1,.nvalues = 1,.visits = true,.dimension = {{.id = 1}}};

	UNIT_OK(slm_dictionary_set_own(dictionary, &own), "a dimension");
	for (int i = 0; i < KEYS; i++)
	{
		int			k = turned ? KEYS - 1 - i : i;
		SlmKeyId	number = slm_dictionary_add_text(dictionary, SLM_FIRST_OWN, (SlmSlice) {texts[k], 1});

		UNIT_OK(slm_dictionary_add_tuple(dictionary, &number, &tuples[k]), "a tuple");
	}
	return dictionary;
}

static bool
same_visits(const SlmVisit *a, const SlmTupleId *a_tuples, const SlmVisit *b, const SlmTupleId *b_tuples, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
	{
		int			k = 0;

		while (k < KEYS && a_tuples[k] != a[i].keys)
			k++;
		if (a[i].session != b[i].session || a[i].when != b[i].when || (k == KEYS ? a[i].keys != 0 || b[i].keys != 0 : b_tuples[k] != b[i].keys))
			return false;
	}
	return true;
}

static void
test_bytes(bool wanted)
{
	SlmHashKey	key = {0};
	SlmTupleId	from_tuples[KEYS];
	SlmTupleId	to_tuples[KEYS];
	SlmDictionary *dictionary = with_tuples(&key, false, from_tuples);
	SlmDictionary *other = with_tuples(&key, true, to_tuples);
	SlmBatch	from;
	SlmBatch	to;
	SlmSerialized serialized;
	size_t		len;
	char	   *bytes;

	slm_batch_init(&from, dictionary);
	slm_batch_init(&to, other);
	from.visits.wanted = wanted;
	slm_visits_add(&to.visits, 1, 1, false, 0);
	for (uint64_t i = 0; wanted && i < 1000; i++)
		slm_visits_add(&from.visits, i, (SlmTime) i * 17, i % 3 == 0, i % (KEYS + 1) == KEYS ? 0 : from_tuples[i % (KEYS + 1)]);
	UNIT_OK(slm_batch_begin_object(&from) && slm_batch_serialize(&from, &serialized), "as bytes");
	len = serialized.len[0] + serialized.len[1];
	bytes = slm_table_alloc_dirty(len, 1);
	memcpy(bytes, serialized.data[0], serialized.len[0]);
	if (serialized.len[1] > 0)
		memcpy(bytes + serialized.len[0], serialized.data[1], serialized.len[1]);
	slm_serialized_free(&serialized);
	UNIT_OK(slm_batch_deserialize(bytes, len, bytes, len, &to), "and back");
	UNIT_OK(to.visits.n == from.visits.n + 1 && to.visits.wanted == wanted &&
			same_visits(from.visits.visits, from_tuples, to.visits.visits + 1, to_tuples, from.visits.n), "visits come along, with their keys, and whether they are there");
	slm_batch_free(&from);
	slm_batch_free(&to);
	slm_dictionary_free(dictionary);
	slm_dictionary_free(other);
}

int
main(void)
{
	test_days();
	test_set();
	test_bytes(true);
	test_bytes(false);
	return unit_done();
}
