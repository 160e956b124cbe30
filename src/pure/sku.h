/*
 * sku.h: products that are known by a text.
 *
 * Everywhere behind the reader a product is a number.  A text's number is made of the text alone, so that it is the same in every tier,
 * log, archive and node, whatever the order in which texts are first seen: one below 0, of 63 bits of its SHA-256.  Texts that are a
 * number as it is usually written are that number.  What a number stands for is written down in sellometer.skus.
 *
 * Two texts with the same number: with n texts the chance is below n^2 / 2^64, 5.4e-8 for a million.  They are found, and the second is
 * refused.  Nobody can make a text with the number of a given one: that takes 2^63 tries.
 */
#ifndef SLM_PURE_SKU_H
#define SLM_PURE_SKU_H

#include "pure/hash.h"

/* The longest that there may be. */
#define SLM_MAX_SKU_BYTES	200

/* Before a product_id that is a text, in files that the reader understands without a format. */
#define SLM_SKU_MARK	"sku:"

/* Bits of hashes that are used, for tests of what happens if two are the same; 63. */
extern int	slm_sku_bits;

/* The number of a text: -1 - (the first 63 bits of its SHA-256). */
extern int64_t slm_sku_id(SlmSlice sku);

/* Is the text a whole number, at least 0, as it is usually written: without sign, zeros before it, or decimals? */
extern bool slm_sku_is_number(SlmSlice text, int64_t *id);

/* The text behind a field's mark, trimmed; false if there is no mark, nothing behind it, or too much. */
extern bool slm_sku_of_field(SlmSlice field, SlmSlice *sku);

/* The product that a field names: a number, or a marked text.  field: followed by SLM_PAD readable bytes.  False if none. */
extern bool slm_product_of_field(SlmSlice field, int64_t *id);

/* --- those of an object --- */

typedef struct SlmSku
{
	int64_t		product_id;		/* below 0 */
	bool		taken;			/* another text has this number, so this one is refused */
	SlmSlice	sku;
} SlmSku;

typedef struct SlmSkus SlmSkus;

/* None; NULL if out of memory.  The key is copied.  Free with slm_skus_free(); NULL is well. */
extern SlmSkus *slm_skus_create(const SlmHashKey *key);
extern void slm_skus_free(SlmSkus *skus);

typedef enum SlmSkuStatus
{
	SLM_SKU_KNOWN,
	SLM_SKU_TAKEN,				/* another text has its number */
	SLM_SKU_MEMORY
} SlmSkuStatus;

/* The number of a text that is none, also if that is another's; the text is copied. */
extern SlmSkuStatus slm_skus_id(SlmSkus *skus, SlmSlice sku, int64_t *id);

/* Have a text be refused from now on.  False if out of memory. */
extern bool slm_skus_refuse(SlmSkus *skus, SlmSlice sku);

/* Was there no memory, ever? */
extern bool slm_skus_failed(const SlmSkus *skus);

/* All of them, in the order in which they came, and their number; owned by skus. */
extern const SlmSku *slm_skus_list(const SlmSkus *skus, uint32_t *n);

extern size_t slm_skus_memory(const SlmSkus *skus);

#endif							/* SLM_PURE_SKU_H */
