/*
 * csv.c: stage 2 of reading CSV: records and fields.  csv.h draws the window and says what comes out; csv_walk.c finds the end of a
 * record that is not plain.
 *
 * LF, CRLF and a CR that no LF follows end a line, in any mix.
 *
 * Quotes mean something only where a field begins.  A record is decided by its first SLM_MAX_RECORD + 1 bytes:
 *  - its line end is among them, outside quotes: a record; but if lines that stand in its quotes are whole rows of the
 *    header (line.h), the quote was a stray one that met another;
 *  - it is not, or the input ends, and a quote is open: the quote is taken for a stray one that costs its own physical
 *    line and nothing else; reading goes on at the line that follows;
 *  - it is not, and no quote is open: too long, and passed over up to the next newline;
 *  - a closing quote is followed by anything but a comma or a line end: as if the quote had not been closed, since
 *    mostly it is a stray quote that met the opening quote of a later line.
 * A stray quote that passes over a line goes through its quotes in pairs, so none of the lines it passed can leave one
 * open past the same place; only the line with the quote that closed it can, and what that one passes is new.  So no
 * byte is walked over more than twice, and looked at for rows once.
 */
#include "pure/csv_internal.h"

#include <stdlib.h>
#include <string.h>

#include "pure/assert.h"
#include "pure/line.h"
#include "pure/number.h"
#include "pure/utf8.h"

/* See slm_csv_room(). */
#define CAPACITY	(2 * SLM_MAX_RECORD + 1 + SLM_CSV_BLOCK)

bool
slm_csv_init(SlmCsv *csv, SlmScanFunction scan)
{
	uint32_t   *positions;

	memset(csv, 0, sizeof(*csv));
	csv->scan = scan;
	csv->line = 1;
	/* not touched before it is needed: mostly the first block or two are all that is ever used */
	csv->buf = malloc(CAPACITY + SLM_PAD + SLM_MAX_RECORD + SLM_PAD);
	csv->raw = csv->buf == NULL ? NULL : csv->buf + CAPACITY + SLM_PAD;
	positions = malloc(sizeof(uint32_t) * (1 + SLM_CSV_FAST_FIELDS + SLM_CSV_BLOCK));
	csv->positions = positions == NULL ? NULL : positions + 1;
	return csv->buf != NULL && positions != NULL;
}

void
slm_csv_free(SlmCsv *csv)
{
	free(csv->buf);
	if (csv->positions != NULL)
		free(csv->positions - 1);
	free(csv->roles);
}

bool
slm_csv_set_columns(SlmCsv *csv, size_t nfields, size_t least, const int *column_field)
{
	uint8_t    *roles = malloc(nfields);

	if (roles == NULL)
		return false;
	free(csv->roles);
	csv->roles = roles;
	memset(csv->roles, SLM_ALL_COLUMNS, nfields);
	csv->nfields = nfields;
	csv->least = least;
	csv->ncolumns = SLM_USUAL_COLUMNS;
	for (int c = 0; c < SLM_COLUMNS; c++)
	{
		csv->column_field[c] = column_field[c];
		if (column_field[c] < 0)
			continue;
		csv->roles[column_field[c]] = (uint8_t) c;
		if (c >= SLM_USUAL_COLUMNS)
			csv->ncolumns = SLM_COLUMNS;
	}
	return true;
}

void
slm_csv_add_own(SlmCsv *csv, uint32_t n, const int *fields)
{
	SLM_ASSERT(n <= SLM_MAX_OWN);
	csv->ncolumns = SLM_COLUMNS + (int) n;
	for (uint32_t i = 0; i < n; i++)
	{
		csv->column_field[SLM_COLUMNS + i] = fields[i];
		if (fields[i] >= 0)
			csv->roles[fields[i]] = (uint8_t) (SLM_COLUMNS + i);
	}
}

/* Move what is not used up to the window's beginning. */
static void
rebase(SlmCsv *csv)
{
	size_t		shift = csv->start;
	size_t		first = csv->walk.newline_cursor != 0 ? csv->walk.newline_cursor : csv->cursor;

	memmove(csv->buf, csv->buf + shift, csv->filled - shift);
	for (size_t i = first; i < csv->npositions; i++)
		csv->positions[i] -= (uint32_t) shift;
	csv->start = 0;
	csv->scanned -= shift;
	csv->filled -= shift;
}

char *
slm_csv_room(SlmCsv *csv)
{
	size_t		tail = csv->filled - csv->start;

	/*
	 * A byte is moved at most once for each byte used up.  More bytes are asked for only while the record at hand is
	 * undecided, so the tail is at most SLM_MAX_RECORD + 1 long; where it stays, less than that lies before it, and the
	 * block fits behind it.
	 */
	if (csv->start > 0 && tail <= csv->start)
		rebase(csv);
	return csv->buf + csv->filled;
}

void
slm_csv_added(SlmCsv *csv, size_t len, bool ended)
{
	csv->filled += len;
	csv->ended = ended;
}

/* Find the positions of the next block. */
static void
scan_block(SlmCsv *csv)
{
	size_t		len = csv->filled - csv->scanned;
	size_t		left = csv->npositions - csv->cursor;

	if (len > SLM_CSV_BLOCK)
		len = SLM_CSV_BLOCK;
	memmove(csv->positions, csv->positions + csv->cursor, left * sizeof(uint32_t));
	csv->cursor = 0;
	csv->walk.newline_cursor = 0;
	/* what is left of the last block counts only if it is dirty itself, else one odd byte would slow down all rows */
	if (csv->dirty && csv->scanned - csv->start < SLM_CSV_BLOCK)
		csv->dirty = !slm_is_ascii(csv->buf + csv->start, csv->scanned - csv->start);
	csv->npositions = left + csv->scan((uint8_t *) csv->buf + csv->scanned, len, (uint32_t) csv->scanned,
									   csv->positions + left, &csv->dirty);
	csv->scanned += len;
}

/* Go on at offset start, with nothing known of what follows. */
static void
restart_at(SlmCsv *csv, size_t start)
{
	csv->start = csv->scanned = start;
	csv->cursor = csv->npositions = 0;
	csv->walk = (SlmCsvWalk) {0};
}

bool
slm_csv_field(SlmSlice *rest, SlmSlice *field)
{
	char	   *data = (char *) (uintptr_t) rest->data;
	char	   *end,
			   *p;

	if (data == NULL)
		return false;
	end = data + rest->len;
	if (data < end && *data == '"')
	{
		char	   *out = ++data;

		/* well-formed, so that there is a closing quote */
		for (p = data; *p != '"' || (p + 1 < end && p[1] == '"'); p++)
		{
			if (*p == '"')
				p++;
			*out++ = *p;
		}
		field->data = data;
		field->len = (uint32_t) (out - data);
		p++;
	}
	else
	{
		p = memchr(data, ',', (size_t) (end - data));
		if (p == NULL)
			p = end;
		field->data = data;
		field->len = (uint32_t) (p - data);
	}
	/* a comma at the very end has one more, empty field behind it */
	rest->data = p < end ? p + 1 : NULL;
	rest->len = p < end ? (uint32_t) (end - p - 1) : 0;
	return true;
}

/* Fill in raw and, if the header is known, the fields of the record that slm_csv_walk() found. */
static void
cut_record(SlmCsv *csv, size_t end, SlmRecord *record)
{
	SlmSlice	rest;
	size_t		used = 0;

	csv->cut = csv->start;
	if (end > csv->start && csv->buf[end - 1] == '\r')
		end--;
	record->raw = (SlmSlice) {csv->buf + csv->start, (uint32_t) (end - csv->start)};
	record->invalid_at = -1;
	if (csv->dirty)
	{
		size_t		valid = slm_utf8_check(record->raw.data, record->raw.len);

		record->invalid_at = valid < record->raw.len ? (int64_t) valid : -1;
	}
	if (csv->nfields == 0)
		return;

	for (int c = 0; c < csv->ncolumns; c++)
		record->field[c] = (SlmSlice) {csv->buf, 0};
	rest = record->raw;
	/* undoing doubled quotes writes to the record */
	if (csv->walk.twin != 0)
		record->raw.data = memcpy(csv->raw, rest.data, rest.len);
	record->nfields = 0;
	for (SlmSlice field; slm_csv_field(&rest, &field); record->nfields++)
	{
		if (record->nfields >= csv->nfields)
			used = slm_trim(field).len > 0 ? record->nfields + 1 : used;
		else if (csv->roles[record->nfields] < SLM_ALL_COLUMNS)
			record->field[csv->roles[record->nfields]] = field;
	}
	/* of what the header doesn't have, empty fields are nothing; nor is it anything to lack what has no name */
	if (record->nfields > csv->nfields ? used == 0 : record->nfields >= csv->least)
		record->nfields = csv->nfields;
}

void
slm_csv_split(SlmCsv *csv, SlmRecord *record, size_t len)
{
	size_t		end = csv->cut + len;

	/* what undoing quotes has written to */
	if (record->raw.data == csv->raw)
	{
		memcpy(csv->buf + csv->cut, csv->raw, record->raw.len);
		csv->walk.twin = 1;
	}
	csv->start = csv->cut;
	cut_record(csv, end, record);
	csv->line = record->line;
	for (size_t at = csv->cut; (at += slm_line_length(csv->buf + at, end - at)) < end; at++)
		csv->line += slm_csv_line_end(csv, at) == SLM_CSV_LINE_ENDS;
	restart_at(csv, end);
}

/*
 * How many positions, and bytes, the line end of a plain record takes whose last position is the CR at end; 0 if it can't
 * be told from the positions.
 */
static inline uint32_t
cr_line_end(const SlmCsv *csv, uint32_t end)
{
	size_t		next = csv->cursor + csv->nfields;

	if (next >= csv->npositions)
		return 0;
	return csv->positions[next] == end + 1 && csv->buf[end + 1] == '\n' ? 2 : 1;
}

/*
 * The short cut: the next nfields positions are all commas but the last, a line end, hence no quotes.  Fills in the
 * record and returns true if so.
 */
static inline bool
cut_plain_record(SlmCsv *csv, SlmRecord *record)
{
	const char *buf = csv->buf;
	size_t		last = csv->nfields - 1;
	uint32_t   *position = csv->positions + csv->cursor;
	uint32_t	end = position[last];
	unsigned	other = (unsigned) (uint8_t) buf[end] ^ '\n';
	uint32_t	line_end = 1;

	for (size_t i = 0; i < last; i++)
		other |= (unsigned) (uint8_t) buf[position[i]] ^ ',';
	if (other != 0)
	{
		/* no other mix of what positions are of gives this */
		if (other != ('\r' ^ '\n'))
			return false;
		line_end = cr_line_end(csv, end);
		if (line_end == 0)
			return false;
	}

	/* field i lies between positions i - 1 and i */
	position[-1] = (uint32_t) csv->start - 1;
	csv->cursor += last + line_end;
	for (int c = 0; c < csv->ncolumns; c++)
	{
		int			i = csv->column_field[c];

		if (i >= 0)
		{
			uint32_t	from = position[i - 1] + 1;

			record->field[c] = (SlmSlice) {buf + from, position[i] - from};
		}
		else
			record->field[c] = (SlmSlice) {buf, 0};
	}
	record->line = csv->line++;
	record->raw = (SlmSlice) {buf + csv->start, (uint32_t) (end - csv->start)};
	record->nfields = csv->nfields;
	record->invalid_at = -1;
	if (csv->dirty)
	{
		size_t		valid = slm_utf8_check(record->raw.data, record->raw.len);

		if (valid < record->raw.len)
			record->invalid_at = (int64_t) valid;
	}
	csv->start = end + line_end;
	return true;
}

/*
 * Go on behind the first line end inside quotes.  Mostly the positions from there on are still there: to scan a block anew
 * for each line with a bad quote would take far longer than reading it.
 */
static void
go_on_behind(SlmCsv *csv)
{
	size_t		start = csv->start + csv->walk.newline + 1;

	if (csv->walk.newline_cursor == 0)
	{
		restart_at(csv, start);
		return;
	}
	csv->start = start;
	csv->cursor = csv->walk.newline_cursor;
	csv->walk = (SlmCsvWalk) {0};
}

/* A record that is rejected for its form: hand out its first physical line and go on behind it. */
static void
drop_record(SlmCsv *csv, bool too_long, SlmRecord *record)
{
	const SlmCsvWalk *walk = &csv->walk;
	size_t		limit = csv->start + SLM_MAX_RECORD;
	size_t		len = csv->filled - csv->start;

	if (!too_long && walk->has_newline)
		len = walk->newline;
	if (len > 0 && csv->buf[csv->start + len - 1] == '\r')
		len--;
	record->line = csv->line;
	record->invalid_at = -1;
	record->fault = walk->malformed ? "text after a closing quote"
		: walk->stray ? "stray opening quote: lines behind it are rows"
		: "opening quote without an end";
	record->raw = (SlmSlice) {csv->raw, len > SLM_MAX_RAW ? SLM_MAX_RAW : (uint32_t) len};
	memcpy(csv->raw, csv->buf + csv->start, record->raw.len);

	if (!too_long && walk->has_newline)
	{
		csv->line++;
		go_on_behind(csv);
		return;
	}
	csv->line += walk->newlines;
	csv->skipping = true;
	restart_at(csv, csv->filled < limit ? csv->filled : limit);
}

/* Pass over the rest of a line.  False if its end is not there yet. */
static bool
skip_line(SlmCsv *csv)
{
	size_t		end = csv->start + slm_line_length(csv->buf + csv->start, csv->filled - csv->start);
	SlmCsvLineEnd meaning = end < csv->filled ? slm_csv_line_end(csv, end) : SLM_CSV_LINE_UNKNOWN;

	if (meaning == SLM_CSV_LINE_UNKNOWN)
	{
		/* a CR stays until it is seen what follows it */
		restart_at(csv, end);
		return false;
	}
	restart_at(csv, meaning == SLM_CSV_LINE_GOES_ON ? end + 2 : end + 1);
	csv->skipping = false;
	csv->line++;
	return true;
}

/* Pass over byte order marks.  False if it can't be told yet whether there is another one. */
static bool
skip_marks(SlmCsv *csv)
{
	static const char mark[] = {'\xef', '\xbb', '\xbf'};

	for (;;)
	{
		size_t		left = csv->filled - csv->start;
		size_t		len = left < sizeof(mark) ? left : sizeof(mark);

		if (memcmp(csv->buf + csv->start, mark, len) != 0)
			break;
		if (len < sizeof(mark))
		{
			if (!csv->ended)
				return false;
			break;
		}
		restart_at(csv, csv->start + len);
		csv->mark_bytes += len;
	}
	csv->begun = true;
	return true;
}

/* May the short cut be taken, once there are enough positions? */
static inline bool
has_short_cut(const SlmCsv *csv)
{
	return csv->nfields > 0 && csv->nfields <= SLM_CSV_FAST_FIELDS && !csv->walk.begun;
}

static inline bool
has_positions(const SlmCsv *csv)
{
	return csv->npositions - csv->cursor >= csv->nfields;
}

bool
slm_csv_next_in_place(SlmCsv *csv, SlmRecord *record)
{
	return csv->begun && !csv->skipping && has_short_cut(csv) && has_positions(csv) && cut_plain_record(csv, record);
}

/*
 * Not enough positions for the short cut, yet nothing to suggest that they won't come.  A record is waited for while
 * it is shorter than a block and walked from then on, so the short cut sees none longer than two blocks, let alone too
 * long.
 */
static inline bool
may_wait(const SlmCsv *csv)
{
	return has_short_cut(csv) && !has_positions(csv) && csv->filled - csv->start < SLM_CSV_BLOCK &&
		(csv->scanned < csv->filled || !csv->ended);
}

/* Was the quote of the record that slm_csv_walk() found, over several lines, a stray one? */
static bool
is_stray(const SlmCsv *csv, size_t end)
{
	if (csv->walk.has_newline && csv->buf[end - 1] == '\r')
		end--;
	return csv->walk.has_newline && csv->nfields > 0 && !csv->trusted &&
		slm_record_holds_row(csv, (SlmSlice) {csv->buf + csv->start, (uint32_t) (end - csv->start)});
}

SlmCsvStatus
slm_csv_next(SlmCsv *csv, SlmRecord *record)
{
	if (!csv->begun && !skip_marks(csv))
		return SLM_CSV_MORE;
	if (csv->skipping && !skip_line(csv))
		return csv->ended ? SLM_CSV_END : SLM_CSV_MORE;

	for (;;)
	{
		SlmCsvWalkResult result = SLM_WALK_WAIT;
		size_t		end = 0;

		if (has_short_cut(csv) && has_positions(csv) && cut_plain_record(csv, record))
			return SLM_CSV_RECORD;
		if (!may_wait(csv))
			result = slm_csv_walk(csv, &end);

		switch (result)
		{
			case SLM_WALK_RECORD:
				if (is_stray(csv, end))
				{
					csv->walk.stray = true;
					drop_record(csv, false, record);
					return SLM_CSV_BAD_QUOTE;
				}
				record->line = csv->line;
				cut_record(csv, end, record);
				csv->line += 1 + csv->walk.newlines;
				csv->start = end < csv->filled ? end + 1 : end;
				csv->walk = (SlmCsvWalk) {0};
				if (record->raw.len > 0)
					return SLM_CSV_RECORD;
				break;
			case SLM_WALK_BAD_QUOTE:
				drop_record(csv, false, record);
				return SLM_CSV_BAD_QUOTE;
			case SLM_WALK_TOO_LONG:
				drop_record(csv, true, record);
				return SLM_CSV_TOO_LONG;
			case SLM_WALK_END:
				return SLM_CSV_END;
			case SLM_WALK_ON:
			case SLM_WALK_WAIT:
				if (csv->scanned == csv->filled)
					return csv->ended ? SLM_CSV_END : SLM_CSV_MORE;
				scan_block(csv);
				break;
		}
	}
}
