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
	"createdat", "servertime", "servertimestamp", "servertimestampepochms", "ordertime", "orderdate", "ordercreatedat", "orderpurchasetimestamp",
	"purchasedate", "invoicedate", "saledate", "dateadded", "dateadd", "datecreated", "visitstarttime", "processedat", "paidat", "sentat",
	"receivedat", "time", "eventdate", "date", "tdat", "dt", NULL
};
static const char *const type_names[] = {
	"eventtype", "eventname", "event", "seaction", "productaction", "action", "actiontype", "behavior", "behaviour", "behaviortype", "activity",
	"interaction", "type", NULL
};
static const char *const product_names[] = {
	"productid", "lineitemsku", "itemproductid", "productsku", "itemsku", "sku", "tisku", "itemid", "contentid", "articleid", "stockcode",
	"productcode", "itemnumber", "productskuhash", "goodsid", "asin", "item", "product", "variantid", NULL
};
static const char *const category_id_names[] = {"categoryid", "departmentid", "aisleid", NULL};
static const char *const category_names[] = {
	"categorycode", "category", "itemcategory", "productcategory", "ticategory", "categoryname", "maincategory", "department", "aisle", NULL
};
static const char *const brand_names[] = {"brand", "itembrand", "productbrand", "vendor", "manufacturer", NULL};
static const char *const price_names[] = {
	"price", "unitprice", "itemprice", "lineitemprice", "productprice", "tiprice", "unitpricetaxincl", "itemcost", "saleprice", "linetotal",
	"rowtotal", "itemtotal", "itemrevenue", "amount", "revenue", "value", NULL
};
static const char *const user_names[] = {
	"userid", "visitorid", "customerid", "userpseudoid", "anonymousid", "domainuserid", "clientid", "fullvisitorid", "idvisitor", "distinctid",
	"uid", "customer", NULL
};
static const char *const session_names[] = {"usersession", "sessionid", "domainsessionid", "sessionidhash", "gasessionid", "visitid", "idvisit", "session", NULL};
static const char *const quantity_names[] = {
	"quantity", "qty", "lineitemquantity", "itemquantity", "productquantity", "tiquantity", "quantityordered", "qtyordered", "quantitypurchased",
	"quantityrefund", "units", NULL
};
static const char *const event_id_names[] = {"eventid", "messageid", "insertid", "eventuuid", "eventguid", "dedupid", "idempotencykey", NULL};
static const char *const currency_names[] = {"currency", "currencycode", "ticurrency", "ordercurrency", NULL};
static const char *const product_name_names[] = {
	"productname", "itemname", "lineitemname", "producttitle", "itemtitle", "contentname", "tiname", "description", "title", "name", NULL
};
static const char *const order_names[] = {
	"orderid", "transactionid", "tiorderid", "idorder", "amazonorderid", "invoiceno", "invoice", "name", "ordernumber", NULL
};

static const char *const *const names_of[SLM_ROLES] = {
	time_names, type_names, product_names, category_id_names, category_names, brand_names, price_names, user_names, session_names,
	quantity_names, event_id_names, currency_names, product_name_names
};

/* What stands before a column's name where a tool writes what was nested: `items.item_id`, `properties_price`. */
static const char *const wrappers[] = {
	"items", "item", "products", "product", "hitsproduct", "lineitems", "properties", "eventproperties", "ecommerce", "hitsecommerceaction", "params",
	"eventparams", "payload", "data", NULL
};

/* ... and where it is of something else than what happened: `device.category` */
static const char *const strangers[] = {
	"context", "device", "geo", "traits", "user", "page", "contextpage", "contexttraits", "app", "campaign", "trafficsource", "billing", "shipping", NULL
};

/* Names that match behind something that may be anything, `p.price`, come after all others. */
#define QUALIFIED	100

/* Small letters and digits of a name. */
static void
plain_name(SlmSlice name, char out[LONGEST_NAME + 1])
{
	size_t		n = 0;

	for (uint32_t i = 0; i < name.len; i++)
	{
		char		c = name.data[i];

		if (c >= 'A' && c <= 'Z')
			c += 'a' - 'A';
		if (((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) && n < LONGEST_NAME)
			out[n++] = c;
	}
	out[n] = '\0';
}

/* The place of a plain name in a list; -1 if it is not there. */
static int
place_of(const char *plain, const char *const *names)
{
	for (int i = 0; names[i] != NULL; i++)
	{
		if (strcmp(names[i], plain) == 0)
			return i;
	}
	return -1;
}

/* What stands before and behind a separator in a name, plain. */
static void
split_name(SlmSlice name, uint32_t at, char before[LONGEST_NAME + 1], char behind[LONGEST_NAME + 1])
{
	plain_name((SlmSlice) {name.data, at}, before);
	plain_name((SlmSlice) {name.data + at + 1, name.len - at - 1}, behind);
}

/* The place of a name in a list, more than QUALIFIED of one that matches behind a point alone; -1 if it is not there. */
static int
rank_of(SlmSlice name, const char *const *names)
{
	char		before[LONGEST_NAME + 1];
	char		behind[LONGEST_NAME + 1];
	int			rank;

	plain_name(name, behind);
	if ((rank = place_of(behind, names)) >= 0)
		return rank;
	for (uint32_t i = 0; i < name.len; i++)
	{
		if (name.data[i] != '.' && name.data[i] != '_')
			continue;
		split_name(name, i, before, behind);
		if (place_of(before, wrappers) >= 0 && (rank = place_of(behind, names)) >= 0)
			return rank;
	}
	for (uint32_t i = name.len; i-- > 0;)
	{
		if (name.data[i] != '.')
			continue;
		split_name(name, i, before, behind);
		rank = place_of(before, strangers) >= 0 ? -1 : place_of(behind, names);
		return rank < 0 ? -1 : rank + QUALIFIED;
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

/* The column of events is rather one that holds words for events, then one whose words say more than page_view. */
static int
best_type_column(const SniffSample *sample, int *rank)
{
	int			best = best_column(sample, type_names, false, rank);

	for (int c = 0; c < sample->ncolumns; c++)
	{
		int			r = rank_of(sample->header[c], type_names);
		const SniffColumn *than = best < 0 ? NULL : &sample->column[best];
		const SniffColumn *column = &sample->column[c];

		if (r >= 0 && than != NULL && (column->narrow > than->narrow || (than->events == 0 && column->events > 0)))
		{
			best = c;
			*rank = r;
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
slm_sniff_is_total(SlmSlice name)
{
	static const char *const totals[] = {"linetotal", "rowtotal", "itemtotal", "itemrevenue", "amount", "revenue", "value", NULL};

	return rank_of(name, totals) >= 0;
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
		sample->role[r] = r == SLM_COL_EVENT_TYPE ? best_type_column(sample, &rank) : best_column(sample, names_of[r], false, &rank);
		known += sample->role[r] >= 0;
		if (sample->role[r] < 0)
			continue;
		/* the last ones of a list can mean other things */
		sample->sure[r] = slm_role_named(sample->header[sample->role[r]]) == r ? SLM_SURE_CERTAIN
			: rank >= QUALIFIED || names_of[r][rank + 1] == NULL || strcmp(names_of[r][rank], "title") == 0 ? SLM_SURE_GUESS : SLM_SURE_LIKELY;
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

/* Without one of the four, a word is known to be for something else. */
#define PASSED_OVER	(-1)

static const Word words[] = {
	{"view", SLM_VIEW, false}, {"viewitem", SLM_VIEW, false}, {"productviewed", SLM_VIEW, false}, {"productview", SLM_VIEW, false},
	{"itemview", SLM_VIEW, false}, {"itemviewed", SLM_VIEW, false}, {"viewproduct", SLM_VIEW, false}, {"viewedproduct", SLM_VIEW, false},
	{"detail", SLM_VIEW, false}, {"productdetail", SLM_VIEW, false}, {"productdetailview", SLM_VIEW, false}, {"viewcontent", SLM_VIEW, false},
	{"click", SLM_VIEW, true}, {"pv", SLM_VIEW, true}, {"pageview", SLM_VIEW, true},
	{"cart", SLM_CART, false}, {"addtocart", SLM_CART, false}, {"addedtocart", SLM_CART, false}, {"productadded", SLM_CART, false},
	{"productaddedtocart", SLM_CART, false}, {"itemadded", SLM_CART, false}, {"additemtocart", SLM_CART, false}, {"cartadd", SLM_CART, false},
	{"addcart", SLM_CART, false}, {"addtobasket", SLM_CART, false}, {"basket", SLM_CART, false}, {"atc", SLM_CART, false}, {"add", SLM_CART, false},
	{"removefromcart", SLM_REMOVE_FROM_CART, false}, {"removedfromcart", SLM_REMOVE_FROM_CART, false},
	{"productremoved", SLM_REMOVE_FROM_CART, false}, {"productremovedfromcart", SLM_REMOVE_FROM_CART, false},
	{"cartremove", SLM_REMOVE_FROM_CART, false}, {"removefrombasket", SLM_REMOVE_FROM_CART, false}, {"remove", SLM_REMOVE_FROM_CART, false},
	{"purchase", SLM_PURCHASE, false}, {"purchased", SLM_PURCHASE, false}, {"itempurchased", SLM_PURCHASE, false},
	{"productpurchased", SLM_PURCHASE, false}, {"purchasecompleted", SLM_PURCHASE, false}, {"completepurchase", SLM_PURCHASE, false},
	{"ecommercepurchase", SLM_PURCHASE, false}, {"transaction", SLM_PURCHASE, false}, {"order", SLM_PURCHASE, false},
	{"ordercompleted", SLM_PURCHASE, false}, {"orderplaced", SLM_PURCHASE, false}, {"placedorder", SLM_PURCHASE, true},
	{"orderedproduct", SLM_PURCHASE, false}, {"checkoutcompleted", SLM_PURCHASE, false}, {"buy", SLM_PURCHASE, false},
	{"bought", SLM_PURCHASE, false}, {"sale", SLM_PURCHASE, false}, {"transactionitem", SLM_PURCHASE, false},
	{"fav", PASSED_OVER, false}, {"favorite", PASSED_OVER, false}, {"addtowishlist", PASSED_OVER, false}, {"wishlist", PASSED_OVER, false},
	{"search", PASSED_OVER, false}, {"scroll", PASSED_OVER, false}, {"sessionstart", PASSED_OVER, false}, {"checkout", PASSED_OVER, false},
	{"refund", PASSED_OVER, false}
};

int
slm_sniff_event(SlmSlice word, bool *broad, bool *known)
{
	char		plain[LONGEST_NAME + 1];

	*broad = *known = false;
	if (word.len > LONGEST_NAME)
		return -1;
	plain_name(word, plain);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
	{
		if (strcmp(words[i].name, plain) == 0)
		{
			*broad = words[i].broad;
			*known = true;
			return words[i].type;
		}
	}
	return -1;
}

/* --- files without a header --- */

/* The columns of events that Snowplow has enriched, of which there are always as many. */
#define SNOWPLOW_COLUMNS	131

static const struct
{
	int			column;			/* the first is 1 */
	const char *name;
}			snowplow[] = {
	{6, "event"}, {7, "event_id"}, {16, "domain_userid"}, {54, "se_category"}, {55, "se_action"}, {69, "ti_sku"}, {70, "ti_name"}, {71, "ti_category"},
	{72, "ti_price"}, {73, "ti_quantity"}, {113, "ti_currency"}, {124, "domain_sessionid"}, {125, "derived_tstamp"}, {127, "event_name"}
};

bool
slm_sniff_snowplow(SniffSample *sample)
{
	if (sample->ncolumns != SNOWPLOW_COLUMNS || sample->format.delimiter != '\t' || sample->column[3].times == 0 || sample->column[5].events == 0)
		return false;
	for (size_t i = 0; i < sizeof(snowplow) / sizeof(snowplow[0]); i++)
		sample->header[snowplow[i].column - 1] = (SlmSlice) {snowplow[i].name, (uint32_t) strlen(snowplow[i].name)};
	return true;
}
