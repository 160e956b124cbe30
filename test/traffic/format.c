/*
 * format.c: see format.h.
 *
 * A row is nine fields.  The plain way copies three ready-made pieces (time, product, visitor).  The other way makes
 * the fields one by one, so that they can be spelt otherwise, spoilt, moved about and quoted.
 */
#include "format.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bad.h"

static const char *const column_names[COLUMNS + EXTRA_COLUMNS] = {
	"event_time", "event_type", "product_id", "category_id", "category_code", "brand", "price", "user_id",
	"user_session", "referrer", "user agent, \"as sent\"",
};

void
buffer_reserve(Buffer *buffer, size_t more)
{
	if (buffer->size - buffer->len >= more)
		return;
	buffer->size = (buffer->size + more) * 2;
	buffer->data = must_realloc(buffer->data, buffer->size);
}

void
buffer_add(Buffer *buffer, const char *data, size_t len)
{
	buffer_reserve(buffer, len);
	memcpy(buffer->data + buffer->len, data, len);
	buffer->len += len;
}

void
time_text(char *to, int64_t second)
{
	time_t		t = (time_t) second;
	struct tm	tm;

	gmtime_r(&t, &tm);
	strftime(to, 20, "%Y-%m-%d %H:%M:%S", &tm);
}

void
clock_set(Clock *clock, int64_t second)
{
	if (clock->second == second && clock->text[0] != '\0')
		return;
	clock->second = second;
	time_text(clock->text, second);
	memcpy(clock->text + CLOCK_DATE_TIME, " UTC,", 6);
}

/* Shuffle, extend and shorten the list of columns. */
static void
choose_columns(Style *style, Rng *rng)
{
	if (rng_chance(rng, 0.3))
	{
		style->columns[style->n_columns++] = COLUMNS;
		style->columns[style->n_columns++] = COLUMNS + 1;
	}
	if (rng_chance(rng, 0.4))
	{
		for (uint32_t i = style->n_columns - 1U; i > 0; i--)
		{
			uint32_t	j = rng_below(rng, i + 1);
			uint8_t		moved = style->columns[i];

			style->columns[i] = style->columns[j];
			style->columns[j] = moved;
		}
	}
	/* A file may lack a column that is not required. */
	if (rng_chance(rng, 0.1))
	{
		static const uint8_t optional[] = {3, 4, 5, 7};
		uint8_t		lacking = optional[rng_below(rng, 4)];
		uint8_t		n = 0;

		for (uint8_t i = 0; i < style->n_columns; i++)
			if (style->columns[i] != lacking)
				style->columns[n++] = style->columns[i];
		style->n_columns = n;
	}
}

void
style_choose(Style *style, const Options *options, Rng *rng)
{
	memset(style, 0, sizeof(*style));
	style->n_columns = COLUMNS;
	for (uint8_t i = 0; i < COLUMNS; i++)
		style->columns[i] = i;
	style->pandas = rng_chance(rng, options->pandas);
	style->iso = rng_chance(rng, options->iso);
	style->gzip = rng_chance(rng, options->gzip);
	style->gzip_hidden = style->gzip && rng_chance(rng, options->gzip_hidden);
	style->gzip_members = rng_chance(rng, 0.25) && style->gzip;
	style->odd = rng_chance(rng, options->odd);
	if (style->odd)
	{
		style->bom = rng_chance(rng, 0.3);
		style->crlf = rng_chance(rng, 0.4);
		style->empty_lines = rng_chance(rng, 0.3);
		style->no_last_newline = rng_chance(rng, 0.3);
		choose_columns(style, rng);
	}
	style->plain = !style->iso && !style->odd;
}

void
style_header(const Style *style, const char *rest, Buffer *buffer)
{
	buffer_reserve(buffer, 1024);
	if (style->bom)
		buffer_add(buffer, "\357\273\277", 3);
	if (style->pandas)
		buffer_add(buffer, ",", 1);
	if (rest != NULL)
	{
		buffer_add(buffer, column_names[0], strlen(column_names[0]));
		buffer_add(buffer, rest, strlen(rest));
		return;
	}
	for (uint8_t i = 0; i < style->n_columns; i++)
	{
		const char *name = column_names[style->columns[i]];

		buffer->len = (size_t) (csv_field(buffer->data + buffer->len, name, strlen(name), false) - buffer->data);
		buffer_add(buffer, i + 1 < style->n_columns ? "," : style->crlf ? "\r\n" : "\n",
				   i + 1 == style->n_columns && style->crlf ? 2 : 1);
	}
}

/* "123," */
static char *
index_text(char *to, uint64_t index)
{
	char		digits[24];
	int			n = 0;

	do
		digits[n++] = (char) ('0' + index % 10);
	while ((index /= 10) > 0);
	while (n > 0)
		*to++ = digits[--n];
	*to++ = ',';
	return to;
}

void
row_plain(const Event *event, const Style *style, uint64_t index, const Clock *clock, Buffer *buffer)
{
	static const char type_text[4][24] = {"view,", "cart,", "remove_from_cart,", "purchase,"};
	static const uint8_t type_len[4] = {5, 5, 17, 9};
	const Product *product = event->product;
	const Session *session = event->session;
	char	   *to;

	buffer_reserve(buffer, ROW_ROOM);
	to = buffer->data + buffer->len;
	if (style->pandas)
	{
		to = index_text(to, index);
		memcpy(to, clock->text, CLOCK_DATE_TIME);
		to += CLOCK_DATE_TIME;
		*to++ = ',';
	}
	else
	{
		memcpy(to, clock->text, CLOCK_UTC);
		to += CLOCK_UTC;
	}
	memcpy(to, type_text[event->type], sizeof(type_text[0]));
	to += type_len[event->type];
	memcpy(to, product->text, product->text_len);
	to += product->text_len;
	/* More than is needed, of a size that the compiler knows. */
	memcpy(to, session->tail, sizeof(session->tail));
	to += session->tail_len;
	buffer->len = (size_t) (to - buffer->data);
}

/* The event's time in the file's spelling. */
static void
field_time(const Event *event, const Style *style, bool fraction, Rng *rng, char *to)
{
	int64_t		second = event->second;

	if (!style->iso && !fraction)
	{
		time_text(to, second);
		if (!style->pandas)
			strcat(to, " UTC");
		return;
	}

	uint32_t	zone = rng_below(rng, 5);
	static const char *const suffix[] = {"Z", "", "+00:00", "+05:30", "-03:00"};
	static const int offset[] = {0, 0, 0, 19800, -10800};

	time_text(to, second + offset[zone]);
	to[10] = 'T';
	if (fraction && rng_chance(rng, 0.5))
		sprintf(to + 19, ".%03d", event->usec / 1000);
	else if (fraction)
		sprintf(to + 19, ".%06d", event->usec);
	strcat(to, suffix[zone]);
}

/* Put letters in upper case and blanks around, which cleaning takes off. */
static void
field_untidy(char *text, Rng *rng)
{
	uint32_t	how = rng_below(rng, 3);
	size_t		len = strlen(text);

	if (how == 0)
		text[0] = (char) toupper((unsigned char) text[0]);
	else if (how == 1)
	{
		for (size_t i = 0; i < len; i++)
			text[i] = (char) toupper((unsigned char) text[i]);
	}
	else if (len > 0)
	{
		memmove(text + 1, text, len);
		text[0] = ' ';
		text[len + 1] = ' ';
		text[len + 2] = '\0';
	}
}

void
row_styled(const Event *event, const Style *style, const RowWish *wish, Rng *rng, Buffer *buffer)
{
	RowText		row;
	const Product *product = event->product;
	const Session *session = event->session;
	uint64_t	which_quoted = wish->quoted ? rng_next(rng) | rng_next(rng) : 0;
	size_t		tail = session->tail_len - 1U - session->user_len - 1U;

	row.more_columns = 0;
	row.brand_padding = 0;
	field_time(event, style, wish->fraction, rng, row.field[0]);
	strcpy(row.field[1], event_type_names[event->type]);
	sprintf(row.field[2], "%lld", (long long) product->id);
	sprintf(row.field[3], "%lld", (long long) event->category->id);
	strcpy(row.field[4], event->category->code);
	strcpy(row.field[5], event->brand);
	memcpy(row.field[6], product->text + product->price_at, (size_t) (product->text_len - product->price_at) - 1);
	row.field[6][product->text_len - product->price_at - 1] = '\0';
	memcpy(row.field[7], session->tail, session->user_len);
	row.field[7][session->user_len] = '\0';
	memcpy(row.field[8], session->tail + session->user_len + 1, tail);
	row.field[8][tail] = '\0';
	strcpy(row.field[9], "https://shop.example/?q=a,b");
	strcpy(row.field[10], "Browser/1.0 (\"x\", like y)");
	for (int i = 0; i < COLUMNS + EXTRA_COLUMNS; i++)
		row.len[i] = strlen(row.field[i]);
	if (style->odd && rng_chance(rng, 0.05))
	{
		int			column = rng_chance(rng, 0.5) ? 1 : 4;

		field_untidy(row.field[column], rng);
		row.len[column] = strlen(row.field[column]);
	}
	if (wish->bad >= 0)
		row_spoil(&row, event, (BadKind) wish->bad, rng);
	row_write(&row, style, wish->index, which_quoted, buffer);
	if (style->empty_lines && rng_chance(rng, 0.01))
		buffer_add(buffer, style->crlf ? "\r\n" : "\n", style->crlf ? 2 : 1);
}
