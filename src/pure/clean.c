/*
 * clean.c: brand and category as they are counted.
 */
#include "pure/clean.h"

#include <string.h>

#include "pure/event.h"

/* Decimal digits of value at out, 20 bytes at most; returns how many. */
static size_t
put_integer(char *out, int64_t value)
{
	char		digits[20];
	size_t		at = sizeof(digits);
	uint64_t	rest = value < 0 ? 0 - (uint64_t) value : (uint64_t) value;

	do
	{
		digits[--at] = (char) ('0' + rest % 10);
		rest /= 10;
	} while (rest > 0);
	if (value < 0)
		digits[--at] = '-';
	memcpy(out, digits + at, sizeof(digits) - at);
	return sizeof(digits) - at;
}

/*
 * Write the cleaned code to out, which has room for SLM_MAX_KEY_BYTES, its length to *out_len, the ends of its first
 * three levels to ends, and how many of these are set to *levels.  False if there is no room.
 */
static bool
clean_code(SlmSlice code, char *out, size_t *out_len, size_t ends[3], int *levels)
{
	SlmSlice	value = slm_field_value(code);
	const char *p = value.data;
	const char *end = value.data + value.len;
	size_t		len = 0;

	*levels = 0;
	while (p < end)
	{
		const char *stop = p;
		SlmSlice	level;

		while (stop < end && *stop != '.')
			stop++;
		level = slm_trim((SlmSlice) {p, (uint32_t) (stop - p)});
		p = stop + 1;
		if (level.len == 0)
			continue;
		/* a first level without a dot before it may be a byte longer, but not its key once filled */
		if (len + 1 + level.len > SLM_MAX_KEY_BYTES)
			return false;
		if (len > 0)
			out[len++] = '.';
		for (uint32_t i = 0; i < level.len; i++)
		{
			char		c = level.data[i];

			out[len++] = c >= 'A' && c <= 'Z' ? (char) (c + ('a' - 'A')) : c;
		}
		if (*levels < 3)
			ends[(*levels)++] = len;
	}
	*out_len = len;
	return true;
}

bool
slm_clean_category(SlmSlice code, bool has_category_id, int64_t category_id, char *buf, SlmCategory *out)
{
	char	   *key = buf + SLM_CATEGORY_BUFFER;
	size_t		len;
	size_t		ends[3];
	int			levels;

	if (!clean_code(code, buf, &len, ends, &levels))
		return false;
	if (levels == 0)
	{
		if (has_category_id)
			len = put_integer(buf, category_id);
		else
		{
			memcpy(buf, "unknown", 7);
			len = 7;
		}
		ends[0] = len;
		levels = 1;
	}
	out->code = buf;
	out->code_len = (uint16_t) len;

	/* three levels are a prefix of the code; of fewer, the last one is repeated behind it */
	out->key = buf;
	if (levels < 3)
	{
		const char *last = levels == 1 ? buf : buf + ends[0] + 1;
		size_t		last_len = len - (size_t) (last - buf);

		memcpy(key, buf, len);
		out->key = key;
		for (; levels < 3; levels++)
		{
			key[len++] = '.';
			memcpy(key + len, last, last_len);
			len += last_len;
			ends[levels] = len;
		}
	}
	out->l1_len = (uint16_t) ends[0];
	out->l2_len = (uint16_t) ends[1];
	out->l3_len = (uint16_t) ends[2];
	return ends[2] <= SLM_MAX_KEY_BYTES;
}

SlmSlice
slm_clean_brand(SlmSlice brand, int64_t product_id, SlmSlice sku, char *buf)
{
	brand = slm_field_value(brand);
	if (brand.len > 0)
		return brand;
	if (product_id < 0 && sku.len > 0)
		return sku;
	return (SlmSlice) {buf, (uint32_t) put_integer(buf, product_id)};
}

bool
slm_clean_event(const SlmEvent *event, char *buf, SlmCleanEvent *out, SlmReject *reject)
{
	out->brand = slm_clean_brand(event->brand, event->product_id, event->sku, buf + SLM_CATEGORY_BUFFER * 2);
	reject->reason = SLM_REJECT_KEY_TOO_LONG;
	if (!slm_clean_category(event->category_code, event->has_category_id, event->category_id, buf, &out->category))
	{
		reject->column = SLM_COL_CATEGORY_CODE;
		slm_reject_detail(reject->detail, "category_code", event->category_code, SLM_FAULT_LONG_CATEGORY);
		return false;
	}
	if (out->brand.len > SLM_MAX_KEY_BYTES)
	{
		reject->column = SLM_COL_BRAND;
		slm_reject_detail(reject->detail, "brand", event->brand, SLM_FAULT_LONG_BRAND);
		return false;
	}
	return true;
}
