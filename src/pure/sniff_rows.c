/*
 * sniff_rows.c: what the rows that count say about the columns that were found: whether they can do what they are for.
 */
#include <string.h>

#include "pure/line.h"
#include "pure/sniff_internal.h"
#include "pure/trim.h"

static SlmSlice
value_of(const SniffSample *sample, int row, int role)
{
	return slm_field_value(sniff_cell(sample, row, sample->role[role]));
}

static bool
is_same(SlmSlice a, SlmSlice b)
{
	return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

/* Is it of no piece, or are pieces given back? */
static bool
is_odd_quantity(SlmSlice value)
{
	bool		digits = false;

	if (value.len > 0 && value.data[0] == '-')
		return true;
	for (uint32_t i = 0; i < value.len; i++)
	{
		if (value.data[i] >= '1' && value.data[i] <= '9')
			return false;
		digits = digits || value.data[i] == '0';
	}
	return digits;
}

/* How many rows count, and what is missing in them. */
static void
count_rows(SniffSample *sample)
{
	for (int r = 0; r < sample->nrows; r++)
	{
		if (sample->role[SLM_COL_EVENT_TYPE] >= 0 && slm_sniff_row_type(sample, r) < 0)
			continue;
		sample->counted++;
		for (int role = 0; role < SLM_ROLES; role++)
			sample->lacking[role] += sample->role[role] >= 0 && value_of(sample, r, role).len == 0;
		sample->odd_quantities += sample->role[SLM_ROLE_QUANTITY] >= 0 && is_odd_quantity(value_of(sample, r, SLM_ROLE_QUANTITY));
	}
}

/*
 * Where rows lack a currency, as the further lines of an order in exports do, and all others have the same, it is of all rows: by itself a row
 * without one is in the shop's own.
 */
static void
find_only_currency(SniffSample *sample)
{
	SlmSlice	only = {NULL, 0};

	if (sample->role[SLM_ROLE_CURRENCY] < 0 || sample->lacking[SLM_ROLE_CURRENCY] == 0)
		return;
	for (int r = 0; r < sample->nrows; r++)
	{
		SlmSlice	value = value_of(sample, r, SLM_ROLE_CURRENCY);

		if (value.len == 0)
			continue;
		if (only.data != NULL && !is_same(only, value))
			return;
		only = value;
	}
	sample->only_currency = only;
}

/* Is a column called so? */
static bool
has_column(const SniffSample *sample, const char *name)
{
	for (int c = 0; c < sample->ncolumns; c++)
	{
		if (slm_is_name(slm_trim(sample->header[c]), name))
			return true;
	}
	return false;
}

/*
 * Prices of all pieces of a row: by what they are called, or because Amazon's reports have them so.  With a quantity they would be multiplied once
 * more, so none is taken: sums are right, and each row counts once.
 */
static void
find_line_totals(SniffSample *sample)
{
	if (sample->role[SLM_COL_PRICE] < 0 || sample->role[SLM_ROLE_QUANTITY] < 0 || sample->format.no_header)
		return;
	sample->line_totals = slm_sniff_is_total(sample->header[sample->role[SLM_COL_PRICE]]) ||
		(has_column(sample, "amazon-order-id") && has_column(sample, "item-price"));
}

static bool
ends_in(SlmSlice name, const char *end)
{
	uint32_t	len = (uint32_t) strlen(end);

	name = slm_trim(name);
	return name.len >= len && slm_is_name((SlmSlice) {name.data + name.len - len, len}, end);
}

/* A product's name is the same in all its rows, or nearly; what is just called name or title may be anybody's, or a page's. */
static void
drop_others_names(SniffSample *sample)
{
	int		   *role = &sample->role[SLM_ROLE_PRODUCT_NAME];
	int			same = 0;
	int			other = 0;

	if (*role < 0 || sample->role[SLM_COL_PRODUCT_ID] < 0 || sample->sure[SLM_ROLE_PRODUCT_NAME] != SLM_SURE_GUESS)
		return;
	for (int r = 1; r < sample->nrows; r++)
	{
		SlmSlice	product = value_of(sample, r, SLM_COL_PRODUCT_ID);

		for (int before = r - 1; before >= 0 && product.len > 0; before--)
		{
			if (!is_same(product, value_of(sample, before, SLM_COL_PRODUCT_ID)))
				continue;
			if (is_same(value_of(sample, r, SLM_ROLE_PRODUCT_NAME), value_of(sample, before, SLM_ROLE_PRODUCT_NAME)))
				same++;
			else
				other++;
			break;
		}
	}
	/* a title is of a thing, so that it need not be seen twice */
	if (same < other * 10 || (same == 0 && !ends_in(sample->header[*role], "title")) || *role == sample->role[SLM_ROLE_EVENT_ID])
		*role = -1;
}

/* A column of numbers that is a quantity because of where it stands would have rows rejected: rather none. */
static void
drop_guessed_quantity(SniffSample *sample)
{
	if (sample->role[SLM_ROLE_QUANTITY] >= 0 && sample->format.no_header && sample->sure[SLM_ROLE_QUANTITY] == SLM_SURE_GUESS &&
		sample->odd_quantities * 10 > sample->counted)
		sample->role[SLM_ROLE_QUANTITY] = -1;
}

/* An id that is no whole number.  Of what bears the role's own name a few such are faults; and it has to be said that it is not that. */
static void
drop_unfit(SniffSample *sample, SlmColumn id)
{
	int			column = sample->role[id];
	bool		own = column >= 0 && sniff_is_own_name(sample, id);

	if (column < 0 || (own ? !sniff_holds_few_integers(sample, id) : sniff_holds_integers(sample, id)))
		return;
	sample->unfit[id] = own;
	sample->role[id] = -1;
	/* texts are what a category is called, if nothing else is */
	if (own && id == SLM_COL_CATEGORY_ID && sample->role[SLM_COL_CATEGORY_CODE] < 0)
	{
		sample->role[SLM_COL_CATEGORY_CODE] = column;
		sample->sure[SLM_COL_CATEGORY_CODE] = SLM_SURE_GUESS;
	}
}

/* What can't be what it is called is left out, or stands for something else. */
static void
settle(SniffSample *sample)
{
	int		   *role = sample->role;

	if (role[SLM_COL_USER_SESSION] < 0 && role[SLM_COL_USER_ID] >= 0)
	{
		role[SLM_COL_USER_SESSION] = slm_sniff_visitor(sample);
		sample->sure[SLM_COL_USER_SESSION] = SLM_SURE_GUESS;
	}
	drop_unfit(sample, SLM_COL_USER_ID);
	drop_unfit(sample, SLM_COL_CATEGORY_ID);
	if (role[SLM_COL_CATEGORY_CODE] >= 0 && role[SLM_COL_CATEGORY_CODE] == role[SLM_COL_CATEGORY_ID])
		role[SLM_COL_CATEGORY_CODE] = -1;
}

void
slm_sniff_rows(SniffSample *sample)
{
	count_rows(sample);
	find_only_currency(sample);
	find_line_totals(sample);
	drop_others_names(sample);
	drop_guessed_quantity(sample);
	settle(sample);
}
