/*
 * prices.c: prices with the quartiles of the public data set, and their small daily changes.
 */
#include "prices.h"

#include <stdlib.h>
#include <string.h>

/* Price at a share of all traffic: a quarter of the rows costs less than 73, half less than 198, ... */
static const struct
{
	double		share;
	double		price;
}			quantiles[] = {
	{0.00, 2.17}, {0.02, 7}, {0.10, 25}, {0.25, 73}, {0.50, 198}, {0.75, 386},
	{0.90, 870}, {0.97, 1400}, {0.998, 1763}, {1.00, 2600},
};

typedef struct RawPrice
{
	double		raw;
	uint32_t	product;
} RawPrice;

static int
compare_raw(const void *a, const void *b)
{
	const RawPrice *x = a;
	const RawPrice *y = b;

	if (x->raw != y->raw)
		return x->raw < y->raw ? -1 : 1;
	return x->product < y->product ? -1 : x->product > y->product;
}

/* Interpolate in the logarithm of the price. */
static double
quantile(double share)
{
	int			i = 1;

	while (quantiles[i].share < share && quantiles[i].share < 1.0)
		i++;

	double		part = (share - quantiles[i - 1].share) / (quantiles[i].share - quantiles[i - 1].share);

	return quantiles[i - 1].price * pow(quantiles[i].price / quantiles[i - 1].price, part);
}

/*
 * Draw a raw price about the category's typical one, then stretch all of them so that the price of a random *row* has
 * the wanted quantiles: dear categories stay dear.
 */
void
prices_calibrate(Catalogue *cat, Rng *rng)
{
	RawPrice   *order = must_alloc(cat->n_products * sizeof(*order));
	double		all = 0;
	double		below = 0;

	for (uint32_t i = 0; i < cat->n_products; i++)
	{
		const Category *category = &cat->categories[cat->products[i].category];

		order[i].product = i;
		order[i].raw = category->price * exp(0.75 * rng_gauss(rng));
		all += cat->weights[i];
	}
	qsort(order, cat->n_products, sizeof(*order), compare_raw);
	for (uint32_t i = 0; i < cat->n_products; i++)
	{
		Product    *product = &cat->products[order[i].product];
		double		weight = cat->weights[order[i].product];
		double		price = quantile((below + weight / 2) / all);

		below += weight;
		product->base_cents = (int32_t) (price * 100 + 0.5);
		product->cents = product->base_cents;
		product->fault_factor = 1.0;
		product->lively_factor = 1.0;
	}
	free(order);
}

char *
price_text(char *to, int64_t cents)
{
	char		digits[24];
	int			n = 0;

	while (cents > 0 || n < 3)
	{
		digits[n++] = (char) ('0' + cents % 10);
		cents /= 10;
	}
	while (n > 2)
		*to++ = digits[--n];
	*to++ = '.';
	*to++ = digits[1];
	*to++ = digits[0];
	return to;
}

void
product_set_price(Catalogue *cat, Product *product)
{
	/* Every one to three weeks, each product on another day, the price moves by up to 4 % around its base. */
	uint64_t	key = rng_mix(cat->seed ^ rng_mix((uint64_t) product->id));
	int64_t		period = 7 + (int64_t) (key % 15);
	int64_t		phase = (int64_t) ((key >> 8) % 1000);
	uint64_t	step = rng_mix(key ^ (uint64_t) ((cat->day + phase + 4000000) / period));
	double		move = 0.04 * ((double) (step % 2001) - 1000.0) / 1000.0;
	double		cents = product->base_cents * (1.0 + move);
	char	   *end;

	cents = fmin(fmax(cents, PRICE_MIN), PRICE_MAX);
	product->cents = (int32_t) ((int64_t) (cents + 0.5) * product->lively_factor * product->fault_factor + 0.5);
	end = price_text(product->text + product->price_at, product->cents);
	*end++ = ',';
	product->text_len = (uint16_t) (end - product->text);
}

void
catalogue_set_day(Catalogue *cat, int64_t day)
{
	if (cat->day == day)
		return;
	cat->day = day;
	for (uint32_t i = 0; i < cat->n_products; i++)
		product_set_price(cat, &cat->products[i]);
}

/* A number from 0 to 1 that only these two make. */
static double
hashed(uint64_t key, int64_t what)
{
	return (double) (rng_mix(key ^ rng_mix((uint64_t) what)) >> 11) / 9007199254740992.0;
}

/* What a lively product costs at a minute, as a part of its usual price: an odd one has variants, an even one promotions. */
static double
lively_factor(uint64_t key, int64_t minute)
{
	double		factor = 1 + 0.08 * (2 * hashed(key + 1, minute / 60) - 1);
	int64_t		shift = (int64_t) (key % 360);

	if (key & 1)
		return hashed(key + 2, minute) < 0.1 + 0.4 * hashed(key, 1) ? factor * (1.2 + 0.6 * hashed(key, 2)) : factor;
	return hashed(key + 2, (minute + shift) / 360) < 0.08 ? factor * (0.55 + 0.35 * hashed(key + 3, (minute + shift) / 360)) : factor;
}

void
catalogue_set_minute(Catalogue *cat, int64_t minute)
{
	for (uint32_t i = 0; i < cat->n_products && cat->lively > 0; i++)
	{
		Product    *product = &cat->products[i];
		uint64_t	key = rng_mix(cat->seed ^ rng_mix((uint64_t) product->id + 1));

		if (hashed(key, 0) >= cat->lively)
			continue;
		product->lively_factor = lively_factor(key, minute);
		product_set_price(cat, product);
	}
}
