/*
 * prices.h: what things cost.
 */
#ifndef TRAFFIC_PRICES_H
#define TRAFFIC_PRICES_H

#include "catalogue.h"

#define PRICE_MIN	217			/* cents */
#define PRICE_MAX	260000
#define PRICE_ROOM	20			/* bytes that a price and its comma may need in Product.text */

/* Choose each product's base price. */
extern void prices_calibrate(Catalogue *catalogue, Rng *rng);

/* Write cents as "12.34"; returns the end. */
extern char *price_text(char *to, int64_t cents);

#endif							/* TRAFFIC_PRICES_H */
