/*
 * test_reader.c: the reader as a whole: gzip, headers, statistics, and bytes by the gigabyte.
 */
#include "unit.h"

#include <sys/resource.h>
#include <zlib.h>

#include "feed.h"
#include "pure/csv.h"

#define HEAD	"event_time,event_type,product_id,price,brand,user_session\n"
#define NO_END	"2019-10-01 00:00:00 UTC,view,1,2.00,a,s"
#define ROW		NO_END "\n"

static const char sample[] =
	"event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n"
	"2019-10-01 00:00:00 UTC,view,44600062,2103807459595387724,,shiseido,35.79,541312140,"
	"72d76fde-8bb3-4e00-8c23-a032dfed738c\n"
	"2019-10-01 00:00:00 UTC,view,3900821,2053013552326770905,appliances.environment.water_heater,aqua,33.20,"
	"554748717,9333dfbd-b87a-4708-9857-6336556b0fcc\n"
	"2019-10-01 00:00:01 UTC,view,17200506,2053013559792632471,furniture.living_room.sofa,,543.10,519107250,"
	"566511c2-e2e3-422b-b695-cf8e6e792ca8\n";

static const char sample_read[] =
	"2: 623203200000000 view 44600062 357900 c2103807459595387724 u541312140 code=[] brand=[shiseido] "
	"session=[72d76fde-8bb3-4e00-8c23-a032dfed738c]\n"
	"3: 623203200000000 view 3900821 332000 c2053013552326770905 u554748717 "
	"code=[appliances.environment.water_heater] brand=[aqua] session=[9333dfbd-b87a-4708-9857-6336556b0fcc]\n"
	"4: 623203201000000 view 17200506 5431000 c2053013559792632471 u519107250 code=[furniture.living_room.sofa] "
	"brand=[] session=[566511c2-e2e3-422b-b695-cf8e6e792ca8]\n"
	"rows 3 rejected 0 csv 504 unknown 0\n";

/* A literal and its length. */
#define TEXT(literal)	literal, sizeof(literal) - 1

typedef struct Bytes
{
	char		data[65536];
	size_t		len;
} Bytes;

/* Append a gzip member that holds text. */
static void
add_member(Bytes *bytes, const char *text, size_t len)
{
	z_stream	stream = {0};

	deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
	stream.next_in = (Bytef *) (uintptr_t) text;
	stream.avail_in = (uInt) len;
	stream.next_out = (Bytef *) bytes->data + bytes->len;
	stream.avail_out = (uInt) (sizeof(bytes->data) - bytes->len);
	deflate(&stream, Z_FINISH);
	bytes->len = sizeof(bytes->data) - stream.avail_out;
	deflateEnd(&stream);
}

static void
add(Bytes *bytes, const char *data, size_t len)
{
	memcpy(bytes->data + bytes->len, data, len);
	bytes->len += len;
}

static void
reads(const char *name, const void *data, size_t len, const char *expected)
{
	static const long pieces[] = {0, 1, 2, 5, 100, -1, -2};
	int			bad = 0;

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
	{
		Transcript	t = transcribe(data, len, pieces[i], (int) i % 2 == 0 ? 0 : 1, INT64_MAX);

		if (strcmp(t.text, expected) != 0 && bad++ == 0)
			printf("# pieces of %ld\n# got\n%s# expected\n%s", pieces[i], t.text, expected);
		free(t.text);
	}
	UNIT_EQ(bad, 0, "%s", name);
}

static SlmReadErrorCode
error_of(const Bytes *bytes, long piece)
{
	Transcript	t = transcribe(bytes->data, bytes->len, piece, 0, INT64_MAX);

	free(t.text);
	return t.error;
}

static void
test_gzip(void)
{
	static const char zeros[600];
	size_t		cut = sizeof(sample) / 2;
	Bytes	   *b = calloc(1, sizeof(Bytes));
	Bytes	   *short_of = calloc(1, sizeof(Bytes));
	int			bad = 0;

	reads("plain", sample, strlen(sample), sample_read);
	add_member(b, sample, strlen(sample));
	reads("gzip", b->data, b->len, sample_read);
	/* cut anywhere, it ends too early */
	for (size_t len = 2; len < b->len; len++)
	{
		Transcript	t = transcribe(b->data, len, (long) (len % 7), 0, INT64_MAX);

		bad += t.error != SLM_READ_ERROR_GZIP_SHORT;
		free(t.text);
	}
	UNIT_EQ(bad, 0, "gzip cut at any byte");
	*short_of = *b;
	add(b, zeros, sizeof(zeros));
	reads("gzip with padding", b->data, b->len, sample_read);
	add(b, "\x1f", 1);
	UNIT_EQ(error_of(b, 0), SLM_READ_ERROR_GZIP_SHORT, "a member that is cut short behind the padding");
	b->len--;
	add(b, "x", 1);
	UNIT_EQ(error_of(b, 0), SLM_READ_ERROR_GZIP, "anything else behind the padding");
	b->len--;
	add_member(b, "", 0);
	reads("gzip with padding amid", b->data, b->len, sample_read);
	*b = *short_of;
	add(b, "x", 1);
	UNIT_EQ(error_of(b, 0), SLM_READ_ERROR_GZIP, "garbage behind a member");
	*b = *short_of;
	add(b, "\x1f\x8b\x07\0", 4);
	UNIT_EQ(error_of(b, 0), SLM_READ_ERROR_GZIP, "no member behind a member");
	*b = *short_of;
	add(b, "\x1f", 1);
	UNIT_EQ(error_of(b, 0), SLM_READ_ERROR_GZIP_SHORT, "one byte of a member behind a member");

	b->len = 0;
	add_member(b, sample, cut);
	add_member(b, "", 0);
	add_member(b, sample + cut, strlen(sample) - cut);
	reads("gzip of three members, one empty", b->data, b->len, sample_read);
	b->data[20] ^= 0x55;
	UNIT_EQ(error_of(b, 1), SLM_READ_ERROR_GZIP, "damaged gzip");

	b->len = 0;
	add_member(b, "", 0);
	reads("empty gzip", b->data, b->len, "rows 0 rejected 0 csv 0 unknown 0\n");
	b->len = 0;
	add_member(b, "\xef\xbb\xbf" HEAD ROW, strlen(HEAD ROW) + 3);
	reads("gzip with a byte order mark", b->data, b->len,
		  "2: 623203200000000 view 1 20000 code=[] brand=[a] session=[s]\nrows 1 rejected 0 csv 101 unknown 0\n");
	/* the checksum is wrong: what was read stands, and the end is no good one */
	*b = *short_of;
	b->data[b->len - 5] ^= 1;
	{
		char		expected[2000];

		sprintf(expected, "%.*sfailed: the gzip data is damaged\nrows 3 rejected 0 csv 0 unknown 0\n",
				(int) (strstr(sample_read, "rows") - sample_read), sample_read);
		reads("gzip with a wrong checksum", b->data, b->len, expected);
	}
	free(b);
	free(short_of);
}

/* Of gzip data that is cut short, all that can be inflated is read, however it is fed. */
static void
test_gzip_short_rows(void)
{
	size_t		rows = 20000;
	char	   *csv = malloc(rows * sizeof(ROW) + sizeof(HEAD));
	char	   *p = csv + sprintf(csv, "%s", HEAD);
	Bytes	   *b = calloc(1, sizeof(Bytes));
	int			bad = 0;

	for (size_t i = 0; i < rows; i++)
		p += sprintf(p, "%s", ROW);
	add_member(b, csv, (size_t) (p - csv));
	for (size_t len = b->len - 1; len > b->len - 60; len--)
	{
		Transcript	whole = transcribe(b->data, len, 0, 1, INT64_MAX);
		Transcript	single = transcribe(b->data, len, 1, 1, INT64_MAX);

		bad += strcmp(whole.text, single.text) != 0 || whole.error != SLM_READ_ERROR_GZIP_SHORT;
		free(whole.text);
		free(single.text);
	}
	UNIT_EQ(bad, 0, "gzip of many rows cut short gives the same rows whole and byte by byte");
	free(csv);
	free(b);
}

static void
fails(const char *name, const char *data, size_t len, SlmReadErrorCode code)
{
	int			bad = 0;

	for (long piece = 0; piece < 4; piece++)
	{
		Transcript	t = transcribe(data, len, piece, 0, INT64_MAX);

		bad += t.error != code || t.events != 0 || strstr(t.text, "failed: ") == NULL;
		free(t.text);
	}
	UNIT_EQ(bad, 0, "%s", name);
}

static void
test_headers(void)
{
	char	   *longest = malloc(3000000);

	reads("pandas", TEXT(",event_time,event_type,product_id,price\n0,2019-10-01 00:00:00,cart,5,1\n"),
		  "2: 623203200000000 cart 5 10000 code=[] brand=[] session=[]\nrows 1 rejected 0 csv 71 unknown 0\n");
	reads("unknown columns", TEXT("a,event_time,b,event_type,product_id,price,\n0,2019-10-01 00:00:00,b,cart,5,1,\n"),
		  "2: 623203200000000 cart 5 10000 code=[] brand=[] session=[]\nrows 1 rejected 0 csv 78 unknown 3\n");
	reads("pieces", TEXT("quantity,event_time,event_type,product_id,price\n"
						 "3,2019-10-01 00:00:00,cart,5,1\n,2019-10-01 00:00:00,purchase,5,1\nnan,2019-10-01 00:00:00,cart,5,1\n"
						 "\"0100000.0\",2019-10-01 00:00:00,cart,5,1\n-7,2019-10-01 00:00:00,view,5,1\n-7,2019-10-01 00:00:00,cart,5,1\n"
						 "event_time,event_type,product_id,price\n2019-10-01 00:00:00,cart,5,1\n"),
		  "2: 623203200000000 cart 5 10000 q3 code=[] brand=[] session=[]\n"
		  "3: 623203200000000 purchase 5 10000 code=[] brand=[] session=[]\n"
		  "4: 623203200000000 cart 5 10000 code=[] brand=[] session=[]\n"
		  "5: 623203200000000 cart 5 10000 q100000 code=[] brand=[] session=[]\n"
		  "6: 623203200000000 view 5 10000 code=[] brand=[] session=[]\n"
		  "7: bad_quantity 9 (quantity \"-7\" is negative: what is given back is not counted) raw=[-7,2019-10-01 00:00:00,cart,5,1]\n"
		  "9: 623203200000000 cart 5 10000 code=[] brand=[] session=[]\n"
		  "rows 7 rejected 1 csv 319 unknown 0\n");
	reads("ids", TEXT("event_id,event_time,event_type,product_id,price,quantity\n"
					  "a b,2019-10-01 00:00:00,cart,5,1,3\n\" \",2019-10-01 00:00:00,cart,5,1,\n7,2019-10-01 00:00:00,view,5,1,3\n"
					  "N/A,2019-10-01 00:00:00,purchase,5,1,\nevent_time,event_type,product_id,price\n2019-10-01 00:00:00,cart,5,1\n"),
		  "2: 623203200000000 cart 5 10000 q3 id=[a b] code=[] brand=[] session=[]\n"
		  "3: 623203200000000 cart 5 10000 code=[] brand=[] session=[]\n"
		  "4: 623203200000000 view 5 10000 code=[] brand=[] session=[]\n"
		  "5: 623203200000000 purchase 5 10000 code=[] brand=[] session=[]\n"
		  "7: 623203200000000 cart 5 10000 code=[] brand=[] session=[]\n"
		  "rows 5 rejected 0 csv 265 unknown 0\n");
	reads("names", TEXT("event_time,event_type,product_id,price,product_name\n"
						"2019-10-01 00:00:00,cart,5,1,\" a, \"\"b\"\" \"\n2019-10-01 00:00:00,cart,5,1,null\n"
						"event_time,event_type,product_id,price\n2019-10-01 00:00:00,cart,5,1\n"),
		  "2: 623203200000000 cart 5 10000 name=[a, \"b\"] code=[] brand=[] session=[]\n"
		  "3: 623203200000000 cart 5 10000 code=[] brand=[] session=[]\n"
		  "5: 623203200000000 cart 5 10000 code=[] brand=[] session=[]\n"
		  "rows 3 rejected 0 csv 196 unknown 0\n");
	reads("currencies", TEXT("currency,event_time,event_type,product_id,price\n"
							 "EUR,2019-10-01 00:00:00,cart,5,1\n usd ,2019-10-01 00:00:00,view,5,0.0001\nnan,2019-10-01 00:00:00,cart,5,1\n"
							 "GOLD,2019-10-01 00:00:00,cart,5,999999999999\nX,2019-10-01 00:00:00,cart,5,1\nEUR,1999-10-01 00:00:00,cart,5,1\n"
							 "event_time,event_type,product_id,price\n2019-10-01 00:00:00,cart,5,1\n"),
		  "2: 623203200000000 cart 5 15000 in=[EUR] code=[] brand=[] session=[]\n"
		  "3: 623203200000000 view 5 2 in=[usd] code=[] brand=[] session=[]\n"
		  "4: 623203200000000 cart 5 10000 code=[] brand=[] session=[]\n"
		  "5: bad_price 6 (price \"999999999999\" is 10^12 or more in the shop's currency) raw=[GOLD,2019-10-01 00:00:00,cart,5,999999999999]\n"
		  "6: no_rate 11 (currency \"X\" has no rate at that time) raw=[X,2019-10-01 00:00:00,cart,5,1]\n"
		  "7: no_rate 11 (currency \"EUR\" has no rate at that time) raw=[EUR,1999-10-01 00:00:00,cart,5,1]\n"
		  "9: 623203200000000 cart 5 10000 code=[] brand=[] session=[]\n"
		  "rows 7 rejected 3 csv 331 unknown 0\n");
	fails("a missing column", TEXT("event_time,event_type,price\n"), SLM_READ_ERROR_COLUMN);
	fails("a column twice", TEXT("event_time,event_type,product_id,price,price\n"), SLM_READ_ERROR_COLUMN);
	fails("no known column", TEXT("<html>\n<body>\n"), SLM_READ_ERROR_NOT_CSV);
	fails("NUL in the header", TEXT("event_time\0,event_type,product_id,price\n"), SLM_READ_ERROR_NOT_CSV);
	fails("UTF-16", TEXT("\xff\xfe" "e\0v\0"), SLM_READ_ERROR_NOT_CSV);
	fails("Latin-1 in the header", TEXT("event_time,event_type,product_id,price,\xe9\n"), SLM_READ_ERROR_NOT_CSV);
	fails("one byte of a gzip magic", TEXT("\x1f"), SLM_READ_ERROR_NOT_CSV);
	fails("gzip magic and nothing more", TEXT("\x1f\x8b"), SLM_READ_ERROR_GZIP_SHORT);
	memset(longest, 'x', 3000000);
	fails("a header of 3 MB", longest, 3000000, SLM_READ_ERROR_NOT_CSV);
	memset(longest, ',', 3000000);
	memcpy(longest, "event_time,event_type,product_id,price", 38);
	longest[1000000] = '\n';
	memset(longest + 1000001, ',', 999965);
	longest[1999966] = '\n';
	{
		Transcript	t = transcribe(longest, 1999967, 1000, 1, INT64_MAX);

		UNIT_OK(t.error == SLM_READ_ERROR_NONE && t.rejects == 1 && strstr(t.text, "bad_time") != NULL,
				"a header of a million fields, and a row of as many");
		UNIT_EQ(t.stats.unknown_columns, 999962, "nearly all of them unknown");
		free(t.text);
	}
	free(longest);
}

/* The message that an object fails with. */
static void
fails_with(const char *name, const char *data, size_t len, const char *message)
{
	char		expected[400];

	sprintf(expected, "failed: %s\nrows 0 rejected 0 csv 0 unknown 0\n", message);
	reads(name, data, len, expected);
}

#define SEMICOLONS	"event_time;event_type;product_id;price\n2019-10-01 00:00:00;view;1;2,5\n"

static void
test_causes(void)
{
	char		tar[600] = "data.csv";

	fails_with("semicolons", TEXT(SEMICOLONS), "the columns are separated by semicolons (;), not by commas");
	fails_with("tabs", TEXT("\"event_time\"\tevent_type\tproduct_id\tprice\n"), "the columns are separated by tabs, not by commas");
	fails_with("bars, and a comma", TEXT("event_time|event_type|product_id|price|a,b\n"),
			   "the columns are separated by bars (|), not by commas");
	fails_with("sep=;", TEXT("sep=;\r\n" SEMICOLONS), "the columns are separated by semicolons (;), not by commas: the first line says so");
	fails_with("UTF-16, little end first", TEXT("\xff\xfe" "e\0v\0e\0n\0t\0\n\0"), "the object is no CSV: it is UTF-16 text");
	fails_with("UTF-16, big end first", TEXT("\xfe\xff\0e\0v\0e\0n\0t\0\n"), "the object is no CSV: it is UTF-16 text");
	fails_with("UTF-16 without a mark", TEXT("e\0v\0e\0n\0t\0_\0t\0i\0m\0e\0,\0\n\0"), "the object is no CSV: it is UTF-16 text");
	fails_with("UTF-32 without a mark", TEXT("e\0\0\0v\0\0\0e\0\0\0n\0\0\0"), "the object is no CSV: it is UTF-32 text");
	fails_with("zlib", TEXT("x\x9cK-K\xcd\n"), "the object is no CSV: it is compressed with zlib");
	fails_with("zip", TEXT("PK\x03\x04\x14\0\x08\0\0\0"), "the object is no CSV: it is a zip archive (or a spreadsheet that is one)");
	fails("zstd that is cut short", TEXT("\x28\xb5\x2f\xfd\x04\x58\n"), SLM_READ_ERROR_GZIP_SHORT);
	fails("bzip2 that is cut short", TEXT("BZh91AY&SY\x8e\n"), SLM_READ_ERROR_GZIP_SHORT);
	fails("xz that is cut short", TEXT("\xfd" "7zXZ\0\0\x04\r"), SLM_READ_ERROR_GZIP_SHORT);
	fails_with("lz4", TEXT("\x04\"M\x18\x64\x40\xa7"), "the object is no CSV: it is compressed with lz4");
	fails_with("JSON", TEXT("{\"event_time\":\"2019-10-01\",\"price\":1}\n"), "the object is no CSV: it is JSON");
	memcpy(tar + 257, "ustar", 5);
	fails_with("tar", tar, sizeof(tar), "the object is no CSV: it is a tar archive");
	fails_with("cp1252", TEXT("event_time,event_type,product_id,price,caf\xe9\n"),
			   "the first line is no header: it is not UTF-8: 0xe9, which would be \"\xc3\xa9\" in cp1252");
	fails_with("a zero-width space", TEXT("event_time,event_type,product\xe2\x80\x8b_id,price\n"),
			   "the header line lacks the required column \"product_id\": its field 3 has that name with a zero-width space (U+200B) in it");
	fails_with("other line ends", TEXT("event_time,event_type,product_id,price\xe2\x80\xa8" "2019-10-01 00:00:00,view,1,2\xe2\x80\xa8"),
			   "field 4 of the header line can't be the name of a column: it holds a line break");
	fails_with("rows in the header", TEXT("event_time,event_type,product_id,price,2019-10-01 00:00:00,view,1,2\n"),
			   "field 5 of the header line can't be the name of a column: it holds a time: rows stand in the header line");
	fails_with("a row behind the header's last name", TEXT("event_time,event_type,product_id,price,note2019-10-01 00:00:00,view,1,2\n"),
			   "field 5 of the header line can't be the name of a column: it holds a time: rows stand in the header line");
	fails_with("all of the header in quotes", TEXT("\"event_time,event_type,product_id,price\"\n\"2019-10-01 00:00:00,view,1,2\"\n"),
			   "the first line is no header: all of it stands in quotes, as one field");
	fails_with("another spelling", TEXT("Event Time,event_type,product_id,price\n"),
			   "the header line lacks the required column \"event_time\": its field 1 is written otherwise: \"Event Time\"");
	fails_with("blanks before quotes", TEXT("\"event_time\", \"event_type\", \"product_id\", \"price\"\n"),
			   "the header line lacks the required column \"event_type\": its field 2 is written otherwise: \" \"event_type\"\"");
	fails_with("a control character", TEXT("event_time,event_type,product_id,price,a\x1e" "b\n"),
			   "field 5 of the header line can't be the name of a column: it holds a control character");
	fails_with("nothing but comment", TEXT("# made by hand\n\n"), "the object has no header line");
}

/* What may stand before a header, and a header that stands again. */
static void
test_more_headers(void)
{
	static const char one[] = "2: 623203200000000 view 1 20000 code=[] brand=[a] session=[s]\n";
	static const char two[] = "3: 623203200000000 view 1 20000 code=[] brand=[a] session=[s]\n";
	char		expected[2000];

	sprintf(expected, "%srows 1 rejected 0 csv 105 unknown 0\n", two);
	reads("sep=,", TEXT("sep=,\r\n" HEAD ROW), expected);
	reads("a comment", TEXT("# \xe9\"b\r\n" HEAD ROW), expected);
	reads("a comment with an opening quote", TEXT("# ,\",b\r\n" HEAD "2019-10-01 00:00:00,view,1,2,a,s\n\n\n\n\n\n\n"), expected);
	reads("a comment with a quote that a row closes", TEXT("# ,\"\n" HEAD "2019-10-01 00:00:00,view,1,2,a\",s\n\n\n\n\n\n\n\n\n"),
		  "3: 623203200000000 view 1 20000 code=[] brand=[a\"] session=[s]\nrows 1 rejected 0 csv 105 unknown 0\n");
	reads("sep= with empty cells, blank lines", TEXT("sep=,,,\n \t\n" HEAD "2019-10-01 00:00:00,view,1,2,a,s\n \n\xc2\xa0\n\n"),
		  "4: 623203200000000 view 1 20000 code=[] brand=[a] session=[s]\nrows 1 rejected 0 csv 108 unknown 0\n");
	reads("sep= behind a byte order mark, inside", TEXT(HEAD ROW "\xef\xbb\xbfsep=,\r\n" HEAD ROW),
		  "2: 623203200000000 view 1 20000 code=[] brand=[a] session=[s]\n5: 623203200000000 view 1 20000 code=[] brand=[a] session=[s]\n"
		  "rows 2 rejected 0 csv 206 unknown 0\n");
	reads("a header behind #", TEXT("# \"event_time\",event_type,product_id,price\n2019-10-01 00:00:00,view,1,2\n"),
		  "2: 623203200000000 view 1 20000 code=[] brand=[] session=[]\nrows 1 rejected 0 csv 72 unknown 0\n");
	reads("columns without a name at the end", TEXT("event_time,event_type,product_id,price,,\n2019-10-01 00:00:00,view,1,2\n"
		  "2019-10-01 00:00:00,view,1,2,,\n2019-10-01 00:00:00,view,1,2,,,x\n"),
		  "2: 623203200000000 view 1 20000 code=[] brand=[] session=[]\n3: 623203200000000 view 1 20000 code=[] brand=[] session=[]\n"
		  "4: column_count -1 (7 fields where the header has 6) raw=[2019-10-01 00:00:00,view,1,2,,,x]\nrows 3 rejected 1 csv 134 unknown 2\n");
	/* where it is not stripped, the column of that name is lost, and an optional one in silence */
	reads("a byte order mark behind sep=,",
		  TEXT("sep=,\r\n\xef\xbb\xbf\"user_session\",event_time,event_type,product_id,price\ns,2019-10-01 00:00:00,cart,5,1\n"),
		  "3: 623203200000000 cart 5 10000 code=[] brand=[] session=[s]\nrows 1 rejected 0 csv 95 unknown 0\n");
	sprintf(expected, "%s4: 623203200000000 view 1 20000 code=[] brand=[a] session=[s]\nrows 2 rejected 0 csv 196 unknown 0\n", one);
	reads("the header again", TEXT(HEAD ROW HEAD ROW), expected);
	reads("a header beginning with #", TEXT("#,event_time,event_type,product_id,price\n1,2019-10-01 00:00:00,cart,5,1\n"),
		  "2: 623203200000000 cart 5 10000 code=[] brand=[] session=[]\nrows 1 rejected 0 csv 72 unknown 1\n");
	reads("another header",
		  TEXT(HEAD ROW "\xef\xbb\xbfprice,product_id,\"event_type\",event_time\r\n7,1002,purchase,2019-10-01 00:00:00\r" HEAD ROW HEAD),
		  "2: 623203200000000 view 1 20000 code=[] brand=[a] session=[s]\n"
		  "4: 623203200000000 purchase 1002 70000 code=[] brand=[] session=[]\n"
		  "6: 623203200000000 view 1 20000 code=[] brand=[a] session=[s]\n"
		  "rows 3 rejected 0 csv 335 unknown 0\n");
	reads("headers alone", TEXT(HEAD HEAD "\n" HEAD), "rows 0 rejected 0 csv 175 unknown 0\n");
	reads("nothing that would be a row", TEXT("\xef\xbb\xbf\xef\xbb\xbfsep=,\r\n# c\r\n\xef\xbb\xbf" HEAD "\r\r\n\n\r\r\xef\xbb\xbf" HEAD),
		  "rows 0 rejected 0 csv 146 unknown 0\n");
	reads("a row that names a column is a row", TEXT(HEAD "event_time,view,1,2.00,a,s\n"),
		  "2: bad_time 0 (event_time \"event_time\" is not written like 2019-10-01 00:00:00) raw=[event_time,view,1,2.00,a,s]\nrows 1 rejected 1 csv 85 unknown 0\n");
	reads("another header that lacks a column", TEXT(HEAD ROW "event_time,event_type,product_id,cost,brand,user_session\n" ROW),
		  "2: 623203200000000 view 1 20000 code=[] brand=[a] session=[s]\n"
		  "failed: line 3 has another header, which can't be used: the header line lacks the required column \"price\"\n"
		  "rows 1 rejected 0 csv 0 unknown 0\n");
	reads("another header with other names", TEXT(HEAD ROW "zeit,typ,price,product_id,marke,sitzung\n" ROW),
		  "2: 623203200000000 view 1 20000 code=[] brand=[a] session=[s]\n"
		  "failed: line 3 has another header, which can't be used: the header line lacks the required column \"event_time\"\n"
		  "rows 1 rejected 0 csv 0 unknown 0\n");
	reads("gzip behind rows", TEXT(HEAD NO_END "\x1f\x8b\x08\x01\n"),
		  "failed: line 2 is no CSV: behind the rows stands gzip data\nrows 0 rejected 0 csv 0 unknown 0\n");
	reads("gzip behind a quoted field", TEXT(HEAD "2019-10-01 00:00:00,view,1,2.00,a,\"s\"" "\x1f\x8b\x08\x01\n"),
		  "failed: line 2 is no CSV: behind the rows stands gzip data\nrows 0 rejected 0 csv 0 unknown 0\n");
	reads("another header that is not UTF-8", TEXT(HEAD ROW "price,event_time,event_type,product_id,\xe9\n" ROW),
		  "2: 623203200000000 view 1 20000 code=[] brand=[a] session=[s]\n"
		  "failed: line 3 has another header, which can't be used: it is not UTF-8\nrows 1 rejected 0 csv 0 unknown 0\n");
	reads("a header behind a row",
		  TEXT(HEAD NO_END "price,product_id,event_type,event_time\n7,2,view,2019-10-01 00:00:00\xef\xbb\xbf" HEAD ROW),
		  "2: 623203200000000 view 1 20000 code=[] brand=[a] session=[s]\n"
		  "3: 623203200000000 view 2 70000 code=[] brand=[] session=[]\n"
		  "4: 623203200000000 view 1 20000 code=[] brand=[a] session=[s]\nrows 3 rejected 0 csv 265 unknown 0\n");
	reads("a header behind a row of quotes and lines",
		  TEXT(HEAD "2019-10-01 00:00:00 UTC,view,1,2.00,\"a\r\n\"\"b\"\"\",sEvent_time,event_type,product_id,price\n2019-10-01 00:00:00,view,3,5"),
		  "2: 623203200000000 view 1 20000 code=[] brand=[a\r\n\"b\"] session=[s]\n"
		  "4: 623203200000000 view 3 50000 code=[] brand=[] session=[]\nrows 2 rejected 0 csv 173 unknown 0\n");
	reads("a header behind a row, both with an index",
		  TEXT(",event_time,event_type,product_id,price,brand\n0,2019-10-01 00:00:00,view,1,2,x,event_time,event_type,product_id,price\n"
			   "0,2019-10-01 00:00:00,view,3,5"),
		  "2: 623203200000000 view 1 20000 code=[] brand=[x] session=[]\n"
		  "3: 623203200000000 view 3 50000 code=[] brand=[] session=[]\nrows 2 rejected 0 csv 148 unknown 0\n");
	reads("a header behind what is no row", TEXT(HEAD "2019-10-01 00:00:00 UTC,view,1,x,a,sevent_time,event_type,product_id,price\n" ROW),
		  "failed: line 2 has another header, which can't be used: field 1 of the header line can't be the name of a column: it holds a time: rows stand in the header line\n"
		  "rows 0 rejected 0 csv 0 unknown 0\n");
	reads("a header behind a quoted field", TEXT(HEAD "2019-10-01 00:00:00 UTC,view,1,2.00,a,\"s\"event_time,event_type,product_id,price\n" ROW),
		  "failed: line 2 has another header, which can't be used: the quoting of the line is broken\n"
		  "rows 0 rejected 0 csv 0 unknown 0\n");
}

/* An object that was put together from many files has their headers by turns; one with ever other headers is no such object. */
static void
test_many_headers(void)
{
	char	   *csv = malloc(4000 * 200);
	char	   *p = csv;
	Transcript	t;

	for (int i = 0; i < 4000; i++)
		p += sprintf(p, "x%d,event_type,event_time,price,product_id\n,cart,2019-10-01 00:00:00,2.5,%d\n", i % 64, i);
	t = transcribe(csv, (size_t) (p - csv), -3, 0, INT64_MAX);
	UNIT_OK(t.events == 4000 && t.rejects == 0 && t.error == SLM_READ_ERROR_NONE, "64 headers by turns");
	free(t.text);
	p += sprintf(p, "y,event_type,event_time,price,product_id\n,cart,2019-10-01 00:00:00,2.5,1\n");
	t = transcribe(csv, (size_t) (p - csv), -3, 0, INT64_MAX);
	UNIT_OK(t.error == SLM_READ_ERROR_NOT_CSV && strstr(t.text, "more than 64 different header lines") != NULL, "one more");
	free(t.text);
	free(csv);
}

/* Headers of a megabyte, quoted, with quotes in them: known for what they are wherever they are cut. */
static void
test_long_headers(void)
{
	size_t		long_name = 200;
	char	   *csv = malloc(4 << 20);
	char	   *p = csv;
	char		name[300];
	Transcript	t;

	memset(name, 'n', long_name);
	name[long_name] = '\0';
	for (int i = 0; i < 3; i++)
	{
		p += sprintf(p, "event_time,event_type,product_id,price");
		for (int k = 0; k < 3000; k++)
			p += sprintf(p, ",\"a \"\"%s%d\"\"\"", name, i);
		p += sprintf(p, "\n2019-10-01 00:00:00,cart,5,1");
		for (int k = 0; k < 3000; k++)
			*p++ = ',';
		*p++ = '\n';
	}
	t = transcribe(csv, (size_t) (p - csv), -3, 0, INT64_MAX);
	UNIT_OK(t.events == 3 && t.rejects == 0 && t.error == SLM_READ_ERROR_NONE, "long headers with quotes in quotes");
	free(t.text);
	free(csv);
}

static void
test_latest(void)
{
	static const char csv[] = HEAD
		"2019-10-01 00:00:01,view,1,1,,\n2019-10-01 00:00:00,view,1,1,,\n2019-10-01 00:00:00.000001,view,1,1,,\n";
	Transcript	t = transcribe(csv, strlen(csv), 0, 0, INT64_C(623203200000000));

	UNIT_STR(t.text, t.len, "2: future 0 (event_time \"2019-10-01 00:00:01\" is later than now by more than sellometer.max_clock_skew) raw=[2019-10-01 00:00:01,view,1,1,,]\n"
			 "3: 623203200000000 view 1 10000 code=[] brand=[] session=[]\n"
			 "4: future 0 (event_time \"2019-10-01 00:00:00.000001\" is later than now by more than sellometer.max_clock_skew) raw=[2019-10-01 00:00:00.000001,view,1,1,,]\n"
			 "rows 3 rejected 2 csv 158 unknown 0\n", "rows later than the latest time");
	free(t.text);
}

/* All reasons that the reader finds, each in one row, cut at every pair of places. */
static void
test_splits(void)
{
	static const char csv[] = HEAD
		"x,view,1,2.00,a,s\n" ROW
		"2019-10-01 00:00:00 UTC,veiw,1,2.00,\"q,\nr\"\"\",s\r\n"
		"2019-10-01 00:00:00 UTC,view,-1,2.00,a,s\n\n"
		"2019-10-01 00:00:00 UTC,view,1,-2.00,\"a,s\n"
		"2019-10-01 00:00:00 UTC,view,1,-2.00,a,s\n"
		"\xff,\n,\n"
		"2019-10-01 00:00:00 UTC,view,1,2.00,\"a\"\"b, c\n\",s\n" ROW "\"";
	size_t		len = strlen(csv);
	Transcript	whole = transcribe(csv, len, 0, 0, INT64_MAX);
	SlmReaderOptions options = {.latest = INT64_MAX};
	int			bad = 0;

	UNIT_EQ(whole.stats.rows_total, 11, "rows");
	UNIT_EQ(whole.rejects, 8, "rejects");
	for (size_t a = 0; a <= len; a++)
	{
		/* the second cut anywhere near the first one, and here and there behind */
		for (size_t b = a; b <= len; b += b - a < 24 ? 1 : 37)
		{
			size_t		ends[] = {a, b, len};
			size_t		at = 0;
			Transcript	t = {0};
			SlmReader  *reader = slm_reader_create(&options);

			note(&t, "%s", "");
			for (int i = 0; i < 3; i++)
			{
				SlmReadStatus status;

				slm_reader_feed(reader, csv + at, ends[i] - at, i == 2);
				at = ends[i];
				status = note_rows(&t, reader, a % 2 == 0);
				bad += status != (i == 2 ? SLM_READ_END : SLM_READ_MORE);
			}
			if (strncmp(whole.text, t.text, t.len) != 0 && bad++ == 0)
				printf("# cut at %zu and %zu\n%s# whole\n%s", a, b, t.text, whole.text);
			slm_reader_free(reader);
			free(t.text);
		}
	}
	UNIT_EQ(bad, 0, "cut in three");
	free(whole.text);
}

static void
test_after_the_end(void)
{
	SlmReaderOptions options = {.latest = INT64_MAX};
	SlmReader  *reader = slm_reader_create(&options);
	const char *message;
	SlmReadRow	row;

	UNIT_EQ(slm_reader_next(reader, &row), SLM_READ_MORE, "nothing fed yet");
	slm_reader_feed(reader, NULL, 0, false);
	UNIT_EQ(slm_reader_next(reader, &row), SLM_READ_MORE, "nothing in an empty feed");
	slm_reader_feed(reader, HEAD ROW, strlen(HEAD ROW), false);
	UNIT_EQ(slm_reader_next(reader, &row), SLM_READ_EVENT, "an event");
	UNIT_STR(row.raw.data, row.raw.len, "2019-10-01 00:00:00 UTC,view,1,2.00,a,s",
			 "whose raw line is at hand for later rejects");
	UNIT_EQ(slm_reader_next(reader, &row), SLM_READ_MORE, "no more yet");
	UNIT_EQ(slm_reader_next(reader, &row), SLM_READ_MORE, "and still no more");
	slm_reader_feed(reader, NULL, 0, true);
	UNIT_EQ(slm_reader_next(reader, &row), SLM_READ_END, "the end");
	UNIT_EQ(slm_reader_next(reader, &row), SLM_READ_END, "still the end");
	UNIT_EQ(slm_reader_error(reader, &message), SLM_READ_ERROR_NONE, "no error");
	UNIT_EQ(slm_reader_stats(reader)->bytes_in, strlen(HEAD ROW), "bytes fed");
	slm_reader_free(reader);

	reader = slm_reader_create(&options);
	slm_reader_feed(reader, "x\n", 2, false);
	UNIT_EQ(slm_reader_next(reader, &row), SLM_READ_FAILED, "failed");
	slm_reader_feed(reader, HEAD ROW, strlen(HEAD ROW), true);
	UNIT_EQ(slm_reader_next(reader, &row), SLM_READ_FAILED, "still failed");
	UNIT_EQ(slm_reader_error(reader, &message), SLM_READ_ERROR_NOT_CSV, "with the first code");
	slm_reader_free(reader);
	slm_reader_free(NULL);
}

static long
peak_kb(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss;
}

/* A line of 1 GB, then a good row, in bounded memory; begun by a quote or not. */
static void
test_gigabyte(const char *begin, SlmRejectReason reason)
{
	SlmReaderOptions options = {.latest = INT64_MAX};
	SlmReader  *reader = slm_reader_create(&options);
	size_t		piece = 1 << 20;
	char	   *data = malloc(piece);
	long		before = peak_kb();
	int			events = 0,
				rejects = 0;
	SlmReadStatus status;
	SlmReadRow	row;

	memset(data, 'x', piece);
	slm_reader_feed(reader, HEAD, strlen(HEAD), false);
	for (int i = 0; i < 1026; i++)
	{
		while ((status = slm_reader_next(reader, &row)) == SLM_READ_EVENT || status == SLM_READ_REJECT)
		{
			events += status == SLM_READ_EVENT;
			rejects += status == SLM_READ_REJECT;
			if (status == SLM_READ_REJECT && (row.reject.reason != reason || row.line != 2))
				rejects += 100;
			if (status == SLM_READ_EVENT && row.line != 3)
				events += 100;
		}
		if (i == 0)
			slm_reader_feed(reader, begin, strlen(begin), false);
		else if (i < 1025)
			slm_reader_feed(reader, data, piece, false);
		else
			slm_reader_feed(reader, "\n" ROW, strlen("\n" ROW), true);
	}
	while ((status = slm_reader_next(reader, &row)) == SLM_READ_EVENT)
		events++;
	UNIT_OK(events == 1 && rejects == 1 && status == SLM_READ_END, "a line of 1 GB beginning with %s is one %s",
			begin, slm_reject_name(reason));
	UNIT_OK(peak_kb() - before < 8 * 1024, "in less than 8 MB");
	slm_reader_free(reader);
	free(data);
}

/* A gzip bomb: 256 MB of empty lines in 256 kB. */
static void
test_bomb(void)
{
	SlmReaderOptions options = {.latest = INT64_MAX};
	SlmReader  *reader = slm_reader_create(&options);
	z_stream	stream = {0};
	size_t		room = 1 << 20;
	char	   *packed = malloc(room);
	char	   *lines = malloc(1 << 20);
	long		before;
	SlmReadStatus status;
	SlmReadRow	row;

	deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
	stream.next_out = (Bytef *) packed;
	stream.avail_out = (uInt) room;
	stream.next_in = (Bytef *) (uintptr_t) HEAD;
	stream.avail_in = (uInt) strlen(HEAD);
	deflate(&stream, Z_NO_FLUSH);
	memset(lines, '\n', 1 << 20);
	for (int i = 0; i < 256; i++)
	{
		stream.next_in = (Bytef *) lines;
		stream.avail_in = 1 << 20;
		deflate(&stream, i == 255 ? Z_FINISH : Z_NO_FLUSH);
	}
	before = peak_kb();
	slm_reader_feed(reader, packed, room - stream.avail_out, true);
	status = slm_reader_next(reader, &row);
	UNIT_EQ(status, SLM_READ_END, "a gzip bomb ends");
	UNIT_EQ(slm_reader_stats(reader)->bytes_csv, (256 << 20) + strlen(HEAD), "all of it was seen");
	UNIT_OK(peak_kb() - before < 8 * 1024, "in less than 8 MB");
	deflateEnd(&stream);
	slm_reader_free(reader);
	free(packed);
	free(lines);
}

/* A million rows of mixed kinds, in large random pieces, by each routine: the same transcript. */
static void
test_many(void)
{
	static const char *const kinds[] = {
		ROW, "2019-10-01 00:00:01,cart,77,12.5,\"x, y\",t\r\n", "2019-10-01T00:01:00.25Z,purchase,3,.5,\xc3\xa9,\n",
		"bad,view,1,2,3,4\n", "\n", "short\n", "2019-10-01 00:00:00 UTC,view,1,2.00,\"a\"\"\",s\n"
	};
	size_t		rows = 100000;
	char	   *csv = malloc(rows * 64);
	char	   *p = csv + sprintf(csv, "%s", HEAD);
	int			count;
	Transcript	first;

	for (size_t i = 0; i < rows; i++)
		p += sprintf(p, "%s", kinds[unit_random(20) < 14 ? 0 : unit_random(7)]);
	slm_scan_routines(&count);
	first = transcribe(csv, (size_t) (p - csv), 0, 0, INT64_MAX);
	for (int routine = 0; routine < count; routine++)
	{
		Transcript	t = transcribe(csv, (size_t) (p - csv), -3 - routine, routine, INT64_MAX);

		UNIT_OK(strcmp(t.text, first.text) == 0 && t.events > 80000,
				"100000 rows of all kinds read the same by routine %d in random pieces", routine);
		free(t.text);
	}
	free(first.text);
	free(csv);
}

int
main(void)
{
	test_gzip();
	test_gzip_short_rows();
	test_headers();
	test_causes();
	test_more_headers();
	test_many_headers();
	test_long_headers();
	test_latest();
	test_splits();
	test_after_the_end();
	test_gigabyte("x,", SLM_REJECT_TOO_LONG);
	test_gigabyte("x,\"", SLM_REJECT_BAD_QUOTE);
	test_bomb();
	test_many();
	return unit_done();
}
