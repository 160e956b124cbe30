/*
 * generate.h: the two things the program does.
 */
#ifndef TRAFFIC_GENERATE_H
#define TRAFFIC_GENERATE_H

#include "options.h"

/* Make traffic up. */
extern void generate(const Options *options);

/* Spread a real CSV over minutes and servers. */
extern void split(const Options *options);

#endif							/* TRAFFIC_GENERATE_H */
