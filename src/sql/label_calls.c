/*
 * label_calls.c: sellometer.key_label(), a key as people know it.
 *
 * Dashboards ask for hundreds at a time.  So what most are, a product that is a number and a name of plain text, is looked up here; all else, as what
 * nodes or the texts of SKUs are asked for, is left to any_key_label(), in SQL, which gives the same of what is done here.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "pure/types.h"
#include "server/spi.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(sellometer_key_label);
PG_FUNCTION_INFO_V1(sellometer_category_label);

/* A name of a line has no more, in characters. */
#define MOST_IN_A_LINE	200

/* A number of so many digits fits. */
#define MOST_DIGITS		18

static SlmSlice
slice_of(const text *t)
{
	return (SlmSlice) {VARDATA_ANY(t), (uint32) VARSIZE_ANY_EXHDR(t)};
}

/* --- categories --- */

/* Where the last level of a category begins. */
static uint32
last_level(SlmSlice category)
{
	uint32		at = category.len;

	while (at > 0 && category.data[at - 1] != '.')
		at--;
	return at;
}

/* Without the levels, of three at most, that only repeat the one before. */
static SlmSlice
without_repetitions(SlmSlice category)
{
	uint32		start = last_level(category);
	SlmSlice	last = {category.data + start, category.len - start};

	for (int i = 0; i < 2 && last.len > 0 && start > last.len; i++)
	{
		SlmSlice	before = {category.data, start - 1};
		uint32		at = last_level(before);

		if (before.len - at != last.len || memcmp(before.data + at, last.data, last.len) != 0)
			break;
		category.len = before.len;
		start = at;
	}
	return category;
}

static text *
label_of_category(SlmSlice category)
{
	SlmSlice	label = without_repetitions(category);

	return cstring_to_text_with_len(label.data, (int) label.len);
}

Datum
sellometer_category_label(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(label_of_category(slice_of(PG_GETARG_TEXT_PP(0))));
}

/* --- products --- */

/* A number as keys have it, 0 or more. */
static bool
is_plain_number(SlmSlice key, int64 *number)
{
	*number = 0;
	if (key.len == 0 || key.len > MOST_DIGITS || (key.data[0] == '0' && key.len > 1))
		return false;
	for (uint32 i = 0; i < key.len; i++)
	{
		if (key.data[i] < '0' || key.data[i] > '9')
			return false;
		*number = *number * 10 + (key.data[i] - '0');
	}
	return true;
}

/* Append a name as a line, which a blank one leaves empty; false if it has other characters than printable ones of ASCII, or too many. */
static bool
append_line(StringInfo to, SlmSlice name)
{
	for (uint32 i = 0; i < name.len; i++)
	{
		if (name.data[i] < ' ' || name.data[i] > '~')
			return false;
		if (name.data[i] != ' ' || (to->len > 0 && to->data[to->len - 1] != ' '))
			appendStringInfoCharMacro(to, name.data[i]);
	}
	if (to->len > 0 && to->data[to->len - 1] == ' ')
		to->data[--to->len] = '\0';
	return to->len <= MOST_IN_A_LINE;
}

/* May who asks read this table of the extension's?  -1: there is none. */
static int
may_read(Oid schema, const char *table)
{
	Oid			relation = get_relname_relid(table, schema);

	return OidIsValid(relation) ? pg_class_aclcheck(relation, GetUserId(), ACL_SELECT) == ACLCHECK_OK : -1;
}

/* The name of a product, empty if there is none; false if it is to be made in SQL. */
static bool
find_name(StringInfo name, int64 product_id)
{
	static const char *const tables[] = {"products", "product_names", "sold_products"};
	static SlmStatement statements[] = {
		{"SELECT name FROM sellometer.products WHERE product_id = $1", 1, {INT8OID}},
		{"SELECT name FROM sellometer.product_names WHERE product_id = $1", 1, {INT8OID}},
		{"SELECT category FROM sellometer.sold_products WHERE product_id = $1 AND category <> 'unknown.unknown.unknown' "
			"ORDER BY sales DESC, category LIMIT 1", 1, {INT8OID}}
	};
	Datum		id = Int64GetDatum(product_id);
	Oid			schema = get_namespace_oid("sellometer", true);

	for (int i = 0; i < lengthof(statements) && name->len == 0; i++)
	{
		int			may = OidIsValid(schema) ? may_read(schema, tables[i]) : -1;
		bool		isnull = true;
		Datum		found;

		if (may < 0)
			return false;
		if (may == 0 || slm_query(&statements[i], &id) == 0)
			continue;
		found = slm_value(0, 1, &isnull);
		if (!isnull)
		{
			SlmSlice	said = slice_of(DatumGetTextPP(found));

			if (!append_line(name, i == 2 ? without_repetitions(said) : said))
				return false;
		}
	}
	return true;
}

/* NULL: it is to be made in SQL. */
static text *
label_of_product(SlmSlice key)
{
	StringInfoData name;
	StringInfoData label;
	int64		product_id;

	if (!is_plain_number(key, &product_id) || OidIsValid(get_namespace_oid("sellometer_nodes", true)))
		return NULL;
	initStringInfo(&name);
	initStringInfo(&label);
	SPI_connect();
	if (!find_name(&name, product_id))
	{
		SPI_finish();
		return NULL;
	}
	SPI_finish();
	appendBinaryStringInfo(&label, key.data, (int) key.len);
	if (name.len > 0)
		appendStringInfo(&label, " (%s)", name.data);
	return cstring_to_text_with_len(label.data, label.len);
}

static Datum
label_in_sql(Datum dimension, Datum key)
{
	static SlmStatement statement = {"SELECT sellometer.any_key_label($1, $2)", 2, {TEXTOID, TEXTOID}};
	MemoryContext caller = CurrentMemoryContext;
	Datum		args[2] = {dimension, key};
	char	   *label;

	SPI_connect();
	(void) slm_query(&statement, args);
	label = slm_text(caller, 0, 1);
	SPI_finish();
	return label == NULL ? (Datum) 0 : CStringGetTextDatum(label);
}

static bool
is_word(SlmSlice slice, const char *word)
{
	return slice.len == strlen(word) && memcmp(slice.data, word, slice.len) == 0;
}

/* (dimension, key) --> label */
Datum
sellometer_key_label(PG_FUNCTION_ARGS)
{
	SlmSlice	dimension;
	SlmSlice	key;
	text	   *label = NULL;
	Datum		made;

	if (PG_ARGISNULL(1))
		PG_RETURN_NULL();
	if (PG_ARGISNULL(0))
		PG_RETURN_DATUM(PG_GETARG_DATUM(1));
	dimension = slice_of(PG_GETARG_TEXT_PP(0));
	key = slice_of(PG_GETARG_TEXT_PP(1));
	if (is_word(dimension, "product_id"))
		label = label_of_product(key);
	else if (is_word(dimension, "brand"))
		PG_RETURN_DATUM(PG_GETARG_DATUM(1));
	else if (is_word(dimension, "category_l1") || is_word(dimension, "category_l2") || is_word(dimension, "category_l3"))
		label = label_of_category(key);
	if (label != NULL)
		PG_RETURN_TEXT_P(label);
	made = label_in_sql(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1));
	if (made == (Datum) 0)
		PG_RETURN_NULL();
	return made;
}
