/*
 * test_archive.c: what an archive is made of: whole records, one header for all, the row map, gzip.
 */
#include "unit.h"

#include "pure/columns.h"
#include "pure/csv.h"
#include "pure/deflate.h"
#include "pure/inflate.h"
#include "pure/number.h"
#include "pure/reader.h"
#include "pure/records.h"
#include "pure/rowmap.h"

#define HEAD	"event_time,event_type,product_id,price,brand\n"
#define GOOD	"2019-10-01 00:00:00 UTC,view,1,2.00,a\n"

/* All records of a text that is fed in pieces of some size: each in brackets, broken ones with an exclamation mark. */
static SlmText
records_of(const char *data, size_t len, size_t piece, SlmRecordsStatus *status)
{
	SlmRecords *records = slm_records_create(false, NULL);
	SlmText		text = {0};
	size_t		at = 0;

	for (;;)
	{
		SlmRawRecord record;
		size_t		n = len - at < piece ? len - at : piece;
		/* of its own, so that a read beyond it is seen */
		char	   *copy = malloc(n + 1);

		memcpy(copy, data + at, n);
		slm_records_feed(records, copy, n, at + n == len);
		at += n;
		while ((*status = slm_records_next(records, &record)) == SLM_RECORDS_ROW)
		{
			slm_text_add(&text, record.broken ? "!" : "[", 1);
			slm_text_add(&text, record.text.data, record.text.len);
			slm_text_add(&text, "]", 1);
		}
		free(copy);
		if (*status != SLM_RECORDS_MORE)
			break;
	}
	slm_records_free(records);
	return text;
}

static void
check_records(const char *data, const char *expected, const char *name)
{
	bool		same = true;

	for (size_t piece = 1; piece <= strlen(data) + 1; piece++)
	{
		SlmRecordsStatus status;
		SlmText		got = records_of(data, strlen(data), piece, &status);

		if (same && (status != SLM_RECORDS_END || got.len != strlen(expected) ||
					 (got.len > 0 && memcmp(got.data, expected, got.len) != 0)))
		{
			same = false;
			printf("# pieces of %zu: %.*s\n", piece, (int) got.len, got.data);
		}
		free(got.data);
	}
	UNIT_OK(same, "records: %s", name);
}

/* A text as a gzip file. */
static SlmText
zipped(const char *data, size_t len)
{
	SlmDeflate	deflate;
	SlmText		out = {0};
	char		piece[100];
	size_t		n;

	UNIT_OK(slm_deflate_init(&deflate), "deflate begins");
	do
	{
		n = slm_deflate_run(&deflate, &data, &len, true, piece, sizeof(piece));
		slm_text_add(&out, piece, n);
	} while (n == sizeof(piece));
	slm_deflate_free(&deflate);
	return out;
}

static void
test_records(void)
{
	SlmRecordsStatus status;
	SlmText		gzip;
	SlmText		got;

	check_records("", "", "nothing");
	check_records("a,b\n1,2\n", "[a,b][1,2]", "plain");
	check_records("\xef\xbb\xbf" "a,b\r\n\r\n1,2\r\n\n\n3,4", "[a,b][1,2][3,4]", "mark, CRLF, empty lines, no last line end");
	check_records("a\n\"x\ny\"\"\",2\n3\n", "[a][\"x\ny\"\"\",2][3]", "newline and quotes inside quotes");
	check_records("a\n\"x\ny\nz\n", "[a]!\"x][y][z]", "a quote that is left open costs its line");
	check_records("a\n\n\n\"x\"y\r\nz", "[a]!\"x\"y][z]", "text behind a closing quote");
	check_records("a\nz\n\"x", "[a][z]!\"x]", "a quote left open at the end");
	check_records("a\n1,\"2\r\n", "[a]!1,\"2]", "the same before the last line end");

	gzip = zipped(HEAD GOOD GOOD, strlen(HEAD GOOD GOOD));
	for (size_t piece = 1; piece < 30; piece += 7)
	{
		got = records_of(gzip.data, gzip.len, piece, &status);
		UNIT_OK(status == SLM_RECORDS_END && got.len == strlen(HEAD GOOD GOOD) + 3, "gzip in pieces of %zu", piece);
		free(got.data);
	}
	got = records_of(gzip.data, gzip.len - 3, 1000, &status);
	UNIT_EQ(status, SLM_RECORDS_DAMAGED, "gzip cut short");
	free(got.data);
	gzip.data[gzip.len - 5] ^= 1;
	free(records_of(gzip.data, gzip.len, 1000, &status).data);
	UNIT_EQ(status, SLM_RECORDS_DAMAGED, "gzip with a wrong checksum");
	free(gzip.data);
}

/* Rows that are too long, one behind the other: each comes out whole, however it is cut up. */
static void
test_long_rows(void)
{
	static const size_t lengths[] = {SLM_MAX_RECORD, SLM_MAX_RECORD + 1, SLM_MAX_RECORD + 1, 3 * SLM_MAX_RECORD, 5};
	static const size_t pieces[] = {1000, 32768, 100000, 10000000};
	SlmText		text = {0};
	SlmText		expected = {0};

	for (int i = 0; i < 5; i++)
	{
		char	   *row = malloc(lengths[i]);

		memset(row, 'a' + i, lengths[i]);
		if (i == 1)
			row[0] = '"';		/* an open quote, which nothing closes */
		slm_text_add(&text, row, lengths[i]);
		slm_text_add(&text, "\n", 1);
		slm_text_add(&expected, lengths[i] > SLM_MAX_RECORD ? "!" : "[", 1);
		slm_text_add(&expected, row, lengths[i]);
		slm_text_add(&expected, "]", 1);
		free(row);
	}
	for (int p = 0; p < 4; p++)
	{
		SlmRecordsStatus status;
		SlmText		got = records_of(text.data, text.len, pieces[p], &status);

		UNIT_OK(status == SLM_RECORDS_END && got.len == expected.len && memcmp(got.data, expected.data, got.len) == 0,
				"long rows in pieces of %zu", pieces[p]);
		free(got.data);
	}
	free(text.data);
	free(expected.data);

	text = (SlmText) {.data = malloc(SLM_RECORDS_LONGEST + 2),.len = SLM_RECORDS_LONGEST + 2};
	memset(text.data, 'x', text.len);
	{
		SlmRecordsStatus status;

		free(records_of(text.data, text.len, 1000000, &status).data);
		UNIT_EQ(status, SLM_RECORDS_TOO_LONG, "a row that is longer than can be held");
	}
	free(text.data);
}

/* What the reader says of a text: one line a row. */
static SlmText
read_as(const char *data, size_t len)
{
	SlmReaderOptions options = {.latest = INT64_MAX};
	SlmReader  *reader = slm_reader_create(&options);
	SlmReadRow	row;
	SlmReadStatus status;
	SlmText		out = {0};
	char		line[300];

	slm_reader_feed(reader, data, len, true);
	while ((status = slm_reader_next(reader, &row)) == SLM_READ_EVENT || status == SLM_READ_REJECT)
	{
		int			n;

		if (status == SLM_READ_EVENT)
			n = snprintf(line, sizeof(line), "%lld %d %lld %lld [%.*s] [%.*s]\n", (long long) row.event.time, row.event.type,
						 (long long) row.event.product_id, (long long) row.event.price, (int) row.event.brand.len,
						 row.event.brand.data, (int) row.event.session.len, row.event.session.data);
		else
			/* a row of broken quoting comes back as one with too few fields */
			n = snprintf(line, sizeof(line), "%s\n", row.reject.reason == SLM_REJECT_BAD_QUOTE ? "column_count"
						 : slm_reject_name(row.reject.reason));
		slm_text_add(&out, line, (size_t) n);
	}
	slm_reader_free(reader);
	return out;
}

/* Put objects under one header, as an archive has them. */
static SlmText
pack(const char *const *objects, int n)
{
	SlmColumns	columns = {0};
	SlmSchema	schemas[8];
	SlmText		out = {0};

	for (int pass = 0; pass < 2; pass++)
	{
		if (pass == 1)
			slm_columns_header(&columns, &out);
		for (int i = 0; i < n; i++)
		{
			SlmRecords *records = slm_records_create(false, NULL);
			SlmRawRecord record;
			bool		header = true;

			slm_records_feed(records, objects[i], strlen(objects[i]), true);
			while (slm_records_next(records, &record) == SLM_RECORDS_ROW)
			{
				SlmSlice	fields[16];
				SlmSlice	by_column[16];

				if (header && pass == 0)
					slm_columns_take(&columns, record.text, &schemas[i]);
				if (!header && pass == 1)
				{
					if (!record.fits)
						slm_single_field(record.text, &out);
					else
						slm_columns_row(&columns, &schemas[i], record.text, fields, by_column, &out);
				}
				header = false;
			}
			slm_records_free(records);
		}
	}
	for (int i = 0; i < n; i++)
		free(schemas[i].column);
	slm_columns_free(&columns);
	return out;
}

static void
test_columns(void)
{
	static const char *const objects[] = {
		"event_time,event_type,product_id,price\n2019-10-01 00:00:00 UTC,cart,1,2.00\nbad,cart,1,2\nx\n",
		",Price , brand,event_type,product_id,event_time,\"a \"\"b\"\"\",x,x\n"
		"0,3.5,\"b, \"\"c\"\"\nd\",purchase,7,\"2019-10-01 00:00:01\",\"e\",f,g\n"
		"0,3.5,\"open\n",
		"event_time,event_type,product_id,price,user_session\n2019-10-01 00:00:02,view,1,2.00,s\r\n",
	};
	SlmText		packed = pack(objects, 3);
	SlmText		apart = {0};
	SlmText		together = read_as(packed.data, packed.len);

	for (int i = 0; i < 3; i++)
	{
		SlmText		one = read_as(objects[i], strlen(objects[i]));

		slm_text_add(&apart, one.data, one.len);
		free(one.data);
	}
	slm_text_add(&apart, "", 1);
	slm_text_add(&packed, "", 1);
	UNIT_STR(together.data, together.len, apart.data, "rows under one header mean what they meant apart");
	UNIT_STR(packed.data, strcspn(packed.data, "\n"),
			 "event_time,event_type,product_id,price,,brand,\"a \"\"b\"\"\",x,x,user_session", "one header");
	UNIT_OK(strstr(packed.data, "\n\"2019-10-01 00:00:01\",purchase,7,3.5,0,\"b, \"\"c\"\"\nd\",\"e\",f,g,\n") != NULL,
			"values as they came, in other places");
	UNIT_OK(strstr(packed.data, "\n\"0,3.5,\"\"open\"\n") != NULL, "a broken row is one quoted field");
	UNIT_OK(strstr(packed.data, "\nx\n") == NULL && strstr(packed.data, "\n\"x\"\n") != NULL, "so is one with other fields");
	free(packed.data);
	free(apart.data);
	free(together.data);
}

static void
test_fields(void)
{
	static const char *const lines[] = {"", ",", "a", "a,", "\"\"", "\"a,b\"\"\",c", "\"\"\"\",\"\"", ",,\"x\ny\",z"};
	static const int counts[] = {1, 2, 1, 2, 1, 2, 2, 4};

	for (int i = 0; i < 8; i++)
	{
		SlmSlice	fields[8];
		SlmSlice	line = {lines[i], (uint32_t) strlen(lines[i])};
		size_t		n = slm_record_fields(line, fields, 8);
		size_t		len = n - 1;

		for (size_t f = 0; f < n; f++)
			len += fields[f].len;
		UNIT_OK(n == (size_t) counts[i] && len == line.len, "fields of [%s]", lines[i]);
	}
}

static void
test_row_map(void)
{
	SlmRowMap	map = {0};
	SlmRowMapReader reader;
	uint32_t	seed = 1;
	uint32_t	object;
	bool		counted;
	bool		same = true;

	for (int i = 0; i < 200000; i++)
	{
		seed = seed * 1103515245 + 12345;
		if (!slm_row_map_add(&map, i % 1000 < 500 ? 7 : seed >> 16 & 1023, i % 1000 < 500 || seed >> 30))
			same = false;
	}
	UNIT_OK(same && slm_row_map_finish(&map), "a row map is made");
	UNIT_OK(slm_row_map_read(&reader, map.data, map.len), "and read");
	seed = 1;
	for (int i = 0; i < 200000 && same; i++)
	{
		seed = seed * 1103515245 + 12345;
		same = slm_row_map_next(&reader, &object, &counted) &&
			object == (i % 1000 < 500 ? 7 : (seed >> 16 & 1023)) && counted == (i % 1000 < 500 || seed >> 30 != 0);
	}
	UNIT_OK(same, "it says what was put in");
	UNIT_OK(!slm_row_map_next(&reader, &object, &counted), "and no more");
	slm_row_map_close(&reader);

	for (size_t len = 0; len < map.len; len += 1 + map.len / 50)
	{
		int			n = 0;

		slm_row_map_read(&reader, map.data, len);
		while (slm_row_map_next(&reader, &object, &counted))
			n++;
		slm_row_map_close(&reader);
		same &= n < 200000;
	}
	UNIT_OK(same, "a map that is cut short has fewer rows");
	slm_row_map_free(&map);
	UNIT_OK(slm_row_map_finish(&map) && map.len > 0, "an empty map");
	slm_row_map_free(&map);
}

int
main(void)
{
	test_records();
	test_long_rows();
	test_fields();
	test_columns();
	test_row_map();
	return unit_done();
}
