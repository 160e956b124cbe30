/*
 * sniff_write.c: what was seen, in words, and the description that goes with it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "pure/event.h"
#include "pure/line.h"
#include "pure/sniff_internal.h"
#include "pure/trim.h"
#include "pure/utf8.h"

/* A description that is being written. */
typedef struct Writer
{
	SniffSample *sample;
	SlmSniff   *sniff;
	bool		ok;
	int			items;			/* written so far, of the object at hand */
} Writer;

__attribute__((format(printf, 5, 6)))
static void
find(Writer *writer, const char *item, const char *found, SlmSure sure, const char *detail, ...)
{
	SlmSniff   *sniff = writer->sniff;
	SlmFinding *finding = &sniff->finding[sniff->nfindings];
	va_list		args;
	size_t		valid;

	if (sniff->nfindings == SLM_MAX_FINDINGS)
		return;
	sniff->nfindings++;
	finding->sure = sure;
	snprintf(finding->item, sizeof(finding->item), "%s", item);
	snprintf(finding->found, sizeof(finding->found), "%s", found);
	va_start(args, detail);
	vsnprintf(finding->detail, sizeof(finding->detail), detail, args);
	va_end(args);
	/* cut in the middle of a character, or never valid */
	for (char *text = finding->found;; text = finding->detail)
	{
		while ((valid = slm_utf8_check(text, strlen(text))) < strlen(text))
			text[valid] = '?';
		if (text == finding->detail)
			break;
	}
}

/* --- JSON --- */

static void
put(Writer *writer, const char *text)
{
	writer->ok = writer->ok && slm_text_add(&writer->sniff->format, text, strlen(text));
}

static void
put_quoted(Writer *writer, SlmSlice text)
{
	char		escaped[8];

	put(writer, "\"");
	for (uint32_t i = 0; i < text.len && writer->ok;)
	{
		int			n = slm_utf8_length(text.data + i, text.len - i);
		uint8_t		c = (uint8_t) text.data[i];

		if (c == '"' || c == '\\' || c < ' ')
			snprintf(escaped, sizeof(escaped), c < ' ' ? "\\u%04x" : "\\%c", c);
		else if (n == 0)
			strcpy(escaped, "?");
		else
		{
			memcpy(escaped, text.data + i, (size_t) n);
			escaped[n] = '\0';
		}
		put(writer, escaped);
		i += n == 0 ? 1 : (uint32_t) n;
	}
	put(writer, "\"");
}

static SlmSlice
slice(const char *text)
{
	return (SlmSlice) {text, (uint32_t) strlen(text)};
}

/* Begin the next item of an object. */
static void
put_name(Writer *writer, SlmSlice name)
{
	if (writer->items++ > 0)
		put(writer, ", ");
	put_quoted(writer, name);
	put(writer, ": ");
}

static void
put_text(Writer *writer, const char *name, const char *value)
{
	put_name(writer, slice(name));
	put_quoted(writer, slice(value));
}

static void
put_column(Writer *writer, int column)
{
	char		number[16];

	if (!writer->sample->format.no_header)
	{
		put_quoted(writer, slm_trim(writer->sample->header[column]));
		return;
	}
	snprintf(number, sizeof(number), "%d", column + 1);
	put(writer, number);
}

/* Another object, as the value of a name; returns what end_object() needs. */
static int
begin_object(Writer *writer, const char *name)
{
	int			items;

	put_name(writer, slice(name));
	put(writer, "{");
	items = writer->items;
	writer->items = 0;
	return items;
}

static void
end_object(Writer *writer, int items)
{
	put(writer, "}");
	writer->items = items;
}

/* --- columns --- */

/* Must the description say where the role is? */
static bool
must_say(const SniffSample *sample, int role)
{
	if ((role == SLM_ROLE_CURRENCY && sample->only_currency.data != NULL) || (role == SLM_ROLE_QUANTITY && sample->line_totals))
		return false;
	return sample->role[role] >= 0 &&
		(!sniff_is_own_name(sample, role) || (role == SLM_COL_USER_SESSION && sample->session_part >= 0));
}

/* Are products known by texts?  A few among numbers are faults. */
static bool
has_text_products(const SniffSample *sample)
{
	return sample->role[SLM_COL_PRODUCT_ID] >= 0 && sniff_holds_few_integers(sample, SLM_COL_PRODUCT_ID);
}

static void
put_columns(Writer *writer)
{
	SniffSample *sample = writer->sample;
	int			outer = -1;

	for (int r = 0; r < SLM_ROLES; r++)
	{
		if (!must_say(sample, r))
			continue;
		if (outer < 0)
			outer = begin_object(writer, "columns");
		put_name(writer, slice(slm_role_name(r)));
		if (r == SLM_COL_USER_SESSION && sample->session_part >= 0)
			put(writer, "[");
		put_column(writer, sample->role[r]);
		if (r == SLM_COL_USER_SESSION && sample->session_part >= 0)
		{
			put(writer, ", ");
			put_column(writer, sample->session_part);
			put(writer, "]");
		}
	}
	if (outer >= 0)
		end_object(writer, outer);
}

static void
put_constants(Writer *writer)
{
	SniffSample *sample = writer->sample;
	bool		no_event = sample->role[SLM_COL_EVENT_TYPE] < 0;
	bool		no_price = sample->role[SLM_COL_PRICE] < 0;
	bool		one_piece = sample->line_totals && sniff_is_own_name(sample, SLM_ROLE_QUANTITY);
	int			outer;

	if (!no_event && !no_price && !one_piece && sample->only_currency.data == NULL && !sample->unfit[SLM_COL_USER_ID] &&
		!sample->unfit[SLM_COL_CATEGORY_ID])
		return;
	outer = begin_object(writer, "constants");
	if (no_event)
		put_text(writer, "event_type", sample->fixed_event);
	if (no_price)
		put_text(writer, "price", "0");
	if (one_piece)
		put_text(writer, "quantity", "1");
	if (sample->only_currency.data != NULL)
	{
		put_name(writer, slice("currency"));
		put_quoted(writer, sample->only_currency);
	}
	for (int r = 0; r < SLM_ROLES; r++)
	{
		if (sample->unfit[r])
			put_text(writer, slm_role_name(r), "");
	}
	end_object(writer, outer);
}

/* Is the word one of the four that need no translation? */
static bool
is_own_event(const SniffEvent *event)
{
	return event->type >= 0 && slm_is_name(slm_trim(event->name), slm_event_type_name((SlmEventType) event->type));
}

/* ... though it is passed over here? */
static bool
is_own_word(const SniffEvent *event)
{
	for (int type = 0; type < SLM_EVENT_TYPES; type++)
	{
		if (slm_is_name(slm_trim(event->name), slm_event_type_name((SlmEventType) type)))
			return true;
	}
	return false;
}

/* Rows without an event's name are other ones' where there are many; a few are faults. */
static bool
passes_nameless(const SniffSample *sample)
{
	return sample->nameless * 20 > sample->nrows;
}

static void
put_events(Writer *writer)
{
	SniffSample *sample = writer->sample;
	bool		all_own = !sample->more_events && !passes_nameless(sample);
	int			outer;

	for (int e = 0; e < sample->nevents; e++)
		all_own = all_own && is_own_event(&sample->event[e]);
	if (all_own || sample->role[SLM_COL_EVENT_TYPE] < 0)
		return;
	outer = begin_object(writer, "events");
	for (int e = 0; e < sample->nevents; e++)
	{
		const SniffEvent *event = &sample->event[e];

		if (event->type < 0 ? !is_own_word(event) : is_own_event(event))
			continue;
		put_name(writer, event->name);
		if (event->type < 0)
			put(writer, "null");
		else
			put_quoted(writer, slice(slm_event_type_name((SlmEventType) event->type)));
	}
	if (passes_nameless(sample))
	{
		put_name(writer, slice(""));
		put(writer, "null");
	}
	end_object(writer, outer);
}

static const char *const time_words[] = {"iso", "mdy", "dmy", "s", "ms", "us"};

static void
put_rest(Writer *writer)
{
	const SlmFormat *format = &writer->sample->format;
	const char	delimiter[2] = {format->delimiter, '\0'};
	const char	thousands[2] = {format->thousands, '\0'};

	if (format->no_header)
	{
		put_name(writer, slice("header"));
		put(writer, "false");
	}
	if (format->delimiter != ',')
		put_text(writer, "delimiter", format->delimiter == '\t' ? "tab" : delimiter);
	if (format->backslash)
		put_text(writer, "escape", "backslash");
	if (format->encoding == SLM_CP1252)
		put_text(writer, "encoding", "cp1252");
	/* these two say nothing new, but that there is a format */
	if (format->encoding >= SLM_UTF16LE)
		put_text(writer, "encoding", "utf8");
	if (format->time != SLM_TIME_ISO || writer->sample->odd_time)
		put_text(writer, "time", time_words[format->time]);
	if (format->decimal == ',')
		put_text(writer, "decimal", ",");
	if (format->thousands != '\0')
		put_text(writer, "thousands", thousands);
	if (has_text_products(writer->sample))
		put_text(writer, "product_ids", "text");
}

/* --- findings --- */

static void
tell_shape(Writer *writer)
{
	const SniffSample *sample = writer->sample;
	const SlmFormat *format = &sample->format;
	static const char *const encodings[] = {"UTF-8", "cp1252", "latin1", "UTF-16", "UTF-16"};

	find(writer, "encoding", encodings[format->encoding], format->encoding == SLM_CP1252 ? SLM_SURE_GUESS : SLM_SURE_CERTAIN, "%s",
		 format->encoding == SLM_CP1252 ? "it is no UTF-8; cp1252 holds all of latin1: look at names with accents" :
		 format->encoding >= SLM_UTF16LE ? "its byte order mark says so; any format will do for that" : "");
	if (sample->ncolumns == 0)
	{
		find(writer, "delimiter", "none", SLM_SURE_NO, "nothing cuts the lines into as many columns each: it is no table of text");
		return;
	}
	find(writer, "delimiter", format->delimiter == '\t' ? "tab" : (const char[]) {format->delimiter, '\0'},
		 sample->uneven == 0 ? SLM_SURE_CERTAIN : SLM_SURE_LIKELY, "%d columns in each of %d rows%s", sample->ncolumns, sample->nrows,
		 sample->uneven == 0 ? "" : ", and another number in some");
	find(writer, "header", format->no_header ? "no" : "yes", SLM_SURE_LIKELY, "%s",
		 format->no_header ? "the first line has no names in it: columns are known by their numbers, and guessed by what they hold" : "");
}

/* A column, by name or number, and its first value. */
static void
name_column(const SniffSample *sample, int column, char out[128])
{
	SlmSlice	name = sample->format.no_header ? (SlmSlice) {"", 0} : slm_trim(sample->header[column]);

	if (name.len > 0)
		snprintf(out, 128, "%.*s", (int) (name.len > 100 ? 100 : name.len), name.data);
	else
		snprintf(out, 128, "column %d", column + 1);
}

static SlmSlice
first_value(const SniffSample *sample, int column)
{
	for (int r = 0; r < sample->nrows; r++)
	{
		SlmSlice	value = slm_field_value(sniff_cell(sample, r, column));

		if (value.len > 0)
			return value.len > 60 ? (SlmSlice) {value.data, 60} : value;
	}
	return (SlmSlice) {"", 0};
}

static void
tell_time(Writer *writer, const char *name, SlmSlice value)
{
	const SniffSample *sample = writer->sample;
	char		text[32] = "none";
	SlmTime		time;

	if (slm_format_time(&sample->format, value, &time) == NULL)
		text[slm_format_put_time(time, text)] = '\0';
	find(writer, "event_time", name, sample->time_by_values && sample->sure_time < SLM_SURE_GUESS ? SLM_SURE_GUESS : sample->sure_time,
		 "\"%.*s\" is %s%s%s%s", (int) value.len, value.data, text,
		 sample->format.time >= SLM_TIME_S || sample->has_zone ? " UTC" : ": there is no zone in it, so it is taken for UTC unless \"time_zone\" says otherwise",
		 sample->sure_time != SLM_SURE_NO ? "" :
		 sample->format.time == SLM_TIME_MDY ? "; day and month can't be told apart: \"time\" is \"mdy\" here, else write \"dmy\"" :
		 "; day and month can't be told apart: \"time\" is \"dmy\" here, else write \"mdy\"",
		 sample->time_by_values ? "; no column is called as times are, and this is the first that holds some" : "");
}

/* Where most can be read, the others are faults. */
static bool
has_odd_prices(const SniffSample *sample)
{
	return sample->odd_prices * 2 > sample->column[sample->role[SLM_COL_PRICE]].filled;
}

/* Of the rows that count, so many would be rejected for what a column holds, or lacks. */
static int
count_rejected(const SniffSample *sample, int role)
{
	if (role == SLM_COL_PRODUCT_ID || role == SLM_COL_PRICE)
		return sample->lacking[role];
	return role == SLM_ROLE_QUANTITY && !sample->line_totals ? sample->odd_quantities : 0;
}

/* Its role is clear, and so many of its rows would be rejected that the file would fail. */
static bool
is_unreadable(const SniffSample *sample, int role)
{
	return (role == SLM_COL_PRODUCT_ID && !sniff_holds_integers(sample, role) && !has_text_products(sample)) ||
		(role == SLM_COL_PRICE && has_odd_prices(sample)) || count_rejected(sample, role) * 10 > sample->counted;
}

/* What more there is to be said of a column. */
static const char *
remark(const SniffSample *sample, int role)
{
	const SniffColumn *column = &sample->column[sample->role[role]];

	switch (role)
	{
		case SLM_COL_PRODUCT_ID:
			if (has_text_products(sample))
				return "; products are known by texts: \"product_ids\" says so";
			return sniff_holds_integers(sample, role) ? "" : "; not all are whole numbers: rows with others are rejected, unless \"product_ids\" is \"text\"";
		case SLM_COL_PRICE:
			if (has_odd_prices(sample))
				return sample->long_prices == sample->odd_prices ? " has more than 4 decimals, and rows with such are rejected: have prices rounded" :
					": there is more in it than a number, and rows with such are rejected; have prices written without signs of currencies";
			if (sample->line_totals)
				return "; by its name it is of all pieces of a row, so it is not multiplied by the quantity, and each row counts once";
			return column->filled > 0 && column->integers == column->filled && sample->format.thousands == '\0'
				? "; whole numbers: if they are cents, add \"minor_units\": 2" : "";
		case SLM_COL_USER_SESSION:
			return sample->session_part >= 0 ? "; with what numbers the sessions of each" :
				sample->sure[role] == SLM_SURE_GUESS && !sample->format.no_header
				? "; there is no session in the file: one visitor's views of a product count once within sellometer.view_window" : "";
		case SLM_ROLE_QUANTITY:
			return sample->line_totals ? "; not taken: the price is of all pieces already. If it is of one, name this column in \"columns\"" : "";
		case SLM_ROLE_EVENT_ID:
			return sample->role[role] == sample->order ? "; each product of an order counts once: if one can stand in two lines of it, add the line's number, as in [\"order_id\", \"line\"]"
				: "; carts, removals and purchases count once for each id and product";
		default:
			return "";
	}
}

/* What rows are rejected for it. */
static void
remark_rejected(const SniffSample *sample, int role, char out[128])
{
	int			n = count_rejected(sample, role);

	out[0] = '\0';
	if (n > 0)
		snprintf(out, 128, "; %d of %d rows that count %s, and are rejected", n, sample->counted,
				 role == SLM_ROLE_QUANTITY ? "are of no piece, or give some back" : "have none");
}

static void
tell_currency(Writer *writer, const char *name, SlmSlice value)
{
	const SniffSample *sample = writer->sample;
	int			len = (int) (value.len > SLM_MAX_CURRENCY ? SLM_MAX_CURRENCY : value.len);

	if (sample->only_currency.data != NULL)
		find(writer, "currency", name, SLM_SURE_GUESS, "\"%.*s\": %d of %d rows that count have none, and all others this one, so \"constants\" says that it is of all; what is not in sellometer.currency needs a rate in sellometer.currency_rates",
			 len, value.data, sample->lacking[SLM_ROLE_CURRENCY], sample->counted);
	else if (sample->lacking[SLM_ROLE_CURRENCY] > 0)
		find(writer, "currency", name, SLM_SURE_NO, "\"%.*s\", and others; %d of %d rows that count have none, and are taken to be in sellometer.currency",
			 len, value.data, sample->lacking[SLM_ROLE_CURRENCY], sample->counted);
	else
		find(writer, "currency", name, sample->sure[SLM_ROLE_CURRENCY], "\"%.*s\": what is not in sellometer.currency needs a rate in sellometer.currency_rates",
			 len, value.data);
}

static void
tell_columns(Writer *writer)
{
	const SniffSample *sample = writer->sample;
	char		name[128];
	char		rejected[128];

	for (int r = 0; r < SLM_ROLES; r++)
	{
		SlmSlice	value;

		if (sample->role[r] < 0)
			continue;
		name_column(sample, sample->role[r], name);
		value = first_value(sample, sample->role[r]);
		if (r == SLM_COL_EVENT_TIME)
			tell_time(writer, name, value);
		else if (r == SLM_ROLE_CURRENCY)
			tell_currency(writer, name, value);
		else
		{
			remark_rejected(sample, r, rejected);
			find(writer, slm_role_name(r), name, is_unreadable(sample, r) ? SLM_SURE_NO : sample->sure[r],
				 "\"%.*s\"%s%s", (int) value.len, value.data, remark(sample, r), rejected);
		}
	}
}

/* A column that is called as events are, and what it holds, of which none is known. */
static void
tell_unknown_events(Writer *writer)
{
	const SniffSample *sample = writer->sample;
	char		name[128];
	char		seen[200] = "";
	size_t		len = 0;

	name_column(sample, sample->no_event, name);
	for (int e = 0; e < sample->nevents && e < 6; e++)
	{
		SlmSlice	word = sample->event[e].name;

		len += (size_t) snprintf(seen + len, sizeof(seen) - len, "%s\"%.*s\"", e > 0 ? ", " : "", (int) (word.len > 24 ? 24 : word.len), word.data);
	}
	find(writer, "event_type", name, SLM_SURE_NO, "it holds %s, of which none is known: say in \"columns\" that it is the \"event_type\", and in \"events\" which of these is a view, cart, remove_from_cart or purchase; as proposed every row is a %s",
		 seen, sample->fixed_event);
}

/* What a file must have, and this one lacks. */
static void
tell_missing(Writer *writer)
{
	const SniffSample *sample = writer->sample;
	const int  *role = sample->role;

	if (sample->ncolumns == 0)
		return;
	if (role[SLM_COL_EVENT_TIME] < 0)
		find(writer, "event_time", "none", SLM_SURE_NO, "no column holds times: without them nothing can be counted; name one in \"columns\"");
	if (role[SLM_COL_PRODUCT_ID] < 0)
		find(writer, "product_id", "none", SLM_SURE_NO, "no column is known to be the product's: name one in \"columns\"");
	if (role[SLM_COL_EVENT_TYPE] < 0 && sample->no_event >= 0)
		tell_unknown_events(writer);
	else if (role[SLM_COL_EVENT_TYPE] < 0)
		find(writer, "event_type", "none", SLM_SURE_GUESS, "every row is taken for a %s: \"event_type\" in \"constants\" may say view, cart or purchase",
			 sample->fixed_event);
	for (int r = 0; r < SLM_ROLES; r++)
	{
		if (sample->unfit[r])
			find(writer, slm_role_name(r), "none", SLM_SURE_GUESS, "column \"%s\" holds texts, and ids are whole numbers: \"constants\" says that it is none",
				 slm_role_name(r));
	}
	if (role[SLM_COL_PRICE] < 0)
		find(writer, "price", "none", SLM_SURE_GUESS, "there is no price: events are counted, and their GMV is 0");
}

static void
tell_events(Writer *writer)
{
	const SniffSample *sample = writer->sample;
	char		name[128];

	for (int e = 0; e < sample->nevents && e < 10 && sample->role[SLM_COL_EVENT_TYPE] >= 0; e++)
	{
		const SniffEvent *event = &sample->event[e];

		snprintf(name, sizeof(name), "%.*s", (int) (event->name.len > 100 ? 100 : event->name.len), event->name.data);
		find(writer, "event", name, event->type < 0 ? SLM_SURE_GUESS : SLM_SURE_LIKELY, "%s, in %d rows%s",
			 event->type < 0 ? "passed over" : slm_event_type_name((SlmEventType) event->type), event->count,
			 event->bare == event->count ? ", none of which has a product" : "");
	}
	if (sample->role[SLM_COL_EVENT_TYPE] >= 0 && passes_nameless(sample))
		find(writer, "event", "", SLM_SURE_GUESS, "passed over, in %d rows that have no event's name", sample->nameless);
}

bool
slm_sniff_write(SniffSample *sample, SlmSniff *sniff)
{
	Writer		writer = {.sample = sample,.sniff = sniff,.ok = true};

	tell_shape(&writer);
	tell_columns(&writer);
	tell_missing(&writer);
	tell_events(&writer);
	put(&writer, "{");
	if (sample->ncolumns > 0)
	{
		put_columns(&writer);
		put_constants(&writer);
		put_events(&writer);
		put_rest(&writer);
	}
	put(&writer, "}");
	return writer.ok;
}
