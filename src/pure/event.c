/*
 * event.c: events.
 */
#include "pure/event.h"

#include <stdio.h>
#include <string.h>

#include "pure/fault.h"
#include "pure/line.h"
#include "pure/utf8.h"

static const char *const column_names[SLM_COLUMNS] = {
	"event_time", "event_type", "product_id", "category_id", "category_code", "brand", "price", "user_id",
	"user_session", "quantity", "event_id", "currency", "product_name"
};

static const char *const type_names[SLM_EVENT_TYPES] = {"view", "cart", "remove_from_cart", "purchase"};

static const char *const reject_names[SLM_REJECT_REASONS] = {
	"bad_time", "bad_event_type", "bad_product_id", "bad_price", "bad_category_id", "bad_user_id", "bad_encoding",
	"bad_quote", "column_count", "key_too_long", "future", "clock_jump", "too_long", "bad_quantity", "no_rate", "sku_taken",
	"other_slice"
};

const char *
slm_column_name(SlmColumn column)
{
	return column_names[column];
}

const char *
slm_event_type_name(SlmEventType type)
{
	return type_names[type];
}

const char *
slm_reject_name(SlmRejectReason reason)
{
	return reject_names[reason];
}

bool
slm_parse_event_type(SlmSlice text, SlmEventType *type)
{
	text = slm_trim(text);
	for (int t = 0; t < SLM_EVENT_TYPES; t++)
	{
		if (slm_is_name(text, type_names[t]))
		{
			*type = (SlmEventType) t;
			return true;
		}
	}
	return false;
}

/* Write the character at data as it is, or its first byte as \xNN.  Returns how many bytes it takes from data. */
static size_t
put_printable(char *out, size_t *out_len, const char *data, size_t len)
{
	size_t		n = (size_t) slm_utf8_length(data, len);
	uint8_t		first = (uint8_t) data[0];
	/* the control characters: below blank, delete, and c2 80 to c2 9f */
	bool		control = n <= 1 ? first < 0x20 || first == 0x7f : first == 0xc2 && (uint8_t) data[1] < 0xa0;

	if (n > 0 && !control)
	{
		memcpy(out, data, n);
		*out_len = n;
		return n;
	}
	*out_len = (size_t) snprintf(out, 5, "\\x%02x", first);
	return 1;
}

void
slm_reject_detail(char detail[128], const char *name, SlmSlice value, const char *fault)
{
	size_t		ending = sizeof("...\"") + (fault == NULL ? 0 : strlen(fault) + 1);
	size_t		at;

	if (value.len == 0)
	{
		snprintf(detail, 128, "%s is empty", name);
		return;
	}
	at = (size_t) snprintf(detail, 64, "%s \"", name);
	for (uint32_t i = 0; i < value.len;)
	{
		char		shown[8];
		size_t		len;
		size_t		used = put_printable(shown, &len, value.data + i, value.len - i);

		if (at + len + ending > 128)
		{
			memcpy(detail + at, "...", 3);
			at += 3;
			break;
		}
		memcpy(detail + at, shown, len);
		at += len;
		i += (uint32_t) used;
	}
	snprintf(detail + at, 128 - at, fault == NULL ? "\"" : "\" %s", fault);
}

static bool
reject_value(SlmReject *reject, SlmRejectReason reason, SlmColumn column, const SlmSlice *field)
{
	reject->reason = reason;
	reject->column = column;
	slm_reject_detail(reject->detail, column_names[column], field[column], slm_fault(reason, field[column]));
	return false;
}

static inline bool
is_view(SlmSlice text)
{
	return text.len == 4 && memcmp(text.data, "view", 4) == 0;
}

/* An optional id: empty is well, and means that there is none. */
static inline bool
optional_id(SlmSlice text, bool *has, int64_t *id)
{
	*has = true;
	if (text.len > 0 && slm_parse_id(text, true, id))
		return true;
	*has = false;
	*id = 0;
	return slm_field_value(text).len == 0;
}

/* A product_id that is no number: a SKU? */
__attribute__((noinline))
static bool
parse_sku(const SlmSlice field[SLM_COLUMNS], SlmSkus *skus, SlmEvent *event, SlmReject *reject)
{
	if (!slm_sku_of_field(field[SLM_COL_PRODUCT_ID], &event->sku))
		return reject_value(reject, SLM_REJECT_BAD_PRODUCT_ID, SLM_COL_PRODUCT_ID, field);
	if (slm_sku_is_number(event->sku, &event->product_id))
		return true;
	if (skus == NULL)
	{
		event->product_id = slm_sku_id(event->sku);
		event->sku_taken = false;
		return true;
	}
	switch (slm_skus_id(skus, event->sku, &event->product_id))
	{
		case SLM_SKU_KNOWN:
			event->sku_taken = false;
			return true;
		case SLM_SKU_TAKEN:
			event->sku_taken = true;
			return true;
		default:
			/* the reader fails for want of memory */
			return reject_value(reject, SLM_REJECT_SKU_TAKEN, SLM_COL_PRODUCT_ID, field);
	}
}

bool
slm_event_parse(const SlmSlice field[SLM_COLUMNS], SlmTimeCache *cache, SlmTime latest, SlmSkus *skus,
				SlmEvent *event, SlmReject *reject)
{
	if (!slm_parse_time(field[SLM_COL_EVENT_TIME], cache, &event->time))
		return reject_value(reject, SLM_REJECT_BAD_TIME, SLM_COL_EVENT_TIME, field);
	/* nearly all are these four bytes */
	if (is_view(field[SLM_COL_EVENT_TYPE]))
		event->type = SLM_VIEW;
	else if (!slm_parse_event_type(field[SLM_COL_EVENT_TYPE], &event->type))
		return reject_value(reject, SLM_REJECT_BAD_EVENT_TYPE, SLM_COL_EVENT_TYPE, field);
	if (!slm_parse_id(field[SLM_COL_PRODUCT_ID], false, &event->product_id) && !parse_sku(field, skus, event, reject))
		return false;
	if (!optional_id(field[SLM_COL_CATEGORY_ID], &event->has_category_id, &event->category_id))
		return reject_value(reject, SLM_REJECT_BAD_CATEGORY_ID, SLM_COL_CATEGORY_ID, field);
	event->more = event->line = event->name.len = 0;
	event->category_code = field[SLM_COL_CATEGORY_CODE];
	event->brand = field[SLM_COL_BRAND];
	if (!slm_parse_price(field[SLM_COL_PRICE], &event->price))
		return reject_value(reject, SLM_REJECT_BAD_PRICE, SLM_COL_PRICE, field);
	if (!optional_id(field[SLM_COL_USER_ID], &event->has_user_id, &event->user_id))
		return reject_value(reject, SLM_REJECT_BAD_USER_ID, SLM_COL_USER_ID, field);
	event->session = field[SLM_COL_USER_SESSION];
	if (__builtin_expect(!slm_is_value(event->session), false))
		event->session = slm_field_value(event->session);
	if (event->time > latest)
		return reject_value(reject, SLM_REJECT_FUTURE, SLM_COL_EVENT_TIME, field);
	return true;
}

/* Pieces, a whole number; empty is one.  more: those beyond the first.  False if it can't be used. */
static bool
parse_quantity(SlmSlice text, uint32_t *more)
{
	int64_t		n;

	if (slm_field_value(text).len == 0)
		return true;
	if (!slm_parse_id(text, false, &n) || n < 1 || n > SLM_MAX_QUANTITY)
		return false;
	*more = (uint32_t) n - 1;
	return true;
}

bool
slm_event_convert(const SlmSlice field[SLM_COLUMNS], SlmRates *rates, SlmEvent *event, SlmReject *reject)
{
	SlmConversion outcome = slm_rates_convert(rates, event->currency, event->time, &event->price);

	if (outcome == SLM_CONVERTED)
		return true;
	if (outcome == SLM_CONVERT_TOO_LARGE)
	{
		reject->reason = SLM_REJECT_BAD_PRICE;
		reject->column = SLM_COL_PRICE;
		slm_reject_detail(reject->detail, "price", field[SLM_COL_PRICE], "is 10^12 or more in the shop's currency");
		return false;
	}
	reject->reason = SLM_REJECT_NO_RATE;
	reject->column = outcome == SLM_CONVERT_MEMORY ? SLM_COLUMNS : SLM_COL_CURRENCY;
	slm_reject_detail(reject->detail, "currency", event->currency, "has no rate at that time");
	return false;
}

bool
slm_event_parse_more(const SlmSlice field[SLM_COLUMNS], SlmEvent *event, SlmReject *reject)
{
	/* a view is one view, however many pieces of the product are on the page */
	if (event->type != SLM_VIEW && !parse_quantity(field[SLM_COL_QUANTITY], &event->more))
		return reject_value(reject, SLM_REJECT_BAD_QUANTITY, SLM_COL_QUANTITY, field);
	/* a view counts once per session, whatever its id */
	event->event_id = slm_field_value(field[SLM_COL_EVENT_ID]);
	if (event->type != SLM_VIEW && event->event_id.len > 0)
		event->line = slm_line(event->type, event->more);
	event->name = slm_field_value(field[SLM_COL_PRODUCT_NAME]);
	event->currency = slm_field_value(field[SLM_COL_CURRENCY]);
	return true;
}
