/*
 * names.h: what things are called: categories, brands.
 */
#ifndef TRAFFIC_NAMES_H
#define TRAFFIC_NAMES_H

#include <stddef.h>

/* A category by its code. */
typedef struct CategoryName
{
	const char *code;
	float		weight;			/* share of traffic, relative */
	float		price;			/* typical price, relative */
} CategoryName;

/* A well-known brand and the first letters of the category codes it sells in. */
typedef struct BrandName
{
	const char *name;
	const char *code_prefix;
} BrandName;

extern const CategoryName category_names[];
extern const size_t n_category_names;
extern const BrandName brand_names[];
extern const size_t n_brand_names;

/* Brands that need quoting or hold more than ASCII. */
extern const char *const odd_brand_names[];
extern const size_t n_odd_brand_names;

/* Syllables that the other brands are made of. */
extern const char *const brand_syllables[];
extern const size_t n_brand_syllables;

#endif							/* TRAFFIC_NAMES_H */
