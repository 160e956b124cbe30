/*
 * catalogue.c: builds the shop: categories, brands, products, popularity.
 *
 * Products are numbered by popularity: number i is looked at in proportion to (i + ZIPF_SHIFT) ^ -zipf.  Which
 * category and brand a product gets is random, but steered so that the share of *traffic* without a category code or
 * a brand comes out as in the public data set, whatever the seed.
 */
#include "catalogue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"
#include "prices.h"

#define ZIPF_SHIFT			12.0
#define SHARE_WITHOUT_CODE	0.37
#define SHARE_WITHOUT_BRAND	0.14
#define UNCODED_CATEGORIES	350
#define TOP_PRODUCTS		12		/* with a category of their own choice */
#define POPULAR_PRODUCTS	2500	/* among these smartphones have their full share */
#define SMARTPHONE			0		/* in category_names and in Catalogue.categories */
#define HEADPHONE			1
#define TV					2
#define PRODUCTS_PER_PREFIX 50000

/* A share of weights to be reached; see decide(). */
typedef struct Share
{
	double		target;
	double		total;
	double		reached;
} Share;

void
alias_build(Alias *alias, const double *weights, uint32_t n)
{
	double		sum = 0;
	double	   *scaled = must_alloc(n * sizeof(*scaled));
	uint32_t   *stack = must_alloc(n * sizeof(*stack));
	uint32_t	small = 0;		/* stack[0 .. small - 1]: below average */
	uint32_t	large = n;		/* stack[large .. n - 1]: the others */

	alias->n = n;
	alias->slot = must_alloc(n * sizeof(*alias->slot));
	for (uint32_t i = 0; i < n; i++)
		sum += weights[i];
	for (uint32_t i = 0; i < n; i++)
	{
		scaled[i] = weights[i] * n / sum;
		if (scaled[i] < 1.0)
			stack[small++] = i;
		else
			stack[--large] = i;
	}
	while (small > 0 && large < n)
	{
		uint32_t	s = stack[--small];
		uint32_t	l = stack[large];

		alias->slot[s].keep = (uint32_t) (scaled[s] * 4294967295.0);
		alias->slot[s].other = l;
		scaled[l] -= 1.0 - scaled[s];
		if (scaled[l] < 1.0)
		{
			large++;
			stack[small++] = l;
		}
	}
	/* What is left on either stack is 1 but for rounding. */
	while (small > 0)
	{
		uint32_t	s = stack[--small];

		alias->slot[s].keep = UINT32_MAX;
		alias->slot[s].other = s;
	}
	for (; large < n; large++)
	{
		alias->slot[stack[large]].keep = UINT32_MAX;
		alias->slot[stack[large]].other = stack[large];
	}
	free(scaled);
	free(stack);
}

/* Yes or no, so that the weight of all yeses stays close to the share; by error diffusion with random thresholds. */
static bool
decide(Share *share, double weight, Rng *rng)
{
	share->total += weight;
	if (share->target * share->total - share->reached <= weight * rng_double(rng))
		return false;
	share->reached += weight;
	return true;
}

static void
build_brands(Catalogue *cat, uint32_t wanted, Rng *rng)
{
	cat->n_brands = wanted;
	cat->brands = must_alloc(wanted * sizeof(*cat->brands));
	for (uint32_t i = 0; i < wanted; i++)
	{
		char		name[64] = "";

		if (i < n_brand_names)
		{
			cat->brands[i] = strdup(brand_names[i].name);
			continue;
		}
		for (uint32_t n = 2 + rng_below(rng, 3); n > 0; n--)
			strcat(name, brand_syllables[rng_below(rng, (uint32_t) n_brand_syllables)]);
		if (rng_chance(rng, 0.1))
			sprintf(name + strlen(name), "-%u", i);
		cat->brands[i] = strdup(name);
	}
}

/* The brands sold in a category: the well-known ones that fit, then any. */
static void
choose_brands(const Catalogue *cat, Category *category, Rng *rng)
{
	uint32_t	most = 4 + rng_below(rng, 24);
	uint32_t	n = 0;

	category->brands = must_alloc((most + n_brand_names) * sizeof(*category->brands));
	for (uint32_t b = 0; b < n_brand_names && b < cat->n_brands && category->code[0] != '\0'; b++)
	{
		const char *prefix = brand_names[b].code_prefix;

		if (prefix[0] != '\0' && strncmp(category->code, prefix, strlen(prefix)) == 0)
			category->brands[n++] = b;
	}
	/* Where many are well known, few others are bought. */
	if (n >= 4)
		most = n + n / 3;
	while (n < most)
	{
		double		u = rng_double(rng);

		category->brands[n++] = (uint32_t) (u * u * u * u * cat->n_brands);
	}
	category->n_brands = n;
}

static int64_t
random_category_id(Rng *rng)
{
	if (rng_chance(rng, 0.1))
		return INT64_C(2103807459000000000) + (int64_t) (rng_next(rng) % UINT64_C(1000000000));
	return INT64_C(2053013551000000000) + (int64_t) (rng_next(rng) % UINT64_C(15000000000));
}

/* Coded categories first, in the order of category_names, then those without a code. */
static void
build_categories(Catalogue *cat, Rng *rng)
{
	cat->n_categories = (uint32_t) n_category_names + UNCODED_CATEGORIES;
	cat->categories = must_alloc(cat->n_categories * sizeof(*cat->categories));
	for (uint32_t i = 0; i < cat->n_categories; i++)
	{
		Category   *category = &cat->categories[i];

		memset(category, 0, sizeof(*category));
		category->id = random_category_id(rng);
		category->code = i < n_category_names ? category_names[i].code : "";
		category->price = i < n_category_names ? category_names[i].price : (float) exp(4.9 + 0.8 * rng_gauss(rng));
		category->convert = 1.0F;
		choose_brands(cat, category, rng);
	}
}

/* Which category each product is in, the most popular first. */
static void
assign_categories(Catalogue *cat, Rng *rng)
{
	double	   *weights = must_alloc(cat->n_categories * sizeof(*weights));
	Alias		popular;
	Alias		others;
	Alias		uncoded;
	double		all = 0;
	double		top = 0;
	Share		without_code = {0};

	for (uint32_t i = 0; i < n_category_names; i++)
		weights[i] = category_names[i].weight;
	alias_build(&popular, weights, (uint32_t) n_category_names);
	weights[SMARTPHONE] = 0.5;
	alias_build(&others, weights, (uint32_t) n_category_names);
	for (uint32_t i = 0; i < UNCODED_CATEGORIES; i++)
		weights[i] = 1.0 / (i + 8);
	alias_build(&uncoded, weights, UNCODED_CATEGORIES);
	free(weights);

	for (uint32_t i = 0; i < cat->n_products; i++)
	{
		all += cat->weights[i];
		if (i < TOP_PRODUCTS)
			top += cat->weights[i];
	}
	/* The top has codes, so the others must do without a little more often. */
	without_code.target = all > top ? fmin(SHARE_WITHOUT_CODE * all / (all - top), 1.0) : 0;

	for (uint32_t i = 0; i < cat->n_products; i++)
	{
		uint32_t	c;

		if (i < TOP_PRODUCTS)
			c = i == 4 ? HEADPHONE : i == 8 ? TV : SMARTPHONE;
		else if (decide(&without_code, cat->weights[i], rng))
			c = (uint32_t) n_category_names + alias_draw(&uncoded, rng);
		else
			c = alias_draw(i < POPULAR_PRODUCTS ? &popular : &others, rng);
		cat->products[i].category = c;
		cat->categories[c].popular.n++;
	}
	free(popular.slot);
	free(others.slot);
	free(uncoded.slot);
}

/* Fill by_category and the popularity inside each category. */
static void
index_categories(Catalogue *cat)
{
	uint32_t	first = 0;
	double	   *weights = must_alloc(cat->n_products * sizeof(*weights));

	cat->by_category = must_alloc(cat->n_products * sizeof(*cat->by_category));
	for (uint32_t c = 0; c < cat->n_categories; c++)
	{
		cat->categories[c].first = first;
		first += cat->categories[c].popular.n;
		cat->categories[c].popular.n = 0;
	}
	for (uint32_t i = 0; i < cat->n_products; i++)
	{
		Category   *category = &cat->categories[cat->products[i].category];

		cat->by_category[category->first + category->popular.n++] = i;
	}
	for (uint32_t c = 0; c < cat->n_categories; c++)
	{
		Category   *category = &cat->categories[c];
		uint32_t	n = category->popular.n;

		for (uint32_t i = 0; i < n; i++)
			weights[i] = cat->weights[cat->by_category[category->first + i]];
		if (n > 0)
			alias_build(&category->popular, weights, n);
	}
	free(weights);
}

/* Ids as the shop's: the category's number, then five digits that count up with gaps. */
static void
number_products(Catalogue *cat, Rng *rng)
{
	uint32_t	prefix = 10;

	for (uint32_t c = 0; c < cat->n_categories; c++)
	{
		const Category *category = &cat->categories[c];
		uint32_t	n = category->popular.n;
		uint32_t	step = n == 0 ? 1 : 100000 / (n < PRODUCTS_PER_PREFIX ? n : PRODUCTS_PER_PREFIX);
		uint32_t	shift = n == 0 ? 0 : rng_below(rng, n);

		if (step > 20)
			step = 20;
		/* Popularity must not follow the number: start anywhere and go round. */
		for (uint32_t i = 0; i < n; i++)
		{
			uint32_t	at = (uint32_t) (((uint64_t) i * (n % 7919 == 0 ? 1 : 7919) + shift) % n);
			uint64_t	block = prefix + at / PRODUCTS_PER_PREFIX;

			cat->products[cat->by_category[category->first + i]].id =
				(int64_t) (block * 100000 + (at % PRODUCTS_PER_PREFIX) * step + rng_below(rng, step));
		}
		prefix += 1 + n / PRODUCTS_PER_PREFIX + rng_below(rng, 3);
	}
}

static void
assign_brands(Catalogue *cat, const Options *options, Rng *rng)
{
	Share		without_brand = {.target = SHARE_WITHOUT_BRAND};
	Share		odd = {.target = options->quoted / 2};
	uint32_t	n_plain = cat->n_brands;

	if (options->quoted > 0)
	{
		cat->n_brands += (uint32_t) n_odd_brand_names;
		cat->brands = must_realloc(cat->brands, cat->n_brands * sizeof(*cat->brands));
		for (uint32_t i = 0; i < n_odd_brand_names; i++)
			cat->brands[n_plain + i] = strdup(odd_brand_names[i]);
	}
	for (uint32_t i = 0; i < cat->n_products; i++)
	{
		Product    *product = &cat->products[i];
		const Category *category = &cat->categories[product->category];
		double		u = rng_double(rng);
		uint32_t	brand = category->brands[(uint32_t) (u * u * u * category->n_brands)];
		bool		none = decide(&without_brand, cat->weights[i], rng);

		product->brand = none ? -1 : (int32_t) brand;
		if (options->quoted > 0 && !none && decide(&odd, cat->weights[i], rng))
			product->brand = (int32_t) (n_plain + rng_below(rng, (uint32_t) n_odd_brand_names));
	}
}

/* Smartphones are bought more often than the rest, on average as often as the mix of events wants. */
static void
set_conversion(Catalogue *cat)
{
	const double smartphones_convert = 1.7;
	double		all = 0;
	double		share = 0;

	for (uint32_t i = 0; i < cat->n_products; i++)
	{
		all += cat->weights[i];
		if (cat->products[i].category == SMARTPHONE)
			share += cat->weights[i];
	}
	share /= all;
	if (share > 0.5)
		return;
	for (uint32_t c = 0; c < cat->n_categories; c++)
		cat->categories[c].convert = (float) (c == SMARTPHONE ? smartphones_convert
											  : (1 - share * smartphones_convert) / (1 - share));
}

void
catalogue_build(Catalogue *cat, const Options *options)
{
	Rng			rng;

	memset(cat, 0, sizeof(*cat));
	rng_seed(&rng, options->seed, STREAM_CATALOGUE);
	cat->seed = options->seed;
	cat->lively = options->lively;
	cat->n_products = (uint32_t) options->products;
	cat->products = must_alloc(cat->n_products * sizeof(*cat->products));
	cat->weights = must_alloc(cat->n_products * sizeof(*cat->weights));
	memset(cat->products, 0, cat->n_products * sizeof(*cat->products));
	for (uint32_t i = 0; i < cat->n_products; i++)
		cat->weights[i] = pow(i + 1 + ZIPF_SHIFT, -options->zipf);
	alias_build(&cat->popular, cat->weights, cat->n_products);

	build_brands(cat, (uint32_t) options->brands, &rng);
	build_categories(cat, &rng);
	assign_categories(cat, &rng);
	index_categories(cat);
	number_products(cat, &rng);
	assign_brands(cat, options, &rng);
	set_conversion(cat);
	prices_calibrate(cat, &rng);
	for (uint32_t i = 0; i < cat->n_products; i++)
		product_set_text(cat, &cat->products[i]);
	cat->day = -1;
}

char *
csv_field(char *to, const char *from, size_t len, bool force_quotes)
{
	bool		quotes = force_quotes;

	for (size_t i = 0; i < len && !quotes; i++)
		quotes = from[i] == ',' || from[i] == '"' || from[i] == '\n' || from[i] == '\r';
	if (!quotes)
	{
		memcpy(to, from, len);
		return to + len;
	}
	*to++ = '"';
	for (size_t i = 0; i < len; i++)
	{
		if (from[i] == '"')
			*to++ = '"';
		*to++ = from[i];
	}
	*to++ = '"';
	return to;
}

void
product_set_text(Catalogue *cat, Product *product)
{
	const Category *category = &cat->categories[product->category];
	const char *brand = product->brand < 0 ? "" : cat->brands[product->brand];
	char		text[512];
	char	   *end;

	end = text + snprintf(text, 256, "%lld,%lld,%s,", (long long) product->id, (long long) category->id,
						  category->code);
	end = csv_field(end, brand, strlen(brand), false);
	*end++ = ',';
	product->price_at = (uint16_t) (end - text);
	product->text = must_realloc(product->text, (size_t) (end - text) + PRICE_ROOM);
	memcpy(product->text, text, product->price_at);
	product_set_price(cat, product);
}

void
catalogue_write(const Catalogue *cat, const char *path)
{
	FILE	   *file = fopen(path, "w");
	double		all = 0;

	if (file == NULL)
		fail("cannot write %s: %m", path);
	for (uint32_t i = 0; i < cat->n_products; i++)
		all += cat->weights[i];
	fputs("product_id,category_id,category_code,brand,price,share\n", file);
	for (uint32_t i = 0; i < cat->n_products; i++)
	{
		const Product *product = &cat->products[i];

		fprintf(file, "%.*s%.9f\n", product->text_len, product->text, cat->weights[i] / all);
	}
	if (fclose(file) != 0)
		fail("cannot write %s: %m", path);
}
