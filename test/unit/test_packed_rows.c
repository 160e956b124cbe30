/*
 * Packed rows come back as they were put, and damaged bytes give an end or an error, never more than there is.
 */
#include "pure/packed_rows.h"
#include "unit.h"

#define MAX_ROWS	400
#define ROOM		(MAX_ROWS * 100)

static SlmPackedRow rows[MAX_ROWS];
static char texts[MAX_ROWS][40];
static unsigned char data[ROOM];

static int64_t
random_number(void)
{
	uint64_t	bits = (uint64_t) random() << 42 ^ (uint64_t) random() << 21 ^ (uint64_t) random();

	return (int64_t) (bits >> random() % 64);
}

static int
compare_products(const void *a, const void *b)
{
	return slm_packed_compare(a, b, false);
}

static int
compare_texts(const void *a, const void *b)
{
	return slm_packed_compare(a, b, true);
}

/* Rows in order, each key and place once. */
static int
random_rows(int n, bool as_texts, unsigned seed)
{
	int			kept = 0;

	for (int i = 0; i < n; i++)
	{
		SlmMoneySum money = random_number();

		money = random() % 2 ? money / 100 * 100 : money;
		rows[i] = (SlmPackedRow) {.product_id = seed % 3 ? random() % 20 + 1000000 : random_number(),.count = random_number(),
			.place = seed % 5 ? (uint64_t) random() % 240 : (uint64_t) random_number() >> 2};
		rows[i].gmv = random() % 4 ? money : -money * (random() % 8 ? 1 : (int64_t) 1 << 55);
		rows[i].text = (SlmSlice) {texts[i], (uint32_t) snprintf(texts[i], sizeof(texts[i]), "%.*s", (int) (random() % 30), "a.category.of.three.levels.and")};
	}
	qsort(rows, (size_t) n, sizeof(SlmPackedRow), as_texts ? compare_texts : compare_products);
	for (int i = 0; i < n; i++)
	{
		if (kept == 0 || slm_packed_compare(&rows[kept - 1], &rows[i], as_texts) != 0)
			rows[kept++] = rows[i];
	}
	return kept;
}

static void
round_trip(unsigned seed)
{
	bool		as_texts = seed % 2;
	SlmPackedWriter writer;
	SlmPackedReader reader;
	SlmPackedRow row;
	bool		ok = true;
	int			n;

	srandom(seed);
	n = random_rows(seed < 4 ? (int) seed / 2 : (int) (random() % MAX_ROWS), as_texts, seed);
	slm_packed_begin(&writer, data, ROOM, as_texts);
	for (int i = 0; i < n; i++)
		ok &= slm_packed_put(&writer, &rows[i]);
	slm_packed_read(&reader, data, writer.len, as_texts);
	for (int i = 0; i < n && ok; i++)
		ok = slm_packed_next(&reader, &row) == SLM_PACKED_ROW && slm_packed_compare(&row, &rows[i], as_texts) == 0 &&
			row.count == rows[i].count && row.gmv == rows[i].gmv;
	UNIT_OK(ok && slm_packed_next(&reader, &row) == SLM_PACKED_END, "seed %u: %d rows of %s come back", seed, n, as_texts ? "texts" : "products");

	/* in a block of its own, so that a step beyond its end is noticed */
	for (int i = 0; i < 50 && writer.len > 0; i++)
	{
		size_t		len = (size_t) random() % writer.len;
		unsigned char *part = malloc(len + 1);

		memcpy(part, data, len);
		if (len > 0 && random() % 2)
			part[(size_t) random() % len] ^= (unsigned char) (1 << random() % 8);
		slm_packed_read(&reader, part, len, as_texts);
		while (slm_packed_next(&reader, &row) == SLM_PACKED_ROW)
			ok &= row.text.len <= SLM_MAX_KEY_BYTES && row.place < (uint64_t) 1 << 62;
		free(part);
	}
	UNIT_OK(ok, "seed %u: damaged bytes end", seed);
}

static void
room(void)
{
	SlmPackedWriter writer;
	SlmPackedRow row = {.product_id = 7,.count = 1,.gmv = 100};
	size_t		len;

	slm_packed_begin(&writer, data, 200, false);
	while (slm_packed_put(&writer, &row))
		row.place++;
	len = writer.len;
	UNIT_OK(row.place > 10 && len <= 200 && !slm_packed_put(&writer, &row) && writer.len == len, "what has no room is not put");
}

int
main(void)
{
	room();
	for (unsigned seed = 0; seed < 200; seed++)
		round_trip(seed);
	return unit_done();
}
