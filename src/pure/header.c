/*
 * header.c: which lines of an object are no rows.
 */
#include "pure/header.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "pure/datetime.h"
#include "pure/diagnose.h"
#include "pure/event.h"
#include "pure/line.h"
#include "pure/utf8.h"

static const bool column_required[SLM_COLUMNS] = {
	[SLM_COL_EVENT_TIME] = true,[SLM_COL_EVENT_TYPE] = true,[SLM_COL_PRODUCT_ID] = true,[SLM_COL_PRICE] = true
};

#define BY_SEPARATOR	"the columns are separated by %s, not by commas"

static const char mark[] = "\xef\xbb\xbf";

__attribute__((format(printf, 4, 5)))
static bool
header_error(SlmReadErrorCode *code, char message[SLM_MESSAGE_SIZE], SlmReadErrorCode error, const char *format, ...)
{
	va_list		args;

	*code = error;
	va_start(args, format);
	vsnprintf(message, SLM_MESSAGE_SIZE, format, args);
	va_end(args);
	return false;
}

/* --- cells --- */

/* The column that a cell of a header names; SLM_COLUMNS if none. */
static int
column_named(SlmSlice cell)
{
	SlmSlice	name = slm_trim(slm_cell_inside(cell));
	int			c = 0;

	while (c < SLM_COLUMNS && !slm_is_name(name, slm_column_name((SlmColumn) c)))
		c++;
	return c;
}

/* A line end or another control character: of ASCII, of those above it, or one of Unicode's two. */
static bool
is_control(const char *p, size_t len)
{
	uint8_t		c = (uint8_t) *p;

	return c < 0x20 || c == 0x7f || (c == 0xc2 && len > 1 && (uint8_t) p[1] < 0xa0) ||
		(len > 2 && (memcmp(p, "\xe2\x80\xa8", 3) == 0 || memcmp(p, "\xe2\x80\xa9", 3) == 0));
}

/* Does a time stand in the name, as where the line end before a row is lost? */
static bool
holds_time(SlmSlice name)
{
	static const char shape[] = "0000-00-00 00:00:00";
	char		text[sizeof(shape) + SLM_PAD] = "";
	SlmTimeCache cache = {0};
	SlmTime		time;

	for (uint32_t i = 0; i + sizeof(shape) - 1 <= name.len; i++)
	{
		memcpy(text, name.data + i, sizeof(shape) - 1);
		if (text[4] == '-' && slm_parse_time((SlmSlice) {text, sizeof(shape) - 1}, &cache, &time))
			return true;
	}
	return false;
}

/* Why a cell can't be the name of a column; NULL if it can. */
static const char *
no_name(SlmSlice cell)
{
	SlmSlice	name = slm_cell_inside(cell);

	if (name.len > SLM_MAX_NAME)
		return slm_line_length(name.data, name.len) < name.len ? "holds a line break" : "is longer than 255 bytes";
	name = slm_trim(name);
	for (uint32_t i = 0; i < name.len; i++)
	{
		if (is_control(name.data + i, name.len - i))
			return name.data[i] == '\n' || name.data[i] == '\r' || (uint8_t) name.data[i] >= 0xc2
				? "holds a line break" : "holds a control character";
	}
	return holds_time(name) ? "holds a time: rows stand in the header line" : NULL;
}

/* --- a header line --- */

/* Is the line one cell in quotes that holds a header? */
static bool
stands_in_quotes(SlmSlice line)
{
	SlmSlice	inside = slm_cell_inside(line);
	SlmSlice	cell;
	bool		sound = true;
	int			n = 0;

	while (inside.len < line.len && slm_line_cell(&inside, &cell, &sound))
	{
		for (int c = 0; c < SLM_COLUMNS; c++)
			n += slm_diagnose_near(cell, slm_column_name((SlmColumn) c));
	}
	return n > 1;
}

/* Say why a line that lacks a column does so. */
static bool
explain_missing(SlmSlice line, int column, bool any, SlmReadErrorCode *code, char message[SLM_MESSAGE_SIZE])
{
	const char *name = slm_column_name((SlmColumn) column);
	const char *separator = slm_diagnose_separator(line);
	SlmSlice	rest = line;
	SlmSlice	cell;
	bool		sound = true;
	char		shown[128];

	if (separator != NULL)
		return header_error(code, message, SLM_READ_ERROR_NOT_CSV, BY_SEPARATOR, separator);
	for (size_t n = 1; slm_line_cell(&rest, &cell, &sound); n++)
	{
		const char *unseen = slm_diagnose_unseen(slm_cell_inside(cell), name);

		if (unseen != NULL)
			return header_error(code, message, SLM_READ_ERROR_COLUMN,
								"the header line lacks the required column \"%s\": its field %zu has that name with a %s in it",
								name, n, unseen);
	}
	rest = line;
	for (size_t n = 1; slm_line_cell(&rest, &cell, &sound); n++)
	{
		slm_reject_detail(shown, "is written otherwise:", cell, NULL);
		if (slm_diagnose_near(cell, name))
			return header_error(code, message, SLM_READ_ERROR_COLUMN,
								"the header line lacks the required column \"%s\": its field %zu %s", name, n, shown);
	}
	if (any)
		return header_error(code, message, SLM_READ_ERROR_COLUMN, "the header line lacks the required column \"%s\"", name);
	if (stands_in_quotes(line))
		return header_error(code, message, SLM_READ_ERROR_NOT_CSV, "the first line is no header: all of it stands in quotes, as one field");
	if (slm_diagnose_format(line) != NULL)
		return header_error(code, message, SLM_READ_ERROR_NOT_CSV, "the object is no CSV: it is %s", slm_diagnose_format(line));
	return header_error(code, message, SLM_READ_ERROR_NOT_CSV,
						"the first line is no header: it names none of the known columns");
}

bool
slm_header_parse(SlmSlice line, SlmHeader *header, SlmReadErrorCode *code, char message[SLM_MESSAGE_SIZE])
{
	SlmSlice	rest = line;
	SlmSlice	cell;
	bool		any = false;
	bool		sound = true;
	const char *odd = NULL;
	size_t		odd_at = 0;

	*header = (SlmHeader) {0};
	for (int c = 0; c < SLM_COLUMNS; c++)
		header->column_field[c] = -1;
	for (; slm_line_cell(&rest, &cell, &sound); header->nfields++)
	{
		int			c = column_named(cell);

		if (slm_trim(slm_cell_inside(cell)).len > 0)
			header->least = header->nfields + 1;
		if (c == SLM_COLUMNS)
		{
			/* an unnamed first column is the index that pandas writes */
			if (header->nfields > 0 || slm_trim(slm_cell_inside(cell)).len > 0)
				header->unknown_columns++;
			if (odd == NULL && (odd = no_name(cell)) != NULL)
				odd_at = header->nfields + 1;
			continue;
		}
		if (header->column_field[c] >= 0)
			return header_error(code, message, SLM_READ_ERROR_COLUMN,
								"the header line names column \"%s\" twice", slm_column_name((SlmColumn) c));
		header->column_field[c] = (int) header->nfields;
		any = true;
	}
	if (any && odd != NULL)
		return header_error(code, message, SLM_READ_ERROR_NOT_CSV,
							"field %zu of the header line can't be the name of a column: it %s", odd_at, odd);
	for (int c = 0; c < SLM_COLUMNS; c++)
	{
		if (column_required[c] && header->column_field[c] < 0)
			return explain_missing(line, c, any, code, message);
	}
	return true;
}

/* --- the lines of an object --- */

/*
 * "sep=" and one character, as spreadsheets write before the header, perhaps with the commas of empty cells behind it; the character,
 * or -1.
 */
static int
separator_line(SlmSlice line)
{
	line = slm_cell_inside(line);
	while (line.len > 5 && line.data[line.len - 1] == ',')
		line.len--;
	return line.len == 5 && slm_is_name((SlmSlice) {line.data, 4}, "sep=") ? (uint8_t) line.data[4] : -1;
}

/* Is a line a header behind a `#`, which belongs to no name?  Then that is cut off. */
static bool
uncomment(SlmSlice *line)
{
	SlmSlice	rest = *line;
	SlmSlice	names;
	SlmSlice	cell;
	SlmHeader	header;
	SlmReadErrorCode code;
	char		message[SLM_MESSAGE_SIZE];
	bool		sound = true;

	if (rest.len == 0 || *rest.data != '#')
		return false;
	while (rest.len > 0 && (*rest.data == '#' || slm_is_blank(*rest.data)))
	{
		rest.data++;
		rest.len--;
	}
	names = rest;
	if (!slm_line_cell(&names, &cell, &sound) || column_named(cell) == SLM_COLUMNS || !slm_header_parse(rest, &header, &code, message))
		return false;
	*line = rest;
	return true;
}

int
slm_header_own(SlmSlice line, const SlmOwn *own, int fields[SLM_MAX_OWN], int known_columns[SLM_MAX_OWN])
{
	SlmSlice	cell;
	bool		sound = true;
	int			n = 0;

	for (uint32_t i = 0; i < own->nvalues; i++)
		fields[i] = known_columns[i] = -1;
	for (int f = 0; slm_line_cell(&line, &cell, &sound); f++)
	{
		SlmSlice	name = slm_trim(slm_cell_inside(cell));
		int			known = column_named(cell);

		for (uint32_t i = 0; i < own->nvalues; i++)
		{
			const char *column = own->value[i].of;

			if (own->value[i].from != SLM_OWN_COLUMN || fields[i] >= 0 || known_columns[i] >= 0 ||
				name.len != strlen(column) || strncasecmp(name.data, column, name.len) != 0)
				continue;
			if (known < SLM_COLUMNS)
				known_columns[i] = known;
			else
			{
				fields[i] = f;
				n++;
			}
		}
	}
	return n;
}

/* Have csv cut out the columns that dimensions of a user's own are made of.  Returns how many there are. */
static int
use_own(SlmHeaders *headers, SlmCsv *csv, SlmSlice line)
{
	int			fields[SLM_MAX_OWN];
	int			n = slm_header_own(line, headers->own, fields, headers->own_known);

	slm_csv_add_own(csv, headers->own->nvalues, fields);
	return n;
}

/* Have csv read what follows by this header.  line: the header's. */
static SlmLine
use(SlmHeaders *headers, SlmCsv *csv, SlmSlice line, const SlmHeader *header, SlmReadErrorCode *code,
	char message[SLM_MESSAGE_SIZE])
{
	uint64_t	hash = UINT64_C(14695981039346656037);
	int			unknown = header->unknown_columns;
	int			i = 0;

	for (uint32_t k = 0; k < line.len; k++)
		hash = (hash ^ (uint8_t) line.data[k]) * UINT64_C(1099511628211);
	while (i < headers->nseen && headers->seen[i] != hash)
		i++;
	if (i == SLM_MAX_HEADERS)
		header_error(code, message, SLM_READ_ERROR_NOT_CSV, "the object has more than %d different header lines", SLM_MAX_HEADERS);
	else if (!slm_csv_set_columns(csv, header->nfields, header->least, header->column_field))
		header_error(code, message, SLM_READ_ERROR_MEMORY, "out of memory");
	else
	{
		headers->seen[i] = hash;
		if (i == headers->nseen)
			headers->nseen++;
		headers->known = true;
		if (headers->own != NULL)
			unknown -= use_own(headers, csv, line);
		if (unknown > headers->unknown_columns)
			headers->unknown_columns = unknown;
		return SLM_LINE_HEADER;
	}
	return SLM_LINE_FAILED;
}

/* Why the first line is none that could be looked at; false if it is one. */
static bool
is_no_line(SlmCsvStatus status, const SlmRecord *record, SlmReadErrorCode *code, char message[SLM_MESSAGE_SIZE])
{
	const char *format = slm_diagnose_format(record->raw);
	const char *separator;
	char		text[48];

	if (status == SLM_CSV_RECORD && record->invalid_at < 0)
		return false;
	if (format != NULL)
		header_error(code, message, SLM_READ_ERROR_NOT_CSV, "the object is no CSV: it is %s", format);
	else if (status == SLM_CSV_TOO_LONG)
		header_error(code, message, SLM_READ_ERROR_NOT_CSV, "the first line is no header: it is over 1 MB long");
	else if (status == SLM_CSV_BAD_QUOTE && (separator = slm_diagnose_separator(record->raw)) != NULL)
		header_error(code, message, SLM_READ_ERROR_NOT_CSV, BY_SEPARATOR, separator);
	else if (status == SLM_CSV_BAD_QUOTE)
		header_error(code, message, SLM_READ_ERROR_NOT_CSV, "the first line is no header: its quoting is broken");
	else if (record->raw.data[record->invalid_at] == '\0')
		header_error(code, message, SLM_READ_ERROR_NOT_CSV, "the first line is no header: it holds a NUL byte");
	else
	{
		slm_diagnose_byte((uint8_t) record->raw.data[record->invalid_at], text);
		header_error(code, message, SLM_READ_ERROR_NOT_CSV, "the first line is no header: it is not UTF-8%s", text);
	}
	return true;
}

/* A line that begins with `#`?  It is one, whatever a quote in it has swallowed. */
static bool
is_comment(SlmCsv *csv, SlmCsvStatus status, SlmRecord *record)
{
	size_t		len = slm_line_length(record->raw.data, record->raw.len);

	if (len == 0 || record->raw.data[0] != '#' || status == SLM_CSV_TOO_LONG)
		return false;
	if (status == SLM_CSV_RECORD && len < record->raw.len)
		slm_csv_split(csv, record, len);
	return true;
}

/* What the header of another object begins with, where it stands right behind a row. */
static void
keep_first_name(SlmHeaders *headers, SlmSlice line)
{
	SlmSlice	cell;
	bool		sound = true;

	if (slm_line_cell(&line, &cell, &sound) && cell.len < sizeof(headers->first_name))
		memcpy(headers->first_name, cell.data, cell.len);
}

/* Byte order marks, which files that are put together have in the middle too. */
static void
skip_marks(SlmSlice *line)
{
	while (line->len >= strlen(mark) && memcmp(line->data, mark, strlen(mark)) == 0)
	{
		line->data += strlen(mark);
		line->len -= (uint32_t) strlen(mark);
	}
}

SlmLine
slm_headers_first(SlmHeaders *headers, SlmCsv *csv, SlmCsvStatus status, SlmRecord *record,
				  SlmReadErrorCode *code, char message[SLM_MESSAGE_SIZE])
{
	SlmHeader	header;
	bool		usable = !is_no_line(status, record, code, message);
	int			separator;

	if (usable)
	{
		skip_marks(&record->raw);
		(void) uncomment(&record->raw);
	}
	if (usable && slm_header_parse(record->raw, &header, code, message))
	{
		keep_first_name(headers, record->raw);
		return use(headers, csv, record->raw, &header, code, message);
	}
	separator = usable ? separator_line(record->raw) : -1;
	if (separator == ',' || (usable && slm_trim(record->raw).len == 0) || is_comment(csv, status, record))
	{
		headers->begun = true;
		*code = SLM_READ_ERROR_NONE;
		return SLM_LINE_NOTHING;
	}
	if (separator >= 0)
		header_error(code, message, SLM_READ_ERROR_NOT_CSV, "the columns are separated by %s, not by commas: the first line says so",
					 separator == ';' ? "semicolons (;)" : separator == '\t' ? "tabs" : "another character");
	return SLM_LINE_FAILED;
}

/*
 * Does a line name columns as a header does?  Three of them; or two, and one is event_time, or stands where no row can have such a
 * text.
 */
static bool
names_columns(const SlmCsv *csv, SlmSlice line)
{
	SlmSlice	cell;
	bool		sound = true;
	bool		certain = false;
	unsigned	named = 0;

	for (size_t i = 0; slm_line_cell(&line, &cell, &sound); i++)
	{
		int			c = cell.len > 4 ? column_named(cell) : SLM_COLUMNS;

		if (c == SLM_COLUMNS)
			continue;
		named |= 1u << c;
		certain = certain || c == SLM_COL_EVENT_TIME ||
			(i < csv->nfields && csv->roles[i] < SLM_COLUMNS && column_required[csv->roles[i]]);
	}
	return __builtin_popcount(named) >= (certain ? 2 : 3);
}

/* Does a cell end in this name? */
static bool
ends_in(SlmSlice cell, const char *name, size_t len)
{
	return cell.len >= len && strncasecmp(cell.data + cell.len - len, name, len) == 0;
}

/*
 * The last line of an object has no end, and the header of the next one stands right behind it: split them.  False if
 * that is not what the record is.
 */
static bool
split_row(const SlmHeaders *headers, SlmCsv *csv, SlmRecord *record)
{
	const char *end = record->raw.data + record->raw.len;
	SlmSlice	rest = record->raw;
	SlmSlice	cell = {0};
	bool		sound = true;

	for (size_t n = 0; n < csv->nfields; n++)
	{
		if (!slm_line_cell(&rest, &cell, &sound) || !sound)
			return false;
	}
	for (int c = 0; c <= SLM_COLUMNS && rest.data != NULL; c++)
	{
		const char *name = c < SLM_COLUMNS ? slm_column_name((SlmColumn) c) : headers->first_name;
		const char *begin = cell.data + cell.len - strlen(name);
		SlmSlice	row = record->raw;
		SlmHeader	header;
		SlmReadErrorCode code;
		char		message[SLM_MESSAGE_SIZE];

		if (!ends_in(cell, name, strlen(name)) ||
			!slm_header_parse((SlmSlice) {begin, (uint32_t) (end - begin)}, &header, &code, message))
			continue;
		row.len = (uint32_t) (begin - row.data);
		if (row.len > strlen(mark) && memcmp(begin - strlen(mark), mark, strlen(mark)) == 0)
			row.len -= (uint32_t) strlen(mark);
		if (slm_line_is_row(csv, row))
		{
			slm_csv_split(csv, record, row.len);
			return true;
		}
	}
	return false;
}

/* Was something put behind the rows that is no text?  why: what it is. */
static bool
is_other_format(const SlmRecord *record, SlmCsvStatus status, char why[SLM_MESSAGE_SIZE])
{
	const char *format = slm_diagnose_binary(record->raw);
	int64_t		invalid_at = record->invalid_at;

	/* of a row whose last field ended with a quote nobody has looked further */
	if (status == SLM_CSV_BAD_QUOTE && invalid_at < 0)
		invalid_at = (int64_t) slm_utf8_check(record->raw.data, record->raw.len);
	/* behind a row without a line end: the second byte of gzip's magic is the first that is not UTF-8 */
	if (format == NULL && invalid_at > 0)
		format = slm_diagnose_binary((SlmSlice) {record->raw.data + invalid_at - 1, record->raw.len - (uint32_t) invalid_at + 1});
	snprintf(why, SLM_MESSAGE_SIZE, "%s", format == NULL ? "" : format);
	return format != NULL;
}

SlmLine
slm_headers_again(SlmHeaders *headers, SlmCsv *csv, SlmCsvStatus status, SlmRecord *record,
				  SlmReadErrorCode *code, char message[SLM_MESSAGE_SIZE])
{
	SlmHeader	header;
	char		why[SLM_MESSAGE_SIZE];
	SlmSlice	line = record->raw;

	if (csv->trusted)
		return SLM_LINE_ROW;
	skip_marks(&line);
	if (separator_line(line) == ',' || slm_trim(line).len == 0)
		return SLM_LINE_NOTHING;
	(void) uncomment(&line);
	if (is_other_format(record, status, why))
	{
		header_error(code, message, SLM_READ_ERROR_NOT_CSV, "line %llu is no CSV: behind the rows stands %s",
					 (unsigned long long) record->line, why);
		return SLM_LINE_FAILED;
	}
	if (!names_columns(csv, line))
		return SLM_LINE_ROW;
	if (status == SLM_CSV_BAD_QUOTE)
		snprintf(why, sizeof(why), "the quoting of the line is broken");
	else if (record->invalid_at >= 0)
		snprintf(why, sizeof(why), "it is not UTF-8");
	else if (split_row(headers, csv, record))
		return SLM_LINE_SPLIT;
	else if (slm_header_parse(line, &header, code, why))
	{
		record->raw = line;
		return use(headers, csv, line, &header, code, message);
	}
	header_error(code, message, SLM_READ_ERROR_NOT_CSV, "line %llu has another header, which can't be used: %.180s",
				 (unsigned long long) record->line, why);
	return SLM_LINE_FAILED;
}

bool
slm_headers_missing(const SlmHeaders *headers, SlmReadErrorCode *code, char message[SLM_MESSAGE_SIZE])
{
	if (headers->known || !headers->begun)
		return false;
	header_error(code, message, SLM_READ_ERROR_NOT_CSV, "the object has no header line");
	return true;
}
