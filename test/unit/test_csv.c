/*
 * test_csv.c: records and fields: quoting, line ends, limits; against expectations, and random bytes against a naive
 * reading of the rules.
 */
#include "unit.h"

#include "feed.h"
#include "pure/csv.h"
#include "pure/utf8.h"

#define HEAD	"event_time,event_type,product_id,price,brand,user_session\n"
#define ROW		"2019-10-01 00:00:00 UTC,view,1,2.00,"
/* 2019-10-01 00:00:00 after 2000-01-01, in microseconds, and the rest of what ROW gives */
#define GOT		" 623203200000000 view 1 20000 code=[] "

static int	routines;

/* The transcript must be `expected`, however the bytes are cut and scanned. */
static void
reads_bytes(const char *name, const char *csv, size_t len, const char *expected)
{
	static const long pieces[] = {0, 1, 2, 3, 7, 64, -1, -2, -3};
	int			bad = 0;

	for (int routine = 0; routine < routines; routine++)
	{
		for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
		{
			Transcript	t = transcribe(csv, len, pieces[i], routine, INT64_MAX);
			char	   *summary = strstr(t.text, "rows ");

			*summary = '\0';
			if (strcmp(t.text, expected) != 0 && bad++ == 0)
				printf("# pieces of %ld, routine %d\n# got\n%s# expected\n%s", pieces[i], routine, t.text, expected);
			free(t.text);
		}
	}
	UNIT_EQ(bad, 0, "%s", name);
}

static void
reads(const char *name, const char *csv, const char *expected)
{
	reads_bytes(name, csv, strlen(csv), expected);
}

static void
test_line_ends(void)
{
	reads("plain rows", HEAD ROW "a,s\n" ROW "b,t\n",
		  "2:" GOT "brand=[a] session=[s]\n3:" GOT "brand=[b] session=[t]\n");
	reads("no newline at the end", HEAD ROW "a,s", "2:" GOT "brand=[a] session=[s]\n");
	reads("no newline at the end, empty last field", HEAD ROW "a,", "2:" GOT "brand=[a] session=[]\n");
	reads("CRLF", "event_time,event_type,product_id,price,brand,user_session\r\n" ROW "a,s\r\n" ROW ",\r\n",
		  "2:" GOT "brand=[a] session=[s]\n3:" GOT "brand=[] session=[]\n");
	reads("CR at the end of the input", HEAD ROW "a,s\r", "2:" GOT "brand=[a] session=[s]\n");
	reads("lone CRs", "event_time,event_type,product_id,price,brand,user_session\r" ROW "a,s\r" ROW "b,\"t\"\r",
		  "2:" GOT "brand=[a] session=[s]\n3:" GOT "brand=[b] session=[t]\n");
	reads("lone CRs without one at the end", "event_time,event_type,product_id,price,brand,user_session\r" ROW "a,s\r" ROW "b,",
		  "2:" GOT "brand=[a] session=[s]\n3:" GOT "brand=[b] session=[]\n");
	reads("line ends of all kinds", HEAD ROW "a,s\r" ROW "b,t\r\n" ROW "c,u\n\r" ROW "d,v\r\r\n\n\r\r" ROW "e,w\n",
		  "2:" GOT "brand=[a] session=[s]\n3:" GOT "brand=[b] session=[t]\n4:" GOT "brand=[c] session=[u]\n"
		  "6:" GOT "brand=[d] session=[v]\n11:" GOT "brand=[e] session=[w]\n");
	reads("a CR inside quotes is a byte like others", HEAD ROW "\"a\rb\",\"\r\"\r" ROW "\"c\r\r\nd\",t\n",
		  "2:" GOT "brand=[a\rb] session=[]\n5:" GOT "brand=[c\r\r\nd] session=[t]\n");
	reads("a lone CR within a row cuts it", HEAD ROW "a\rb,s\r\n" ROW "c,t\n",
		  "2: column_count -1 (5 fields where the header has 6) raw=[" ROW "a]\n"
		  "3: column_count -1 (2 fields where the header has 6) raw=[b,s]\n4:" GOT "brand=[c] session=[t]\n");
	reads("only line ends", "\r\r\n\n\r", "");
	reads("empty lines", "\n\r\n" HEAD "\n\n" ROW "a,s\n\r\n\n" ROW "b,t\n\n\r",
		  "6:" GOT "brand=[a] session=[s]\n9:" GOT "brand=[b] session=[t]\n");
	reads("header only", HEAD, "");
	reads("header only without newline", "event_time,event_type,product_id,price", "");
	reads("empty input", "", "");
	reads("only empty lines", "\n\r\n\n", "");
	reads("byte order mark", "\xef\xbb\xbf" HEAD ROW "a,s\n", "2:" GOT "brand=[a] session=[s]\n");
	reads("byte order mark alone", "\xef\xbb\xbf", "");
	reads("byte order mark twice", "\xef\xbb\xbf\xef\xbb\xbf" HEAD ROW "a,s\n", "2:" GOT "brand=[a] session=[s]\n");
	reads("byte order mark cut short", "\xef\xbb\xbf\xef\xbb",
		  "failed: the first line is no header: it is not UTF-8: 0xef, which would be \"\xc3\xaf\" in cp1252\n");
}

static void
test_quotes(void)
{
	reads("quoted fields", HEAD "\"2019-10-01 00:00:00 UTC\",\"view\",\"1\",\"2.00\",\"a, b\",\"s\"\n",
		  "2:" GOT "brand=[a, b] session=[s]\n");
	reads("doubled quotes", HEAD ROW "\"a \"\"b\"\" c\",\"\"\"\"\n", "2:" GOT "brand=[a \"b\" c] session=[\"]\n");
	reads("empty quoted fields", HEAD ROW "\"\",\"\"\r\n" ROW "\"\",\"\"",
		  "2:" GOT "brand=[] session=[]\n3:" GOT "brand=[] session=[]\n");
	reads("newlines inside quotes", HEAD ROW "\"a\nb\r\nc\",s\n" ROW "d,t\n",
		  "2:" GOT "brand=[a\nb\r\nc] session=[s]\n5:" GOT "brand=[d] session=[t]\n");
	reads("an empty line inside quotes is kept", HEAD ROW "\"a\n\nb\",s\n", "2:" GOT "brand=[a\n\nb] session=[s]\n");
	reads("CRLF after a closing quote", HEAD ROW "a,\"s\"\r\n" ROW "b,\"t\"\r",
		  "2:" GOT "brand=[a] session=[s]\n3:" GOT "brand=[b] session=[t]\n");
	reads("a quote inside a field is a byte like others", HEAD ROW "5\" pipe,\ts\"\n" ROW " \"b\",t\n",
		  "2:" GOT "brand=[5\" pipe] session=[s\"]\n3:" GOT "brand=[ \"b\"] session=[t]\n");
	reads("quoted header", "\"event_time\",\"event_type\",\"product_id\",\"price\",\"brand\",\"user_session\"\n"
		  ROW "a,s\n",
		  "2:" GOT "brand=[a] session=[s]\n");
	reads("quoted newline in the header",
		  "event_time,event_type,product_id,price,brand,\"user\nsession\"\n" ROW "a,s\n",
		  "failed: field 6 of the header line can't be the name of a column: it holds a line break\n");
}

static void
test_broken_quotes(void)
{
	reads("a stray quote costs its own line", HEAD ROW "\"a,s\n" ROW "b,t\n" ROW "c,u\n",
		  "2: bad_quote -1 (opening quote without an end) raw=[" ROW "\"a,s]\n"
		  "3:" GOT "brand=[b] session=[t]\n4:" GOT "brand=[c] session=[u]\n");
	reads("a stray quote that meets a quoted field", HEAD ROW "\"a,s\r\n" ROW "b,t\n" ROW "\"c, d\",u\n",
		  "2: bad_quote -1 (text after a closing quote) raw=[" ROW "\"a,s]\n"
		  "3:" GOT "brand=[b] session=[t]\n4:" GOT "brand=[c, d] session=[u]\n");
	reads("text after a closing quote", HEAD ROW "\"a\" b,\"s\"\n" ROW "c,t\n",
		  "2: bad_quote -1 (text after a closing quote) raw=[" ROW "\"a\" b,\"s\"]\n3:" GOT "brand=[c] session=[t]\n");
	reads("text after a closing quote in the last line", HEAD ROW "\"a\"b,s",
		  "2: bad_quote -1 (text after a closing quote) raw=[" ROW "\"a\"b,s]\n");
	reads("a lone CR after a closing quote", HEAD ROW "a,\"s\"\r" ROW "c,t\r",
		  "2:" GOT "brand=[a] session=[s]\n3:" GOT "brand=[c] session=[t]\n");
	reads("text after a closing quote before a lone CR", HEAD ROW "\"a\"b,s\r" ROW "c,t\r",
		  "2: bad_quote -1 (text after a closing quote) raw=[" ROW "\"a\"b,s]\n3:" GOT "brand=[c] session=[t]\n");
	reads("a quote open at the end", HEAD ROW "a,\"s",
		  "2: bad_quote -1 (opening quote without an end) raw=[" ROW "a,\"s]\n");
	reads("a quote alone", HEAD "\"", "2: bad_quote -1 (opening quote without an end) raw=[\"]\n");
	reads("stray quotes in a row of lines", HEAD "\"x\n\"x\n\"x\n" ROW "a,s\n",
		  "2: bad_quote -1 (text after a closing quote) raw=[\"x]\n"
		  "3: bad_quote -1 (text after a closing quote) raw=[\"x]\n"
		  "4: bad_quote -1 (opening quote without an end) raw=[\"x]\n"
		  "5:" GOT "brand=[a] session=[s]\n");
	reads("broken quoting in the header", "event_time,\"event_type\n" ROW,
		  "failed: the first line is no header: its quoting is broken\n");
}

static void
test_counts(void)
{
	reads("too few and too many fields", HEAD ROW "a\n" ROW "a,s,x\n" ROW "a,s,\n,\n" ROW "b,t\n",
		  "2: column_count -1 (5 fields where the header has 6) raw=[" ROW "a]\n"
		  "3: column_count -1 (7 fields where the header has 6) raw=[" ROW "a,s,x]\n"
		  "4:" GOT "brand=[a] session=[s]\n"
		  "5: column_count -1 (2 fields where the header has 6) raw=[,]\n"
		  "6:" GOT "brand=[b] session=[t]\n");
	reads("fields beyond the header's that are empty", HEAD ROW "a,s,,\r\n" ROW "b,t, ,\"\"\n" ROW "c,u,,x\n" ROW "d,v,,",
		  "2:" GOT "brand=[a] session=[s]\n3:" GOT "brand=[b] session=[t]\n"
		  "4: column_count -1 (8 fields where the header has 6) raw=[" ROW "c,u,,x]\n5:" GOT "brand=[d] session=[v]\n");
	reads("a line of blanks is an empty one", HEAD " \n\t\xe3\x80\x80\r\n" ROW "a,s\n", "4:" GOT "brand=[a] session=[s]\n");
	reads("two rows in one line", HEAD ROW "a,s" ROW "b,t\n", "2: column_count -1 (11 fields where the header has 6: is a line end "
		  "missing?) raw=[" ROW "a,s" ROW "b,t]\n");
	reads("a quoted row with too few fields", HEAD "\"a \"\"b\"\n",
		  "2: column_count -1 (1 fields where the header has 6) raw=[\"a \"\"b\"]\n");
}

static void
test_encoding(void)
{
	static const char with_nul[] = HEAD ROW "a\0b,s\n" ROW "c,t\n";

	reads("UTF-8", HEAD ROW "\xc3\xa9t\xc3\xa9,\xf0\x9f\x98\x80\n",
		  "2:" GOT "brand=[\xc3\xa9t\xc3\xa9] session=[\xf0\x9f\x98\x80]\n");
	reads("not UTF-8", HEAD ROW "\xff,s\n" ROW "a,\xed\xa0\x80\n" "x,\xc3\n" ROW "b,t\n",
		  "2: bad_encoding -1 (no valid UTF-8 at byte 37 of the row: 0xff, which would be \"\xc3\xbf\" in cp1252) raw=[" ROW "\xff,s]\n"
		  "3: bad_encoding -1 (no valid UTF-8 at byte 39 of the row: 0xed, which would be \"\xc3\xad\" in cp1252) raw=[" ROW "a,\xed\xa0\x80]\n"
		  "4: bad_encoding -1 (no valid UTF-8 at byte 3 of the row: 0xc3, which would be \"\xc3\x83\" in cp1252) raw=[x,\xc3]\n"
		  "5:" GOT "brand=[b] session=[t]\n");
	{
		Transcript	t = transcribe(with_nul, sizeof(with_nul) - 1, 0, 0, INT64_MAX);

		UNIT_OK(strstr(t.text, "2: bad_encoding -1 (a NUL at byte 38 of the row)") == t.text, "NUL byte");
		UNIT_EQ(t.events, 1, "the row behind it is read");
		free(t.text);
	}
}

/* ---- lines at the limit ---- */

/* HEAD, then a row padded with `fill` bytes in its brand to len bytes, then what follows. */
static char *
long_line(size_t len, const char *before, char fill, const char *after, const char *follows, size_t *size)
{
	char	   *csv = malloc(len + 1000);
	char	   *p = csv + sprintf(csv, "%s", HEAD);
	size_t		used = (size_t) sprintf(p, "%s", before);

	memset(p + used, fill, len - used - strlen(after));
	p += len - strlen(after);
	p += sprintf(p, "%s%s", after, follows);
	*size = (size_t) (p - csv);
	return csv;
}

static void
long_line_gives(const char *name, size_t len, const char *before, char fill, const char *after, const char *expected)
{
	/* a newline inside quotes counts as one too */
	const char *next = strchr(before, '\n') != NULL ? "\n4:" GOT "brand=[b] session=[t]\n"
		: "\n3:" GOT "brand=[b] session=[t]\n";
	/* among them a first piece that ends around the last byte that decides */
	static const long end = sizeof(HEAD) - 1 + SLM_MAX_RECORD;
	const long	pieces[] = {0, 1000, 65536, -5, end - 1, end, end + 1, end + 2};
	size_t		size;
	char	   *csv = long_line(len, before, fill, after, "\n" ROW "b,t\n", &size);
	int			bad = 0;

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
	{
		Transcript	t = transcribe(csv, size, pieces[i], routines - 1, INT64_MAX);

		*strstr(t.text, "rows ") = '\0';
		/* only the beginning and the row behind are spelled out */
		if (strncmp(t.text, expected, strlen(expected)) != 0 ||
			strstr(t.text, next) == NULL || t.stats.rows_total != 2)
		{
			printf("# pieces of %ld, got\n%s# expected\n%s\n", pieces[i], t.text, expected);
			bad++;
		}
		free(t.text);
	}
	UNIT_EQ(bad, 0, "%s", name);
	free(csv);
}

static void
test_limits(void)
{
	size_t		max = SLM_MAX_RECORD;

	long_line_gives("a line of just 1 MB", max, ROW, 'x', ",s", "2:" GOT);
	long_line_gives("one byte more", max + 1, ROW, 'x', ",s", "2: too_long -1 (longer than 1048576 bytes)");
	long_line_gives("2 MB", 2 * max, ROW, 'x', ",s", "2: too_long");
	long_line_gives("2 MB behind a newline inside quotes", 2 * max, ROW "\"a\nb\",", 'x', ",s", "2: too_long");
	long_line_gives("10 MB of commas", 10 * max, ROW, ',', ",s", "2: too_long");
	long_line_gives("10 MB of literal quotes", 10 * max, ROW "x", '"', ",s", "2: too_long");
	long_line_gives("a quoted line of just 1 MB", max, ROW "\"", 'x', "\",s", "2:" GOT);
	long_line_gives("one byte more", max + 1, ROW "\"", 'x', "\",s", "2: too_long");
	long_line_gives("a closing quote as the last byte", max, ROW "a,\"", 'x', "\"", "2:" GOT);
	long_line_gives("a closing quote behind the last byte", max + 1, ROW "a,\"", 'x', "\"", "2: bad_quote");
	long_line_gives("an escaped quote as the last byte", max + 1, ROW "a,\"", 'x', "\"\"", "2: bad_quote");
	long_line_gives("a closing quote before a CR that is too far", max + 1, ROW "a,\"", 'x', "\"\r", "2: too_long");
	long_line_gives("a closing quote before a CRLF that is too far", max + 2, ROW "a,\"", 'x', "\"x\r", "2: bad_quote");
	long_line_gives("1 MB of commas inside quotes", max, ROW "\"", ',', "\",s", "2:" GOT);
	long_line_gives("a quote open for 3 MB", 3 * max, ROW "\"", 'x', "\",s", "2: bad_quote");
	long_line_gives("text after a closing quote, for 3 MB", 3 * max, ROW "\"a\"b", 'x', "\",s", "2: bad_quote");
	long_line_gives("a CR as byte 1 MB + 1", max + 1, ROW, 'x', ",s\r", "2: too_long");
}

/*
 * Broken quoting is told as soon as it shows, not a megabyte later: else a file full of it would be read a thousand
 * times.
 */
static void
rejects_at_once(const char *csv)
{
	SlmReaderOptions options = {.latest = INT64_MAX};
	SlmReader  *reader = slm_reader_create(&options);
	SlmReadRow	row;

	slm_reader_feed(reader, csv, strlen(csv), false);
	UNIT_EQ(slm_reader_next(reader, &row), SLM_READ_REJECT, "broken quoting is told at once");
	UNIT_EQ(row.reject.reason, SLM_REJECT_BAD_QUOTE, "as such");
	UNIT_EQ(slm_reader_next(reader, &row), SLM_READ_EVENT, "and the next row is read");
	slm_reader_free(reader);
}

/* A stray quote in front of more than 1 MB of good rows costs one row. */
static void
test_stray_quote_far(void)
{
	size_t		rows = 30000;
	char	   *csv = malloc(rows * 64 + 1000);
	char	   *p = csv + sprintf(csv, "%s", HEAD ROW "\"a,s\n");

	for (size_t i = 0; i < rows; i++)
		p += sprintf(p, "%s", ROW "b,t\n");
	for (int routine = 0; routine < routines; routine++)
	{
		Transcript	t = transcribe(csv, (size_t) (p - csv), -7, routine, INT64_MAX);

		UNIT_OK(t.events == rows && t.rejects == 1, "a stray quote before 1.2 MB of rows costs one row");
		free(t.text);
	}
	free(csv);
}

/* A stray quote that another one closes, with whole rows in between, costs its own row. */
static void
test_stray_quotes(void)
{
	static const char stray[] = "bad_quote -1 (stray opening quote: lines behind it are rows) ";
	char		expected[2000];

	sprintf(expected, "2: %sraw=[" ROW "\"55 inch TV,s]\n3:" GOT "brand=[b] session=[t]\n4:" GOT "brand=[TV 55\"] session=[u]\n"
			"5:" GOT "brand=[c] session=[v]\n", stray);
	reads("a stray quote", HEAD ROW "\"55 inch TV,s\n" ROW "b,t\n" ROW "TV 55\",u\n" ROW "c,v\n", expected);
	reads("a stray quote, CRLF", HEAD ROW "\"55 inch TV,s\r\n" ROW "b,t\r\n" ROW "TV 55\",u\r\n" ROW "c,v\r\n", expected);
	reads("a stray quote, lone CRs", HEAD ROW "\"55 inch TV,s\r" ROW "b,t\r" ROW "TV 55\",u\r" ROW "c,v\r", expected);
	sprintf(expected, "2: %sraw=[" ROW "\"55 inch TV,s]\n3:" GOT "brand=[TV 55\"] session=[t]\n", stray);
	reads("a stray quote that the next row closes", HEAD ROW "\"55 inch TV,s\n" ROW "TV 55\",t", expected);
	sprintf(expected, "2: %sraw=[" ROW "\"a,s]\n3:" GOT "brand=[] session=[x\"\"y]\n4:" GOT "brand=[b\"] session=[u]\n", stray);
	reads("a stray quote and doubled ones", HEAD ROW "\"a,s\n" ROW "\"\",x\"\"y\n" ROW "b\",u\n", expected);
	sprintf(expected, "2: %sraw=[" ROW "b,\"s]\n3:" GOT "brand=[c] session=[t\"]\n", stray);
	reads("a stray quote in the last field", HEAD ROW "b,\"s\n" ROW "c,t\"\n", expected);
	sprintf(expected, "2: %sraw=[" ROW "\"a,s]\n3:" GOT "brand=[b] session=[t]\n4: %sraw=[" ROW "\",u]\n"
			"5:" GOT "brand=[c] session=[v]\n6:" GOT "brand=[,w\n] session=[x]\n", stray, stray);
	reads("a stray quote that meets another one", HEAD ROW "\"a,s\n" ROW "b,t\n" ROW "\",u\n" ROW "c,v\n" ROW "\",w\n\",x\n",
		  expected);
	reads("lines with commas inside quotes that are no rows", HEAD ROW "\"a,b,c,d,e,f\n2019-10-01,view,1,2,x,y\n,,,,,\ng\",s\n" ROW "b,t\n",
		  "2:" GOT "brand=[a,b,c,d,e,f\n2019-10-01,view,1,2,x,y\n,,,,,\ng] session=[s]\n6:" GOT "brand=[b] session=[t]\n");
	reads("a first field of two lines, and rows behind it",
		  "brand,event_time,event_type,product_id,price\n\"a\nb\",2019-10-01 00:00:00,view,1,2\n\"c\n\nd\",2019-10-01 00:00:00,view,1,2\n",
		  "2:" GOT "brand=[a\nb] session=[]\n4:" GOT "brand=[c\n\nd] session=[]\n");
	reads("the header inside quotes is no row", HEAD ROW "\"" HEAD "\",s\n", "2:" GOT "brand=[" HEAD "] session=[s]\n");
}

static size_t scanned;

static size_t
counting_scan(const uint8_t *data, size_t len, uint32_t base, uint32_t *out, bool *dirty)
{
	scanned += len;
	return slm_scan_best() (data, len, base, out, dirty);
}

/* However bad the quoting, no byte is scanned more than a few times. */
static void
scans_once(const char *name, const char *lines, size_t times)
{
	static const int columns[SLM_COLUMNS] = {0, 1, 2, -1, -1, 4, 3, -1, 5};
	size_t		len = strlen(lines);
	SlmCsv		csv;
	SlmCsvStatus status;
	SlmRecord	record;
	size_t		records = 0;

	UNIT_OK(slm_csv_init(&csv, counting_scan) && slm_csv_set_columns(&csv, 6, 6, columns), "a csv");
	scanned = 0;
	for (size_t at = 0; (status = slm_csv_next(&csv, &record)) != SLM_CSV_END;)
	{
		if (status == SLM_CSV_MORE)
		{
			char	   *room = slm_csv_room(&csv);
			size_t		n = 0;

			for (; n < SLM_CSV_BLOCK && at < len * times; n++, at++)
				room[n] = lines[at % len];
			slm_csv_added(&csv, n, at == len * times);
		}
		else
			records++;
	}
	UNIT_OK(scanned < 3 * len * times, "%s: %zu bytes scanned of %zu", name, scanned, len * times);
	UNIT_OK(records * 3 >= times, "%s: its lines are read", name);
	slm_csv_free(&csv);
}

static void
test_stray_linear(void)
{
	scans_once("stray quotes", ROW "\"a,s\n", 50000);
	scans_once("stray quotes alone", "\"\n", 500000);
	scans_once("text after quotes", ROW "\"a\"b,s\n", 50000);
	scans_once("stray quotes with a row between", ROW "\",s\n" ROW "b,t\n", 50000);
	scans_once("stray quotes far apart", ROW "\",s\n" ROW "b,t\n" ROW "b,t\n" ROW "\"\",t\n" ROW "b,t\n" ROW "b,t\n", 20000);
	scans_once("stray quotes and doubled ones", ROW "\",s\n" ROW "\"\"\"\",t\"\"\n" ROW "b,t\n", 20000);
	scans_once("rows quoted as a whole", "\"" ROW "b,t\n" ROW "b,t\n\"\n", 20000);
}

/* ---- random bytes against a naive reader ---- */

/* Is the byte at i the last one of a line end? */
static bool
naive_line_end(const char *data, size_t len, size_t i)
{
	return data[i] == '\n' || (data[i] == '\r' && (i + 1 == len || data[i + 1] != '\n'));
}

/* How many fields the line at data has, those beyond six counted only if not empty, or 0 if its quoting is broken. */
static size_t
naive_fields(const char *data, size_t len, bool literal)
{
	size_t		fields = 1;
	size_t		used = 1;
	size_t		i = 0;
	bool		good = true;

	while (i < len && data[i] != '\n' && data[i] != '\r')
		i++;
	len = i;
	for (i = 0; i < len && good; i++)
	{
		size_t		begin = i;

		if (data[i] == '"')
		{
			for (i++; i < len && (data[i] != '"' || (i + 1 < len && data[i + 1] == '"')); i++)
				i += data[i] == '"';
			good = i < len && (i + 1 == len || data[i + 1] == ',');
			if (literal && !good)
			{
				good = true;
				used = fields;
				for (i = begin; i < len && data[i] != ',';)
					i++;
				fields += i < len;
				continue;
			}
			if (data[i - 1] != '"' || data[i - 2] == '"')
				used = fields;
		}
		else
		{
			if (data[i] != ',')
				used = fields;
			while (i < len && data[i] != ',')
				i++;
			fields += i < len;
		}
	}
	return !good ? 0 : fields > 6 && used <= 6 ? 6 : fields;
}

static bool
naive_row(const char *data, size_t len, bool literal)
{
	return len >= strlen(ROW) && memcmp(data, ROW, strlen(ROW)) == 0 && naive_fields(data, len, literal) == 6;
}

/*
 * Does a whole row stand behind the first line of a record, not as its last line, or as that if the first line is one too?
 * Rows of this test begin with ROW and have six fields.
 */
static bool
naive_holds_row(const char *data, size_t len)
{
	size_t		last = len;

	while (last > 0 && data[last - 1] != '\n' && data[last - 1] != '\r')
		last--;
	for (size_t i = 1; i <= len; i++)
	{
		if ((data[i - 1] == '\n' || data[i - 1] == '\r') && naive_row(data + i, len - i, false) && (i < last || naive_row(data, len, true)))
			return true;
	}
	return false;
}

/* The record that begins at data: its length without line end, what it is, and where to go on. */
static SlmCsvStatus
naive_record(const char *data, size_t len, size_t *raw_len, size_t *next, uint64_t *lines)
{
	bool		quoted = false;
	bool		field_start = true;
	bool		broken = false;
	size_t		i;

	for (i = 0; i < len; i++)
	{
		if (quoted && data[i] == '"')
		{
			char		after = i + 1 < len ? data[i + 1] : '\n';

			if (after == '"')
				i++;
			else if (after == ',' || after == '\n' || after == '\r')
				quoted = false;
			else
			{
				broken = true;
				break;
			}
		}
		else if (!quoted && naive_line_end(data, len, i))
			break;
		else if (!quoted && data[i] == '"' && field_start)
			quoted = true;
		field_start = !quoted && i < len && data[i] == ',';
	}
	broken = broken || quoted || naive_holds_row(data, i > 0 && data[i - 1] == '\r' ? i - 1 : i);
	if (broken)
	{
		for (i = 0; i < len && !naive_line_end(data, len, i);)
			i++;
	}
	*raw_len = i > 0 && i < len && data[i] == '\n' && data[i - 1] == '\r' ? i - 1 : i;
	*next = i < len ? i + 1 : len;
	*lines = 0;
	for (size_t k = 0; k < *next; k++)
		*lines += naive_line_end(data, len, k);
	return broken ? SLM_CSV_BAD_QUOTE : SLM_CSV_RECORD;
}

/* What the naive reader makes of csv, as a transcript of lines and raw text. */
static void
naive_read(Transcript *t, const char *csv, size_t len)
{
	uint64_t	line = 2;
	size_t		at = strlen(HEAD);

	while (at < len)
	{
		size_t		raw_len,
					next;
		uint64_t	lines;
		SlmCsvStatus status = naive_record(csv + at, len - at, &raw_len, &next, &lines);
		SlmSlice	raw = {csv + at, (uint32_t) raw_len};

		if (raw_len > 0)
		{
			const char *what = "row";

			if (status == SLM_CSV_BAD_QUOTE)
				what = "bad_quote";
			else if (slm_utf8_check(raw.data, raw.len) < raw.len)
				what = "bad_encoding";
			note(t, "%llu %s %016llx\n", (unsigned long long) line, what, (unsigned long long) digest(raw));
		}
		line += lines;
		at += next;
	}
}

/* The same from the reader. */
static void
real_read(Transcript *t, const char *csv, size_t len, int routine)
{
	SlmReaderOptions options = {.latest = INT64_MAX};
	SlmReader  *reader = slm_reader_create(&options);
	size_t		at = 0;
	SlmReadStatus status = SLM_READ_MORE;

	slm_reader_use_scan(reader, routine);
	while (status == SLM_READ_MORE)
	{
		size_t		n = (size_t) unit_random(100);
		SlmReadRow	row;

		n = n < len - at ? n : len - at;
		slm_reader_feed(reader, csv + at, n, at + n == len);
		at += n;
		while ((status = slm_reader_next(reader, &row)) == SLM_READ_REJECT || status == SLM_READ_EVENT)
		{
			const char *what = status == SLM_READ_EVENT ? "row" : slm_reject_name(row.reject.reason);

			if (status == SLM_READ_REJECT && row.reject.reason != SLM_REJECT_BAD_QUOTE && row.reject.reason != SLM_REJECT_BAD_ENCODING)
				what = "row";
			note(t, "%llu %s %016llx\n", (unsigned long long) row.line, what,
				 (unsigned long long) digest(row.raw));
		}
	}
	if (status != SLM_READ_END)
		note(t, "status %d\n", status);
	slm_reader_free(reader);
}

/* Many inputs that are put together from these parts: the reader says what the naive one says. */
static void
test_random(const char *name, const char *const *parts, int nparts)
{
	int			bad = 0;

	for (int round = 0; round < 20000; round++)
	{
		char		csv[600];
		size_t		len = (size_t) sprintf(csv, "%s", HEAD);
		size_t		end = len + (size_t) unit_random(sizeof(csv) - len - sizeof(ROW) - 10);
		Transcript	naive = {0},
					real = {0};

		while (len < end)
			len += (size_t) sprintf(csv + len, "%s", parts[unit_random((uint64_t) nparts)]);
		note(&naive, "%s", "");
		note(&real, "%s", "");
		naive_read(&naive, csv, len);
		real_read(&real, csv, len, round % routines);
		if (strcmp(naive.text, real.text) != 0 && bad++ == 0)
			printf("# round %d\n# got\n%s# expected\n%s# of\n%s\n", round, real.text, naive.text, csv);
		free(naive.text);
		free(real.text);
	}
	UNIT_EQ(bad, 0, "20000 random inputs of %s read as the rules say", name);
}

static void
test_random_inputs(void)
{
	static const char *const bytes[] = {
		"\"", "\"", "\"", "\"", ",", ",", ",", ",", "\n", "\n", "a", "b", "\r", "\r", "\xc3", "\xa9", "\xff"
	};
	static const char *const rows[] = {
		"\n" ROW, "\r" ROW, "\r\n" ROW, "a", "\"", "\"\"", ",", ",\"", "\",", "s\n", "\"s\"\n", "a,s\n" ROW, "\"a,s\n" ROW, "a\",s\n" ROW,
	};

	test_random("bytes", bytes, sizeof(bytes) / sizeof(bytes[0]));
	test_random("rows and quotes", rows, sizeof(rows) / sizeof(rows[0]));
}

static void
test_utf8(void)
{
	long		bad = 0;

	/* every code point, encoded by the book, in and out of a run of ASCII */
	for (uint32_t c = 0; c < 0x120000; c++)
	{
		char		s[24] = "abcdefghijkl";
		uint8_t    *u = (uint8_t *) s + 5;
		int			n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
		bool		valid = c != 0 && !(c >= 0xd800 && c < 0xe000) && c < 0x110000;

		if (n == 1)
			u[0] = (uint8_t) c;
		else
		{
			for (int i = n - 1; i > 0; i--)
				u[i] = (uint8_t) (0x80 | ((c >> (6 * (n - 1 - i))) & 0x3f));
			u[0] = (uint8_t) ((0xf00 >> n) | (c >> (6 * (n - 1))));
		}
		bad += slm_utf8_length(s + 5, 7) != (valid ? n : 0);
		bad += slm_utf8_check(s, 12) != (valid ? 12 : 5);
		/* cut short it is not valid */
		bad += n > 1 && slm_utf8_check(s, 5 + (size_t) n - 1) != 5;
	}
	UNIT_EQ(bad, 0, "every code point");
	UNIT_EQ(slm_utf8_check("\xc0\x80", 2), 0, "overlong NUL");
	UNIT_EQ(slm_utf8_check("ab\xe0\x9f\xbf", 5), 2, "overlong three bytes");
	UNIT_EQ(slm_utf8_check("ab\xf0\x8f\xbf\xbf", 6), 2, "overlong four bytes");
	UNIT_EQ(slm_utf8_check("abcdefg\x80", 8), 7, "a lone continuation byte");
	UNIT_EQ(slm_utf8_check("", 0), 0, "nothing");
	UNIT_OK(slm_is_ascii("abcdefgh\x01\x7f", 10), "ASCII");
	UNIT_OK(!slm_is_ascii("abcdefgh\0b", 10), "NUL is odd");
	UNIT_OK(!slm_is_ascii("abc\x80" "efgh", 8), "so is a high bit");
}

int
main(void)
{
	slm_scan_routines(&routines);
	test_line_ends();
	test_quotes();
	test_broken_quotes();
	test_counts();
	test_encoding();
	test_limits();
	rejects_at_once(HEAD ROW "\"a\"b,s\n" ROW "c,t\n" ROW "d,u\n");
	rejects_at_once(HEAD ROW "\"a,s\n" ROW "c,t\n" ROW "\"d, e\",u\n" ROW "f,v\n");
	test_stray_quote_far();
	test_stray_quotes();
	test_stray_linear();
	test_random_inputs();
	test_utf8();
	return unit_done();
}
