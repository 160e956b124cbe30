/*
 * sniff_values.c: what columns hold, and how it is written.
 */
#include <string.h>

#include "pure/datetime.h"
#include "pure/line.h"
#include "pure/sniff_internal.h"
#include "pure/trim.h"

/* Lines of one order are not farther apart. */
#define ORDER_ROWS	50

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* --- what a value is --- */

/* Its digits if that is all there is, perhaps but for `.0`; else 0. */
static int
integer_length(SlmSlice value)
{
	uint32_t	n = 0;

	while (n < value.len && is_digit(value.data[n]))
		n++;
	if (n > 0 && n + 2 == value.len && memcmp(value.data + n, ".0", 2) == 0)
		return (int) n;
	return n == value.len ? (int) n : 0;
}

/* A number with separators in it, that is no date. */
static bool
is_decimal(SlmSlice value)
{
	int			digits = 0;
	int			points = 0;

	for (uint32_t i = 0; i < value.len; i++)
	{
		if (is_digit(value.data[i]))
			digits++;
		else if (value.data[i] == '.' || value.data[i] == ',')
			points++;
		else if (value.data[i] != ' ' && value.data[i] != '\'' && (uint8_t) value.data[i] < 0x80)
			return false;
	}
	return digits > 0 && points > 0 && digits < 24;
}

/* Is it a date in any order, with separators? */
static bool
is_time(SlmSlice value)
{
	static const SlmTimeForm forms[] = {SLM_TIME_ISO, SLM_TIME_MDY, SLM_TIME_DMY};
	SlmFormat	format;
	SlmTime		time;

	slm_format_init(&format);
	if (value.len < 8 || integer_length(value) > 0)
		return false;
	for (int i = 0; i < 3; i++)
	{
		format.time = forms[i];
		if (slm_format_time(&format, value, &time) == NULL)
			return true;
	}
	return false;
}

void
slm_sniff_values(SniffSample *sample)
{
	for (int c = 0; c < sample->ncolumns; c++)
	{
		SniffColumn *column = &sample->column[c];

		*column = (SniffColumn) {0};
		for (int r = 0; r < sample->nrows; r++)
		{
			SlmSlice	value = slm_field_value(sniff_cell(sample, r, c));
			int			length = integer_length(value);
			bool		broad;
			bool		known;
			int			type;

			if (value.len == 0)
				continue;
			type = slm_sniff_event(value, &broad, &known);
			column->filled++;
			column->integers += length > 0;
			if (length > column->longest)
				column->longest = length;
			column->times += is_time(value);
			column->decimals += length == 0 && is_decimal(value);
			column->events += known;
			column->narrow += type >= 0 && !broad;
		}
	}
}

/* --- columns by what they hold --- */

static bool
is_mostly(int n, const SniffColumn *column)
{
	return column->filled > 0 && n * 10 >= column->filled * 9;
}

/* Nine of ten values are a number of a time since 1970. */
static bool
holds_epoch(const SniffColumn *column)
{
	return is_mostly(column->integers, column) && (column->longest == 10 || column->longest == 13 || column->longest == 16);
}

static void
set_role(SniffSample *sample, SlmColumn role, int column, SlmSure sure)
{
	sample->role[role] = column;
	sample->sure[role] = sure;
}

/* Is the column without a role so far? */
static bool
is_free(const SniffSample *sample, int column)
{
	for (int r = 0; r < SLM_ROLES; r++)
	{
		if (sample->role[r] == column)
			return false;
	}
	return true;
}

/* The first column from one on, that is free and of which a count is most of what it holds; -1 if there is none. */
static int
next_column(const SniffSample *sample, int from, int (*count) (const SniffColumn *column))
{
	for (int c = from; c < sample->ncolumns; c++)
	{
		if (is_free(sample, c) && is_mostly(count(&sample->column[c]), &sample->column[c]))
			return c;
	}
	return -1;
}

static int
count_integers(const SniffColumn *column)
{
	return column->integers;
}

static int
count_decimals(const SniffColumn *column)
{
	return column->decimals;
}

/* Tools have events of their own besides, so half of them will do. */
static int
count_events(const SniffColumn *column)
{
	return column->narrow > 0 && column->events * 2 > column->filled ? column->filled : 0;
}

static int
count_times(const SniffColumn *column)
{
	return column->times;
}

static int
count_texts(const SniffColumn *column)
{
	return column->filled;
}

/* Who, what, and what kind it is of, before a time that is last. */
static void
place_before_time(SniffSample *sample)
{
	int			who = next_column(sample, 0, count_integers);
	int			what;

	set_role(sample, SLM_COL_PRODUCT_ID, who, SLM_SURE_GUESS);
	what = who < 0 ? -1 : next_column(sample, who + 1, count_integers);
	if (what < 0)
		return;
	set_role(sample, SLM_COL_PRODUCT_ID, what, SLM_SURE_GUESS);
	set_role(sample, SLM_COL_USER_SESSION, who, SLM_SURE_GUESS);
	set_role(sample, SLM_COL_PRICE, next_column(sample, what + 1, count_decimals), SLM_SURE_GUESS);
	if (sample->role[SLM_COL_PRICE] < 0)
		set_role(sample, SLM_COL_CATEGORY_ID, next_column(sample, what + 1, count_integers), SLM_SURE_GUESS);
}

/* What stands before the time is who, what stands behind it is what. */
static void
place_behind_time(SniffSample *sample, int time, int product)
{
	int			who;

	set_role(sample, SLM_COL_PRODUCT_ID, product, SLM_SURE_GUESS);
	who = next_column(sample, 0, count_integers);
	if (who < time)
		set_role(sample, SLM_COL_USER_SESSION, who, SLM_SURE_GUESS);
	set_role(sample, SLM_COL_PRICE, next_column(sample, 0, count_decimals), SLM_SURE_GUESS);
	if (sample->role[SLM_COL_PRICE] < 0 && sample->ncolumns - product > 2)
		set_role(sample, SLM_COL_PRICE, next_column(sample, product + 1, count_integers), SLM_SURE_GUESS);
	if (sample->role[SLM_COL_PRICE] >= 0)
		set_role(sample, (SlmColumn) SLM_ROLE_QUANTITY, next_column(sample, sample->role[SLM_COL_PRICE] + 1, count_integers), SLM_SURE_GUESS);
	else
		set_role(sample, SLM_COL_CATEGORY_CODE, next_column(sample, product + 1, count_texts), SLM_SURE_GUESS);
}

void
slm_sniff_places(SniffSample *sample)
{
	int			time = next_column(sample, 0, count_times);
	int			product;

	for (int c = 0; c < sample->ncolumns && time < 0; c++)
	{
		if (holds_epoch(&sample->column[c]))
			time = c;
	}
	if (time < 0)
		return;
	set_role(sample, SLM_COL_EVENT_TIME, time, SLM_SURE_CERTAIN);
	set_role(sample, SLM_COL_EVENT_TYPE, next_column(sample, 0, count_events), SLM_SURE_LIKELY);
	product = next_column(sample, time + 1, count_integers);
	if (product >= 0)
		place_behind_time(sample, time, product);
	else
		place_before_time(sample);
}

/* Has a name something of a time in it? */
static bool
sounds_like_time(SlmSlice name)
{
	static const char *const words[] = {"time", "date", "stamp", "epoch"};

	for (size_t w = 0; w < sizeof(words) / sizeof(words[0]); w++)
	{
		size_t		len = strlen(words[w]);

		for (uint32_t i = 0; i + len <= name.len; i++)
		{
			if (slm_is_name((SlmSlice) {name.data + i, (uint32_t) len}, words[w]))
				return true;
		}
	}
	return false;
}

void
slm_sniff_unnamed(SniffSample *sample)
{
	int			times = next_column(sample, 0, count_times);
	int			events = next_column(sample, 0, count_events);

	for (int c = 0; c < sample->ncolumns && times < 0; c++)
	{
		if (is_free(sample, c) && holds_epoch(&sample->column[c]) && sounds_like_time(sample->header[c]))
			times = c;
	}
	if (sample->role[SLM_COL_EVENT_TIME] < 0 && times >= 0)
	{
		set_role(sample, SLM_COL_EVENT_TIME, times, SLM_SURE_GUESS);
		sample->time_by_values = true;
	}
	if (sample->role[SLM_COL_EVENT_TYPE] < 0 && events >= 0)
		set_role(sample, SLM_COL_EVENT_TYPE, events, SLM_SURE_GUESS);
}

/* --- times --- */

/* Days, months and years that begin with the day or the month: which? */
static void
sniff_order(SniffSample *sample, int column)
{
	int			mdy = 0;
	int			dmy = 0;
	int			points = 0;
	int			halves = 0;
	int			n = 0;

	for (int r = 0; r < sample->nrows; r++)
	{
		SlmSlice	value = slm_field_value(sniff_cell(sample, r, column));
		SlmTime		time;

		if (value.len == 0)
			continue;
		n++;
		sample->format.time = SLM_TIME_MDY;
		mdy += slm_format_time(&sample->format, value, &time) == NULL;
		sample->format.time = SLM_TIME_DMY;
		dmy += slm_format_time(&sample->format, value, &time) == NULL;
		points += memchr(value.data, '.', value.len) != NULL;
		halves += value.data[value.len - 1] == 'M' || value.data[value.len - 1] == 'm';
	}
	sample->format.time = dmy > mdy || (dmy == mdy && points * 2 > n) ? SLM_TIME_DMY : SLM_TIME_MDY;
	sample->sure_time = dmy != mdy ? SLM_SURE_CERTAIN : points * 2 > n || halves * 2 > n ? SLM_SURE_LIKELY : SLM_SURE_NO;
}

/* Can the reader read it without a format? */
static bool
is_plain_time(SlmSlice value)
{
	char		text[64 + SLM_PAD] = "";
	SlmTimeCache cache = {0};
	SlmTime		time;

	if (value.len > 64)
		return false;
	memcpy(text, value.data, value.len);
	return slm_parse_time((SlmSlice) {text, value.len}, &cache, &time);
}

static void
sniff_time(SniffSample *sample)
{
	int			c = sample->role[SLM_COL_EVENT_TIME];
	const SniffColumn *column;
	int			iso = 0;

	if (c < 0)
		return;
	column = &sample->column[c];
	sample->sure_time = SLM_SURE_CERTAIN;
	if (holds_epoch(column) || (is_mostly(column->integers + column->decimals, column) && column->longest != 8 && column->longest > 8))
	{
		sample->format.time = column->longest <= 11 ? SLM_TIME_S : column->longest <= 14 ? SLM_TIME_MS : SLM_TIME_US;
		return;
	}
	sample->format.time = SLM_TIME_ISO;
	for (int r = 0; r < sample->nrows; r++)
	{
		SlmSlice	value = slm_field_value(sniff_cell(sample, r, c));
		const char *colon = value.len == 0 ? NULL : memchr(value.data, ':', value.len);
		SlmTime		time;

		if (value.len > 0 && slm_format_time(&sample->format, value, &time) == NULL)
		{
			iso++;
			sample->odd_time = sample->odd_time || !is_plain_time(value);
		}
		if (colon != NULL)
		{
			const char *end = value.data + value.len;
			char		last = end[-1];

			sample->has_zone = sample->has_zone || last == 'Z' || last == 'C' || last == 'T' || memchr(colon, '+', (size_t) (end - colon)) != NULL ||
				memchr(colon, '-', (size_t) (end - colon)) != NULL;
		}
	}
	if (!is_mostly(iso, column))
		sniff_order(sample, c);
}

/* --- numbers --- */

/* Can the reader read it, as the format writes it? */
static bool
is_price(const SlmFormat *format, SlmSlice value)
{
	char		text[SLM_MAX_NUMBER + 8 + SLM_PAD] = "";
	size_t		len;
	SlmMoney	price;

	return slm_format_number(format, true, value, text, &len) == NULL && slm_parse_price((SlmSlice) {text, (uint32_t) len}, &price);
}

static void
sniff_price(SniffSample *sample)
{
	int			c = sample->role[SLM_COL_PRICE];
	int			commas = 0;
	int			points = 0;
	char		thousands = '\0';

	for (int r = 0; r < sample->nrows && c >= 0; r++)
	{
		SlmSlice	value = slm_field_value(sniff_cell(sample, r, c));
		uint32_t	last = value.len;

		/* what separates decimals comes last, and has no three digits behind it but where it is alone */
		while (last > 0 && value.data[last - 1] != '.' && value.data[last - 1] != ',')
			last--;
		if (last == 0)
			continue;
		if (value.len - last != 3 || memchr(value.data, value.data[last - 1] == ',' ? '.' : ',', value.len) != NULL)
		{
			commas += value.data[last - 1] == ',';
			points += value.data[last - 1] == '.';
		}
		for (uint32_t i = 0; i + 1 < last; i++)
		{
			char		c = value.data[i];

			if (c == '.' || c == ',' || c == '\'' || c == ' ' || (uint8_t) c >= 0x80)
				thousands = (uint8_t) c >= 0x80 ? ' ' : c;
		}
	}
	if (commas > points)
		sample->format.decimal = ',';
	if (thousands != sample->format.decimal)
		sample->format.thousands = thousands;
	for (int r = 0; r < sample->nrows && c >= 0; r++)
	{
		SlmSlice	value = slm_field_value(sniff_cell(sample, r, c));

		if (value.len == 0 || is_price(&sample->format, value))
			continue;
		sample->odd_prices++;
		sample->long_prices += is_decimal(value);
	}
}

/* --- events --- */

static SniffEvent *
event_of(SniffSample *sample, SlmSlice name)
{
	bool		known;

	for (int e = 0; e < sample->nevents; e++)
	{
		if (sample->event[e].name.len == name.len && memcmp(sample->event[e].name.data, name.data, name.len) == 0)
			return &sample->event[e];
	}
	if (sample->nevents == SNIFF_EVENTS)
		return NULL;
	sample->event[sample->nevents] = (SniffEvent) {.name = name};
	sample->event[sample->nevents].type = slm_sniff_event(name, &sample->event[sample->nevents].broad, &known);
	return &sample->event[sample->nevents++];
}

/* An event none of whose rows has a product, as those of whole orders, is passed over; if no event has any, it is not the events' fault. */
static void
drop_bare(SniffSample *sample)
{
	bool		any = false;

	for (int e = 0; e < sample->nevents; e++)
		any = any || (sample->event[e].type >= 0 && sample->event[e].bare < sample->event[e].count);
	for (int e = 0; e < sample->nevents && any; e++)
	{
		if (sample->event[e].bare == sample->event[e].count)
			sample->event[e].type = -1;
	}
}

/* A wide word, as page_view, counts for views only where no narrower one does. */
static void
drop_broad(SniffSample *sample)
{
	for (int e = 0; e < sample->nevents; e++)
	{
		bool		narrower = false;

		for (int other = 0; other < sample->nevents && sample->event[e].broad; other++)
			narrower = narrower || (sample->event[other].type == sample->event[e].type && !sample->event[other].broad);
		if (narrower)
			sample->event[e].type = -1;
	}
}

static void
sniff_events(SniffSample *sample)
{
	int			c = sample->role[SLM_COL_EVENT_TYPE];
	int			product = sample->role[SLM_COL_PRODUCT_ID];
	bool		any = false;

	for (int r = 0; r < sample->nrows && c >= 0; r++)
	{
		SlmSlice	name = slm_field_value(sniff_cell(sample, r, c));
		SniffEvent *event = name.len == 0 ? NULL : event_of(sample, name);

		if (event != NULL)
		{
			event->count++;
			event->bare += product >= 0 && slm_field_value(sniff_cell(sample, r, product)).len == 0;
		}
		else if (name.len > 0)
			sample->more_events = true;
		sample->nameless += name.len == 0;
	}
	drop_bare(sample);
	drop_broad(sample);
	for (int e = 0; e < sample->nevents; e++)
		any = any || sample->event[e].type >= 0;
	if (c >= 0 && any)
		return;
	/* a column whose words are none for events is something else, unless it is called as hardly anything else is */
	if (c >= 0 && sample->sure[SLM_COL_EVENT_TYPE] != SLM_SURE_GUESS && sample->column[c].filled > 0)
		sample->no_event = c;
	sample->role[SLM_COL_EVENT_TYPE] = -1;
	sample->fixed_event = sample->order >= 0 || sample->role[SLM_COL_PRICE] >= 0 || sample->role[SLM_ROLE_QUANTITY] >= 0 ? "purchase" : "view";
}

/* --- ids --- */

int
slm_sniff_row_type(SniffSample *sample, int row)
{
	int			c = sample->role[SLM_COL_EVENT_TYPE];
	SlmSlice	name = c < 0 ? (SlmSlice) {NULL, 0} : slm_field_value(sniff_cell(sample, row, c));
	const SniffEvent *event = name.len == 0 ? NULL : event_of(sample, name);

	if (c < 0)
		return strcmp(sample->fixed_event, "purchase") == 0 ? SLM_PURCHASE : -1;
	return event == NULL ? -1 : event->type;
}

static bool
same_value(const SniffSample *sample, int column, int a, int b)
{
	SlmSlice	x = slm_field_value(sniff_cell(sample, a, column));
	SlmSlice	y = slm_field_value(sniff_cell(sample, b, column));

	return x.len == y.len && memcmp(x.data, y.data, x.len) == 0;
}

/* Is all the same but the time: one row that was written twice? */
static bool
is_repetition(const SniffSample *sample, int a, int b)
{
	for (int c = 0; c < sample->ncolumns; c++)
	{
		if (c != sample->role[SLM_COL_EVENT_TIME] && !same_value(sample, c, a, b))
			return false;
	}
	return true;
}

/* Is there another line of the row's order and product among the last rows? */
static bool
is_second_line(const SniffSample *sample, int row)
{
	for (int before = row - 1; before >= 0 && before >= row - ORDER_ROWS; before--)
	{
		if (same_value(sample, sample->order, before, row) && same_value(sample, sample->role[SLM_COL_PRODUCT_ID], before, row) &&
			!is_repetition(sample, before, row))
			return true;
	}
	return false;
}

/*
 * An order's number, with the product, is the id of a line where purchases alone have one, and no two the same.  What is just called name is an
 * order's if it is written like one: #1001.
 */
static bool
tells_lines(SniffSample *sample)
{
	bool		by_name = slm_is_name(slm_trim(sample->header[sample->order]), "name");
	int			lines = 0;

	for (int r = 0; r < sample->nrows; r++)
	{
		SlmSlice	order = slm_field_value(sniff_cell(sample, r, sample->order));

		if (order.len == 0)
			continue;
		if (slm_sniff_row_type(sample, r) != SLM_PURCHASE || is_second_line(sample, r) || (by_name && order.data[0] != '#'))
			return false;
		lines++;
	}
	return lines > 0;
}

static void
sniff_ids(SniffSample *sample)
{
	int		   *role = &sample->role[SLM_ROLE_EVENT_ID];

	if (*role >= 0 && sample->column[*role].filled == 0)
		*role = -1;
	if (*role < 0 && sample->order >= 0 && sample->role[SLM_COL_PRODUCT_ID] >= 0 && !sample->format.no_header && tells_lines(sample))
	{
		*role = sample->order;
		sample->sure[SLM_ROLE_EVENT_ID] = SLM_SURE_GUESS;
	}
}

void
slm_sniff_forms(SniffSample *sample)
{
	sniff_time(sample);
	sniff_price(sample);
	sniff_events(sample);
	sniff_ids(sample);
}
