/*
 * catalogue.h: what the shop sells, and how often each thing is looked at.
 */
#ifndef TRAFFIC_CATALOGUE_H
#define TRAFFIC_CATALOGUE_H

#include <stdbool.h>
#include <stdint.h>

#include "options.h"
#include "rng.h"

/* Draws index i with a chance in proportion to weight i, in constant time (Walker's alias method). */
typedef struct Alias
{
	uint32_t	n;
	struct
	{
		uint32_t	keep;		/* chance of i itself, in 1/2^32 */
		uint32_t	other;
	}		   *slot;
} Alias;

extern void alias_build(Alias *alias, const double *weights, uint32_t n);

static inline uint32_t
alias_draw(const Alias *alias, Rng *rng)
{
	uint64_t	r = rng_next(rng);
	uint32_t	i = (uint32_t) (((r >> 32) * alias->n) >> 32);

	return (uint32_t) r <= alias->slot[i].keep ? i : alias->slot[i].other;
}

typedef struct Category
{
	int64_t		id;				/* category_id */
	const char *code;			/* "" where the shop has none */
	float		price;			/* typical price, before calibration */
	float		convert;		/* buyers here per average buyer */
	uint32_t	first;			/* its products are by_category[first .. first + popular.n - 1] */
	Alias		popular;		/* over them */
	uint32_t   *brands;
	uint32_t	n_brands;
} Category;

typedef struct Product
{
	int64_t		id;
	uint32_t	category;
	int32_t		brand;			/* -1 = none */
	int32_t		base_cents;		/* what it costs on average */
	int32_t		cents;			/* what it costs today, faults included */
	double		fault_factor;	/* 1, unless its price is wrong or reduced just now */
	double		lively_factor;	/* likewise of its variants and promotions */
	uint16_t	text_len;
	uint16_t	price_at;		/* where in text the price starts */
	char	   *text;			/* "id,category_id,category_code,brand,price," */
} Product;

typedef struct Catalogue
{
	uint64_t	seed;
	Product    *products;		/* most popular first */
	uint32_t	n_products;
	double	   *weights;		/* of the products */
	Alias		popular;
	Category   *categories;
	uint32_t	n_categories;
	uint32_t   *by_category;	/* products in order of category */
	char	  **brands;
	uint32_t	n_brands;
	int64_t		day;			/* days since 1970 that the prices stand for */
	double		lively;			/* share of products whose prices change by the minute */
} Catalogue;

extern void catalogue_build(Catalogue *catalogue, const Options *options);

/* Let prices be those of a day; a price is a pure function of seed, product and day. */
extern void catalogue_set_day(Catalogue *catalogue, int64_t day);

/* Let prices of lively products be those of a minute since 1970; they too are a pure function of it. */
extern void catalogue_set_minute(Catalogue *catalogue, int64_t minute);

/* Set one product's price to today's times its factors, and its text. */
extern void product_set_price(Catalogue *catalogue, Product *product);

/* Make the texts of a product anew after its category's code has changed. */
extern void product_set_text(Catalogue *catalogue, Product *product);

/* Write product_id,category_id,category_code,brand,price,weight as CSV. */
extern void catalogue_write(const Catalogue *catalogue, const char *path);

/* Copy a field as CSV, quoted if it must be; returns its end.  Needs 2 * len + 2 bytes. */
extern char *csv_field(char *to, const char *from, size_t len, bool force_quotes);

#endif							/* TRAFFIC_CATALOGUE_H */
