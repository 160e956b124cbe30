/*
 * faults.c: let planned faults happen.  See faults.h.
 */
#include "changes.h"

static void
change_price(Faults *faults, uint32_t product, double factor)
{
	faults->catalogue->products[product].fault_factor *= factor;
	product_set_price(faults->catalogue, &faults->catalogue->products[product]);
}

static void
make_change(Faults *faults, const Change *change)
{
	Catalogue  *cat = faults->catalogue;
	Category   *category = &cat->categories[change->kind == CHANGE_CATEGORY_PRICE || change->kind == CHANGE_CODE ? change->what : 0];

	switch (change->kind)
	{
		case CHANGE_PRODUCT_PRICE:
			change_price(faults, (uint32_t) change->what, change->factor);
			break;
		case CHANGE_CATEGORY_PRICE:
			for (uint32_t i = 0; i < category->popular.n; i++)
				change_price(faults, cat->by_category[category->first + i], change->factor);
			break;
		case CHANGE_CODE:
			category->code = change->code;
			for (uint32_t i = 0; i < category->popular.n; i++)
				product_set_text(cat, &cat->products[cat->by_category[category->first + i]]);
			break;
		case CHANGE_GAP:
			faults->gaps += change->what;
			break;
		case CHANGE_ALL_PRICES:
			for (uint32_t i = 0; i < cat->n_products; i++)
				change_price(faults, i, change->factor);
			break;
		case CHANGE_BRAND_PRICE:
			for (uint32_t i = 0; i < cat->n_products; i++)
				if (cat->products[i].brand == change->what)
					change_price(faults, i, change->factor);
			break;
		case CHANGE_NEW:
			faults->hidden[change->what] = false;
			break;
		case CHANGE_RATE:
			faults->rate *= change->factor;
			faults->flashes += change->what;
			break;
		case CHANGE_CRAWL:
			faults->crawl += change->factor;
			break;
	}
}

void
faults_second(Faults *faults, int64_t second)
{
	while (faults->next_change < faults->n_changes && faults->changes[faults->next_change].second <= second)
		make_change(faults, &faults->changes[faults->next_change++]);
	faults->crawled = faults->crawl < 0.5 ? 0 : rng_poisson(&faults->rng, faults->crawl * faults->options->rate / 60);
}

/* An event's product; what does not exist yet is the next one that does. */
static void
set_product(const Faults *faults, Event *event, uint32_t p)
{
	while (faults->hidden != NULL && faults->hidden[p])
		p = (p + 1) % faults->catalogue->n_products;
	event_set_product(event, faults->catalogue, p);
}

bool
faults_extra(Faults *faults, int64_t second, Event *event)
{
	const Visit *visit;

	if (faults->crawled > 0)
	{
		faults->crawled--;
		session_begin(&faults->crawler, &faults->rng);
		event->type = VIEW;
		event->session = &faults->crawler;
		set_product(faults, event, rng_below(&faults->rng, faults->catalogue->n_products));
		return true;
	}
	if (faults->next_visit >= faults->n_visits || faults->visits[faults->next_visit].second > second)
		return false;
	visit = &faults->visits[faults->next_visit++];
	event->type = visit->type;
	event->session = visit->session;
	set_product(faults, event, visit->product);
	return true;
}

void
faults_event(Faults *faults, Event *event)
{
	int64_t    *stock;
	char		when[20];

	if (faults->hidden != NULL)
		set_product(faults, event, (uint32_t) (event->product - faults->catalogue->products));
	if (faults->flashes > 0 && event->type == VIEW && rng_chance(&faults->rng, 0.04))
		event->type = PURCHASE;
	if (faults->gaps > 0 && event->type == PURCHASE)
		event->type = VIEW;
	if (faults->stock == NULL || (event->type != PURCHASE && event->type != CART))
		return;
	stock = &faults->stock[event->product - faults->catalogue->products];
	if (*stock <= 0)
		event->type = VIEW;
	else if (event->type == PURCHASE && *stock != INT64_MAX && --*stock == 0)
	{
		time_text(when, event->second);
		files_truth(faults->files, "\"fault\": \"sold_out\", \"product_id\": %lld, \"at\": \"%s\"", (long long) event->product->id, when);
	}
}
