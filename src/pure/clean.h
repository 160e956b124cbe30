/*
 * clean.h: brand and category as they are counted.
 */
#ifndef SLM_PURE_CLEAN_H
#define SLM_PURE_CLEAN_H

#include "pure/reader.h"

/* Room for any category key: the longest allowed, tripled by the fill, and the dots. */
#define SLM_CATEGORY_BUFFER	(3 * SLM_MAX_KEY_BYTES + 8)

/*
 * The keys of the three category levels.  Each is a prefix of the next, so one string and two lengths hold them:
 * "electronics.audio.headphone": l1 "electronics", l2 "electronics.audio", l3 all of it.
 */
typedef struct SlmCategory
{
	const char *key;			/* the key of category_l3, not NUL-terminated; points into the caller's buffer */
	uint16_t	l1_len;
	uint16_t	l2_len;
	uint16_t	l3_len;
	const char *code;			/* the cleaned code before fill and cut; "unknown" or the id's text if empty */
	uint16_t	code_len;
} SlmCategory;

/* What is wrong with a value that is too long for a key. */
#define SLM_FAULT_LONG_BRAND	"is longer than 1000 bytes"
#define SLM_FAULT_LONG_CATEGORY	"is longer than 1000 bytes, filled to three levels"

/*
 * Clean a category: a word for nothing (slm_is_nothing()) is empty; levels are split at '.', trimmed of white space, ASCII-lower-cased, empty levels dropped, filled
 * to three with the last one, cut to three.  With no level left the category_id's decimal text stands for the code,
 * and "unknown" where there is none.
 *
 * buf: SLM_CATEGORY_BUFFER * 2 bytes, owned by the caller, to which *out points.
 * Returns false if the key of level 3 (or the cleaned code) would be longer than SLM_MAX_KEY_BYTES.
 */
extern bool slm_clean_category(SlmSlice code, bool has_category_id, int64_t category_id, char *buf, SlmCategory *out);

/* An event's brand and category as counted. */
typedef struct SlmCleanEvent
{
	SlmSlice	brand;
	SlmCategory category;
} SlmCleanEvent;

/* Room that slm_clean_event() needs. */
#define SLM_CLEAN_BUFFER	(SLM_CATEGORY_BUFFER * 2 + 20)

/*
 * The brand as counted: itself, trimmed, or where it is empty or a word for nothing the product_id as text, in buf (at least 20 bytes), or
 * the text that it stands for, if it is below 0.
 */
extern SlmSlice slm_clean_brand(SlmSlice brand, int64_t product_id, SlmSlice sku, char *buf);

/*
 * Both for an event; *out points into the event and into buf (SLM_CLEAN_BUFFER bytes, the caller's).  Where one of
 * them is too long for a key, returns false and sets reject's reason, column and detail.
 */
extern bool slm_clean_event(const SlmEvent *event, char *buf, SlmCleanEvent *out, SlmReject *reject);

#endif							/* SLM_PURE_CLEAN_H */
