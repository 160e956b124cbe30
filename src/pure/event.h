/*
 * event.h: from a record's fields to an event.
 */
#ifndef SLM_PURE_EVENT_H
#define SLM_PURE_EVENT_H

#include "pure/csv.h"
#include "pure/datetime.h"
#include "pure/rates.h"
#include "pure/reader.h"

/*
 * Turn a record's fields (each followed by SLM_PAD readable bytes) into an event whose slices point into them.  The
 * columns are checked in SlmColumn's order, and last whether the time is later than latest.  skus: where texts that are products get
 * their numbers from; NULL: no two have the same.  If it can't be used, returns false and sets reject's reason, column and detail; what the columns before that one say is in the event.
 */
extern bool slm_event_parse(const SlmSlice field[SLM_COLUMNS], SlmTimeCache *cache, SlmTime latest,
							SlmSkus *skus, SlmEvent *event, SlmReject *reject);

/*
 * The same for the columns behind the usual ones, of a record that slm_event_parse() could use.  To be called where the header has one
 * of them.
 */
extern bool slm_event_parse_more(const SlmSlice field[SLM_COLUMNS], SlmEvent *event, SlmReject *reject);

/*
 * Have the price of an event that names a currency count in the shop's.  False: *reject says why it can't; its column is SLM_COLUMNS if
 * memory ran out.
 */
extern bool slm_event_convert(const SlmSlice field[SLM_COLUMNS], SlmRates *rates, SlmEvent *event, SlmReject *reject);

/* The type that a text names, blanks and case ignored.  text: followed by SLM_PAD readable bytes.  False if none. */
extern bool slm_parse_event_type(SlmSlice text, SlmEventType *type);

/*
 * Write `name "value" fault` to detail, fault being what is wrong with it in a few words (NULL: nothing is said): printable UTF-8, what
 * is not shown as \xNN, cut with ... where it is too long for detail; and `name is empty` for an empty value.
 */
extern void slm_reject_detail(char detail[128], const char *name, SlmSlice value, const char *fault);

#endif							/* SLM_PURE_EVENT_H */
