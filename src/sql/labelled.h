/*
 * labelled.h: the products of some brands and categories, by the labels that they were last sold under.
 */
#ifndef SLM_SQL_LABELLED_H
#define SLM_SQL_LABELLED_H

#include "tiers/sums.h"

/*
 * Number, in sums that are empty, products of some brands and of some categories, of any level (text[]; empty: of any).  Returns by product the number of
 * its label in by_label, its brand or its category of the dimension's level; NULL if by_label is: then labels don't matter.  With SPI.
 */
extern uint32 *slm_number_labelled(SlmSums *sums, SlmSums *by_label, SlmDimension dimension, Datum brands, Datum categories);

#endif							/* SLM_SQL_LABELLED_H */
