/*
 * test_event.c: times, ids, prices, event types, header lines, details.
 */
#include "unit.h"

#include <time.h>

#include "pure/event.h"
#include "pure/fault.h"
#include "pure/header.h"

#define UNIX_TO_2000	INT64_C(946684800)

/* A slice in memory of its own, with exactly the padding it must have. */
static SlmSlice
padded(const char *text, size_t len)
{
	static char *last;
	char	   *copy = malloc(len + SLM_PAD);

	free(last);
	last = copy;
	memcpy(copy, text, len);
	/* digits, so that reading beyond the end would show */
	memset(copy + len, '7', SLM_PAD);
	return (SlmSlice) {copy, (uint32_t) len};
}

static SlmSlice
text(const char *s)
{
	return padded(s, strlen(s));
}

static SlmTimeCache cache;

static void
time_is(const char *s, int year, int month, int day, int hour, int min, int sec, int usec)
{
	struct tm	tm = {
		.tm_year = year - 1900,.tm_mon = month - 1,.tm_mday = day,.tm_hour = hour,.tm_min = min,.tm_sec = sec
	};
	SlmTime		expected = (timegm(&tm) - UNIX_TO_2000) * SLM_USECS_PER_SEC + usec;
	SlmTime		got = -1;

	UNIT_OK(slm_parse_time(text(s), &cache, &got), "time [%s]", s);
	UNIT_EQ(got, expected, "value of time [%s]", s);
	got = -1;
	UNIT_OK(slm_parse_time(text(s), &(SlmTimeCache) {0}, &got) && got == expected, "time [%s] without cache", s);
}

static void
time_bad(const char *s)
{
	SlmTime		got;

	UNIT_OK(!slm_parse_time(text(s), &cache, &got), "no time [%s]", s);
	UNIT_OK(!slm_parse_time(text(s), &(SlmTimeCache) {0}, &got), "no time [%s] without cache", s);
}

static void
test_times(void)
{
	static const char *const bad[] = {
		"", " ", "2019", "2019-10-01", "2019-10-01 00:00", "2019-10-01 00:00:0", "2019-10-01 00:00:60",
		"2019-10-01 00:60:00", "2019-10-01 24:00:00", "2019-13-01 00:00:00", "2019-00-01 00:00:00",
		"2019-10-00 00:00:00", "2019-10-32 00:00:00", "2019-09-31 00:00:00", "2019-02-29 00:00:00",
		"1900-02-29 00:00:00", "2100-02-29 00:00:00", "1969-12-31 23:59:59", "0000-01-01 00:00:00",
		"2019/10/01 00:00:00", "2019-10-01_00:00:00", "2019-10-01  00:00:00", "2019-10-01 00.00.00",
		"2019-10-01 00:00:00.", "2019-10-01 00:00:00.Z", "2019-10-01 00:00:00,5", "2019-10-01 00:00:00 CET",
		"2019-10-01 00:00:00 UTCX", "2019-10-01 00:00:00 UT", "2019-10-01 00:00:00+", "2019-10-01 00:00:00+1",
		"2019-10-01 00:00:00+16", "2019-10-01 00:00:00+01:60", "2019-10-01 00:00:00+01:0", "2019-10-01 00:00:00+1:00",
		"2019-10-01 00:00:00+010", "2019-10-01 00:00:00+01:000", "2019-10-01 00:00:00ZZ", "2019-10-01 00:00:00 X",
		"2019-10-01 00:00:0a", "2019-10-01 00:00:a0", "2019-10-01 00:0a:00", "2o19-10-01 00:00:00",
		"2019-10-01 00:00:00 00:00", "2019-10-01 00:00:00.1.2", "+2019-10-01 00:00:00", "12019-10-01 00:00:00",
		"2019-10-01T00:00:00T", "2019-10-01 00:00:00-", "2019-10-01 00:00:00.5 5", "1569888000", "nan", "NaT",
		"2019-10-01 00:00:00 U\x14" "C"
	};

	time_is("2019-10-01 00:00:00 UTC", 2019, 10, 1, 0, 0, 0, 0);
	time_is("2019-10-01 00:00:01 UTC", 2019, 10, 1, 0, 0, 1, 0);
	time_is("2019-10-01 00:01:59", 2019, 10, 1, 0, 1, 59, 0);
	time_is("2019-10-01 00:01:59", 2019, 10, 1, 0, 1, 59, 0);
	time_is("  2019-10-01 00:01:59 UTC\t", 2019, 10, 1, 0, 1, 59, 0);
	time_is("2019-10-01 00:01:59 utc", 2019, 10, 1, 0, 1, 59, 0);
	time_is("2019-10-01 00:01:59UTC", 2019, 10, 1, 0, 1, 59, 0);
	time_is("2019-10-01 00:01:59 GMT", 2019, 10, 1, 0, 1, 59, 0);
	time_is("2019-10-01T00:01:59Z", 2019, 10, 1, 0, 1, 59, 0);
	time_is("2019-10-01t00:01:59z", 2019, 10, 1, 0, 1, 59, 0);
	time_is("2019-10-01 00:01:59 Z", 2019, 10, 1, 0, 1, 59, 0);
	time_is("2019-10-01T00:01:59.5Z", 2019, 10, 1, 0, 1, 59, 500000);
	time_is("2019-10-01T00:01:59.123456", 2019, 10, 1, 0, 1, 59, 123456);
	time_is("2019-10-01T00:01:59.000001Z", 2019, 10, 1, 0, 1, 59, 1);
	/* what is finer than a microsecond is dropped */
	time_is("2019-10-01T00:01:59.999999999Z", 2019, 10, 1, 0, 1, 59, 999999);
	time_is("2019-10-01T00:01:59.0000009999999999999999999 UTC", 2019, 10, 1, 0, 1, 59, 0);
	time_is("2019-10-01T02:00:00+02:00", 2019, 10, 1, 0, 0, 0, 0);
	time_is("2019-10-01T02:00:00+0200", 2019, 10, 1, 0, 0, 0, 0);
	time_is("2019-10-01T02:00:00+02", 2019, 10, 1, 0, 0, 0, 0);
	time_is("2019-10-01 02:00:00 +02", 2019, 10, 1, 0, 0, 0, 0);
	time_is("2019-10-01T00:00:00+05:45", 2019, 9, 30, 18, 15, 0, 0);
	time_is("2019-12-31T23:59:59.25-11:30", 2020, 1, 1, 11, 29, 59, 250000);
	time_is("2019-10-01T00:00:00+00:00", 2019, 10, 1, 0, 0, 0, 0);
	time_is("2020-02-29 12:00:00", 2020, 2, 29, 12, 0, 0, 0);
	time_is("2000-02-29 12:00:00", 2000, 2, 29, 12, 0, 0, 0);
	time_is("1970-01-01 00:00:00", 1970, 1, 1, 0, 0, 0, 0);
	time_is("2099-12-31 23:59:59", 2099, 12, 31, 23, 59, 59, 0);
	time_is("9999-12-31 23:59:59.999999", 9999, 12, 31, 23, 59, 59, 999999);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		time_bad(bad[i]);
	UNIT_OK(!slm_parse_time(padded("2019-10-01 00:00:00\0", 20), &cache, &(SlmTime) {0}), "no time with a NUL");
}

/* All days against the C library, in a random order of minutes so that the cache is hit and missed. */
static void
test_every_day(void)
{
	long		bad = 0;

	for (int64_t day = 0; day < 146097; day++)
	{
		time_t		unix_time = (time_t) (day * 86400 + (int64_t) unit_random(86400));
		struct tm	tm;
		char		s[64];
		SlmTime		got = 0;

		gmtime_r(&unix_time, &tm);
		strftime(s, sizeof(s), "%Y-%m-%d %H:%M:%S UTC", &tm);
		if (!slm_parse_time(text(s), &cache, &got) || got != (unix_time - UNIX_TO_2000) * SLM_USECS_PER_SEC)
			bad++;
	}
	UNIT_EQ(bad, 0, "every day of 400 years");
}

static void
id_is(const char *s, bool negative, int64_t expected)
{
	int64_t		got = -99;

	UNIT_OK(slm_parse_id(text(s), negative, &got), "id [%s]", s);
	UNIT_EQ(got, expected, "value of id [%s]", s);
}

static void
test_ids(void)
{
	static const char *const bad[] = {
		"", " ", "a", "-", "+", "+-5", "1 2", "0x10", "1e5", "1.5", "+.", ".0", "1.0x", "1..0", "9223372036854775808",
		"9999999999999999999", "10000000000000000000", "99999999999999999999999", "1,000", "12345678a", "a2345678",
		"123456789012345678a", "1234567/", "1234567:", "NaN", "--1", "- 1", "-", "12345678901234567890.0"
	};
	char		digits[40] = "";
	int64_t		expected = 0;

	for (int len = 1; len <= 18; len++)
	{
		digits[len - 1] = (char) ('0' + len % 10);
		digits[len] = '\0';
		expected = expected * 10 + len % 10;
		id_is(digits, false, expected);
	}
	id_is("0", false, 0);
	id_is("9223372036854775807", false, INT64_MAX);
	id_is("2103807459595387724", true, INT64_C(2103807459595387724));
	id_is("00000000000000000000000000042", false, 42);
	id_is(" 42\t", false, 42);
	id_is("\xef\xbb\xbf" "42\xc2\xa0", false, 42);
	id_is("541312140.0", true, 541312140);
	id_is("541312140.000", false, 541312140);
	id_is("541312140.", false, 541312140);
	id_is("+541312140", false, 541312140);
	id_is("-0", false, 0);
	id_is("-0.0", false, 0);
	id_is("-1", true, -1);
	id_is("-9223372036854775808", true, INT64_MIN);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		UNIT_OK(!slm_parse_id(text(bad[i]), true, &expected), "no id [%s]", bad[i]);
	UNIT_OK(!slm_parse_id(text("-1"), false, &expected), "no product id [-1]");
	UNIT_OK(!slm_parse_id(text("-9223372036854775809"), true, &expected), "no id [-9223372036854775809]");
	UNIT_OK(!slm_parse_id(padded("12\0", 3), true, &expected), "no id with a NUL");
}

static void
price_is(const char *s, int64_t expected)
{
	SlmMoney	got = -99;

	UNIT_OK(slm_parse_price(text(s), &got), "price [%s]", s);
	UNIT_EQ(got, expected, "value of price [%s]", s);
}

static void
test_prices(void)
{
	static const char *const bad[] = {
		"", " ", ".", "-1", "1 2", "1. 5", "1.2.3", "1,5", "1.234,50", "1,234.50", "1_000", "$5", "5 USD", "5e", "5e+", "e5", "+",
		"+-5", "5e1.0", "5e5e5", "1e3", "1E+03", "1.5e1", "3.579e+01", "0e0", "5e-", "5e-1.0", "5e--1", "NaN", "nan", "inf", "1000000000000", "1000000000000.00", "1e12", "1e13", "1e999999999999", "1e18446744073709551616",
		"999999999999.99999999", "99999999999999999999999999", "1.23451", "0.00001", "1e-05", "1e-6", "0.000001", "0.000099",
		"35.790001", "35.789999", "-0.0001", "1.5a", "a.50",
		"1a.50", "0x1.50", "-1.50", "12345678-.50", "1.5-", "1.-5", "12:.50", "12/.50", "1.:0", "1.0/", "--",
		"\xef\xbc\x91\xef\xbc\x92", "1\xc2\xa0" "000.00", "\xe2\x82\xac" "5"
	};
	SlmMoney	price;

	price_is("35.79", 357900);
	price_is("0.00", 0);
	price_is("0", 0);
	price_is("35", 350000);
	price_is("35.", 350000);
	price_is(".5", 5000);
	price_is(".50", 5000);
	price_is("35.7", 357000);
	price_is("35.795", 357950);
	price_is("35.7951", 357951);
	price_is("35.795100000000", 357951);
	price_is("0.0001", 1);
	price_is("12345678.90", 123456789000);
	price_is("123456789.01", 1234567890100);
	price_is("999999999999.9999", SLM_PRICE_LIMIT - 1);
	price_is("999999999999", SLM_PRICE_LIMIT - 10000);
	price_is("00000000000000000000035.79", 357900);
	price_is(" 35.79 ", 357900);
	price_is("\xc2\xa0" "35.79\t\r\xef\xbb\xbf", 357900);
	price_is("\xe3\x80\x80" "35.79\xe2\x80\x8b", 357900);
	price_is("+35.79", 357900);
	price_is("-0.0", 0);
	price_is("-0", 0);
	price_is("0E+00", 0);
	price_is("-0.00e+2", 0);
	/* as programs write floating-point numbers */
	price_is("35.790000000000006", 357900);
	price_is("35.78999999999999", 357900);
	price_is("35.7900009", 357900);
	price_is("35.78999901", 357900);
	price_is("0.1000000000000000055511151231257827021181583404541015625", 1000);
	price_is("9.99999999999", 100000);
	price_is("0.00009999999", 1);
	price_is("35790E-3", 357900);
	price_is("3579.0000e-02", 357900);
	price_is("1e-4", 1);
	price_is("1e-07", 0);
	price_is("-1e-09", 0);
	price_is("9.99e-07", 0);
	price_is("5e-999999999999", 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		UNIT_OK(!slm_parse_price(text(bad[i]), &price), "no price [%s]", bad[i]);
}

static void
test_types(void)
{
	static const char *const good[] = {"view", "cart", "remove_from_cart", "purchase", " View ", "CART",
	"Remove_From_Cart\t", "PURCHASE"};
	static const char *const bad[] = {"", " ", "veiw", "views", "vie", "purchas", "remove", "remove from cart", "v iew",
	"0"};
	SlmEventType type;

	for (int i = 0; i < 8; i++)
	{
		UNIT_OK(slm_parse_event_type(text(good[i]), &type), "event type [%s]", good[i]);
		UNIT_EQ(type, i % 4, "value of event type [%s]", good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		UNIT_OK(!slm_parse_event_type(text(bad[i]), &type), "no event type [%s]", bad[i]);
}

static void
header_fails(const char *line, SlmReadErrorCode expected, const char *expected_message)
{
	SlmHeader	header;
	SlmReadErrorCode code = SLM_READ_ERROR_NONE;
	char		message[SLM_MESSAGE_SIZE] = "";

	UNIT_OK(!slm_header_parse(text(line), &header, &code, message), "header [%s]", line);
	UNIT_EQ(code, expected, "code of header [%s]", line);
	UNIT_STR(message, strlen(message), expected_message, "message of header [%s]", line);
}

static void
test_headers(void)
{
	SlmHeader	header;
	SlmReadErrorCode code;
	char		message[SLM_MESSAGE_SIZE];

	UNIT_OK(slm_header_parse(text(",event_time,event_type,product_id,category_id,category_code,brand,price,user_id,"
								  "user_session"), &header, &code, message), "a pandas header");
	UNIT_EQ(header.nfields, 10, "its fields");
	UNIT_EQ(header.unknown_columns, 0, "the index column is not counted");
	UNIT_EQ(header.column_field[SLM_COL_USER_SESSION], 9, "user_session is the last one");
	UNIT_OK(slm_header_parse(text("x,PRICE, \"Event_Type\" ,,\"product_id\",\"a \"\"b\"\"\", event_time "),
							 &header, &code, message) == false, "a quote after a blank is no quote");
	UNIT_OK(slm_header_parse(text("x,PRICE,\"Event_Type\",,\"product_id\",\"a, \"\"b\"\"\", event_time "),
							 &header, &code, message), "any order, quoted, capitals, blanks, extra columns");
	UNIT_EQ(header.unknown_columns, 3, "its unknown columns");
	UNIT_EQ(header.nfields, 7, "its fields");
	UNIT_EQ(header.column_field[SLM_COL_PRICE], 1, "where price is");
	UNIT_EQ(header.column_field[SLM_COL_EVENT_TIME], 6, "where event_time is");
	UNIT_EQ(header.column_field[SLM_COL_BRAND], -1, "where brand is not");
	header_fails("event_time,event_type,product_id,brand", SLM_READ_ERROR_COLUMN,
				 "the header line lacks the required column \"price\"");
	header_fails("event_type,product_id,price", SLM_READ_ERROR_COLUMN,
				 "the header line lacks the required column \"event_time\"");
	header_fails("event_time,event_type,product_id,price,brand,Brand", SLM_READ_ERROR_COLUMN,
				 "the header line names column \"brand\" twice");
	header_fails("a,b,c", SLM_READ_ERROR_NOT_CSV, "the first line is no header: it names none of the known columns");
	header_fails("", SLM_READ_ERROR_NOT_CSV, "the first line is no header: it names none of the known columns");
}

static void
detail_is(const char *value, size_t len, const char *fault, const char *expected)
{
	char		detail[128];

	memset(detail, 'x', sizeof(detail));
	slm_reject_detail(detail, "brand", padded(value, len), fault);
	UNIT_STR(detail, strnlen(detail, 128), expected, "detail %s", expected);
}

static void
test_details(void)
{
	char		longest[1000];

	detail_is("", 0, "is blank", "brand is empty");
	detail_is("veiw", 4, NULL, "brand \"veiw\"");
	detail_is("veiw", 4, "is odd", "brand \"veiw\" is odd");
	detail_is("a\tb\0c\x7f\xff" "d\xc2\x85\xc3\xa9\xed\xa0\x80", 15, NULL,
			  "brand \"a\\x09b\\x00c\\x7f\\xffd\\xc2\\x85\xc3\xa9\\xed\\xa0\\x80\"");
	memset(longest, 'a', sizeof(longest));
	detail_is(longest, 119, NULL, "brand \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...\"");
	detail_is(longest, 1000, "is 50 bytes: 0123456789012345678901234567890123456", "brand \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			  "...\" is 50 bytes: 0123456789012345678901234567890123456");
	memset(longest, '\xff', sizeof(longest));
	detail_is(longest, 1000, NULL, "brand \"\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff"
			  "\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff...\"");
}

static void
value_is(const char *s, const char *expected)
{
	SlmSlice	got = slm_field_value(text(s));

	/* not named by itself: a line end would not be TAP */
	UNIT_STR(got.data, got.len, expected, "value of %zu bytes is [%s]", strlen(s), expected);
}

/* What is taken from the ends of a field, and the words that leave it empty. */
static void
test_values(void)
{
	static const char *const blanks[] = {
		" ", "\t", "\n", "\v", "\f", "\r", "\xc2\x85", "\xc2\xa0", "\xe1\x9a\x80", "\xe2\x80\x80", "\xe2\x80\x8b", "\xe2\x80\x8f",
		"\xe2\x80\xa8", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe2\x81\xa0", "\xe2\x81\xa6", "\xe3\x80\x80", "\xef\xbb\xbf"
	};
	static const char *const nothing[] = {
		"-", "\\N", "nan", "NaN", "n/a", "N/A", "null", "NULL", "Null", "none", "None", "NONE", "(null)", "(NULL)", "<NA>", "#N/A",
		"undefined"
	};
	static const char *const something[] = {
		"x", "nike", "n", "N", "NAN", "NA", "nil", "no", "none2", "nulls", "--", "\\n", "#", "u", "undef", "Undefined", "(none)", "<none>", "a\xc2\xa0" "b",
		"a  b", "\xc3\xa9t\xc3\xa9", "\xc3\xa0", "\xe2\x80\x90x\xe2\x80\x90", "\xe3\x81\x80", "\xef\xbc\x91", "e\xe2\x80\xa0", "(null", "null)",
		"\xf0\x9f\x98\x80"
	};

	value_is("", "");
	for (size_t i = 0; i < sizeof(blanks) / sizeof(blanks[0]); i++)
	{
		char		dressed[64];

		value_is(blanks[i], "");
		for (size_t j = 0; j < sizeof(nothing) / sizeof(nothing[0]); j++)
		{
			snprintf(dressed, sizeof(dressed), "%s%s%s%s", blanks[i], blanks[(i + 1) % 19], nothing[j], blanks[i]);
			value_is(dressed, "");
		}
		for (size_t j = 0; j < sizeof(something) / sizeof(something[0]); j++)
		{
			snprintf(dressed, sizeof(dressed), "%s%s%s%s", blanks[i], something[j], blanks[(i + 1) % 19], blanks[i]);
			value_is(dressed, something[j]);
		}
	}
	for (size_t j = 0; j < sizeof(something) / sizeof(something[0]); j++)
		value_is(something[j], something[j]);
}

static void
fault_is(SlmRejectReason reason, const char *value, const char *expected)
{
	const char *fault = slm_fault(reason, text(value));

	UNIT_STR(fault, strlen(fault), expected, "fault of %s [%s]", slm_reject_name(reason), value);
	UNIT_OK(strlen(fault) < 100, "is short");
}

static void
test_faults(void)
{
	fault_is(SLM_REJECT_BAD_PRICE, "-1.00", "is negative");
	fault_is(SLM_REJECT_BAD_QUANTITY, "-1", "is negative: what is given back is not counted");
	fault_is(SLM_REJECT_BAD_QUANTITY, "-1.5", "is negative: what is given back is not counted");
	fault_is(SLM_REJECT_BAD_QUANTITY, "1.5", "is no whole number");
	fault_is(SLM_REJECT_BAD_QUANTITY, "1,5", "is no whole number");
	fault_is(SLM_REJECT_BAD_QUANTITY, "1e3", "is no whole number");
	fault_is(SLM_REJECT_BAD_QUANTITY, "two", "is no whole number");
	fault_is(SLM_REJECT_BAD_QUANTITY, "0.0", "is none: a row is of one piece at least");
	fault_is(SLM_REJECT_BAD_QUANTITY, "100001.0", "is over 100000");
	fault_is(SLM_REJECT_BAD_QUANTITY, "99999999999999999999", "is over 100000");
	fault_is(SLM_REJECT_BAD_PRICE, "1.23456", "has more than 4 decimals");
	fault_is(SLM_REJECT_BAD_PRICE, "0001.23456", "has more than 4 decimals");
	fault_is(SLM_REJECT_BAD_PRICE, "1e-05", "has an exponent that leaves more than 4 decimals");
	fault_is(SLM_REJECT_BAD_PRICE, "1E3", "has an exponent: some of its digits may be cut");
	fault_is(SLM_REJECT_BAD_PRICE, "1000000000000", "is not below 1000000000000");
	fault_is(SLM_REJECT_BAD_PRICE, "35,79", "has a comma: decimals stand behind a point, and nothing between thousands");
	fault_is(SLM_REJECT_BAD_PRICE, "1.234,50", "has a comma: decimals stand behind a point, and nothing between thousands");
	fault_is(SLM_REJECT_BAD_PRICE, "$35.79", "has something beside the number (a currency?)");
	fault_is(SLM_REJECT_BAD_PRICE, "35.79 USD", "has something beside the number (a currency?)");
	fault_is(SLM_REJECT_BAD_PRICE, "\xef\xbc\x91", "has characters that are not ASCII");
	fault_is(SLM_REJECT_BAD_PRICE, "1.2.3", "is no number");
	fault_is(SLM_REJECT_BAD_PRICE, "free", "is no number");
	fault_is(SLM_REJECT_BAD_PRICE, " NaN ", "stands for no value");
	fault_is(SLM_REJECT_BAD_PRICE, "\xc2\xa0", "is blank");
	fault_is(SLM_REJECT_BAD_PRODUCT_ID, "-7", "is negative");
	fault_is(SLM_REJECT_BAD_PRODUCT_ID, "7.5", "is no whole number");
	fault_is(SLM_REJECT_BAD_PRODUCT_ID, "2.103807459595388e+18", "has an exponent, which loses digits of an id");
	fault_is(SLM_REJECT_BAD_PRODUCT_ID, "9223372036854775808", "is out of the range of a bigint");
	fault_is(SLM_REJECT_BAD_USER_ID, "-9223372036854775809", "is out of the range of a bigint");
	fault_is(SLM_REJECT_BAD_USER_ID, "u-7", "is no whole number");
	fault_is(SLM_REJECT_BAD_TIME, "1569888000", "is a number, not a time like 2019-10-01 00:00:00");
	fault_is(SLM_REJECT_BAD_TIME, "2019-10-01", "has no time of day");
	fault_is(SLM_REJECT_BAD_TIME, "2019-02-30 00:00:00", "names no such time, or ends in no zone (UTC, Z, +02:00)");
	fault_is(SLM_REJECT_BAD_PRICE, "--5", "is no number");
	fault_is(SLM_REJECT_BAD_PRODUCT_ID, "+9223372036854775808", "is out of the range of a bigint");
	fault_is(SLM_REJECT_BAD_TIME, "1969-12-31 23:59:59", "is before 1970");
	fault_is(SLM_REJECT_BAD_TIME, "2019-10-01T00:00Z", "has no seconds");
	fault_is(SLM_REJECT_BAD_TIME, "2019-10-01 00:00:00 MSK", "names no such time, or ends in no zone (UTC, Z, +02:00)");
	fault_is(SLM_REJECT_BAD_TIME, "01.10.2019 00:00", "is not written like 2019-10-01 00:00:00");
	fault_is(SLM_REJECT_BAD_EVENT_TYPE, "veiw", "is none of view, cart, remove_from_cart, purchase");
	UNIT_OK(slm_fault(SLM_REJECT_BAD_QUOTE, text("x")) == NULL, "nothing to say of a value");
}

/* An event from nine texts; what is not given is empty. */
static void
test_events(void)
{
	static const char nothing[] = " NaN 0000000000000000";
	static const char pad[] = "2019-10-01 00:00:00 view 7 x 5.00 999999999999999999999";
	SlmSlice	f[SLM_COLUMNS] = {
		{pad, 19}, {pad + 20, 4}, {pad + 25, 1}, {pad, 0}, {pad, 0}, {pad, 0}, {pad + 29, 4}, {pad, 0}, {pad, 0}
	};
	SlmSlice	x = {pad + 27, 1};
	SlmEvent	event;
	SlmReject	reject;
	static const struct
	{
		SlmColumn	column;
		SlmRejectReason reason;
	}			order[] = {
		{SLM_COL_EVENT_TIME, SLM_REJECT_BAD_TIME}, {SLM_COL_EVENT_TYPE, SLM_REJECT_BAD_EVENT_TYPE},
		{SLM_COL_PRODUCT_ID, SLM_REJECT_BAD_PRODUCT_ID}, {SLM_COL_CATEGORY_ID, SLM_REJECT_BAD_CATEGORY_ID},
		{SLM_COL_PRICE, SLM_REJECT_BAD_PRICE}, {SLM_COL_USER_ID, SLM_REJECT_BAD_USER_ID}
	};

	UNIT_OK(slm_event_parse(f, &cache, INT64_MAX, NULL, &event, &reject), "the least event");
	UNIT_OK(!event.has_category_id && !event.has_user_id && event.session.len == 0, "it lacks what is not there");
	UNIT_OK(slm_event_parse(f, &cache, event.time, NULL, &event, &reject), "an event at the latest time");
	UNIT_OK(!slm_event_parse(f, &cache, event.time - 1, NULL, &event, &reject), "an event later than that");
	UNIT_EQ(reject.reason, SLM_REJECT_FUTURE, "is of the future");
	for (int c = 0; c < SLM_COLUMNS; c++)
	{
		if (f[c].len == 0)
			f[c] = (SlmSlice) {nothing, 5};
	}
	UNIT_OK(slm_event_parse(f, &cache, INT64_MAX, NULL, &event, &reject), "words for nothing are no reject");
	UNIT_OK(!event.has_category_id && !event.has_user_id && event.session.len == 0, "and no values");
	/* with everything from column i on wrong, column i is to blame, and never the future */
	for (int i = 5; i >= 0; i--)
	{
		f[order[i].column] = x;
		UNIT_OK(!slm_event_parse(f, &cache, INT64_MIN, NULL, &event, &reject), "%s \"x\"", slm_column_name(order[i].column));
		UNIT_EQ(reject.reason, order[i].reason, "gives %s", slm_reject_name(order[i].reason));
		UNIT_EQ(reject.column, order[i].column, "in its column");
	}
}

int
main(void)
{
	test_times();
	test_every_day();
	test_ids();
	test_prices();
	test_types();
	test_headers();
	test_details();
	test_values();
	test_faults();
	test_events();
	return unit_done();
}
