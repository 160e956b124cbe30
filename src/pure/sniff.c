/*
 * sniff.c: the shape of a file: its encoding, what separates its columns, and whether it has a header.
 */
#include "pure/sniff_internal.h"

#include <stdlib.h>
#include <string.h>

#include "pure/encoding.h"
#include "pure/line.h"
#include "pure/trim.h"
#include "pure/utf8.h"

static const char delimiters[] = {',', ';', '\t', '|'};

const char *
slm_sure_name(SlmSure sure)
{
	static const char *const names[] = {"certain", "likely", "guess", "no"};

	return names[sure];
}

void
slm_sniff_free(SlmSniff *sniff)
{
	free(sniff->format.data);
	sniff->format = (SlmText) {0};
}

/* --- encoding --- */

/* UTF-8, or what it would be taken for if not; a character that is cut off at the end doesn't count. */
static SlmEncoding
find_encoding(const uint8_t *bytes, size_t len, bool whole)
{
	const char *data = (const char *) bytes;
	size_t		valid = slm_utf8_check(data, len);

	if (len >= 2 && (memcmp(bytes, "\xff\xfe", 2) == 0 || memcmp(bytes, "\xfe\xff", 2) == 0))
		return bytes[0] == 0xff ? SLM_UTF16LE : SLM_UTF16BE;
	return valid == len || bytes[valid] == 0 || (!whole && valid + 4 > len) ? SLM_UTF8 : SLM_CP1252;
}

/* --- records --- */

typedef struct Records
{
	SlmCut		cut;
	SlmSlice	rest;
	bool		whole;
	uint32_t	first;			/* fields of the first one */
	int			n;
	int			even;			/* have as many */
	int			broken;
} Records;

static void
begin_records(Records *records, const SniffSample *sample, bool whole)
{
	*records = (Records) {.rest = {sample->text.data, (uint32_t) sample->text.len},.whole = whole};
	slm_cut_init(&records->cut, &sample->format);
}

/* Comments, and what spreadsheets write, before the header. */
static bool
is_prelude(SlmSlice line)
{
	return line.data[0] == '#' || slm_trim(line).len == 0 || (line.len <= 5 && line.len >= 4 && memcmp(line.data, "sep=", 4) == 0);
}

/* The next record that is no empty line and no prelude; false if there is none that is whole. */
static bool
next_record(Records *records)
{
	while (records->rest.len > 0)
	{
		size_t		len;
		size_t		whole;
		SlmSlice	line = records->rest;
		SlmCutStatus status = slm_cut_next(&records->cut, line, records->whole, line.len, &len, &whole);

		if (status != SLM_CUT_RECORD && status != SLM_CUT_BROKEN)
			return false;
		records->rest.data += whole;
		records->rest.len -= (uint32_t) whole;
		line.len = (uint32_t) len;
		records->broken += status == SLM_CUT_BROKEN;
		if (status == SLM_CUT_BROKEN || records->cut.nfields == 0 || (records->n == 0 && is_prelude(line)))
			continue;
		if (records->n++ == 0)
			records->first = records->cut.nfields;
		records->even += records->cut.nfields == records->first;
		return true;
	}
	return false;
}

/* How well the text is cut by the format: the more columns, and the fewer odd rows, the better; 0: it is not. */
static int
try_format(const SniffSample *sample, bool whole)
{
	Records		records;
	int			score;

	begin_records(&records, sample, whole);
	while (records.n < 100 && next_record(&records))
		;
	score = records.n == 0 || records.first < 2 || records.even * 10 < records.n * 8 ? 0
		: (int) records.first * 100 * records.even / records.n - 10 * records.broken;
	slm_cut_free(&records.cut);
	return score < 0 ? 0 : score;
}

/* What separates columns, and how quotes in quotes are written. */
static bool
find_delimiter(SniffSample *sample, bool whole)
{
	int			best = 0;
	SlmFormat	found = sample->format;

	for (size_t d = 0; d < sizeof(delimiters); d++)
	{
		for (int backslash = 0; backslash < 2; backslash++)
		{
			int			score;

			sample->format.delimiter = delimiters[d];
			sample->format.backslash = backslash != 0;
			score = try_format(sample, whole);
			if (score > best)
			{
				best = score;
				found = sample->format;
			}
		}
	}
	sample->format = found;
	return best > 0;
}

/* --- header and rows --- */

/* Is the first record names, and not values?  It has a name that is known, or nothing in it is a number or a time. */
static bool
looks_like_header(const SlmCut *cut)
{
	int			known = 0;

	for (uint32_t i = 0; i < cut->nfields; i++)
		known += slm_sniff_is_name(cut->field[i]);
	if (known > 0)
		return true;
	for (uint32_t i = 0; i < cut->nfields; i++)
	{
		SlmSlice	cell = slm_trim(cut->field[i]);

		if (cell.len > 0 && cell.data[0] >= '0' && cell.data[0] <= '9')
			return false;
	}
	return true;
}

/* The cells of the record that was cut, undone where they stand. */
static void
copy_cells(Records *records, SlmSlice *to)
{
	slm_cut_undo(&records->cut);
	memcpy(to, records->cut.field, records->cut.nfields * sizeof(SlmSlice));
}

static bool
read_rows(SniffSample *sample, bool whole)
{
	Records		records;
	bool		ok = true;

	begin_records(&records, sample, whole);
	if (next_record(&records) && records.first <= SLM_SNIFF_COLUMNS)
	{
		sample->ncolumns = (int) records.first;
		sample->header = calloc(records.first, sizeof(SlmSlice));
		sample->cell = calloc((size_t) records.first * SLM_SNIFF_ROWS, sizeof(SlmSlice));
		sample->column = calloc(records.first, sizeof(SniffColumn));
		ok = sample->header != NULL && sample->cell != NULL && sample->column != NULL;
	}
	if (ok && sample->ncolumns > 0)
	{
		bool		has_header = looks_like_header(&records.cut);

		copy_cells(&records, has_header ? sample->header : sample->cell);
		sample->format.no_header = !has_header;
		sample->nrows = has_header ? 0 : 1;
		while (sample->nrows < SLM_SNIFF_ROWS && next_record(&records))
		{
			if (records.cut.nfields == records.first)
				copy_cells(&records, &sample->cell[sample->nrows++ * sample->ncolumns]);
			else
				sample->uneven++;
		}
	}
	slm_cut_free(&records.cut);
	return ok;
}

static void
free_sample(SniffSample *sample)
{
	free(sample->text.data);
	free(sample->header);
	free(sample->cell);
	free(sample->column);
}

bool
slm_sniff(const uint8_t *bytes, size_t len, bool whole, SlmSniff *sniff)
{
	SniffSample sample = {.session_part = -1,.order = -1,.no_event = -1};
	SlmTranscoder transcoder = {0};
	bool		ok;

	*sniff = (SlmSniff) {0};
	slm_format_init(&sample.format);
	for (int r = 0; r < SLM_ROLES; r++)
		sample.role[r] = -1;
	transcoder.encoding = sample.format.encoding = find_encoding(bytes, len, whole);
	/* its end is what could not be taken in */
	ok = slm_transcode(&transcoder, bytes, len, true, &sample.text);
	if (ok && find_delimiter(&sample, whole))
	{
		ok = read_rows(&sample, whole);
		if (ok)
		{
			slm_sniff_values(&sample);
			if (sample.format.no_header && !slm_sniff_snowplow(&sample))
				slm_sniff_places(&sample);
			else
			{
				(void) slm_sniff_names(&sample);
				slm_sniff_unnamed(&sample);
			}
			slm_sniff_forms(&sample);
			slm_sniff_rows(&sample);
		}
	}
	ok = ok && slm_sniff_write(&sample, sniff);
	free_sample(&sample);
	return ok;
}
