/*
 * bad.c: see bad.h.
 *
 * Each way of being bad is beyond doubt: nothing here could be read as good by a reader that is a little more lenient.
 */
#include "bad.h"

#include <stdio.h>
#include <string.h>

const char *const bad_kind_names[BAD_KINDS] = {
	"bad_time", "bad_event_type", "bad_product_id", "bad_price", "bad_category_id", "bad_user_id", "bad_encoding",
	"bad_quote", "column_count", "key_too_long", "future", "clock_jump", "too_long",
};

#define PICK(rng, list)	((list)[rng_below(rng, (uint32_t) (sizeof(list) / sizeof((list)[0])))])

static const char *const bad_times[] = {
	"", "not a time", "2019-13-01 00:00:00 UTC", "2019-02-30 12:00:00 UTC", "2019-10-01 25:00:00 UTC",
	"2019-10-01 12:61:00", "2019-10-01", "12:30:00", "01/10/2019 12:30", "2019-10-01 12:30:00 Mars",
	"2019-10-01T12:30:00+99:99", "1569888000", "0000-00-00 00:00:00 UTC",
};
static const char *const bad_types[] = {"", "veiw", "VIEWS", "add_to_cart", "cart purchase", "view;", "0"};
static const char *const bad_products[] = {"", "abc", "12.5", "99999999999999999999", "1e6", "0x1f", "10 04", "-"};
static const char *const bad_prices[] = {
	"", "free", "-5.00", "1.23456", "1000000000000.00", "1e3", "NaN", "$5.00", "1.2.3", "Infinity", "5 00", "-",
};
static const char *const bad_ids[] = {"abc", "99999999999999999999", "12.5", "0x1f"};

bool
bad_kind_applies(BadKind kind, const Style *style)
{
	int			column = kind == BAD_CATEGORY_ID ? 3
		: kind == BAD_USER_ID ? 7
		: kind == BAD_ENCODING || kind == BAD_KEY_TOO_LONG || kind == BAD_TOO_LONG ? 5 : 0;

	return memchr(style->columns, column, style->n_columns) != NULL;
}

static void
set_field(RowText *row, int column, const char *text)
{
	strcpy(row->field[column], text);
	row->len[column] = strlen(text);
}

/* The event's time and some days, in the usual spelling. */
static void
shift_time(RowText *row, int64_t second)
{
	time_text(row->field[0], second);
	strcat(row->field[0], " UTC");
	row->len[0] = strlen(row->field[0]);
}

static void
spoil_encoding(RowText *row, Rng *rng)
{
	/* Never valid, a lone continuation, cut short, a surrogate, overlong, beyond Unicode, NUL. */
	static const struct
	{
		const char *bytes;
		size_t		len;
	}			bad[] = {
		{"\377\376", 2}, {"a\200b", 3}, {"caf\303", 4}, {"\355\240\200", 3}, {"\300\257", 2}, {"\364\220\200\200", 4},
		{"a\0b", 3},
	};
	uint32_t	which = rng_below(rng, (uint32_t) (sizeof(bad) / sizeof(bad[0])));

	memcpy(row->field[5], bad[which].bytes, bad[which].len);
	row->len[5] = bad[which].len;
}

void
row_spoil(RowText *row, const Event *event, BadKind kind, Rng *rng)
{
	switch (kind)
	{
		case BAD_TIME:
			set_field(row, 0, PICK(rng, bad_times));
			break;
		case BAD_EVENT_TYPE:
			set_field(row, 1, PICK(rng, bad_types));
			break;
		case BAD_PRODUCT_ID:
			set_field(row, 2, PICK(rng, bad_products));
			break;
		case BAD_PRICE:
			set_field(row, 6, PICK(rng, bad_prices));
			break;
		case BAD_CATEGORY_ID:
			set_field(row, 3, PICK(rng, bad_ids));
			break;
		case BAD_USER_ID:
			set_field(row, 7, PICK(rng, bad_ids));
			break;
		case BAD_ENCODING:
			spoil_encoding(row, rng);
			break;
		case BAD_COLUMN_COUNT:
			{
				static const int by[] = {1, 2, -1, -3, -100};

				row->more_columns = PICK(rng, by);
				break;
			}
		case BAD_KEY_TOO_LONG:
			memset(row->field[5], 'x', FIELD_ROOM - 1);
			row->len[5] = 1001 + rng_below(rng, FIELD_ROOM - 1002);
			break;
		case BAD_FUTURE:
			shift_time(row, event->second + INT64_C(80) * 31556952);
			break;
		case BAD_CLOCK_JUMP:
			shift_time(row, event->second + 90000 + (int64_t) rng_below(rng, 40 * 86400));
			break;
		case BAD_TOO_LONG:
			row->brand_padding = 1100000;
			break;
		case BAD_QUOTE:
			break;
	}
}

static void
write_field(const RowText *row, int column, bool quotes, Buffer *buffer)
{
	size_t		padding = column == 5 ? row->brand_padding : 0;
	size_t		len = row->len[column];

	buffer_reserve(buffer, 2 * len + 2 + padding);
	/* A NUL or a bad byte needs no quotes; the padding is plain letters. */
	memset(buffer->data + buffer->len, 'x', padding);
	buffer->len += padding;
	buffer->len = (size_t) (csv_field(buffer->data + buffer->len, row->field[column], len, quotes && padding == 0)
							- buffer->data);
}

void
row_write(const RowText *row, const Style *style, uint64_t index, uint64_t quoted, Buffer *buffer)
{
	int			n = style->n_columns;

	if (style->pandas)
	{
		char		number[24];

		buffer_add(buffer, number, (size_t) sprintf(number, "%llu,", (unsigned long long) index));
	}
	if (row->more_columns < 0)
		n = n + row->more_columns > 1 ? n + row->more_columns : 1;
	for (int i = 0; i < n; i++)
	{
		int			column = style->columns[i];

		if (i > 0)
			buffer_add(buffer, ",", 1);
		/* A row of one empty field would be an empty line, which is no row at all. */
		if (n == 1 && row->len[column] == 0)
			buffer_add(buffer, "oops", 4);
		else
			write_field(row, column, (quoted >> column & 1) != 0, buffer);
	}
	for (int i = 0; i < row->more_columns; i++)
		buffer_add(buffer, ",more", 5);
	buffer_add(buffer, style->crlf ? "\r\n" : "\n", style->crlf ? 2 : 1);
}

bool
row_unclose_quote(Buffer *buffer, size_t at)
{
	const char *row = buffer->data + at;
	size_t		len = buffer->len - at;
	const char *comma = memrchr(row, ',', len);

	if (comma == NULL || memchr(row, '"', len) != NULL || memchr(row, '\n', len) != row + len - 1)
		return false;
	at = (size_t) (comma + 1 - buffer->data);
	buffer_reserve(buffer, 1);
	memmove(buffer->data + at + 1, buffer->data + at, buffer->len - at);
	buffer->data[at] = '"';
	buffer->len++;
	return true;
}
