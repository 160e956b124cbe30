/*
 * dictionary.h: small numbers for what repeats.
 *
 * Every event names an offer: a product in a category, of a brand, at a price.  A day has millions of events but some
 * hundred thousand offers, so each is cleaned once, kept once, and from then on is a number.  The offer's dimension
 * keys (brand, category levels) are numbers too.
 *
 * Two offers may hold the same values (a category once in capitals, say): what is derived from them is merged later.
 * A dictionary only grows; its owner looks at slm_dictionary_memory() and makes a new one when it has become too large.
 */
#ifndef SLM_PURE_DICTIONARY_H
#define SLM_PURE_DICTIONARY_H

#include "pure/hash.h"
#include "pure/reader.h"

/* The dimensions, in the order in which their tables are written. */
typedef enum SlmDimension
{
	SLM_PRODUCT_ID,
	SLM_BRAND,
	SLM_CATEGORY_L3,
	SLM_CATEGORY_L2,
	SLM_CATEGORY_L1,
	SLM_FIRST_OWN				/* behind these a user's own: this plus their number in SlmOwn */
} SlmDimension;

#define SLM_DIMENSIONS		5	/* that each event has */
#define SLM_MAX_DIMENSIONS	(SLM_DIMENSIONS + SLM_MAX_OWN)

typedef uint32_t SlmOfferId;
typedef uint32_t SlmKeyId;		/* a key of one dimension; dense from 0 */
typedef uint32_t SlmTupleId;	/* a key in each of a user's own dimensions, or none; 0: in none of them a key */

#define SLM_NO_OFFER	UINT32_MAX
#define SLM_MAX_OFFERS	(UINT32_MAX / 4 - 1)	/* a number and two bits more fit into 32 */
#define SLM_NO_KEY		UINT32_MAX
#define SLM_OTHER_KEY	((SlmKeyId) 0)	/* in each dimension of a user's own, whatever its keys are: SLM_OTHER */

typedef struct SlmOffer
{
	int64_t		product_id;
	SlmMoney	price;
	SlmKeyId	keys[SLM_DIMENSIONS];
	uint32_t	line : 24;		/* of events that count once per id, slm_line(); else 0.  Such offers are others than those of the same values without it */
	uint32_t	has_brand : 1;	/* did the row name one?  else the key is made of other columns, or there was no row */
	uint32_t	has_category : 1;
} SlmOffer;

typedef struct SlmDictionary SlmDictionary;

/* Why slm_dictionary_offer() gave SLM_NO_OFFER. */
typedef enum SlmDictionaryError
{
	SLM_DICTIONARY_LONG_BRAND,		/* too long for a key, as the next: the row is to be rejected */
	SLM_DICTIONARY_LONG_CATEGORY,
	SLM_DICTIONARY_MEMORY
} SlmDictionaryError;

/* What an override is about. */
typedef struct SlmOverridden
{
	SlmTime		time;
	int64_t		product_id;
	int64_t		category_id;
	bool		has_category_id;
	SlmSlice	brand;			/* as the row has it, trimmed; empty: it has none */
} SlmOverridden;

/*
 * Overrides, asked for when an offer is first seen in a period: the category code and the brand that count instead at a time, each left as it
 * is where none does.  The slices must stay in place until the next call.
 */
typedef void (*SlmOverride) (void *arg, const SlmOverridden *row, SlmSlice *code, SlmSlice *brand);

/*
 * Have events of an empty dictionary have keys in these dimensions, too.  They are copied.  Their keys are not in SlmOffer, whose size would be paid for by
 * those who have none, but in a tuple that the offer has.  False if out of memory.
 */
extern bool slm_dictionary_set_own(SlmDictionary *dictionary, const SlmOwn *own);
extern const SlmOwn *slm_dictionary_own(const SlmDictionary *dictionary);

/* The tuple of an offer; the tuple of keys, of each own dimension one or SLM_NO_KEY (false if out of memory); a key of a tuple; and how many there are, with 0. */
extern SlmTupleId slm_dictionary_tuple(const SlmDictionary *dictionary, SlmOfferId offer);
extern bool slm_dictionary_add_tuple(SlmDictionary *dictionary, const SlmKeyId *keys, SlmTupleId *tuple);
extern SlmKeyId slm_dictionary_tuple_key(const SlmDictionary *dictionary, SlmTupleId tuple, uint32_t own);
extern uint32_t slm_dictionary_tuples(const SlmDictionary *dictionary);

/* What a visit notes of the keys that its row's offer has. */
extern uint64_t slm_dictionary_visit_keys(const SlmDictionary *dictionary, SlmOfferId offer);

/* The key of an offer in any dimension; SLM_NO_KEY: it has none in it. */
extern SlmKeyId slm_dictionary_key_of(const SlmDictionary *dictionary, SlmOfferId offer, SlmDimension dimension);

/*
 * A dimension of a user's own has so many keys and no more; what has another key is counted as SLM_OTHER_KEY.  Forget which keys these are, as long as the next
 * calls have not told: none of those that the dictionary has now; this one.  False if out of memory.  And the key that an offer is counted as.
 */
extern bool slm_dictionary_forget_others(SlmDictionary *dictionary);
extern void slm_dictionary_set_other(SlmDictionary *dictionary, uint32_t own, SlmKeyId key);
extern SlmKeyId slm_dictionary_counted_key(const SlmDictionary *dictionary, SlmOfferId offer, SlmDimension dimension);
extern SlmKeyId slm_dictionary_counted_tuple_key(const SlmDictionary *dictionary, SlmTupleId tuple, uint32_t own);

/* A new, empty dictionary, or NULL if out of memory.  The key is copied. */
extern SlmDictionary *slm_dictionary_create(const SlmHashKey *key);
extern void slm_dictionary_free(SlmDictionary *dictionary);

/*
 * Ask this function about each new offer from now on; NULL = none.  Offers known already keep their category.  since: the n
 * times, ascending and not copied, at which its answers may change; from one to the next is a period.
 */
extern void slm_dictionary_set_override(SlmDictionary *dictionary, SlmOverride override, void *arg, const SlmTime *since, uint32_t n);

/* What an event's offer is looked up by; its place in memory is fetched into the cache meanwhile. */
extern uint64_t slm_dictionary_hash(const SlmDictionary *dictionary, const SlmEvent *event);

/*
 * The offer that an event of this hash names; SLM_NO_OFFER and *error if it can't be had.  *first: is it the first such event of
 * the part that slm_dictionary_begin_part() began, whatever the dictionary knew before?
 */
extern void slm_dictionary_begin_part(SlmDictionary *dictionary);
extern SlmOfferId slm_dictionary_offer_by_hash(SlmDictionary *dictionary, const SlmEvent *event, uint64_t hash, bool *first,
											SlmDictionaryError *error);

/*
 * How many different brands and categories the part's events have named up to now, empty ones not counted: the number, if it is more
 * than enough, else any number that is not.  False if out of memory.  Costs next to nothing while there can't be more than enough.
 */
extern bool slm_dictionary_count_named(SlmDictionary *dictionary, uint32_t enough, uint32_t *n);

/* The offer that an event names, likewise. */
extern SlmOfferId slm_dictionary_offer(SlmDictionary *dictionary, const SlmEvent *event, SlmDictionaryError *error);

/*
 * For values that are clean already: the number of a key of level 3 (and of those that it is in), the number of a brand, and the
 * offer of such.  SLM_NO_KEY, SLM_NO_OFFER if out of memory, or if the text can't be a key.  slm_dictionary_clean_offer() is
 * all of it in one.
 */
extern SlmKeyId slm_dictionary_category(SlmDictionary *dictionary, SlmSlice category);
extern SlmKeyId slm_dictionary_brand(SlmDictionary *dictionary, SlmSlice brand);
extern SlmOfferId slm_dictionary_offer_of(SlmDictionary *dictionary, int64_t product_id, SlmMoney price, SlmKeyId category,
									   SlmKeyId brand);
extern SlmOfferId slm_dictionary_clean_offer(SlmDictionary *dictionary, int64_t product_id, SlmMoney price,
										  SlmSlice category, SlmSlice brand);
/* The same of an offer with a line: the others are of those with 0. */
extern SlmOfferId slm_dictionary_line_of(SlmDictionary *dictionary, int64_t product_id, SlmMoney price, SlmKeyId category,
									  SlmKeyId brand, uint32_t line);
extern SlmOfferId slm_dictionary_clean_line(SlmDictionary *dictionary, int64_t product_id, SlmMoney price,
										 SlmSlice category, SlmSlice brand, uint32_t line);
/* And with a tuple: the others are of those with 0. */
extern SlmOfferId slm_dictionary_tuple_of(SlmDictionary *dictionary, int64_t product_id, SlmMoney price, SlmKeyId category,
									   SlmKeyId brand, uint32_t line, SlmTupleId tuple);

/* Has any offer a line?  Then the line of one, which is 0 for most. */
extern bool slm_dictionary_has_lines(const SlmDictionary *dictionary);
extern uint32_t slm_dictionary_line(const SlmDictionary *dictionary, SlmOfferId offer);

/* The number of any dimension's key as such, of no offer: it has no parent.  SLM_NO_KEY if out of memory. */
extern SlmKeyId slm_dictionary_add_text(SlmDictionary *dictionary, SlmDimension dimension, SlmSlice text);
extern SlmKeyId slm_dictionary_add_product(SlmDictionary *dictionary, int64_t product_id);

/* Fetch what slm_dictionary_offer_of(), _get(), or _product() will look at into the cache. */
extern void slm_dictionary_prefetch(const SlmDictionary *dictionary, int64_t product_id, SlmMoney price, SlmKeyId category,
								 SlmKeyId brand);
extern void slm_dictionary_prefetch_offer(const SlmDictionary *dictionary, SlmOfferId offer);
extern void slm_dictionary_prefetch_product(const SlmDictionary *dictionary, SlmKeyId key);

/* The offer's values; valid until the next offer is added. */
extern const SlmOffer *slm_dictionary_get(const SlmDictionary *dictionary, SlmOfferId offer);
extern uint32_t slm_dictionary_offers(const SlmDictionary *dictionary);

/* The number of keys of a dimension, and a key's text (not for SLM_PRODUCT_ID) or product_id. */
extern uint32_t slm_dictionary_keys(const SlmDictionary *dictionary, SlmDimension dimension);
extern SlmSlice slm_dictionary_text(const SlmDictionary *dictionary, SlmDimension dimension, SlmKeyId key);
/* The key of level 2 that a key of SLM_CATEGORY_L3 is in, or that of level 1 for SLM_CATEGORY_L2. */
extern SlmKeyId slm_dictionary_parent(const SlmDictionary *dictionary, SlmDimension dimension, SlmKeyId key);
extern int64_t slm_dictionary_product(const SlmDictionary *dictionary, SlmKeyId key);

/* Which of two views at the same time counts: lower price, then category, then brand, bytewise, then fewer pieces, then own keys, bytewise.  <0, 0, >0. */
extern int	slm_dictionary_compare(const SlmDictionary *dictionary, SlmOfferId a, SlmOfferId b);
/* The same without own keys. */
extern int	slm_dictionary_compare_listings(const SlmDictionary *dictionary, SlmOfferId a, SlmOfferId b);

/* Bytewise order of two slices, a prefix before what it begins; <0, 0, >0. */
extern int	slm_slice_compare(SlmSlice a, SlmSlice b);

extern size_t slm_dictionary_memory(const SlmDictionary *dictionary);

#endif							/* SLM_PURE_DICTIONARY_H */
