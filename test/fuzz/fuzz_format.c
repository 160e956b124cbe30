/*
 * fuzz_format.c: whatever the bytes and the format, the reader says the same however they are cut, an archive would have the same rows, what
 * it would have reads back as the same events without a format, and sniffing ends with a description that is one.
 *
 * The input: eight bytes that choose the format, one that seeds the cuts, then the file.
 */
#include "fuzz.h"

#include "pure/reader.h"
#include "pure/records.h"
#include "pure/sniff.h"
#include "pure/utf8.h"

#define HEAD	9

/* What was read: a sum over all that was said, and how many there were. */
typedef struct Said
{
	uint64_t	events_sum;
	uint64_t	rejects_sum;
	uint64_t	events;
	uint64_t	rejects;
	SlmReadStatus end;
	uint64_t	ignored;
} Said;

static uint64_t
mix(uint64_t h, const void *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		h = (h ^ ((const uint8_t *) data)[i]) * UINT64_C(1099511628211);
	return h ^ (h >> 29);
}

static uint64_t
mix_event(uint64_t h, const SlmEvent *e)
{
	h = mix(h, &e->time, sizeof(e->time));
	h = mix(h, &e->product_id, sizeof(e->product_id));
	h = mix(h, &e->price, sizeof(e->price));
	h = mix(h, &e->type, sizeof(e->type));
	h = mix(h, e->brand.data, e->brand.len);
	h = mix(h, e->category_code.data, e->category_code.len);
	return mix(h, e->session.data, e->session.len);
}

/* Read the bytes, cut by the seed; 0: not at all. */
static Said
read_all(const SlmFormat *format, const uint8_t *data, size_t size, uint64_t seed)
{
	SlmReaderOptions options = {.latest = INT64_MAX,.format = format};
	SlmReader  *reader = slm_reader_create(&options);
	Said		said = {0};
	SlmReadRow	row;
	size_t		at = 0;

	said.end = SLM_READ_MORE;
	while (said.end == SLM_READ_MORE)
	{
		size_t		n = size - at;
		uint8_t    *copy;

		seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		if (seed != UINT64_C(1442695040888963407) && n > (seed >> 40) % 50)
			n = (seed >> 40) % 50;
		copy = malloc(n + 1);
		memcpy(copy, data + at, n);
		at += n;
		slm_reader_feed(reader, copy, n, at == size);
		while ((said.end = slm_reader_next(reader, &row)) == SLM_READ_EVENT || said.end == SLM_READ_REJECT)
		{
			if (said.end == SLM_READ_EVENT)
			{
				said.events++;
				said.events_sum = mix_event(said.events_sum, &row.event);
				continue;
			}
			said.rejects++;
			said.rejects_sum = mix(said.rejects_sum, row.reject.detail, strnlen(row.reject.detail, 128));
			said.rejects_sum = mix(said.rejects_sum, &row.line, sizeof(row.line));
			MUST(slm_utf8_check(row.reject.detail, strlen(row.reject.detail)) == strlen(row.reject.detail), "detail");
		}
		free(copy);
	}
	said.ignored = slm_reader_stats(reader)->rows_ignored;
	slm_reader_free(reader);
	return said;
}

static void
check_archive(const SlmFormat *format, const uint8_t *data, size_t size, const Said *said)
{
	SlmRecords *records = slm_records_create(false, format);
	SlmText		archive = {0};
	SlmRawRecord record;
	SlmRecordsStatus status;
	uint64_t	rows = 0;

	slm_records_feed(records, data, size, true);
	while ((status = slm_records_next(records, &record)) == SLM_RECORDS_ROW)
	{
		rows += !record.header;
		MUST(record.broken ? slm_single_field(record.text, &archive) : slm_plain_row(record.text, &archive), "memory");
	}
	if (said->end == SLM_READ_END)
	{
		MUST(status == SLM_RECORDS_END, "status %d", status);
		MUST(rows == said->events + said->rejects, "%llu rows for an archive, %llu and %llu for the reader", (unsigned long long) rows,
			 (unsigned long long) said->events, (unsigned long long) said->rejects);
	}
	slm_records_free(records);
	if (said->end == SLM_READ_END && said->events > 0)
	{
		Said		again = read_all(NULL, (const uint8_t *) archive.data, archive.len, 0);

		MUST(again.events == said->events && again.events_sum == said->events_sum, "%llu events from the archive, %llu from the file",
			 (unsigned long long) again.events, (unsigned long long) said->events);
	}
	free(archive.data);
}

static void
check_sniff(const uint8_t *data, size_t size)
{
	SlmSniff	sniff;

	MUST(slm_sniff(data, size, size % 2 == 0, &sniff), "memory");
	MUST(sniff.format.len >= 2 && sniff.format.data[0] == '{' && sniff.format.data[sniff.format.len - 1] == '}', "description");
	MUST(slm_utf8_check(sniff.format.data, sniff.format.len) == sniff.format.len, "description");
	for (int i = 0; i < sniff.nfindings; i++)
	{
		MUST(slm_utf8_check(sniff.finding[i].found, strlen(sniff.finding[i].found)) == strlen(sniff.finding[i].found), "found");
		MUST(slm_utf8_check(sniff.finding[i].detail, strlen(sniff.finding[i].detail)) == strlen(sniff.finding[i].detail), "detail");
	}
	slm_sniff_free(&sniff);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const SlmFormatEvent events[] = {{"addtocart", SLM_CART}, {"wish", -1}};
	static const SlmZoneChange zone[] = {{INT64_MIN, 3600}, {INT64_C(623372400000000), 7200}, {INT64_C(625449600000000), 3600}};
	static const int required[] = {SLM_COL_EVENT_TIME, SLM_COL_EVENT_TYPE, SLM_COL_PRODUCT_ID, SLM_COL_PRICE, SLM_COL_BRAND};
	SlmFormat	format;
	Said		whole,
				cut;

	if (size < HEAD)
		return 0;
	slm_format_init(&format);
	format.delimiter = ",;\t|"[data[0] % 4];
	format.quote = "\"'\0"[data[0] / 4 % 3];
	format.backslash = data[0] & 64;
	format.no_header = data[0] & 128;
	format.encoding = (SlmEncoding) (data[1] % 3);
	format.time = (SlmTimeForm) (data[1] / 3 % 6);
	format.decimal = data[2] & 1 ? ',' : '.';
	format.thousands = data[2] & 2 ? ' ' : data[2] & 4 ? '\'' : '\0';
	format.minor_units = data[2] / 8 % 5;
	format.only_events = data[3] & 1;
	format.events = events;
	format.nevents = data[3] & 2 ? 2 : 0;
	if (data[3] & 4)
	{
		format.zone = zone;
		format.nzone = 3;
	}
	for (int i = 0; i < 5; i++)
	{
		if (format.no_header)
			format.role[required[i]] = (SlmFormatRole) {.nfields = 1,.field = {{NULL, 1 + data[4] / (i + 1) % 5}}};
	}
	if (data[5] & 1)
		format.role[SLM_COL_PRICE] = (SlmFormatRole) {.constant = "2"};
	if (data[5] & 2)
		format.role[SLM_COL_USER_SESSION] = (SlmFormatRole) {.nfields = 2,.field = {{NULL, 1}, {NULL, 2}}};
	whole = read_all(&format, data + HEAD, size - HEAD, 0);
	cut = read_all(&format, data + HEAD, size - HEAD, data[8] + 1);
	/* of what failed it is not said how much else had been looked at */
	MUST(whole.events == cut.events && whole.rejects == cut.rejects && whole.end == cut.end && (whole.ignored == cut.ignored || whole.end != SLM_READ_END) &&
		 whole.events_sum == cut.events_sum && whole.rejects_sum == cut.rejects_sum,
		 "%llu %llu %d, cut %llu %llu %d", (unsigned long long) whole.events, (unsigned long long) whole.rejects, whole.end,
		 (unsigned long long) cut.events, (unsigned long long) cut.rejects, cut.end);
	check_archive(&format, data + HEAD, size - HEAD, &whole);
	check_sniff(data + HEAD, size - HEAD);
	return 0;
}
