/*
 * test_format.c: files in formats of their own: times, numbers, zones, and what the reader gets of whole files.
 */
#include "pure/datetime.h"
#include "pure/decode.h"
#include "pure/format.h"
#include "pure/reader.h"
#include "pure/records.h"
#include "unit.h"

static SlmSlice
slice(const char *text)
{
	return (SlmSlice) {text, (uint32_t) strlen(text)};
}

/* --- times --- */

static void
check_time(SlmTimeForm form, const char *text, const char *expected)
{
	SlmFormat	format;
	SlmTime		time;
	char		out[32] = "";

	slm_format_init(&format);
	format.time = form;
	if (slm_format_time(&format, slice(text), &time) == NULL)
		out[slm_format_put_time(time, out)] = '\0';
	UNIT_STR(out, strlen(out), expected, "time form %d of \"%s\"", form, text);
}

static void
test_times(void)
{
	check_time(SLM_TIME_ISO, "2019-10-01 00:00:01 UTC", "2019-10-01 00:00:01");
	check_time(SLM_TIME_ISO, "2019-10-01", "2019-10-01 00:00:00");
	check_time(SLM_TIME_ISO, "20191001", "2019-10-01 00:00:00");
	check_time(SLM_TIME_ISO, " 2019/1/2 7:05 ", "2019-01-02 07:05:00");
	check_time(SLM_TIME_ISO, "2019-10-01T08:30:00.25-04:00", "2019-10-01 12:30:00.250000");
	check_time(SLM_TIME_ISO, "2019-10-01 08:30:00 -0400", "2019-10-01 12:30:00");
	check_time(SLM_TIME_ISO, "2019-02-29", "");
	check_time(SLM_TIME_ISO, "2019-10-01 24:00", "");
	check_time(SLM_TIME_ISO, "2019-10-01 12:00 Mars", "");
	check_time(SLM_TIME_ISO, "10/1/2019", "");
	check_time(SLM_TIME_ISO, "2019-10/01", "");
	check_time(SLM_TIME_MDY, "10/1/2019 1:05 PM", "2019-10-01 13:05:00");
	check_time(SLM_TIME_MDY, "10/1/19 12:05:09 am", "2019-10-01 00:05:09");
	check_time(SLM_TIME_MDY, "10/1/2019 13:05 PM", "");
	check_time(SLM_TIME_MDY, "13/1/2019", "");
	check_time(SLM_TIME_DMY, "13/1/2019", "2019-01-13 00:00:00");
	check_time(SLM_TIME_DMY, "1.10.2019 23:59:59,5", "2019-10-01 23:59:59.500000");
	check_time(SLM_TIME_S, "1569888000", "2019-10-01 00:00:00");
	check_time(SLM_TIME_S, "1569888000.123456789", "2019-10-01 00:00:00.123456");
	check_time(SLM_TIME_MS, "1433221332117", "2015-06-02 05:02:12.117000");
	check_time(SLM_TIME_US, "1569888000000001", "2019-10-01 00:00:00.000001");
	check_time(SLM_TIME_S, "253402300799", "9999-12-31 23:59:59");
	check_time(SLM_TIME_S, "253402300800", "");
	check_time(SLM_TIME_S, "1e9", "");
	check_time(SLM_TIME_S, "-1", "");
	check_time(SLM_TIME_S, "", "");
}

/* What is written is read back, for any moment. */
static void
test_put_time(void)
{
	bool		all = true;

	for (int i = 0; i < 20000; i++)
	{
		SlmTime		time = -(INT64_C(10957) * 86400 * SLM_USECS_PER_SEC) + (SlmTime) (unit_random(UINT64_C(2000000000)) * 125 * 1000003 % UINT64_C(253402300800000000));
		SlmTime		again = 0;
		char		out[32 + SLM_PAD] = "";
		SlmTimeCache cache = {0};
		size_t		len = slm_format_put_time(time, out);

		all = slm_parse_time((SlmSlice) {out, (uint32_t) len}, &cache, &again) && again == time && all;
	}
	UNIT_OK(all, "20,000 times are read as they were written");
}

static void
test_zone(void)
{
	/* an hour to the east, two from 01:00 on, one again from 05:00 UTC on */
	const SlmTime hour = 3600 * SLM_USECS_PER_SEC;
	const SlmZoneChange changes[] = {{INT64_MIN, 3600}, {1 * hour, 7200}, {5 * hour, 3600}};
	SlmFormat	format;

	slm_format_init(&format);
	UNIT_EQ(slm_format_local(&format, 7), 7, "no zone");
	format.zone = changes;
	format.nzone = 3;
	UNIT_EQ(slm_format_local(&format, 1 * hour), 0, "before the change");
	UNIT_EQ(slm_format_local(&format, 2 * hour + hour / 2), hour + hour / 2, "what is skipped is as if nothing was");
	UNIT_EQ(slm_format_local(&format, 3 * hour), hour, "right behind it");
	UNIT_EQ(slm_format_local(&format, 6 * hour - 1), 4 * hour - 1, "before it comes twice");
	UNIT_EQ(slm_format_local(&format, 6 * hour), 5 * hour, "what comes twice is the later one");
	UNIT_EQ(slm_format_local(&format, 7 * hour), 6 * hour, "and behind that");
}

/* --- numbers --- */

static void
check_number(char decimal, char thousands, int minor, const char *text, const char *expected)
{
	SlmFormat	format;
	char		out[SLM_MAX_NUMBER + 8];
	size_t		len;

	slm_format_init(&format);
	format.decimal = decimal;
	format.thousands = thousands;
	format.minor_units = minor;
	if (slm_format_number(&format, true, slice(text), out, &len) != NULL)
		len = 0;
	UNIT_STR(out, len, expected, "number \"%s\", %c %c %d", text, decimal, thousands ? thousands : '-', minor);
}

static void
test_numbers(void)
{
	check_number('.', '\0', 0, "12.50", "12.50");
	check_number('.', '\0', 0, "1,234.50", "");
	check_number('.', ',', 0, "1,234.50", "1234.50");
	check_number('.', ',', 0, "1,234,567", "1234567");
	check_number('.', ',', 0, "1,23,4567", "");
	check_number('.', ',', 0, ",123", "");
	check_number('.', ',', 0, "1,234,56", "");
	check_number('.', ',', 0, "1,2345.00", "");
	check_number('.', ',', 0, "1,23.00", "");
	check_number(',', '.', 0, "1.234,50", "1234.50");
	check_number(',', '\0', 0, "12.50", "");
	check_number(',', ' ', 0, "1\xc2\xa0""234,5", "1234.5");
	check_number('.', '\'', 0, "1'234", "1234");
	check_number('.', '\0', 2, "1250", "12.50");
	check_number('.', '\0', 2, "5", "0.05");
	check_number('.', '\0', 2, "1250.0", "12.50");
	check_number('.', '\0', 2, "12.50", "");
	check_number('.', '\0', 3, "-5", "-0.005");
	check_number('.', ',', 2, "1,250", "12.50");
}

/* --- whole files --- */

/* All rows as `line time type product price brand session|` or `line !column detail|`, fed in pieces of so many bytes. */
static char *
read_file(const SlmFormat *format, const char *bytes, size_t len, size_t piece, char *out)
{
	SlmReaderOptions options = {.latest = INT64_MAX,.format = format};
	SlmReader  *reader = slm_reader_create(&options);
	SlmReadStatus status = SLM_READ_MORE;
	SlmReadRow	row;
	char	   *p = out;

	*p = '\0';
	for (size_t at = 0; (at < len || len == 0) && status == SLM_READ_MORE; at += piece)
	{
		size_t		n = len - at < piece ? len - at : piece;
		char	   *copy = malloc(n + 1);

		memcpy(copy, bytes + at, n);
		slm_reader_feed(reader, copy, n, at + n == len);
		while ((status = slm_reader_next(reader, &row)) == SLM_READ_EVENT || status == SLM_READ_REJECT)
		{
			char		time[32] = "";

			if (status == SLM_READ_REJECT)
			{
				p += sprintf(p, "%d !%s %s|", (int) row.line, slm_reject_name(row.reject.reason), row.reject.detail);
				continue;
			}
			time[slm_format_put_time(row.event.time, time)] = '\0';
			p += sprintf(p, "%d %s %s %d %d %.*s %.*s|", (int) row.line, time, slm_event_type_name(row.event.type), (int) row.event.product_id,
						 (int) row.event.price, (int) row.event.brand.len, row.event.brand.data, (int) row.event.session.len, row.event.session.data);
		}
		free(copy);
		if (len == 0)
			break;
	}
	if (status == SLM_READ_FAILED)
	{
		const char *message;

		(void) slm_reader_error(reader, &message);
		p += sprintf(p, "failed: %s", message);
	}
	if (slm_reader_stats(reader)->rows_ignored > 0)
		p += sprintf(p, "ignored %d", (int) slm_reader_stats(reader)->rows_ignored);
	slm_reader_free(reader);
	return out;
}

static void
check_file(const SlmFormat *format, const char *bytes, size_t len, const char *expected, const char *name)
{
	static char whole[1 << 16];
	static char cut[1 << 16];

	read_file(format, bytes, len, len + 1, whole);
	UNIT_STR(whole, strlen(whole), expected, "%s", name);
	for (size_t piece = 1; piece < 40; piece += 3)
	{
		if (strcmp(read_file(format, bytes, len, piece, cut), whole) != 0)
			break;
	}
	UNIT_STR(cut, strlen(cut), whole, "%s: the same however it is cut", name);
}

#define CHECK_FILE(format, text, expected, name)	check_file(format, text, sizeof(text) - 1, expected, name)

static void
test_files(void)
{
	static const SlmFormatEvent events[] = {{"addtocart", SLM_CART}, {"wish", -1}};
	SlmFormat	format;

	slm_format_init(&format);
	format.role[SLM_COL_EVENT_TIME] = (SlmFormatRole) {.nfields = 1,.field = {{"ts", 0}}};
	format.role[SLM_COL_PRODUCT_ID] = (SlmFormatRole) {.nfields = 1,.field = {{"item", 0}}};
	format.role[SLM_COL_PRICE] = (SlmFormatRole) {.constant = "2"};
	format.events = events;
	format.nevents = 2;
	format.only_events = true;
	CHECK_FILE(&format, "# made by hand\nTS,event_type, Item ,brand\r\n2019-10-01,AddToCart,7,\"a, \"\"b\"\"\"\n2019-10-01,wish,8,\n2019-10-01,scroll,8,\n"
			   "2019-10-01,view,9,c\nTS,event_type, Item ,brand\n2019-10-32,view,9,d\n2019-10-01,view,9\n2019-10-01,view,9,\"e\nf\"\n2019-10-01,view,10,g,,\n",
			   "3 2019-10-01 00:00:00 cart 7 20000 a, \"b\" |6 2019-10-01 00:00:00 view 9 20000 c |"
			   "8 !bad_time event_time \"2019-10-32 (is no time)\" is not written like 2019-10-01 00:00:00|"
			   "9 !column_count 4 fields where the header has 5|10 2019-10-01 00:00:00 view 9 20000 e\nf |12 2019-10-01 00:00:00 view 10 20000 g |ignored 2",
			   "names, events, a constant, quotes, comments, a repeated header");
	CHECK_FILE(&format, "ts,event_type,product\n2019-10-01,view,1\n", "failed: the header line lacks the column \"item\", which the source's format has for product_id", "a column that is not there");
	CHECK_FILE(&format, "ts,event_type,item,item\n2019-10-01,view,1,2\n", "failed: the header line names twice the column \"item\", which the source's format has for product_id", "a column that is there twice");
	CHECK_FILE(&format, "ts,event_type,item,brand\n2019-10-01,view,1,\"x\n2019-10-01,view,2,y\n2019-10-01,view,3,z\n2019-10-01,view,4,\"\"\n",
			   "2 !bad_quote text after a closing quote|3 2019-10-01 00:00:00 view 2 20000 y |4 2019-10-01 00:00:00 view 3 20000 z |5 2019-10-01 00:00:00 view 4 20000  |",
			   "a quote that swallows rows");
	CHECK_FILE(&format, "", "", "an empty file");
	CHECK_FILE(&format, "\xff\xfet\0s\0,\0e\0v\0e\0n\0t\0_\0t\0y\0p\0e\0,\0i\0t\0e\0m\0\n\0\x32\0\x30\0\x31\0\x39\0-\0\x31\0\x30\0-\0\x30\0\x31\0,\0v\0i\0e\0w\0,\0\x35\0\n\0",
			   "2 2019-10-01 00:00:00 view 5 20000  |", "UTF-16");

	slm_format_init(&format);
	format.no_header = true;
	format.delimiter = ';';
	format.backslash = true;
	format.encoding = SLM_CP1252;
	format.decimal = ',';
	format.time = SLM_TIME_S;
	format.role[SLM_COL_EVENT_TIME] = (SlmFormatRole) {.nfields = 1,.field = {{NULL, 2}}};
	format.role[SLM_COL_EVENT_TYPE] = (SlmFormatRole) {.constant = "purchase"};
	format.role[SLM_COL_PRODUCT_ID] = (SlmFormatRole) {.nfields = 1,.field = {{NULL, 3}}};
	format.role[SLM_COL_PRICE] = (SlmFormatRole) {.nfields = 1,.field = {{NULL, 4}}};
	format.role[SLM_COL_BRAND] = (SlmFormatRole) {.nfields = 1,.field = {{NULL, 5}}};
	format.role[SLM_COL_USER_SESSION] = (SlmFormatRole) {.nfields = 2,.field = {{NULL, 1}, {NULL, 6}}};
	CHECK_FILE(&format, "u1;1569888000;3;1,5;\"K\xf6ln \\\"2\\\"\";9\nu1;1569888000;3;1.5;\\N;\nu2;x;3;1;\x80;1\n",
			   "1 2019-10-01 00:00:00 purchase 3 15000 K\xc3\xb6ln \"2\" u1-9|2 !bad_price price \"1.5 (has no decimal comma)\" has something beside the number (a currency?)|"
			   "3 !bad_time event_time \"x (is no number of a time since 1970)\" is not written like 2019-10-01 00:00:00|",
			   "no header, numbers of columns, cp1252, backslashes, a joined session");
}

/* An archive has the same rows, and whatever else stands in them. */
static void
test_records(void)
{
	static const char bytes[] = "ts;event_type;item;price;colour\n2019-10-01;view;7;1,5;\"red, blue\"\n";
	static const char expected[] = "event_time,event_type,product_id,price,colour\n2019-10-01 00:00:00,view,7,1.5,\"red, blue\"\n";
	SlmFormat	format;
	SlmRecords *records;
	SlmRawRecord record;
	char		out[256] = "";

	slm_format_init(&format);
	format.delimiter = ';';
	format.decimal = ',';
	format.role[SLM_COL_EVENT_TIME] = (SlmFormatRole) {.nfields = 1,.field = {{"ts", 0}}};
	format.role[SLM_COL_PRODUCT_ID] = (SlmFormatRole) {.nfields = 1,.field = {{"item", 0}}};
	records = slm_records_create(false, &format);
	slm_records_feed(records, bytes, sizeof(bytes) - 1, true);
	while (slm_records_next(records, &record) == SLM_RECORDS_ROW)
		sprintf(out + strlen(out), "%.*s\n", (int) record.text.len, record.text.data);
	slm_records_free(records);
	UNIT_STR(out, strlen(out), expected, "records of an archive");
}

int
main(void)
{
	test_times();
	test_put_time();
	test_zone();
	test_numbers();
	test_files();
	test_records();
	return unit_done();
}
