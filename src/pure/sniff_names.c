/*
 * sniff_names.c: the words that shops, tools and public data sets have for what this program knows.
 */
#include <string.h>

#include "pure/sniff_internal.h"
#include "pure/trim.h"

#define LONGEST_NAME	40

/* In the order of preference; small letters and digits alone count, as in slm_plain_name(). */
static const char *const time_names[] = {
	"eventtime", "eventtimestamp", "derivedtstamp", "timestamp", "originaltimestamp", "collectortstamp", "ts", "datetime", "occurredat",
	"createdat", "servertime", "ordertime", "orderdate", "orderpurchasetimestamp", "purchasedate", "invoicedate", "processedat", "paidat",
	"sentat", "receivedat", "time", "eventdate", "date", "dt", NULL
};
static const char *const type_names[] = {
	"eventtype", "eventname", "event", "seaction", "action", "behavior", "behaviour", "behaviortype", "activity", "interaction", "type", NULL
};
static const char *const product_names[] = {
	"productid", "itemid", "lineitemsku", "productsku", "sku", "tisku", "item", "product", "articleid", "stockcode", "goodsid", "asin",
	"variantid", NULL
};
static const char *const category_id_names[] = {"categoryid", "departmentid", "aisleid", NULL};
static const char *const category_names[] = {
	"categorycode", "category", "itemcategory", "productcategory", "ticategory", "categoryname", "maincategory", "department", "aisle", NULL
};
static const char *const brand_names[] = {"brand", "itembrand", "productbrand", "vendor", "manufacturer", NULL};
static const char *const price_names[] = {
	"price", "unitprice", "itemprice", "lineitemprice", "productprice", "tiprice", "saleprice", "amount", "revenue", "value", NULL
};
static const char *const user_names[] = {
	"userid", "visitorid", "customerid", "userpseudoid", "anonymousid", "domainuserid", "clientid", "fullvisitorid", "uid", "customer", NULL
};
static const char *const session_names[] = {"usersession", "sessionid", "domainsessionid", "gasessionid", "visitid", "session", NULL};
static const char *const quantity_names[] = {"quantity", "qty", "lineitemquantity", "itemquantity", "tiquantity", "quantityordered", "units", NULL};
static const char *const event_id_names[] = {"eventid", "messageid", "insertid", "eventuuid", "eventguid", "dedupid", "idempotencykey", NULL};
static const char *const currency_names[] = {"currency", "currencycode", NULL};
static const char *const product_name_names[] = {
	"productname", "itemname", "lineitemname", "producttitle", "tiname", "description", "title", NULL
};
static const char *const order_names[] = {"orderid", "transactionid", "tiorderid", "invoiceno", "invoice", "name", "ordernumber", NULL};

static const char *const *const names_of[SLM_ROLES] = {
	time_names, type_names, product_names, category_id_names, category_names, brand_names, price_names, user_names, session_names,
	quantity_names, event_id_names, currency_names, product_name_names
};

/* Small letters and digits of a name, of what stands behind its last point if behind is set. */
static void
plain_name(SlmSlice name, bool behind, char out[LONGEST_NAME + 1])
{
	size_t		n = 0;

	for (uint32_t i = 0; i < name.len; i++)
	{
		char		c = name.data[i];

		if (c >= 'A' && c <= 'Z')
			c += 'a' - 'A';
		if (c == '.' && behind)
			n = 0;
		else if (((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) && n < LONGEST_NAME)
			out[n++] = c;
	}
	out[n] = '\0';
}

/* The place of a name in a list; -1 if it is not there. */
static int
rank_of(SlmSlice name, const char *const *names)
{
	char		whole[LONGEST_NAME + 1];
	char		behind[LONGEST_NAME + 1];

	plain_name(name, false, whole);
	plain_name(name, true, behind);
	for (int i = 0; names[i] != NULL; i++)
	{
		if (strcmp(names[i], whole) == 0 || strcmp(names[i], behind) == 0)
			return i;
	}
	return -1;
}

/*
 * The column with the best of the names that holds something, or, fullest, with whichever of them most rows hold something of; -1 if none has
 * one.  *rank: the name's place.
 */
static int
best_column(const SniffSample *sample, const char *const *names, bool fullest, int *rank)
{
	int			best = -1;
	int			best_filled = 0;

	for (int c = 0; c < sample->ncolumns; c++)
	{
		int			r = rank_of(sample->header[c], names);
		int			filled = fullest ? sample->column[c].filled : sample->column[c].filled > 0;

		if (r >= 0 && (best < 0 || filled > best_filled || (filled == best_filled && r < *rank)))
		{
			best = c;
			*rank = r;
			best_filled = filled;
		}
	}
	return best;
}

int
slm_sniff_visitor(const SniffSample *sample)
{
	int			rank = 0;

	return best_column(sample, user_names, true, &rank);
}

bool
slm_sniff_is_name(SlmSlice cell)
{
	for (int r = 0; r < SLM_ROLES; r++)
	{
		if (rank_of(cell, names_of[r]) >= 0)
			return true;
	}
	return false;
}

int
slm_sniff_names(SniffSample *sample)
{
	int			known = 0;
	int			rank = 0;

	for (int r = 0; r < SLM_ROLES; r++)
	{
		sample->role[r] = best_column(sample, names_of[r], false, &rank);
		known += sample->role[r] >= 0;
		if (sample->role[r] < 0)
			continue;
		/* the last ones of a list can mean other things */
		sample->sure[r] = slm_role_named(sample->header[sample->role[r]]) == r ? SLM_SURE_CERTAIN
			: names_of[r][rank + 1] == NULL ? SLM_SURE_GUESS : SLM_SURE_LIKELY;
	}
	sample->order = best_column(sample, order_names, false, &rank);
	/* an id of a session that counts anew for each visitor */
	if (sample->role[SLM_COL_USER_SESSION] >= 0 && sample->role[SLM_COL_USER_ID] >= 0 &&
		rank_of(sample->header[sample->role[SLM_COL_USER_SESSION]], (const char *const[]) {"gasessionid", "visitid", NULL}) >= 0)
	{
		sample->session_part = sample->role[SLM_COL_USER_SESSION];
		sample->role[SLM_COL_USER_SESSION] = sample->role[SLM_COL_USER_ID];
	}
	return known;
}

/* --- events --- */

typedef struct Word
{
	const char *name;
	int			type;
	bool		broad;
} Word;

static const Word words[] = {
	{"view", SLM_VIEW, false}, {"viewitem", SLM_VIEW, false}, {"productviewed", SLM_VIEW, false}, {"productview", SLM_VIEW, false},
	{"itemview", SLM_VIEW, false}, {"viewproduct", SLM_VIEW, false}, {"detail", SLM_VIEW, false}, {"productdetailview", SLM_VIEW, false},
	{"viewcontent", SLM_VIEW, false}, {"click", SLM_VIEW, true}, {"pv", SLM_VIEW, true}, {"pageview", SLM_VIEW, true},
	{"cart", SLM_CART, false}, {"addtocart", SLM_CART, false}, {"productadded", SLM_CART, false}, {"cartadd", SLM_CART, false},
	{"addtobasket", SLM_CART, false}, {"basket", SLM_CART, false}, {"atc", SLM_CART, false},
	{"removefromcart", SLM_REMOVE_FROM_CART, false}, {"productremoved", SLM_REMOVE_FROM_CART, false},
	{"cartremove", SLM_REMOVE_FROM_CART, false}, {"removefrombasket", SLM_REMOVE_FROM_CART, false},
	{"purchase", SLM_PURCHASE, false}, {"transaction", SLM_PURCHASE, false}, {"order", SLM_PURCHASE, false},
	{"ordercompleted", SLM_PURCHASE, false}, {"orderplaced", SLM_PURCHASE, false}, {"buy", SLM_PURCHASE, false},
	{"bought", SLM_PURCHASE, false}, {"sale", SLM_PURCHASE, false}, {"transactionitem", SLM_PURCHASE, false}
};

int
slm_sniff_event(SlmSlice word, bool *broad)
{
	char		plain[LONGEST_NAME + 1];

	*broad = false;
	if (word.len > LONGEST_NAME)
		return -1;
	plain_name(word, false, plain);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
	{
		if (strcmp(words[i].name, plain) == 0)
		{
			*broad = words[i].broad;
			return words[i].type;
		}
	}
	return -1;
}
