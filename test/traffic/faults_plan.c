/*
 * faults_plan.c: choose what goes wrong, when and where, and write it into the ground truth: faults_plan().
 */
#include "changes.h"

#include <stdlib.h>
#include <string.h>

/* About this part of all events are purchases; see sessions.c. */
#define PURCHASE_SHARE	0.019
/* A price can only look wrong to someone who has seen some sales. */
#define SALES_BEFORE	40
/* About these many sales, or half of them, are few. */
#define HARDLY_SOLD		14.0
/* So many products come new at a time. */
#define NEW_AT_ONCE		20

static void
add_change(Faults *faults, Change change)
{
	faults->changes = must_realloc(faults->changes, (faults->n_changes + 1) * sizeof(Change));
	faults->changes[faults->n_changes++] = change;
}

static void
add_visit(Faults *faults, Visit visit)
{
	visit.order = (uint32_t) faults->n_visits;
	faults->visits = must_realloc(faults->visits, (faults->n_visits + 1) * sizeof(Visit));
	faults->visits[faults->n_visits++] = visit;
}

static int
compare_changes(const void *a, const void *b)
{
	int64_t		x = ((const Change *) a)->second;
	int64_t		y = ((const Change *) b)->second;

	return (x > y) - (x < y);
}

static int
compare_visits(const void *a, const void *b)
{
	const Visit *x = a;
	const Visit *y = b;

	if (x->second != y->second)
		return x->second < y->second ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* A span of so many minutes, shorter if the run is short, somewhere in the time for faults. */
static void
choose_span(Faults *faults, double least, double most, int64_t *from, int64_t *to)
{
	double		room = (double) faults->minutes - faults->after;
	double		length = fmin(least + (most - least) * rng_double(&faults->rng), room / 2);
	double		begin = faults->after + (room - length) * rng_double(&faults->rng);

	*from = faults->options->start + (int64_t) (begin * 60);
	*to = *from + (int64_t) (length * 60);
}

/* Expected purchases of a product in so many minutes. */
static double
expected_sales(const Faults *faults, uint32_t product, double minutes)
{
	const Category *category = &faults->catalogue->categories[faults->catalogue->products[product].category];

	return faults->options->rate * minutes * PURCHASE_SHARE * faults->popular[product] * (double) category->convert;
}

/* A product that will have sold well by a time; if there is none, a popular one. */
static uint32_t
choose_sold(Faults *faults, int64_t by)
{
	double		minutes = (double) (by - faults->options->start) / 60.0;
	uint32_t	n = 0;

	/* Popularity falls with the number, so those that qualify are (nearly) the first n. */
	while (n < faults->catalogue->n_products && expected_sales(faults, n, minutes) >= SALES_BEFORE)
		n++;
	if (n == 0)
		n = faults->catalogue->n_products < 20 ? faults->catalogue->n_products : 20;
	return rng_below(&faults->rng, n);
}

/* A product that will have been sold some times by a time, but hardly. */
static uint32_t
choose_hardly_sold(Faults *faults, int64_t by)
{
	double		minutes = (double) (by - faults->options->start) / 60.0;
	uint32_t	first = 0;
	uint32_t	n;

	while (first < faults->catalogue->n_products - 1 && expected_sales(faults, first, minutes) > HARDLY_SOLD)
		first++;
	for (n = 1; first + n < faults->catalogue->n_products && expected_sales(faults, first + n, minutes) >= HARDLY_SOLD / 2; n++)
		continue;
	return first + rng_below(&faults->rng, n);
}

/* A category with a code and products; the first asked for is that of the most popular product. */
static int
choose_category(Faults *faults, int number)
{
	const Catalogue *cat = faults->catalogue;
	int			c = (int) cat->products[0].category;

	for (int tries = 0; tries < 1000 && (number > 0 || cat->categories[c].code[0] == '\0'); tries++)
	{
		c = (int) rng_below(&faults->rng, cat->n_categories);
		if (cat->categories[c].popular.n > 0 && cat->categories[c].code[0] != '\0')
			break;
	}
	return c;
}

/* "2019-10-01 00:00:00", in one of a few static buffers. */
static const char *
spell(int64_t second)
{
	static char text[4][20];
	static int	next = 0;

	next = (next + 1) % 4;
	time_text(text[next], second);
	return text[next];
}

static void
plan_price(Faults *faults, const char *name, double factor, bool hardly_sold)
{
	int64_t		from;
	int64_t		to;
	uint32_t	p;
	const Product *product;

	choose_span(faults, 10, 60, &from, &to);
	p = hardly_sold ? choose_hardly_sold(faults, from) : choose_sold(faults, from);
	product = &faults->catalogue->products[p];
	add_change(faults, (Change) {.second = from, .kind = CHANGE_PRODUCT_PRICE, .what = (int) p, .factor = factor});
	add_change(faults, (Change) {.second = to, .kind = CHANGE_PRODUCT_PRICE, .what = (int) p, .factor = 1 / factor});
	files_truth(faults->files, "\"fault\": \"%s\", \"product_id\": %lld, \"factor\": %g, \"usual\": %d.%02d, "
				"\"from\": \"%s\", \"to\": \"%s\"", name, (long long) product->id, factor,
				product->base_cents / 100, product->base_cents % 100, spell(from), spell(to));
}

static void
plan_sale(Faults *faults, const char *name, double factor)
{
	int64_t		from;
	int64_t		to;
	int			c = choose_category(faults, 1);
	const Category *category = &faults->catalogue->categories[c];

	choose_span(faults, 120, 1440, &from, &to);
	add_change(faults, (Change) {.second = from, .kind = CHANGE_CATEGORY_PRICE, .what = c, .factor = factor});
	add_change(faults, (Change) {.second = to, .kind = CHANGE_CATEGORY_PRICE, .what = c, .factor = 1 / factor});
	files_truth(faults->files, "\"fault\": \"%s\", \"category_id\": %lld, \"category_code\": \"%s\", "
				"\"products\": %u, \"factor\": %g, \"from\": \"%s\", \"to\": \"%s\"", name, (long long) category->id,
				category->code, category->popular.n, factor, spell(from), spell(to));
}

/* All at once: a change that ends, of so many minutes. */
static void
plan_all(Faults *faults, const char *name, Change begin, Change end, double least, double most)
{
	choose_span(faults, least, most, &begin.second, &end.second);
	add_change(faults, begin);
	add_change(faults, end);
	files_truth(faults->files, "\"fault\": \"%s\", \"factor\": %g, \"from\": \"%s\", \"to\": \"%s\"", name, begin.factor,
				spell(begin.second), spell(end.second));
}

/* A well-known brand, whose products are of several categories. */
static void
plan_brand_slip(Faults *faults)
{
	const Catalogue *cat = faults->catalogue;
	int32_t		brand = -1;
	uint32_t	n = 0;
	int64_t		from;
	int64_t		to;

	while (brand < 0)
		brand = cat->products[rng_below(&faults->rng, cat->n_products < 300 ? cat->n_products : 300)].brand;
	for (uint32_t i = 0; i < cat->n_products; i++)
		n += cat->products[i].brand == brand;
	choose_span(faults, 20, 60, &from, &to);
	add_change(faults, (Change) {.second = from, .kind = CHANGE_BRAND_PRICE, .what = brand, .factor = 30});
	add_change(faults, (Change) {.second = to, .kind = CHANGE_BRAND_PRICE, .what = brand, .factor = 1 / 30.0});
	files_truth(faults->files, "\"fault\": \"brand_slip\", \"brand\": \"%s\", \"products\": %u, \"factor\": 30, \"from\": \"%s\", \"to\": \"%s\"",
				cat->brands[brand], n, spell(from), spell(to));
}

/* Some products that many will look at come new, and are cheaper at first. */
static void
plan_new(Faults *faults)
{
	Catalogue  *cat = faults->catalogue;
	int64_t		from;
	int64_t		to;
	char		list[NEW_AT_ONCE * 24] = "";
	size_t		len = 0;

	if (faults->hidden == NULL)
	{
		faults->hidden = must_alloc(cat->n_products * sizeof(*faults->hidden));
		memset(faults->hidden, 0, cat->n_products * sizeof(*faults->hidden));
	}
	choose_span(faults, 20, 60, &from, &to);
	for (int i = 0; i < NEW_AT_ONCE; i++)
	{
		uint32_t	p = rng_below(&faults->rng, cat->n_products / 4);

		faults->hidden[p] = true;
		add_change(faults, (Change) {.second = from, .kind = CHANGE_NEW, .what = (int) p, .factor = 1});
		add_change(faults, (Change) {.second = from, .kind = CHANGE_PRODUCT_PRICE, .what = (int) p, .factor = 0.75});
		add_change(faults, (Change) {.second = to, .kind = CHANGE_PRODUCT_PRICE, .what = (int) p, .factor = 1 / 0.75});
		len += (size_t) sprintf(list + len, "%s%lld", i > 0 ? ", " : "", (long long) cat->products[p].id);
	}
	files_truth(faults->files, "\"fault\": \"new\", \"product_ids\": [%s], \"from\": \"%s\", \"to\": \"%s\"", list, spell(from), spell(to));
}

static bool
plan_one_of_all(Faults *faults, const char *kind)
{
	if (strcmp(kind, "slip") == 0)
		plan_all(faults, kind, (Change) {.kind = CHANGE_ALL_PRICES, .factor = 90}, (Change) {.kind = CHANGE_ALL_PRICES, .factor = 1 / 90.0}, 20, 60);
	else if (strcmp(kind, "crawl") == 0)
		plan_all(faults, kind, (Change) {.kind = CHANGE_CRAWL, .factor = 10}, (Change) {.kind = CHANGE_CRAWL, .factor = -10}, 30, 120);
	else if (strcmp(kind, "flash") == 0)
		plan_all(faults, kind, (Change) {.kind = CHANGE_RATE, .what = 1, .factor = 5}, (Change) {.kind = CHANGE_RATE, .what = -1, .factor = 1 / 5.0}, 30, 90);
	else if (strcmp(kind, "campaign") == 0)
		plan_all(faults, kind, (Change) {.kind = CHANGE_RATE, .factor = 4}, (Change) {.kind = CHANGE_RATE, .factor = 1 / 4.0}, 360, 720);
	else if (strcmp(kind, "brand_slip") == 0)
		plan_brand_slip(faults);
	else if (strcmp(kind, "new") == 0)
		plan_new(faults);
	else
		return false;
	return true;
}

static void
plan_gap(Faults *faults)
{
	int64_t		from;
	int64_t		to;

	choose_span(faults, 60, 180, &from, &to);
	add_change(faults, (Change) {.second = from, .kind = CHANGE_GAP, .what = 1});
	add_change(faults, (Change) {.second = to, .kind = CHANGE_GAP, .what = -1});
	files_truth(faults->files, "\"fault\": \"gap\", \"event_type\": \"purchase\", \"from\": \"%s\", \"to\": \"%s\"",
				spell(from), spell(to));
}

static void
plan_relabel(Faults *faults, int number)
{
	int64_t		from;
	int64_t		to;
	int			c = choose_category(faults, number);
	const Category *category = &faults->catalogue->categories[c];
	const char *code = "construction.tools.light";

	if (strcmp(category->code, code) == 0)
		code = "electronics.smartphone";
	choose_span(faults, 60, 60, &from, &to);
	add_change(faults, (Change) {.second = from, .kind = CHANGE_CODE, .what = c, .code = code});
	files_truth(faults->files, "\"fault\": \"relabel\", \"category_id\": %lld, \"old_code\": \"%s\", "
				"\"new_code\": \"%s\", \"products\": %u, \"from\": \"%s\"", (long long) category->id, category->code,
				code, category->popular.n, spell(from));
}

static void
write_inventory(Faults *faults, uint32_t product, int64_t stock, int lead_minutes)
{
	if (faults->inventory != NULL)
		fprintf(faults->inventory, "%lld,%lld,%s UTC,%d minutes\n",
				(long long) faults->catalogue->products[product].id, (long long) stock,
				spell(faults->options->start), lead_minutes);
}

/* A product that will have sold well by a time and has no stock yet; or the most popular one that has none. */
static uint32_t
choose_unstocked(Faults *faults, int64_t by)
{
	for (int tries = 0; tries < 100; tries++)
	{
		uint32_t	p = choose_sold(faults, by);

		if (faults->stock[p] == INT64_MAX)
			return p;
	}
	for (uint32_t p = 0; p < faults->catalogue->n_products; p++)
	{
		if (faults->stock[p] == INT64_MAX)
			return p;
	}
	fail("--fault: there are fewer products than stocks");
}

/* A product whose stock lasts until about the middle of a span; and beside it one whose stock is ample. */
static void
plan_stock(Faults *faults)
{
	Catalogue  *cat = faults->catalogue;
	int64_t		from;
	int64_t		to;
	int			lead = 20 + (int) rng_below(&faults->rng, 100);
	uint32_t	p;
	uint32_t	ample;
	int64_t		stock;

	if (faults->stock == NULL)
	{
		faults->stock = must_alloc(cat->n_products * sizeof(*faults->stock));
		for (uint32_t i = 0; i < cat->n_products; i++)
			faults->stock[i] = INT64_MAX;
	}
	choose_span(faults, 30, 60, &from, &to);
	p = choose_unstocked(faults, from);
	stock = (int64_t) expected_sales(faults, p, (double) (from - faults->options->start) / 60.0) + 1;
	faults->stock[p] = stock;
	write_inventory(faults, p, stock, lead);
	files_truth(faults->files, "\"fault\": \"stock\", \"product_id\": %lld, \"stock\": %lld, \"as_of\": \"%s\", "
				"\"lead_minutes\": %d, \"sold_out_about\": \"%s\"", (long long) cat->products[p].id,
				(long long) stock, spell(faults->options->start), lead, spell(from));
	ample = choose_sold(faults, from);
	if (faults->stock[ample] != INT64_MAX)
		return;
	stock = (int64_t) (20 * expected_sales(faults, ample, (double) faults->minutes)) + 100000;
	faults->stock[ample] = stock;
	write_inventory(faults, ample, stock, lead);
}

/* Is nothing bought at this time? */
static bool
in_gap(const Faults *faults, int64_t second)
{
	int			gaps = 0;

	for (size_t i = 0; i < faults->n_changes; i++)
		if (faults->changes[i].kind == CHANGE_GAP && faults->changes[i].second <= second)
			gaps += faults->changes[i].what;
	return gaps > 0;
}

/*
 * A visitor who puts something into the cart, and comes back for it an hour or more later, or never.  Gaps and stocks
 * are planned before, so that they can be kept out of the way.
 */
static void
plan_cart(Faults *faults, bool recovered)
{
	int64_t		from;
	int64_t		to;
	int64_t		cart;
	uint32_t	p;
	Session    *session = must_alloc(sizeof(*session));

	session_begin(session, &faults->rng);
	for (int tries = 0; tries < 100; tries++)
	{
		p = alias_draw(&faults->catalogue->popular, &faults->rng);
		choose_span(faults, 67, 400, &from, &to);
		if (!in_gap(faults, to) && (faults->stock == NULL || faults->stock[p] == INT64_MAX))
			break;
	}
	cart = from + 20 + rng_below(&faults->rng, 100);
	add_visit(faults, (Visit) {.second = from, .type = VIEW, .product = p, .session = session});
	add_visit(faults, (Visit) {.second = cart, .type = CART, .product = p, .session = session});
	if (recovered)
		add_visit(faults, (Visit) {.second = to, .type = PURCHASE, .product = p, .session = session});
	files_truth(faults->files, "\"fault\": \"%s\", \"user_session\": \"%.*s\", \"user_id\": %.*s, "
				"\"product_id\": %lld, \"cart_at\": \"%s\", \"bought_at\": %s%s%s",
				recovered ? "cart_recovered" : "cart_left", SESSION_ID_LEN, session->tail + session->user_len + 1,
				session->user_len, session->tail, (long long) faults->catalogue->products[p].id, spell(cart),
				recovered ? "\"" : "", recovered ? spell(to) : "null", recovered ? "\"" : "");
}

static void
plan_one(Faults *faults, const char *kind, int number)
{
	if (strncmp(kind, "price_low", 9) == 0 && (kind[9] == '\0' || strcmp(kind + 9, "_few") == 0))
		plan_price(faults, kind, 0.1, kind[9] != '\0');
	else if (strncmp(kind, "price_high", 10) == 0 && (kind[10] == '\0' || strcmp(kind + 10, "_few") == 0))
		plan_price(faults, kind, 10, kind[10] != '\0');
	else if (strcmp(kind, "sale") == 0)
		plan_sale(faults, kind, 0.7);
	else if (strcmp(kind, "deep_sale") == 0)
		plan_sale(faults, kind, 0.4);
	else if (plan_one_of_all(faults, kind))
		return;
	else if (strcmp(kind, "gap") == 0)
		plan_gap(faults);
	else if (strcmp(kind, "relabel") == 0)
		plan_relabel(faults, number);
	else if (strcmp(kind, "stock") == 0)
		plan_stock(faults);
	else if (strcmp(kind, "cart_left") == 0 || strcmp(kind, "cart_recovered") == 0)
		plan_cart(faults, kind[5] == 'r');
	else
		fail("--fault: \"%s\" is none of price_low price_high price_low_few price_high_few sale deep_sale gap relabel slip brand_slip "
			 "new crawl flash campaign stock cart_left cart_recovered", kind);
}

static void
open_inventory(Faults *faults)
{
	const char *path = faults->options->inventory;

	if (path == NULL)
		return;
	faults->inventory = fopen(path, "w");
	if (faults->inventory == NULL)
		fail("cannot write %s: %m", path);
	fputs("product_id,stock,as_of,lead_time\n", faults->inventory);
}

/* Plan the carts on the list, or everything else on it. */
static void
plan_list(Faults *faults, bool carts)
{
	char	   *list = strdup(faults->options->faults != NULL ? faults->options->faults : "");
	char	   *rest = NULL;

	for (char *item = strtok_r(list, ", ", &rest); item != NULL; item = strtok_r(NULL, ", ", &rest))
	{
		char	   *colon = strchr(item, ':');
		char	   *end = "";
		long		count = colon != NULL ? strtol(colon + 1, &end, 10) : 1;

		if (*end != '\0' || count < 1 || count > 1000000)
			fail("--fault: \"%s\" is not KIND or KIND:COUNT", item);
		if (colon != NULL)
			*colon = '\0';
		if ((strncmp(item, "cart", 4) == 0) != carts)
			continue;
		for (int i = 0; i < count; i++)
			plan_one(faults, item, i);
	}
	free(list);
}

void
faults_plan(Faults *faults, const Options *options, Catalogue *catalogue, Files *files)
{
	double		all = 0;

	memset(faults, 0, sizeof(*faults));
	faults->options = options;
	faults->catalogue = catalogue;
	faults->files = files;
	faults->rate = 1;
	rng_seed(&faults->rng, options->seed, STREAM_FAULTS);
	faults->minutes = options->minutes > 0 ? options->minutes
		: (int64_t) ((double) options->events / options->rate) + 1;
	faults->after = options->fault_after >= 0 ? options->fault_after : (double) faults->minutes / 4;
	faults->after = fmin(faults->after, (double) faults->minutes);
	faults->popular = must_alloc(catalogue->n_products * sizeof(*faults->popular));
	for (uint32_t i = 0; i < catalogue->n_products; i++)
		all += catalogue->weights[i];
	for (uint32_t i = 0; i < catalogue->n_products; i++)
		faults->popular[i] = catalogue->weights[i] / all;
	open_inventory(faults);
	plan_list(faults, false);
	plan_list(faults, true);
	if (faults->inventory != NULL && fclose(faults->inventory) != 0)
		fail("cannot write %s: %m", options->inventory);
	if (faults->n_changes > 0)
		qsort(faults->changes, faults->n_changes, sizeof(Change), compare_changes);
	if (faults->n_visits > 0)
		qsort(faults->visits, faults->n_visits, sizeof(Visit), compare_visits);
}
